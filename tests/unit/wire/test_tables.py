"""The protocol page's generated tables are those of the types."""

import re
from pathlib import Path

import pytest

from emdr_stream.errors import CLOSE_CODES, ErrorCode
from emdr_stream.generated import renew_page, renewed
from emdr_stream.wire.contract import ERROR_MEANINGS, sockets
from emdr_stream.wire.tables import blocks


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "protocol.md").read_text(encoding="utf-8")


def test_the_page_is_current(page: str) -> None:
    assert page == renewed(page, blocks()), "renew it: python -m emdr_stream.wire.tables docs/protocol.md"


def test_the_page_holds_every_block_once(page: str) -> None:
    assert sorted(re.findall(r"<!-- begin ([a-z-]+) -->", page)) == sorted(blocks())


def test_a_stale_block_is_renewed_and_the_prose_is_left_alone() -> None:
    stale = "prose\n<!-- begin close-codes -->\nstale row\n<!-- end close-codes -->\nmore"
    fresh = renewed(stale, blocks())
    assert "stale row" not in fresh
    assert fresh.startswith("prose\n")
    assert fresh.endswith("\nmore")
    assert renewed(fresh, blocks()) == fresh


def test_a_marker_without_a_block_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        renewed("<!-- begin nothing -->\n<!-- end nothing -->", blocks())


def test_every_message_and_code_has_its_row() -> None:
    tables = blocks()
    for socket in sockets():
        for block, messages in (("received", socket.received), ("sent", socket.sent)):
            for message in messages:
                assert f"| `{message.tag}` |" in tables[f"{socket.name}-{block}"]
    for code in CLOSE_CODES:
        assert f"| {int(code)} |" in tables["close-codes"]
    assert set(ERROR_MEANINGS) == set(ErrorCode)


def test_fields_tell_their_types_and_ranges() -> None:
    tables = blocks()
    assert "`source` emotion \\| morphcast \\| frame \\| landmarks" in tables["stream-received"]
    assert "`result_rate_hz?` number 0.1..60" in tables["stream-received"]
    assert "`action` end \\| start" in tables["stream-received"]
    assert "`events` list (at most 64) of MorphcastEvent" in tables["stream-received"]
    assert "`pixels?` [integer, integer]" in tables["values"]


def test_every_row_has_as_many_cells_as_its_head() -> None:
    for text in blocks().values():
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines()}
        assert len(cells) == 1


def test_the_command_prints_the_blocks_or_renews_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    renew_page([], blocks())
    assert "<!-- begin values -->" in capsys.readouterr().out
    page = tmp_path / "page.md"
    page.write_text("<!-- begin error-codes -->\n<!-- end error-codes -->\n", encoding="utf-8")
    renew_page([str(page)], blocks())
    assert "`rate_limited`" in page.read_text(encoding="utf-8")
