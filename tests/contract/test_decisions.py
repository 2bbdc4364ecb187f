"""Proposals, answers, locks and a client's history in a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.client_history import (
    KeptSight,
    KeptSpan,
    events_of,
    newest_levels,
    sessions_of,
    sessions_of_others,
    sights_of,
)
from emdr_stream.store.decisions import (
    ACCEPTED,
    REJECTED,
    KeptDecision,
    Work,
    answer_decision,
    decision_of,
    decisions_of_user,
    decisions_page,
    keep_decision,
    locks_of,
    set_locks,
)
from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.stores_process import RunningStores

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
NOW = 1_795_420_800_000


@pytest.fixture
async def store(stores: RunningStores) -> AsyncIterator[PostgresStore]:
    async with own_database(stores.database_url) as url:
        made = PostgresStore(url, timeout_s=5.0)
        await made.start()
        yield made
        await made.aclose()


def decision(number: int, user: str = "u-1") -> KeptDecision:
    return KeptDecision(
        f"s-1.d{number}",
        user,
        "s-1",
        "t-1",
        NOW + number,
        "p",
        {"present": {"speed": 1.0}},
        {"arm": "slower", "x\0": "\0"},
    )


def record(kind: RecordKind, s: float, user: str = "u-1", session_id: str = "s-1", **fields: Any) -> Record:
    return Record(kind, session_id, user, 1, NOW + int(s * 1_000), fields)


async def test_a_proposal_is_kept_once_and_comes_back_as_it_was(store: PostgresStore) -> None:
    for _ in range(2):
        await store.ask(keep_decision(decision(1)))
    found = await store.ask(decision_of("s-1.d1"))
    assert found == replace(decision(1), proposal={"arm": "slower", "x\ufffd": "\ufffd"})
    assert await store.ask(decision_of("s-1.d2")) is None


async def test_the_first_answer_counts(store: PostgresStore) -> None:
    await store.ask(keep_decision(decision(1)))
    assert await store.ask(answer_decision(decision(1), "t-1", NOW + 5, ACCEPTED, None))
    assert not await store.ask(answer_decision(decision(1), "t-2", NOW + 6, REJECTED, "no"))
    found = await store.ask(decision_of("s-1.d1"))
    assert found is not None
    assert (found.answer, found.answered_by, found.answered_ms) == (ACCEPTED, "t-1", NOW + 5)


async def test_what_an_answer_means_is_done_once_and_by_nobody_who_comes_too_late(store: PostgresStore) -> None:
    await store.ask(keep_decision(decision(1)))
    done: list[str] = []

    def accepting(who: str) -> Work[bool]:
        async def act() -> None:
            done.append(who)
            await asyncio.sleep(0.05)

        return answer_decision(decision(1), who, NOW + 5, ACCEPTED, None, act)

    async def refused() -> None:
        raise ValueError("the session refuses it")

    with pytest.raises(ValueError, match="refuses"):
        await store.ask(answer_decision(decision(1), "t-0", NOW + 4, ACCEPTED, None, refused))
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(store.ask(accepting(f"t-{number}"))) for number in range(3)]
    written = [task.result() for task in asked]
    found = await store.ask(decision_of("s-1.d1"))
    assert found is not None and written.count(True) == 1
    assert done == [found.answered_by] == [f"t-{written.index(True)}"]
    assert not await store.ask(answer_decision(decision(2), "t-1", NOW, ACCEPTED, None, refused)), "it is not there"


async def test_a_clients_newest_come_oldest_first_and_pages_hold_each_once(store: PostgresStore) -> None:
    for number in range(5):
        await store.ask(keep_decision(decision(number, "u-1" if number % 2 else "u-2")))
    assert [d.decision_id for d in await store.ask(decisions_of_user("u-2", 2))] == ["s-1.d2", "s-1.d4"]
    seen: list[str] = []
    after: tuple[int, str] | None = None
    while page := await store.ask(decisions_page(after, 2)):
        seen += [each.decision_id for each in page]
        after = (page[-1].ts_ms, page[-1].decision_id)
    assert seen == [f"s-1.d{number}" for number in range(5)]


async def test_locks_are_exactly_those_of_the_last_word(store: PostgresStore) -> None:
    await store.ask(set_locks("u-1", ["speed", "path"], "t-1", NOW))
    await store.ask(set_locks("u-2", ["sound"], "t-1", NOW))
    await store.ask(set_locks("u-1", ["path", "length"], "t-2", NOW + 1))
    assert await store.ask(locks_of("u-1")) == ["length", "path"]
    await store.ask(set_locks("u-1", [], "t-2", NOW + 2))
    assert await store.ask(locks_of("u-1")) == []
    assert await store.ask(locks_of("u-2")) == ["sound"]


async def test_a_history_has_events_in_order_and_sums_over_sets(store: PostgresStore) -> None:
    seconds = [
        record(RecordKind.SECOND, s, risk=s / 100, attention=0.5, valence=0.2, level="advise" if s == 20 else "normal")
        for s in range(1, 61)
    ]
    await store.write(
        [
            *seconds,
            record(RecordKind.SET, 10, action="start", set_no=1),
            record(RecordKind.RATING, 30.5, scale="sud", value=6.0),
            record(RecordKind.SET, 30, action="end", set_no=1),
            record(RecordKind.SET, 5, user="u-2", session_id="s-2", action="start", set_no=1),
        ]
    )
    (session,) = await store.ask(sessions_of("u-1"))
    assert (session.session_id, session.hours) == ("s-1", 60 / 3_600)
    assert [None if each is None else round(each, 6) for each in session.levels] == [0.2, None, 0.5]
    events = await store.ask(events_of(["s-1", "s-2"]))
    assert [(e.session_id, e.kind, (e.ts_ms - NOW) / 1_000) for e in events] == [
        ("s-1", "set", 10.0),
        ("s-1", "set", 30.0),
        ("s-1", "rating", 30.5),
        ("s-2", "set", 5.0),
    ]
    span = KeptSpan("s-1", NOW + 10_000, NOW + 30_000, NOW + 40_000, NOW + 60_000)
    blind = KeptSpan("s-2", NOW + 10_000, NOW + 30_000, NOW + 40_000, NOW + 40_000)
    seen, unseen = await store.ask(sights_of([span, blind]))
    assert (seen.peak, seen.attention, seen.alarmed) == (0.29, 0.5, True)
    assert seen.after == pytest.approx(sum(range(40, 60)) / 2_000)
    assert unseen == KeptSight(None, None, None, None)
    assert await store.ask(sights_of([])) == []
    assert sorted(await store.ask(newest_levels("s-1", NOW + 15_000))) == ["advise", "normal"]
    assert await store.ask(newest_levels("s-1", NOW + 21_000)) == ["normal"]
    assert await store.ask(sessions_of_others("u-1", 10)) == [("u-2", "s-2")]
