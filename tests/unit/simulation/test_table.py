"""The simulator's page has the constants as the code has them, each with its kind."""

import re
from pathlib import Path

import pytest

from emdr_stream.generated import renewed
from emdr_stream.simulation.parameters import Parameters, describe
from emdr_stream.simulation.table import blocks, kind_of


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "simulator.md").read_text(encoding="utf-8")


def test_the_page_is_current(page: str) -> None:
    assert page == renewed(page, blocks()), "renew it: python -m emdr_stream.simulation.table docs/simulator.md"


def test_the_page_holds_every_block_once_and_every_constant(page: str) -> None:
    assert sorted(re.findall(r"<!-- begin ([a-z-]+) -->", page)) == sorted(blocks())
    for name, _, _ in describe(Parameters()):
        assert name == "loadings" or f"| `{name}` |" in page


def test_a_marker_without_a_block_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        renewed("<!-- begin nothing -->\n<!-- end nothing -->", blocks())


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("assumed: few clients wear a sensor", "assumed"),
        ("measured: somewhere", "measured"),
        ("measured: somewhere; size assumed", "partly assumed"),
        ("Danböck 2021", "published"),
        ("fitted on even participants", "fitted"),
    ],
)
def test_the_kind_of_a_source_is_told_in_a_word(source: str, kind: str) -> None:
    assert kind_of(source) == kind
