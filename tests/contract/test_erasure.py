"""Erasing a person from a real database: what goes, what stays, what is refused later, what the chain still proves."""

from collections.abc import Sequence
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest

from emdr_stream.broker.base import AlertEntry
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.chain import EMPTIED, Anchor
from emdr_stream.store.erasure import Erased, erase
from emdr_stream.store.postgres import PostgresStore

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
NOW = 1_795_420_800_000
DEED = {"by": "back-end", "role": "service"}


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
    assert await store.erased(["s-1", "s-2", "s-known-to-a-worker-alone"]) == {"s-1", "s-known-to-a-worker-alone"}
    assert await store.erased([]) == frozenset()
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
        {"action": "hello", "by": "u-1", "role": "client"},
        {"action": "hello", "by": "u-11", "role": "client"},
        {"action": "u-1 is no value here", "s-1": 1},
    ]
    await store.write(
        [Record(RecordKind.AUDIT, "", "", 0, NOW + number, fields) for number, fields in enumerate(about)]
    )
    assert (await erased(store, "u-1")).entries == 4
    rows = await fetched(database, "select body from audit_log order by id")
    assert [row["body"] == EMPTIED for row in rows] == [True, True, True, True, False, False, False]


async def test_a_word_that_is_nobodys_name_empties_nothing_and_the_erasure_is_told_all_the_same(
    store: PostgresStore, database: str
) -> None:
    """`DELETE /v1/users/service` once emptied every entry with this role in it, the one about an erasure before too."""
    await store.write(records("u-1", "s-1"))
    await store.write(records("u-2", "s-2"))
    await store.write([of_nobody({"action": "control.pause", "by": "service", "role": "service", "named": "service"})])
    await erased(store, "u-1")
    before = await fetched(database, "select id, body from audit_log order by id")
    for number, word in enumerate(("service", "control.pause", "user.erase", "back-end", "x", "named", "1"), 1):
        told = await store.ask(erase(word, (), DEED, NOW + 5_000 + number), 10.0)
        assert (told.entries, set(told.rows.values()), told.sessions) == (0, {0}, [])
    after = await fetched(database, "select id, body from audit_log order by id")
    assert after[: len(before)] == before and len(after) == len(before) + 7
    assert (await store.verify_audit()).first_bad is None


async def test_who_has_a_name_that_is_a_word_loses_their_entries_alone(store: PostgresStore, database: str) -> None:
    """A client, a back end, a therapist and an operator of the command line may all be called the same."""
    await store.write(records("u-1", "s-1"))
    await erased(store, "u-1")
    await store.write([Record(RecordKind.SESSION, "s-2", "service", 1, NOW, {"action": "opened"})])
    theirs: list[dict[str, Any]] = [
        {"action": "hello", "by": "service", "role": "client", "refused": True},
        {"action": "users.export", "by": "t-1", "role": "therapist", "named": "service", "refused": True},
    ]
    others: list[dict[str, Any]] = [
        {"action": "subscribe", "by": "service", "role": "service", "sessions": ["s-9"], "refused": True},
        {"action": "ack", "by": "service", "alert_id": "s-9.a1", "note": "service"},
    ]
    await store.write([of_nobody(fields, number) for number, fields in enumerate((*theirs, *others))])
    await store.write([Record(RecordKind.AUDIT, "", "service", 0, NOW, {"action": "model.promote", "by": "service"})])
    assert (await erased(store, "service")).entries == 2
    rows = await fetched(database, "select id, body from audit_log order by id")
    assert [row["id"] for row in rows if row["body"] == EMPTIED] == [1, 3, 4]
    assert (await store.verify_audit()).first_bad is None


async def test_an_answer_that_is_kept_goes_only_with_the_person_in_it(store: PostgresStore, database: str) -> None:
    await store.write(records("answer", "s-1"))
    connection = await asyncpg.connect(database)
    answers = ({"user": "answer"}, {"live": [{"session_id": "s-1"}]}, {"answer": "answer"}, {"user": "u-2", "n": "s-1"})
    for number, told in enumerate(answers):
        query = "insert into rest_answers (who, key, digest, answer) values ('service:b', $1, '', $2)"
        await connection.execute(query, str(number), msgspec.json.encode(told))
    await connection.close()
    await erased(store, "answer")
    assert [row["key"] for row in await fetched(database, "select key from rest_answers order by key")] == ["2", "3"]


@pytest.mark.parametrize("seed", range(4))
async def test_the_chain_holds_whoever_is_erased_in_whatever_order(
    store: PostgresStore, database: str, seed: int
) -> None:
    """Names are words of the log itself: fields, values, ids of sessions and alerts, the bodies' own forms."""
    chance = Random(seed)
    kept: dict[int, str] = {}
    for step in range(25):
        now = NOW + 10_000 * (step + 1)
        if chance.random() < 0.5:
            user = chance.choice(WORDS)
            told = await store.ask(erase(user, (), DEED, now), 10.0)
            kept = {number: owner for number, owner in kept.items() if owner != user}
            assert (await store.verify_audit()).first_bad is None, (seed, step, told)
        else:
            await store.write(deeds(chance, now))
        found = await fetched(database, "select id, user_id, body from audit_log order by id")
        bodies = {row["id"]: row["body"] for row in found}
        assert all(bodies[number] != EMPTIED for number in kept), (seed, step)
        assert all(row["body"] != EMPTIED for row in found if '"user.erase"' in row["body"])
        kept |= {row["id"]: row["user_id"] for row in found if row["user_id"] and row["body"] != EMPTIED}


WORDS = (
    "service",
    "user.erase",
    "action",
    "entries",
    "erased",
    "true",
    "s-service",
    "s-by.a1",
    "by",
    "role",
    "u-1",
    "1",
)


def deeds(chance: Random, now: int) -> list[Record]:
    """What a few of these people and their therapists did, each in a session of its own."""
    made = []
    for number in range(4):
        user, word, at_ms = chance.choice(WORDS), chance.choice(WORDS), now + number
        session_id = f"s-{word}-{at_ms}"
        made.append(Record(RecordKind.SESSION, session_id, user, 1, at_ms, {"action": "opened"}))
        fields = {"action": word, "by": word, "role": word, "note": word, "entries": [[1, number]], word: word}
        made.append(Record(RecordKind.AUDIT, session_id, user, 1, at_ms, fields))
    return made


def of_nobody(fields: dict[str, Any], number: int = 0) -> Record:
    """A deed outside of any session."""
    return Record(RecordKind.AUDIT, "", "", 0, NOW + number, fields)


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
