"""Rows of seconds in, written in the fewest round trips out: the bulk of all rows, on a way of their own."""

from collections.abc import Sequence
from typing import Any, Final

from emdr_stream.store import rows
from emdr_stream.store.base import Record
from emdr_stream.store.connections import TimedConnection

_COLUMNS: Final = ("session_id", "epoch", "ts", "fields")
_OTHERWISE_OWNED: Final = (
    "select 1 from unnest($1::text[], $2::bigint[]) as g (session_id, epoch)"
    " left join sessions s using (session_id)"
    " where s.epoch is distinct from g.epoch or s.rolled_for is not null limit 1"
)
_INSERT: Final = (
    "insert into seconds (session_id, epoch, ts, fields)"
    " select * from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::jsonb[]) on conflict do nothing"
)


async def copy_seconds(
    connection: TimedConnection, records: Sequence[Record], is_there: tuple[type[Exception], ...]
) -> bool:
    """Write rows of sessions whose known owner is theirs; False, with nothing written, when any is otherwise, or was
    summed up already: such rows are late, and the sums must be made anew.

    No lock is held: a new owner's epoch that is stored while these rows are on their way is stored after them. What a
    stale owner can still write is what was on its way then. `is_there`: errors that say that a row is there already.
    """
    epochs: dict[str, int] = {}
    for record in records:
        if epochs.setdefault(rows.text(record.session_id), record.epoch) != record.epoch:
            return False
    if await connection.fetch(_OTHERWISE_OWNED, list(epochs), list(epochs.values())):
        return False
    values = [rows.second_row(record) for record in records]
    try:
        await connection.copy("seconds", _COLUMNS, values)
    except is_there:
        # A batch whose first commit was never confirmed comes again: COPY knows no "on conflict".
        await _insert(connection, values)
    return True


async def write_seconds(connection: TimedConnection, records: Sequence[Record]) -> None:
    """Write rows within a transaction that holds their sessions."""
    if records:
        await _insert(connection, [rows.second_row(record) for record in records])


async def _insert(connection: TimedConnection, values: Sequence[tuple[Any, ...]]) -> None:
    await connection.execute(_INSERT, *map(list, zip(*values, strict=True)))
