"""The archive in PostgreSQL: questions in, rows of `session_rollups` and of the sessions' own tables out."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from emdr_stream.analytics.figures import ClientSums, Outcome, Period, SessionFigures, SessionRating, Sums
from emdr_stream.analytics.rollup import ADDED
from emdr_stream.broker.base import AlertEntry
from emdr_stream.errors import RecordRefused
from emdr_stream.progress.measures import Measure
from emdr_stream.store import rollups, rows
from emdr_stream.store.archive import MOST_ROWS, MOST_SESSIONS, AuditEntry, Span, Unsummed, Why, period_starts
from emdr_stream.store.base import PAST_KINDS, RecordKind
from emdr_stream.store.connections import TimedConnection
from emdr_stream.store.past import alert_entry, milliseconds
from emdr_stream.store.postgres import PostgresStore

Result = TypeVar("Result")

_LOG: Final = logging.getLogger(__name__)
_ROLL_UP_S: Final = 10.0
"""For the sums of one session, which nobody waits for: a day's session has 86,400 rows."""

_SUMS: Final = (
    "count(*)::int as sessions, count(distinct user_id)::int as clients, "
    + ", ".join(f"coalesce(sum({name}), 0) as {name}" for name in ADDED)
    + ", max(ack_s_max) as ack_s_max, count(sud_first - sud_last)::int as sud_pairs,"
    " coalesce(sum(sud_first - sud_last), 0) as sud_gain"
)
_WITHIN: Final = "($1::text[] is null or user_id = any($1)) and began >= $2 and began < $3"
_OF_SPAN: Final = f"select {_SUMS} from session_rollups where {_WITHIN}"  # noqa: S608 - names of our own
_BY_PERIOD: Final = (
    f"select width_bucket(began, $4::timestamptz[]) as number, {_SUMS}"  # noqa: S608 - names of our own
    f" from session_rollups where {_WITHIN} group by number"
)
_BY_CLIENT: Final = (
    f"select user_id, max(began) as newest, {_SUMS}"  # noqa: S608 - names of our own
    f" from session_rollups where {_WITHIN} group by user_id order by newest desc, user_id limit $4"
)
_KINDS: Final = (
    "select key, sum(value::int)::int as raised from session_rollups, jsonb_each_text(kinds)"  # noqa: S608 - our own
    f" where {_WITHIN} and kinds <> '{{}}' group by key order by key"
)
_SESSIONS: Final = (
    f"select {', '.join(rollups.COLUMNS)} from session_rollups"  # noqa: S608 - names of our own
    ' where user_id = $1 and ($2::timestamptz is null or (began, session_id collate "C") < ($2, $3))'
    ' order by began desc, session_id collate "C" desc limit $4'
)
_UNSUMMED: Final = (
    "select session_id, case when rolled_for = updated_at then $5 when fields->>'action' is distinct from 'closed'"
    " and updated_at > now() - interval '1 second' * $6::float8 then $7 else $8 end as why"
    " from sessions s where user_id = $1 and first_seen >= $2 and first_seen < $3"
    " and not exists (select 1 from session_rollups r where r.session_id = s.session_id)"
    ' order by first_seen, session_id collate "C" limit $4'
)
_RATINGS: Final = (
    "select * from (select r.session_id, r.ts, r.id, r.fields->>'scale' as scale,"
    " (r.fields->>'value')::float8 as value from ratings r join sessions s using (session_id)"
    " where s.user_id = $1 and r.ts >= $2 order by r.ts desc, r.id desc limit $3) as newest order by ts, id"
)
_OUTCOMES: Final = (
    "select * from (select id, measure, target, value, ts, entered_by from questionnaires"
    " where user_id = $1 and ts >= $2 order by ts desc, id desc limit $3) as newest order by ts, id"
)
_SECONDS: Final = (
    "select distinct on (ts) ts, fields from seconds where session_id = $1 and ts > $2 order by ts, epoch desc limit $3"
)
_EVENTS_OF: Final = "select '{kind}' as kind, id, ts, fields from {table} where session_id = $1"
_EVENTS: Final = (
    "select kind, ts, fields from ("  # noqa: S608 - names of our own
    f"{' union all '.join(_EVENTS_OF.format(kind=kind.value, table=rows.TABLES[kind]) for kind in PAST_KINDS)}"
    ") as happened order by ts, kind, id limit $2"
)
_ALERTS: Final = (
    "select session_id, user_id, alert_seq, epoch, ts_ms, payload from alerts"
    ' where user_id = $1 and ($2::text is null or (session_id collate "C", alert_seq) > ($2, $3))'
    ' order by session_id collate "C", alert_seq limit $4'
)
_AUDIT: Final = (
    "select id, ts_ms, session_id, user_id, body from audit_log where user_id = $1 and id > $2 order by id limit $3"
)


