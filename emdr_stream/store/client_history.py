"""A client in, what the tables hold of their sessions out: events in their order, first minutes, sums over sets.

Each function gives a work for a connection (`PostgresStore.ask`). What the rows mean is
`personalization/gathering.py`'s.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from emdr_stream.store import rows
from emdr_stream.store.base import PAST_KINDS
from emdr_stream.store.connections import TimedConnection

_Result = TypeVar("_Result")
Work: TypeAlias = Callable[[TimedConnection], Awaitable[_Result]]

MOST_SESSIONS: Final = 60
"""Newest sessions of a client that are read: more than a course has."""
_MOST_EVENTS: Final = 60_000
_FIRST: Final = timedelta(seconds=60)
_OF: Final = "select session_id, '{kind}' as kind, id, ts, fields from {table} where session_id = any($1)"
_EVENTS: Final = (
    "select session_id, kind, ts, fields from ("  # noqa: S608 - names of our own
    f"{' union all '.join(_OF.format(kind=kind.value, table=rows.TABLES[kind]) for kind in PAST_KINDS)}"
    ") as happened order by session_id, ts, kind desc, id limit $2"
)
# A set's start and end that fall into one millisecond keep the order in which they were written.
_SIGHTS: Final = (
    "select s.n, max(x.risk) filter (where x.ts < s.end_ts) as peak,"
    " avg(x.risk) filter (where x.ts >= s.after_from) as after,"
    " avg(x.attention) filter (where x.ts < s.end_ts) as attention,"
    " bool_or(x.alarmed) filter (where x.ts < s.end_ts) as alarmed"
    " from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])"
    " with ordinality as s (session_id, start_ts, end_ts, after_from, after_until, n)"
    " left join lateral (select ts, (fields->>'risk')::float as risk, (fields->>'attention')::float as attention,"
    " fields->>'level' in ('advise', 'pause', 'escalate') as alarmed from seconds"
    " where session_id = s.session_id and ts >= s.start_ts and ts < greatest(s.after_until, s.end_ts)) as x on true"
    " group by s.n order by s.n"
)
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class KeptSession:
    """`hours`: seconds that were recorded; `levels`: means of valence, arousal and attention in its first minute."""

    session_id: str
    ts_ms: int
    hours: float
    levels: tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class KeptEvent:
    session_id: str
    kind: str
    ts_ms: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KeptSpan:
    """A set's time, and that after it, in wall-clock milliseconds."""

    session_id: str
    start_ms: int
    end_ms: int
    after_from_ms: int
    after_until_ms: int


@dataclass(frozen=True, slots=True)
class KeptSight:
    """Sums over the seconds of a span; None where there were none."""

    peak: float | None
    after: float | None
    attention: float | None
    alarmed: bool | None


def sessions_of(user: str, most: int = MOST_SESSIONS) -> Work[list[KeptSession]]:
    """The newest sessions of a client, oldest first."""

    async def work(connection: TimedConnection) -> list[KeptSession]:
        found = await connection.fetch(
            "select s.session_id, s.first_seen, x.seconds, x.valence, x.arousal, x.attention from"
            " (select session_id, first_seen from sessions where user_id = $1 order by first_seen desc limit $2) as s"
            " left join lateral (select count(*) as seconds,"
            " avg((fields->>'valence')::float) filter (where ts < s.first_seen + $3) as valence,"
            " avg((fields->>'arousal')::float) filter (where ts < s.first_seen + $3) as arousal,"
            " avg((fields->>'attention')::float) filter (where ts < s.first_seen + $3) as attention"
            " from seconds where session_id = s.session_id) as x on true order by s.first_seen",
            rows.text(user),
            most,
            _FIRST,
        )
        return [
            KeptSession(
                row["session_id"],
                _ms(row["first_seen"]),
                (row["seconds"] or 0) / 3_600.0,
                (row["valence"], row["arousal"], row["attention"]),
            )
            for row in found
        ]

    return work


def events_of(sessions: Sequence[str]) -> Work[list[KeptEvent]]:
    """Sets, ratings, control and adaptations of these sessions, by session and time."""

    async def work(connection: TimedConnection) -> list[KeptEvent]:
        found = await connection.fetch(_EVENTS, list(sessions), _MOST_EVENTS)
        return [KeptEvent(row["session_id"], row["kind"], _ms(row["ts"]), _decode(row["fields"])) for row in found]

    return work


def sights_of(spans: Sequence[KeptSpan]) -> Work[list[KeptSight]]:
    """What the seconds of each span say, in the order of the spans."""

    async def work(connection: TimedConnection) -> list[KeptSight]:
        if not spans:
            return []
        found = await connection.fetch(
            _SIGHTS,
            [span.session_id for span in spans],
            *([rows.timestamp(getattr(span, name)) for span in spans] for name in _TIMES),
        )
        return [KeptSight(row["peak"], row["after"], row["attention"], row["alarmed"]) for row in found]

    return work


def sessions_of_others(user: str, most: int) -> Work[list[tuple[str, str]]]:
    """Client and session of the newest sessions of everybody else, oldest first."""

    async def work(connection: TimedConnection) -> list[tuple[str, str]]:
        found = await connection.fetch(
            "select user_id, session_id from sessions where user_id <> $1 order by first_seen desc limit $2",
            rows.text(user),
            most,
        )
        return [(row["user_id"], row["session_id"]) for row in reversed(found)]

    return work


def newest_levels(session_id: str, since_ms: int) -> Work[list[str]]:
    """Levels of the safety monitor in the seconds of a session since then."""

    async def work(connection: TimedConnection) -> list[str]:
        found = await connection.fetch(
            "select distinct fields->>'level' as level from seconds where session_id = $1 and ts >= $2",
            session_id,
            rows.timestamp(since_ms),
        )
        return [str(row["level"]) for row in found]

    return work


_TIMES: Final = ("start_ms", "end_ms", "after_from_ms", "after_until_ms")


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
