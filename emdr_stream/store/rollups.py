"""A connection and a session's id in, the sums of its rows out, and kept: what `analytics/rollup.py` does in memory."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from emdr_stream.analytics.figures import SessionFigures
from emdr_stream.analytics.rollup import ALARMED, CAUTIOUS, SEEN, with_alerts
from emdr_stream.store import rows
from emdr_stream.store.connections import TimedConnection
from emdr_stream.store.past import milliseconds

FORSAKEN_S: Final = 4 * 3_600
"""A session that nothing was heard of for so long counts as over, though nobody closed it."""


def _words(values: frozenset[Any]) -> str:
    return ", ".join(f"'{value.value}'" for value in sorted(values))


# One pass over the session's seconds; jsonb is taken apart once a row.
_SUMMED: Final = f"""
with told as (
    select session_id, user_id, first_seen, updated_at from sessions where session_id = $1
), once as (
    select distinct on (ts) ts, fields from seconds where session_id = $1 order by ts, epoch desc
), seen as (
    select count(*)::int as seconds, min(ts) as first_second, max(ts) as last_second,
        count(*) filter (where f.signal in ({_words(SEEN)}))::int as seen,
        count(*) filter (where f.state <> 'unknown')::int as scored,
        count(*) filter (where f.state = 'calm')::int as calm,
        count(*) filter (where f.state = 'processing')::int as processing,
        count(*) filter (where f.state = 'hyperarousal')::int as hyperarousal,
        count(*) filter (where f.state = 'hypoarousal')::int as hypoarousal,
        count(*) filter (where f.state = 'drowsy')::int as drowsy,
        count(*) filter (where f.level in ({_words(CAUTIOUS)}))::int as cautious,
        count(*) filter (where f.level in ({_words(ALARMED)}))::int as alarmed,
        count(*) filter (where f.status = 'paused')::int as paused,
        avg(f.risk) as risk_mean, max(f.risk) as risk_max, max(f.crisis) as crisis_max,
        avg(f.valence) as valence_mean, avg(f.arousal) as arousal_mean, avg(f.attention) as attention_mean
    from once cross join lateral jsonb_to_record(once.fields) as f(
        risk float8, crisis float8, valence float8, arousal float8, attention float8,
        state text, level text, signal text, status text)
), rated as (
    select array_agg(value order by ts, id) filter (where scale = 'sud') as sud,
        array_agg(value order by ts, id) filter (where scale = 'voc') as voc
    from (select id, ts, fields->>'scale' as scale, (fields->>'value')::float8 as value
        from ratings where session_id = $1) as given
), controlled as (
    select count(distinct resumes)::int as pauses,
        count(distinct resumes) filter (where reason = 'client_stop')::int as client_stops
    from (select fields->>'action' as action, fields->>'reason' as reason,
            count(*) filter (where fields->>'action' = 'resume') over (order by ts, id) as resumes
        from control_events where session_id = $1) as told
    where action = 'pause'
), moved as (
    select count(*)::int as sets from sets where session_id = $1 and fields->>'action' = 'start'
)
select told.session_id, told.user_id, told.updated_at,
    least(told.first_seen, first_second) as began, greatest(told.first_seen, last_second) as ended,
    seconds, seen, scored, calm, processing, hyperarousal, hypoarousal, drowsy, cautious, alarmed, paused,
    risk_mean, risk_max, crisis_max, valence_mean, arousal_mean, attention_mean,
    case when array_upper(sud, 1) > 1 then sud[1] end as sud_first, sud[array_upper(sud, 1)] as sud_last,
    case when array_upper(voc, 1) > 1 then voc[1] end as voc_first, voc[array_upper(voc, 1)] as voc_last,
    sets, pauses, client_stops, '{{}}' as kinds
from told, seen, rated, controlled, moved
"""  # noqa: S608 - words of our own

_DUE: Final = """
select session_id from sessions
where rolled_for is distinct from updated_at
    and updated_at < now() - interval '1 second'
        * (case when fields->>'action' = 'closed' then $1::float8 else $2::float8 end)
