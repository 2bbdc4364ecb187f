"""The page on security tells the authorisation tables as they are played, and they forget no message and no role."""

import re
from pathlib import Path

import pytest

from emdr_stream.domain import Role
from emdr_stream.errors import CloseCode, ErrorCode
from emdr_stream.generated import renewed
from emdr_stream.wire.contract import sockets
from tests.authorisation_table import COLUMNS, ORIGINS, TABLES, Table, blocks, parsed


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "security.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("table", "socket"), list(zip(TABLES, sockets(), strict=True)), ids=lambda each: each.path)
def test_every_message_of_a_socket_has_its_row(table: Table, socket: object) -> None:
    # Whoever adds a message decides here who may send it.
    assert table.path == socket.path  # type: ignore[attr-defined]
    assert table.messages == {message.tag for message in socket.received}  # type: ignore[attr-defined]


def test_every_role_has_a_column() -> None:
    assert {role for role, _ in COLUMNS.values()} - {None} == set(Role)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
def test_every_cell_is_decided_in_words_of_the_protocol(table: Table) -> None:
    words = {"ok", "-"} | set(ErrorCode) | {str(int(code)) for code in CloseCode}
    for row, cells in table.rows.items():
        assert list(cells) == list(COLUMNS), row
        assert set(cells.values()) <= words, row
        assert "-" not in cells.values() or row.startswith("hello"), row
    assert {answer for answer, _ in ORIGINS.values()} <= {"ok", "400", "403"}


def test_who_is_not_let_in_is_answered_alike_whatever_they_send() -> None:
    for table in TABLES:
        for column in ("none", "forged", "alg none", "key"):
            assert {cells[column] for cells in table.rows.values()} == {"4500"}


def test_a_row_with_a_missing_cell_or_a_second_time_is_no_table() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        parsed("/v1/stream", "message | client | sid\nhello | ok")
    with pytest.raises(ValueError, match="stands twice"):
        parsed("/v1/stream", "message | client\nhello | ok\nhello | 4503")


def test_the_page_on_security_is_current(page: str) -> None:
    assert page == renewed(page, blocks()), "renew it: python -m tests.authorisation_table docs/security.md"
    assert sorted(re.findall(r"<!-- begin ([a-z-]+) -->", page)) == sorted(blocks())
