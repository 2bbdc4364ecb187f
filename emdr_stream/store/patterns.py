"""A user and how far back in, sums over their recorded seconds out: which states, and which followed which."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from emdr_stream.store import rows
from emdr_stream.store.connections import TimedConnection

_SECONDS: Final = """
with newest as (
    select session_id, first_seen from sessions where user_id = $1 and first_seen >= $2
    order by first_seen desc limit $3
), states as (
    select x.session_id, x.ts, x.fields->>'state' as state, x.fields
    from newest join seconds x on x.session_id = newest.session_id and x.ts >= newest.first_seen
)
"""
_STATES: Final = (
    _SECONDS  # noqa: S608 - SQL of our own
    + "select state, count(*) as seconds, avg((fields->>'valence')::float8) as valence,"
    " avg((fields->>'arousal')::float8) as arousal, avg((fields->>'risk')::float8) as risk"
    " from states where state <> 'unknown' group by state order by seconds desc, state"
)
_TRANSITIONS: Final = (
    _SECONDS  # noqa: S608 - SQL of our own
    + "select before, state, count(*) as times from (select state, lag(state) over"
    " (partition by session_id order by ts) as before from states where state <> 'unknown') as pairs"
    " where before <> state group by before, state order by times desc, before, state"
)
_SESSIONS: Final = _SECONDS + "select count(*) as sessions from newest"  # noqa: S608 - SQL of our own


@dataclass(frozen=True, slots=True)
class StateSum:
    """One state: seconds in it, and means; None where nothing was measured."""

    state: str
    seconds: int
    valence: float | None
    arousal: float | None
    risk: float | None


@dataclass(frozen=True, slots=True)
class PatternSums:
    """`transitions`: (from, to, how often)."""

    sessions: int
    states: Sequence[StateSum]
    transitions: Sequence[tuple[str, str, int]]


def emotion_patterns(user: str, since_ms: int, most: int) -> Callable[[TimedConnection], Awaitable[PatternSums]]:
    """Over the newest `most` sessions of a user that began since then."""

    async def ask(connection: TimedConnection) -> PatternSums:
        about = (rows.text(user), rows.timestamp(since_ms), most)
        sessions = await connection.fetch(_SESSIONS, *about)
        states = await connection.fetch(_STATES, *about)
        transitions = await connection.fetch(_TRANSITIONS, *about)
        return PatternSums(
            sessions[0]["sessions"],
            [StateSum(r["state"], r["seconds"], r["valence"], r["arousal"], r["risk"]) for r in states],
            [(r["before"], r["state"], r["times"]) for r in transitions],
        )

    return ask