class PostgresArchive:
    """Implements `Archive` over the connections of a store."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def refresh(self, most: int, quiet_s: float) -> int:
        due = await self._store.ask(lambda connection: rollups.due_sessions(connection, quiet_s, most))
        for session_id in due:
            try:
                await self._store.ask(_with_session(rollups.roll_up_and_keep, session_id), _ROLL_UP_S)
            except RecordRefused:
                # Rows that cannot be summed up must not hold up all other sessions for ever.
                _LOG.error("a session cannot be summed up", extra={"session_id": session_id})
                await self._store.ask(_with_session(rollups.give_up, session_id))
        return len(due)

    async def session(self, session_id: str) -> SessionFigures | None:
        name = rows.text(session_id)
        return await self._store.ask(lambda connection: rollups.roll_up_now(connection, name))

    async def sessions(self, user: str, before: tuple[int, str] | None, most: int) -> list[SessionFigures]:
        began, last = (None, "") if before is None else (rows.timestamp(before[0]), rows.text(before[1]))
        found = await self._fetch(_SESSIONS, rows.text(user), began, last, min(most, MOST_SESSIONS))
        return [rollups.figures_of(row) for row in found]

    async def unsummed(self, user: str, since_ms: int, until_ms: int, most: int) -> list[Unsummed]:
        between = rows.timestamp(max(0, since_ms)), rows.timestamp(max(0, until_ms))
        reasons = Why.UNREADABLE.value, float(rollups.FORSAKEN_S), Why.RUNNING.value, Why.DUE.value
        found = await self._fetch(_UNSUMMED, rows.text(user), *between, min(most, MOST_SESSIONS), *reasons)
        return [Unsummed(row["session_id"], Why(row["why"])) for row in found]

    async def sums(self, span: Span) -> Sums:
        return _sums((await self._fetch(_OF_SPAN, *_bounds(span)))[0])

    async def kinds(self, span: Span) -> dict[str, int]:
        return {row["key"]: row["raised"] for row in await self._fetch(_KINDS, *_bounds(span))}

    async def periods(self, span: Span, days: int) -> list[Period]:
        starts = period_starts(span.since_ms, span.until_ms, days)
        if not starts:
            return []
        found = await self._fetch(_BY_PERIOD, *_bounds(span), [rows.timestamp(start) for start in starts])
        known = {row["number"]: _sums(row) for row in found}
        ends = [*starts[1:], span.until_ms]
        return [
            Period(max(start, span.since_ms), end, known.get(number, Sums()))
            for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
        ]

    async def clients(self, span: Span, most: int) -> list[ClientSums]:
        found = await self._fetch(_BY_CLIENT, *_bounds(span), min(most, MOST_ROWS))
        return [ClientSums(row["user_id"], milliseconds(row["newest"]), _sums(row)) for row in found]

    async def ratings(self, user: str, since_ms: int, most: int) -> list[SessionRating]:
        since = rows.timestamp(max(0, since_ms))
        found = await self._fetch(_RATINGS, rows.text(user), since, min(most, MOST_ROWS))
        return [SessionRating(r["session_id"], milliseconds(r["ts"]), r["scale"], r["value"]) for r in found]

    async def keep_outcome(self, outcome: Outcome) -> None:
        user, at = rows.text(outcome.user), rows.timestamp(outcome.ts_ms)
        await self._fetch("insert into users (user_id, first_seen) values ($1, $2) on conflict do nothing", user, at)
        await self._fetch(
            "insert into questionnaires (user_id, measure, target, value, ts, entered_by)"
            " values ($1, $2, $3, $4, $5, $6) on conflict (user_id, measure, target, ts)"
            " do update set value = excluded.value, entered_by = excluded.entered_by",
            user,
            outcome.measure.value,
            rows.text(outcome.target),
            outcome.value,
            at,
            rows.text(outcome.by),
        )

    async def outcomes(self, user: str, since_ms: int, most: int) -> list[Outcome]:
        since = rows.timestamp(max(0, since_ms))
        found = await self._fetch(_OUTCOMES, rows.text(user), since, min(most, MOST_ROWS))
        return [
            Outcome(user, Measure(r["measure"]), r["value"], milliseconds(r["ts"]), r["target"], r["entered_by"])
            for r in found
        ]

    async def seconds(self, session_id: str, after_ms: int, most: int) -> list[tuple[int, dict[str, Any]]]:
        after = rows.timestamp(max(0, after_ms))
        found = await self._fetch(_SECONDS, rows.text(session_id), after, min(most, MOST_ROWS))
        return [(milliseconds(row["ts"]), msgspec.json.decode(row["fields"])) for row in found]

    async def events(self, session_id: str, most: int) -> list[tuple[RecordKind, int, dict[str, Any]]]:
        found = await self._fetch(_EVENTS, rows.text(session_id), min(most, MOST_ROWS))
        return [(RecordKind(r["kind"]), milliseconds(r["ts"]), msgspec.json.decode(r["fields"])) for r in found]

    async def alerts(self, user: str, after: tuple[str, int] | None, most: int) -> list[AlertEntry]:
        session_id, seq = (None, 0) if after is None else after
        found = await self._fetch(_ALERTS, rows.text(user), session_id, seq, min(most, MOST_ROWS))
        return [alert_entry(row) for row in found]

    async def audit(self, user: str, after: int, most: int) -> list[AuditEntry]:
        found = await self._fetch(_AUDIT, rows.text(user), after, min(most, MOST_ROWS))
        return [AuditEntry(r["id"], r["ts_ms"], r["session_id"], r["user_id"], r["body"]) for r in found]

    async def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        return await self._store.ask(lambda connection: connection.fetch(query, *arguments))


def _with_session(
    work: Callable[[TimedConnection, str], Awaitable[None]], session_id: str
) -> Callable[[TimedConnection], Awaitable[None]]:
    return lambda connection: work(connection, session_id)


def _bounds(span: Span) -> tuple[Any, ...]:
    users = None if span.users is None else [rows.text(user) for user in span.users]
    return users, rows.timestamp(max(0, span.since_ms)), rows.timestamp(max(0, span.until_ms))


def _sums(row: Any) -> Sums:
    counts = {name: int(row[name]) for name in (*ADDED[:-1], "sessions", "clients", "sud_pairs")}
    return Sums(
        **counts, ack_s_sum=float(row["ack_s_sum"]), ack_s_max=row["ack_s_max"], sud_gain=float(row["sud_gain"])
    )
