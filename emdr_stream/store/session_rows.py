"""Whose sessions, and from where on, goes in; rows of sessions and of their seconds come out, each a work for a
connection."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from emdr_stream.store import rows
from emdr_stream.store.connections import TimedConnection

_COLUMNS: Final = "session_id, user_id, first_seen, updated_at, fields"
_CURVES: Final = ("valence", "arousal", "attention", "risk", "crisis")
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What is kept of a session as a whole. Times in milliseconds since the Unix epoch; `fields` as told last."""

    session_id: str
    user: str
    first_seen_ms: int
    updated_ms: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One recorded second: `values` are valence, arousal, attention, risk and crisis, None where it has none."""

    ts_ms: int
    values: tuple[float | None, ...]
    signal: str | None


def session_rows(
    users: Sequence[str] | None, before: tuple[int, str] | None, most: int
) -> Callable[[TimedConnection], Awaitable[list[SessionRow]]]:
    """The newest sessions of these users (None: everybody's), begun before a time and id; `most` at most."""

    async def ask(connection: TimedConnection) -> list[SessionRow]:
        found = await connection.fetch(
            f"select {_COLUMNS} from sessions"  # noqa: S608 - our own names
            " where ($1::text[] is null or user_id = any($1))"
            " and ($2::timestamptz is null or (first_seen, session_id) < ($2, $3))"
            " order by first_seen desc, session_id desc limit $4",
            None if users is None else [rows.text(user) for user in users],
            None if before is None else rows.timestamp(before[0]),
            "" if before is None else rows.text(before[1]),
            most,
        )
        return [_session(row) for row in found]

    return ask


def session_row(session_id: str) -> Callable[[TimedConnection], Awaitable[SessionRow | None]]:
    """One session; None when the records have none of this id."""

    async def ask(connection: TimedConnection) -> SessionRow | None:
        found = await connection.fetch(
            f"select {_COLUMNS} from sessions where session_id = $1",  # noqa: S608 - our own names
            rows.text(session_id),
        )
        return _session(found[0]) if found else None

    return ask


def curve_rows(session_id: str, after_ms: int, most: int) -> Callable[[TimedConnection], Awaitable[list[CurveRow]]]:
    """Seconds of a session after a time, oldest first. The database reads the JSON, not the loop."""
    numbers = ", ".join(f"(fields->>'{name}')::float8 as {name}" for name in _CURVES)

    async def ask(connection: TimedConnection) -> list[CurveRow]:
        found = await connection.fetch(
            f"select distinct on (ts) ts, {numbers}, fields->>'signal' as signal from seconds"  # noqa: S608 - our own
            " where session_id = $1 and ts > $2 order by ts, epoch desc limit $3",
            rows.text(session_id),
            rows.timestamp(after_ms),
            most,
        )
        return [CurveRow(ms_of(row["ts"]), tuple(row[name] for name in _CURVES), row["signal"]) for row in found]

    return ask


def ms_of(moment: datetime) -> int:
    """Milliseconds since the Unix epoch."""
    return round(moment.timestamp() * 1_000)


def _session(row: Any) -> SessionRow:
    return SessionRow(
        row["session_id"], row["user_id"], ms_of(row["first_seen"]), ms_of(row["updated_at"]), _decode(row["fields"])
    )