order by updated_at limit $3
"""

# In the order of the names, as everybody locks sessions: who crosses them would wait for one another.
_MAKE_DUE: Final = (
    "update sessions set rolled_for = null where session_id in (select session_id from sessions"
    " where session_id = any($1) and rolled_for is not null order by session_id for update)"
)

_NUMBERS: Final = (
    "seconds",
    "seen",
    "scored",
    "calm",
    "processing",
    "hyperarousal",
    "hypoarousal",
    "drowsy",
    "cautious",
    "alarmed",
    "paused",
    "risk_mean",
    "risk_max",
    "crisis_max",
    "valence_mean",
    "arousal_mean",
    "attention_mean",
    "sud_first",
    "sud_last",
    "voc_first",
    "voc_last",
    "sets",
    "pauses",
    "client_stops",
)
_OF_ALERTS: Final = ("alerts", "severe", "acks", "ack_s_sum", "ack_s_max")
COLUMNS: Final = ("session_id", "user_id", "began", "ended", *_NUMBERS, *_OF_ALERTS, "kinds")
"""Of the table `session_rollups`, in the order of `_values`."""
_KEEP: Final = (
    f"insert into session_rollups ({', '.join(COLUMNS)})"  # noqa: S608 - names of our own
    f" values ({', '.join(f'${i + 1}' for i in range(len(COLUMNS)))})"
    f" on conflict (session_id) do update set {', '.join(f'{c} = excluded.{c}' for c in COLUMNS[1:])}"
)
_ALERTS: Final = "select payload from alerts where session_id = $1 order by alert_seq"


async def due_sessions(connection: TimedConnection, quiet_s: float, most: int) -> list[str]:
    """Sessions whose sums are missing or out of date, those that changed longest ago first."""
    found = await connection.fetch(_DUE, float(quiet_s), float(max(quiet_s, FORSAKEN_S)), most)
    return [row["session_id"] for row in found]


async def roll_up_now(connection: TimedConnection, session_id: str) -> SessionFigures | None:
    """The sums of a session as its rows are now; None without such a session. Nothing is kept."""
    found = await _summed(connection, session_id)
    return None if found is None else found[0]


async def roll_up_and_keep(connection: TimedConnection, session_id: str) -> None:
    """Keep the sums, and of which state of the session they were made."""
    await connection.execute("begin")
    # Who writes rows of it meanwhile waits for us, or we for them: the sums are of a state that there was.
    await connection.execute("select 1 from sessions where session_id = $1 for update", session_id)
    found = await _summed(connection, session_id)
    if found is not None:
        figures, made_of = found
        await connection.execute(_KEEP, *_values(figures))
        await connection.execute("update sessions set rolled_for = $2 where session_id = $1", session_id, made_of)
    await connection.execute("commit")


async def give_up(connection: TimedConnection, session_id: str) -> None:
    """Leave a session without sums until something of it changes."""
    await connection.execute("update sessions set rolled_for = updated_at where session_id = $1", session_id)


async def make_due(connection: TimedConnection, session_ids: Iterable[str]) -> None:
    """Have the sums of these sessions made anew, where there are any."""
    await connection.execute(_MAKE_DUE, list(session_ids))


def figures_of(row: Any) -> SessionFigures:
    """One row of `session_rollups`, or of the sums."""
    numbers = {name: row[name] for name in (*_NUMBERS, *_OF_ALERTS) if name in row}
    return SessionFigures(
        session_id=row["session_id"],
        user=row["user_id"],
        began_ms=milliseconds(row["began"]),
        ended_ms=milliseconds(row["ended"]),
        kinds=msgspec.json.decode(row["kinds"], type=dict[str, int]),
        **numbers,
    )


async def _summed(connection: TimedConnection, session_id: str) -> tuple[SessionFigures, Any] | None:
    found = await connection.fetch(_SUMMED, session_id)
    if not found:
        return None
    payloads = await connection.fetch(_ALERTS, session_id)
    figures = with_alerts(figures_of(dict(found[0])), (bytes(row["payload"]) for row in payloads))
    return figures, found[0]["updated_at"]


def _values(figures: SessionFigures) -> tuple[Any, ...]:
    numbers = (getattr(figures, name) for name in (*_NUMBERS, *_OF_ALERTS))
    kinds = msgspec.json.encode(dict(figures.kinds)).decode()
    began, ended = rows.timestamp(figures.began_ms), rows.timestamp(figures.ended_ms)
    return figures.session_id, figures.user, began, ended, *numbers, kinds
