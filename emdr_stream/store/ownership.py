"""Records in, the verdict which of them still count out: the newest owner's epoch of each session, held to the commit.

A row of an older epoch counts only if it tells of a time before the newest owner began: then it was written in good
faith and arrives late, from a disk where it waited for the database.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from emdr_stream.store import rows
from emdr_stream.store.base import UNFENCED, Record
from emdr_stream.store.connections import TimedConnection
from emdr_stream.store.erased import erased_among

# The share lock keeps a new owner's epoch out until our rows are committed; its order keeps writers from crossing.
_HOLD: Final = "select session_id, epoch from sessions where session_id = any($1) order by session_id for share"
_HISTORY: Final = "select session_id, epoch, since from session_epochs where session_id = any($1)"


@dataclass(slots=True)
class _Owner:
    """What a batch says of one session: its user, its newest epoch and since when, its earliest time."""

    user: str
    epoch: int
    since_ms: int
    first_ms: int


async def current_records(connection: TimedConnection, records: Sequence[Record]) -> list[Record]:
    """Have the sessions there with at least the batch's epochs; gives the records that count until the commit."""
    owners = _owners(records)
    names = sorted(owners)
    epochs = await _hold(connection, names)
    grown = [name for name in names if owners[name].epoch > epochs.get(name, -1)]
    erased = await erased_among(connection, grown)
    if erased:
        kept = [record for record in records if record.kind in UNFENCED or rows.text(record.session_id) not in erased]
        return await current_records(connection, kept)
    if grown:
        await _raise_epochs(connection, {name: owners[name] for name in grown})
        epochs = await _hold(connection, names)

    def is_old(record: Record) -> bool:
        return record.kind not in UNFENCED and record.epoch < epochs[rows.text(record.session_id)]

    if not any(map(is_old, records)):
        return list(records)
    history = await connection.fetch(_HISTORY, names)
    return [record for record in records if not is_old(record) or _is_late(record, history)]


def _is_late(record: Record, history: Sequence[Any]) -> bool:
    """Whether every later owner that is known began after what this row tells of."""
    name, at = rows.text(record.session_id), rows.timestamp(record.ts_ms)
    later = [row["since"] for row in history if row["session_id"] == name and row["epoch"] > record.epoch]
    return bool(later) and at < min(later)


async def _hold(connection: TimedConnection, names: Sequence[str]) -> dict[str, int]:
    held = await connection.fetch(_HOLD, names)
    return {row["session_id"]: row["epoch"] for row in held}


def _owners(records: Iterable[Record]) -> dict[str, _Owner]:
    owners: dict[str, _Owner] = {}
    for record in records:
        if record.kind in UNFENCED:
            continue
        name = rows.text(record.session_id)
        owner = owners.setdefault(name, _Owner(rows.text(record.user), record.epoch, record.ts_ms, record.ts_ms))
        owner.first_ms = min(owner.first_ms, record.ts_ms)
        if record.epoch > owner.epoch:
            owner.epoch, owner.since_ms = record.epoch, record.ts_ms
        elif record.epoch == owner.epoch:
            owner.since_ms = min(owner.since_ms, record.ts_ms)
    return owners


async def _raise_epochs(connection: TimedConnection, owners: dict[str, _Owner]) -> None:
    first_seen = [rows.timestamp(owner.first_ms) for owner in owners.values()]
    users = [owner.user for owner in owners.values()]
    await connection.execute(
        "insert into users (user_id, first_seen) select u, min(t) from unnest($1::text[], $2::timestamptz[]) as n(u, t)"
        " group by u order by u on conflict do nothing",
        users,
        first_seen,
    )
    await connection.execute(
        "insert into sessions (session_id, user_id, epoch, first_seen, updated_at)"
        " select s, u, e, t, t from unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) as n(s, u, e, t)"
        " on conflict (session_id) do update set epoch = greatest(sessions.epoch, excluded.epoch)",
        list(owners),
        users,
        [owner.epoch for owner in owners.values()],
        first_seen,
    )
    await connection.execute(
        "insert into session_epochs (session_id, epoch, since)"
        " select * from unnest($1::text[], $2::bigint[], $3::timestamptz[]) on conflict do nothing",
        list(owners),
        [owner.epoch for owner in owners.values()],
        [rows.timestamp(owner.since_ms) for owner in owners.values()],
    )
