"""What a console follows, how often it is told of it, and how far it is behind: values and small machines."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.endpoints.conflation import Conflation
from emdr_stream.endpoints.coverage import Coverage
from emdr_stream.endpoints.receipts import Receipts
from emdr_stream.endpoints.waiting_room import WaitingRoom
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.session.alerts import session_of

ANNA = frozenset({"anna"})
NAMES = st.sampled_from(["s1", "s2", "s3", "*"])


def test_nothing_is_covered_before_a_subscription() -> None:
    assert not Coverage(ANNA).covers("s1", "anna")
    assert Coverage(ANNA).users == frozenset()


def test_all_sessions_are_those_of_the_tokens_clients() -> None:
    coverage = Coverage(ANNA).with_all(5)
    assert coverage.covers("s1", "anna")
    assert not coverage.covers("s2", "ben")
    assert Coverage(frozenset({"*"})).with_all(5).covers("s2", "ben")


def test_a_named_session_has_its_own_rate_and_all_replaces_it() -> None:
    named = Coverage(ANNA).with_all(1).with_sessions({"s1": "anna"}, 10)
    assert (named.rate_hz("s1"), named.rate_hz("s2"), named.highest_rate_hz) == (10, 1, 10)
    assert named.with_all(2).rate_hz("s1") == 2


def test_a_session_that_is_left_out_of_all_comes_back_when_named() -> None:
    without = Coverage(ANNA).with_all(1).without(["s1"])
    assert not without.covers("s1", "anna")
    assert without.covers("s2", "anna")
    assert without.with_sessions({"s1": "anna"}, 1).covers("s1", "anna")


def test_a_narrower_token_drops_named_sessions() -> None:
    both = Coverage(frozenset({"anna", "ben"})).with_sessions({"s1": "anna", "s2": "ben"}, 1)
    narrowed = both.for_clients(ANNA)
    assert narrowed.covers("s1", "anna")
    assert not narrowed.covers("s2", "ben")
    assert narrowed.users == ANNA


@given(st.lists(st.tuples(st.booleans(), NAMES)))
def test_no_series_of_wishes_covers_a_user_whom_the_token_does_not_name(wishes: list[tuple[bool, str]]) -> None:
    coverage = Coverage(ANNA)
    for follow, name in wishes:
        if not follow:
            coverage = coverage.without([name])
        elif name == "*":
            coverage = coverage.with_all(1)
        else:
            coverage = coverage.with_sessions({name: "ben"}, 1)
        assert not any(coverage.covers(session_id, "ben") for session_id in ("s1", "s2", "s3"))


class Clock:
    """Time that the test moves, and the one timer that it runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, work: Callable[[], None]) -> Any:
        self.due.append((self.now + delay_s, work))
        return Timer(self.now + delay_s)

    def move_to(self, now: float) -> None:
        while self.due and min(self.due, key=lambda d: d[0])[0] <= now + 1e-9:
            first = min(self.due, key=lambda d: d[0])
            self.due.remove(first)
            self.now = first[0]
            first[1]()
        self.now = now


class Timer:
    def __init__(self, when: float) -> None:
        self._when = when

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        """The clock's one timer may run for nothing: the conflation looks what is due."""


@pytest.mark.anyio
async def test_the_latest_state_wins_and_no_more_than_the_rate_is_sent() -> None:
    clock, sent, dropped = Clock(), [], []
    states = Conflation(
        lambda state: sent.append((round(clock.now, 3), state)),
        lambda: dropped.append(1),
        clock.call_later,
        lambda: clock.now,
    )
    for tenth in range(20):
        clock.move_to(tenth / 10)
        states.offer("s1", "anna", b"%d" % tenth, 2)
    clock.move_to(3.0)
    times = [at for at, _ in sent]
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(times))
    assert len(sent) + len(dropped) == 20
    assert sent[0] == (0.0, b"0")
    assert sent[-1][1] == b"19"


@pytest.mark.anyio
async def test_an_outdated_or_uncovered_state_is_never_sent() -> None:
    clock = Clock()
    sent: list[bytes] = []
    dropped: list[int] = []
    states = Conflation(sent.append, lambda: dropped.append(1), clock.call_later, lambda: clock.now)
    for session_id, user in (("s1", "anna"), ("s2", "ben")):
        states.offer(session_id, user, b"first", 1)
        states.offer(session_id, user, b"second", 1)
    states.outdated("s1")
    states.retain(Coverage(ANNA).with_all(1))
    clock.move_to(5.0)
    assert sent == [b"first", b"first"]
    assert dropped == [1]


def test_a_console_that_never_confirms_is_never_behind() -> None:
    receipts = Receipts()
    receipts.sent("1", 0.0)
    assert receipts.behind_s(100.0) == 0.0


def test_the_age_of_the_oldest_unconfirmed_alert_counts() -> None:
    receipts = Receipts()
    receipts.received("0", 0.0)
    for cursor, at in (("2", 1.0), ("1", 2.0), ("3", 3.0)):
        receipts.sent(cursor, at)
    assert receipts.behind_s(5.0) == 4.0
    assert receipts.received("1", 5.0) == 2.0
    assert receipts.received("3", 6.0) == 0.0


def test_the_highest_cursor_confirms_what_sorts_before_it() -> None:
    receipts = Receipts()
    receipts.received("0", 0.0)
    receipts.sent("2", 1.0)
    receipts.sent("1", 2.0)
    assert receipts.received("2", 3.0) == 0.0


@pytest.mark.anyio
async def test_a_full_waiting_room_tells_who_comes_and_keeps_the_order() -> None:
    room: WaitingRoom[int] = WaitingRoom(2)
    assert await room.take(0.001) is None
    room.put(1)
    room.put(2)
    with pytest.raises(ProtocolError) as refused:
        room.put(3)
    assert refused.value.code is ErrorCode.OVERLOADED
    assert [await room.take(), await room.take()] == [1, 2]
    async with asyncio.TaskGroup() as group:
        taker = group.create_task(room.take())
        await asyncio.sleep(0)
        room.put(4)
    assert taker.result() == 4


@pytest.mark.parametrize(
    ("alert_id", "session_id"), [("s1.a1", "s1"), ("x.a.a12", "x.a"), ("s1", None), ("s1.ax", None)]
)
def test_an_alert_id_names_its_session(alert_id: str, session_id: str | None) -> None:
    assert session_of(alert_id) == session_id
