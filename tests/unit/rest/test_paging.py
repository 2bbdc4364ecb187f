"""The place where a page ended comes back as it was, and whatever else is given as one is refused by name."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.rest.paging import PlaceMs, cursor_of, place_of
from emdr_stream.rest.problems import Problem, ProblemCode
from emdr_stream.rest.routes.sessions import OPERATIONS
from emdr_stream.store import rows
from tests.unit.rest.world import World

PLACE: Any = tuple[PlaceMs, str]


@given(st.integers(0, 4_102_444_800_000), st.text(max_size=64))
def test_a_cursor_comes_back_as_the_place_that_it_was_made_of(at_ms: int, name: str) -> None:
    assert place_of(cursor_of(at_ms, name), PLACE) == (at_ms, name)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.none(), st.text(max_size=64))
def test_a_made_up_cursor_is_a_time_that_there_is_or_none_at_all(at: Any, name: str) -> None:
    cursor = cursor_of(at, name)
    if isinstance(at, int) and 0 <= at <= 4_102_444_800_000:
        assert rows.timestamp(place_of(cursor, PLACE)[0]).year <= 2100
        return
    if isinstance(at, float) and at == int(at):
        return  # JSON has one kind of number
    with pytest.raises(Problem) as refused:
        place_of(cursor, PLACE)
    assert (refused.value.code, refused.value.field) == (ProblemCode.INVALID_FIELD, "after")


@pytest.mark.parametrize("at_ms", [-1, 10**15, 10**17, 2**63, 10**40])
def test_a_list_with_a_made_up_cursor_is_a_problem_of_the_request(at_ms: int) -> None:
    """The time went into the arithmetic of dates as it came: 500, and a line in the log, for each such request."""
    answer = World(OPERATIONS).ask("GET", f"/v1/sessions?after={cursor_of(at_ms, 's-1')}")
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "invalid_field", "after")
    text = base64.urlsafe_b64encode(b"[1" + b"0" * 200 + b',"s"]').decode().rstrip("=")
    assert World(OPERATIONS).ask("GET", f"/v1/sessions?after={text}").status_code == 422
