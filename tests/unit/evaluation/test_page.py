"""The page on evaluation: its targets, label fields and test sets are those of the code."""

import re
from pathlib import Path

import pytest

from emdr_stream.evaluation.gates import GATES
from emdr_stream.evaluation.labels import Event, HardNegative, Seconds, Sud, Truth
from training.evaluation.cases import TEST_SETS


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_targets_of_the_page_are_those_of_the_gates(page: str) -> None:
    table = page[page.index("**Targets**") :]
    told = [
        sorted(float(number) for cell in row.split("|")[2:4] for number in re.findall(r"[\d.]+", cell))
        for row in table.splitlines()
        if re.match(r"\| .*\d", row)
    ]
    numbers = sorted(number for row in told for number in row)
    assert numbers == sorted(number for gate in GATES for number in (gate.must, gate.ambitious))


@pytest.mark.parametrize("kind", [Truth, Event, Seconds, HardNegative, Sud])
def test_every_field_of_a_label_is_on_the_page(page: str, kind: type) -> None:
    assert not [field for field in kind.__struct_fields__ if f"`{field}`" not in page]  # type: ignore[attr-defined]


def test_every_test_set_is_on_the_page(page: str) -> None:
    assert not [name for name in TEST_SETS if f"| `{name}` |" not in page]
