"""A person's export, where the records do not come to their end: it says so, and whether to ask again helps."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from emdr_stream.errors import RecordRefused, StoreUnavailable
from emdr_stream.rest.routes.users import OPERATIONS
from tests.unit.rest.world import World


class Breaking:
    """Records that answer the first questions, and fail from then on."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure
        self._answers = [["s-1"], ['{"table":"users","row":{}}']]

    async def ask(self, question: Callable[..., Any], budget_s: float | None = None) -> Any:
        if self._answers:
            return self._answers.pop(0)
        raise self._failure


@pytest.mark.parametrize(
    ("failure", "word"), [(StoreUnavailable("away"), "ask again"), (RecordRefused("a row"), "useless")]
)
def test_an_export_that_breaks_off_ends_with_a_line_that_says_so(failure: Exception, word: str) -> None:
    answer = World(OPERATIONS, records=Breaking(failure)).ask("GET", "/v1/users/u-1/export")
    first, row, last = map(msgspec.json.decode, answer.content.splitlines())
    assert answer.status_code == 200 and first["type"] == "export" and row["table"] == "users"
    assert last["type"] == "cut" and last["rows"] == 1 and word in last["detail"]
