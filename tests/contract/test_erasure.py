"""Erasing a person from a real database: what goes, what stays, what is refused later, what the chain still proves."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from emdr_stream.broker.base import AlertEntry
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.chain import EMPTIED, Anchor
from emdr_stream.store.erasure import Erased, erase
from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.stores_process import RunningStores

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
NOW = 1_795_420_800_000
DEED = {"by": "back-end", "role": "service"}


@pytest.fixture
async def database(stores: RunningStores) -> AsyncIterator[str]:
    async with own_database(stores.database_url) as url:
        yield url


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore]:
    made = PostgresStore(database)
    await made.start()
    yield made
    await made.aclose()


def records(user: str, session_id: str) -> list[Record]:
    """A row of each kind that a session writes."""
    kinds = (RecordKind.SESSION, RecordKind.SECOND, RecordKind.SET, RecordKind.RATING, RecordKind.AUDIT)
    return [Record(kind, session_id, user, 1, NOW + 1_000, {"action": "x", "by": user}) for kind in kinds]


def alert(user: str, session_id: str, number: int = 1) -> AlertEntry:
    payload = b'{"alert_id": "%b.a1", "state": "raised"}' % session_id.encode()
    return AlertEntry(session_id, user, number, 1, NOW + 1_000, payload)


async def counts(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    names = ("users", "sessions", "seconds", "sets", "ratings", "alerts", "alert_heads", "audit_log")
    found = {name: await connection.fetchval(f"select count(*) from {name}") for name in names}
    await connection.close()
    return found


async def erased(store: PostgresStore, user: str, sessions: Sequence[str] = ()) -> Erased:
    return await store.ask(erase(user, sessions, DEED, NOW + 5_000), 10.0)


async def test_a_persons_rows_go_and_others_stay(store: PostgresStore, database: str) -> None:
    for user, session_id in (("u-1", "s-1"), ("u-2", "s-2")):
        await store.write(records(user, session_id))
        await store.append_alerts([alert(user, session_id)])
    told = await erased(store, "u-1")
    assert told.sessions == ["s-1"] and told.entries == 1
    left = await counts(database)
    assert left.pop("audit_log") == 3
    assert set(left.values()) == {1}, left


async def test_what_comes_late_of_an_erased_session_is_refused(store: PostgresStore, database: str) -> None:
    await store.write(records("u-1", "s-1"))
    await erased(store, "u-1", ["s-known-to-a-worker-alone"])
    assert await store.knows("s-1"), "nobody else may have a session of that id: its records would be refused"
    before = await counts(database)
    for session_id in ("s-1", "s-known-to-a-worker-alone"):
        await store.write([Record(RecordKind.SECOND, session_id, "u-1", 1, NOW + 2_000, {"at_ms": 1})])
        await store.write([Record(RecordKind.RATING, session_id, "u-1", 2, NOW + 9_000, {"value": 1})])
        await store.append_alerts([alert("u-1", session_id, 2)])
    assert await counts(database) == before
    # The same person may come again: a new session is a new record.
    await store.write(records("u-1", "s-new"))
    assert (await counts(database))["sessions"] == 1


async def test_a_deed_that_comes_late_is_told_of_nobody(store: PostgresStore, database: str) -> None:
    await store.write(records("u-1", "s-1"))
    await erased(store, "u-1")
    late = Record(RecordKind.AUDIT, "s-1", "u-1", 1, NOW + 2_000, {"action": "ack", "by": "t-1", "note": "of u-1"})
    await store.write([late])
    rows = await fetched(database, "select session_id, user_id, body from audit_log order by id desc limit 1")
    assert tuple(rows[0]) == ("", "", '{"action":"ack","of":"an erased session"}')


async def test_the_chain_holds_over_an_erasure_and_a_head_noted_before_is_met(store: PostgresStore) -> None:
    for number in range(5):
        await store.write(records(f"u-{number % 2}", f"s-{number}"))
    before = await store.verify_audit()
    await erased(store, "u-1")
    after = await store.verify_audit(Anchor(before.rows, before.head))
    assert (after.first_bad, after.anchored, after.emptied, after.rows) == (None, True, 2, before.rows + 1)


async def test_entries_that_name_the_person_elsewhere_are_emptied_too(store: PostgresStore, database: str) -> None:
    await store.write(records("u-1", "s-1"))
    about: list[dict[str, Any]] = [
        {"action": "subscribe", "by": "t-1", "sessions": ["s-9", "s-1"]},
        {"action": "ack", "by": "t-1", "alert_id": "s-1.a1"},
        {"action": "hello", "by": "u-1"},
        {"action": "hello", "by": "u-11"},
        {"action": "u-1 is no value here", "s-1": 1},
    ]
    await store.write(
        [Record(RecordKind.AUDIT, "", "", 0, NOW + number, fields) for number, fields in enumerate(about)]
    )
    assert (await erased(store, "u-1")).entries == 4
    rows = await fetched(database, "select body from audit_log order by id")
    assert [row["body"] == EMPTIED for row in rows] == [True, True, True, True, False, False, False]


async def test_an_entry_that_was_emptied_without_an_erasure_is_found(store: PostgresStore, database: str) -> None:
    """Who owns the database empties an entry about them: the row's own rule lets it through, the check does not."""
    for number in range(3):
        await store.write(records("u-1", f"s-{number}"))
    await fetched(
        database, f"update audit_log set session_id = '', user_id = '', epoch = 0, body = '{EMPTIED}' where id = 2"
    )
    verdict = await store.verify_audit()
    assert (verdict.first_bad, verdict.rows) == (2, 1)


@pytest.mark.parametrize(
    "change",
    [
        "body = '{}'",
        "body = '{\"erased\":true}'",
        "session_id = '', user_id = '', epoch = 0, body = '{\"erased\":true}', hash = '\\x00'",
        "session_id = '', user_id = '', epoch = 0, body = '{\"erased\":true}', ts_ms = 1",
    ],
)
async def test_no_other_change_of_an_entry_is_let_through(store: PostgresStore, database: str, change: str) -> None:
    await store.write(records("u-1", "s-1"))
    with pytest.raises(asyncpg.RestrictViolationError):
        await fetched(database, f"update audit_log set {change} where id = 1")
    with pytest.raises(asyncpg.RestrictViolationError):
        await fetched(database, "delete from audit_log where id = 1")


async def test_an_erasure_that_names_itself_is_the_last_entry_and_names_nobody(
    store: PostgresStore, database: str
) -> None:
    await store.write(records("u-1", "s-1"))
    await erased(store, "u-1")
    (row,) = await fetched(database, "select body from audit_log order by id desc limit 1")
    assert row["body"].startswith('{"action":"user.erase","by":"back-end","entries":[[1,1]],')
    assert "u-1" not in row["body"] and "s-1" not in row["body"]


async def fetched(url: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()
