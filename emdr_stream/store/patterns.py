"""A user and how far back in, sums over their recorded seconds out: which states, and which followed which."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from emdr_stream.store import rows
from emdr_stream.store.connections import TimedConnection

# Of two owners of one second the newer one counts, as in the sums of a session.
_SECONDS: Final = """
with newest as (
    select session_id, first_seen from sessions where user_id = $1 and first_seen >= $2
    order by first_seen desc limit $3
), states as (
    select distinct on (x.session_id, x.ts) x.session_id, x.ts, x.fields->>'state' as state,
        (x.fields->>'valence')::float8 as valence, (x.fields->>'arousal')::float8 as arousal,
        (x.fields->>'risk')::float8 as risk
    from newest join seconds x on x.session_id = newest.session_id and x.ts >= newest.first_seen
    order by x.session_id, x.ts, x.epoch desc
)
"""
_STATES: Final = (
    _SECONDS  # noqa: S608 - SQL of our own
    + "select state, count(*) as seconds, avg(valence) as valence, avg(arousal) as arousal, avg(risk) as risk"
    " from states where state <> 'unknown' group by state order by seconds desc, state"
)
# What lies between two seconds that do not meet, or that nobody could judge, is not known: no state followed another.
_TRANSITIONS: Final = (
    _SECONDS  # noqa: S608 - SQL of our own
    + "select before, state, count(*) as times from (select state, ts, lag(state) over told as before,"
    " lag(ts) over told as before_ts from states window told as (partition by session_id order by ts)) as pairs"
    " where before <> state and before <> 'unknown' and state <> 'unknown' and ts - before_ts < interval '1500 ms'"
    " group by before, state order by times desc, before, state"
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
