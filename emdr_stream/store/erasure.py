"""A user in, a database without them out: rows deleted, entries of the audit log emptied, what comes late refused.

One transaction. What stays: of each erased session a digest of its random id, so that rows of it which still wait on
some worker's disk are refused when they come; and one entry of the audit log that says who erased, and which entries it
emptied. An emptied entry keeps its number, time and hashes: the chain still holds before and behind it.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from emdr_stream.store import rows
from emdr_stream.store.audit_log import lock_audit, write_audit
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.chain import EMPTIED, ERASURE
from emdr_stream.store.connections import TimedConnection
from emdr_stream.store.erased import digest_of
from emdr_stream.store.naming import Person, Telling
from emdr_stream.store.personal import PERSONAL_TABLES, Key

ERASE_S: Final = 30.0
"""The whole log is searched for the user's names: as long as that may take."""
_EMPTY: Final = (
    "update audit_log set session_id = '', user_id = '', epoch = 0, body = $2,"
    " digest = uuid_send(gen_random_uuid()) where id = any($1)"
)
_SUSPECTS: Final = (
    "select id, session_id, user_id, body from audit_log where id > $4 and (user_id = $1 or session_id = any($2)"
    " or exists (select 1 from unnest($3::text[]) n where position(n in body) > 0)) order by id limit $5"
)
_PAGE: Final = 1_000
"""Entries that are looked at between two turns of the loop: live sessions share it."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What went: rows by table, entries of the audit log that were emptied, and the sessions."""

    rows: dict[str, int]
    entries: int
    sessions: Sequence[str]


def erase(
    user: str, sessions: Iterable[str], deed: dict[str, Any], now_ms: int
) -> Callable[[TimedConnection], Awaitable[Erased]]:
    """Erase a user. `sessions`: ids known from elsewhere; `deed`: who does it, for the audit log, without the user."""
    known = set(sessions)

    async def work(connection: TimedConnection) -> Erased:
        await connection.execute("begin")
        # First of all: who writes audit entries waits for us and not we for them.
        await lock_audit(connection)
        name = rows.text(user)
        found = await connection.fetch(
            "select session_id from sessions where user_id = $1"
            " union select session_id from alerts where user_id = $1 union select unnest($2::text[])",
            name,
            sorted(map(rows.text, known)),
        )
        ids = sorted(row["session_id"] for row in found)
        await connection.execute(
            "insert into erased_sessions (digest) select unnest($1::bytea[]) on conflict do nothing",
            list(map(digest_of, ids)),
        )
        gone = await _delete(connection, name, ids)
        person = Person(name, frozenset(ids))
        await _delete_answers(connection, person)
        entries = await _empty_entries(connection, person, bool(ids) or any(gone.values()))
        ranges = _ranges(entries)
        record = Record(RecordKind.AUDIT, "", "", 0, now_ms, {**deed, **ERASURE, "entries": ranges, "rows": gone})
        await write_audit(connection, [record])
        await connection.execute("commit")
        return Erased(gone, len(entries), ids)

    return work


def sweep(user: str, sessions: Sequence[str]) -> Callable[[TimedConnection], Awaitable[None]]:
    """Delete what came in while the erasure was under way: from now on it is refused."""

    async def work(connection: TimedConnection) -> None:
        await connection.execute("begin")
        await _delete(connection, rows.text(user), list(sessions))
        await connection.execute("commit")

    return work


async def _delete(connection: TimedConnection, user: str, sessions: Sequence[str]) -> dict[str, int]:
    """Rows that went, by table."""
    gone = {}
    for table in PERSONAL_TABLES:
        if table.key is Key.USER:
            told = await connection.execute(f"delete from {table.name} where user_id = $1", user)  # noqa: S608 - ours
        else:
            told = await connection.execute(f"delete from {table.name} where session_id = any($1)", sessions)  # noqa: S608
        gone[table.name] = int(told.rpartition(" ")[2])
    return gone


async def _delete_answers(connection: TimedConnection, person: Person) -> None:
    """Answers of routes that are kept for a repeat of the request."""
    found = await connection.fetch(
        "select who, key, convert_from(answer, 'UTF8') as text from rest_answers where answer is not null and exists"
        " (select 1 from unnest($1::text[]) n where position(n in convert_from(answer, 'UTF8')) > 0)",
        person.words(),
    )
    theirs = [row for row in found if person.in_answer(row["text"])]
    await connection.execute(
        "delete from rest_answers using unnest($1::text[], $2::text[]) as gone(who, key)"
        " where rest_answers.who = gone.who and rest_answers.key = gone.key",
        [row["who"] for row in theirs],
        [row["key"] for row in theirs],
    )


async def _empty_entries(connection: TimedConnection, person: Person, known: bool) -> list[int]:
    """Empty the entries that tell of the person; gives their numbers, rising.

    `known`: whether they had rows. The deeds of others in which a name stands that is nobody's stay as they are.
    """
    theirs, named = await _entries_of(connection, person)
    if known or theirs:
        theirs = sorted(theirs + named)
    await connection.execute(_EMPTY, theirs, EMPTIED)
    return theirs


async def _entries_of(connection: TimedConnection, person: Person) -> tuple[list[int], list[int]]:
    """Numbers of the entries that are theirs, and of others' that name them."""
    found: dict[Telling, list[int]] = {telling: [] for telling in Telling}
    words, sessions, last = person.words(), list(person.sessions), 0
    while True:
        page = await connection.fetch(_SUSPECTS, person.user, sessions, words, last, _PAGE)
        for row in page:
            last = row["id"]
            found[person.in_entry(row["session_id"], row["user_id"], row["body"])].append(last)
        if len(page) < _PAGE:
            break
    return found[Telling.THEIRS], found[Telling.NAME]


def _ranges(numbers: Sequence[int]) -> list[list[int]]:
    """Rising numbers as first and last of each run: an erasure of years is a short entry all the same."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs
