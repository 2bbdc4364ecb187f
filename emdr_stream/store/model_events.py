"""Records of models in, rows of `model_events` out; and questions about models, each a work for a connection."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from emdr_stream.store import rows
from emdr_stream.store.base import Record
from emdr_stream.store.connections import TimedConnection

DRIFT: Final = "drift"
_MOST_SECONDS: Final = 2_000_000
"""Seconds that one comparison reads: six weeks of eight sessions an evening, or some hours of a thousand at once."""


@dataclass(frozen=True, slots=True)
class DriftRow:
    """How far a version had drifted, as the newest row of each worker tells. `ts_ms`: when."""

    model: str
    version: str
    ts_ms: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShadowSecond:
    """One second of a session that two versions scored, as `fields.shadow` of the row has it."""

    session_id: str
    ts_ms: int
    shadow: dict[str, Any]


async def write_model_events(connection: TimedConnection, records: Sequence[Record]) -> None:
    """Write records of models; each names `model`, `version` and `event` in its fields."""
    await connection.executemany(
        "insert into model_events (ts, model, version, event, fields, digest) values ($1, $2, $3, $4, $5, $6)"
        " on conflict do nothing",
        [_row(record) for record in records],
    )


def newest_drift(since_ms: int) -> Callable[[TimedConnection], Awaitable[list[DriftRow]]]:
    """The newest row of drift of each version in use since then, of the worker that had seen the most sessions."""

    async def ask(connection: TimedConnection) -> list[DriftRow]:
        found = await connection.fetch(
            "select distinct on (model, version) model, version, ts, fields from model_events"
            " where event = $1 and ts >= $2 order by model, version, date_trunc('hour', ts) desc,"
            " (fields->>'sessions')::float desc, ts desc",
            DRIFT,
            rows.timestamp(since_ms),
        )
        return [DriftRow(r["model"], r["version"], _ms(r["ts"]), msgspec.json.decode(r["fields"])) for r in found]

    return ask


def shadow_seconds(
    model: str, versions: tuple[str, str], since_ms: int
) -> Callable[[TimedConnection], Awaitable[list[ShadowSecond]]]:
    """The seconds in which the second of `versions` stood as a shadow beside the first, session by session."""

    async def ask(connection: TimedConnection) -> list[ShadowSecond]:
        found = await connection.fetch(
            "select session_id, ts, fields->'shadow' as shadow from seconds"
            " where ts >= $1 and fields->'shadow'->>'model' = $2"
            " and fields->'shadow'->>'beside' = $3 and fields->'shadow'->>'version' = $4"
            " order by session_id, ts limit $5",
            rows.timestamp(since_ms),
            model,
            *versions,
            _MOST_SECONDS,
        )
        return [ShadowSecond(r["session_id"], _ms(r["ts"]), msgspec.json.decode(r["shadow"])) for r in found]

    return ask


def shared_seconds(
    model: str, versions: tuple[str, str], since_ms: int
) -> Callable[[TimedConnection], Awaitable[list[tuple[str, str, dict[str, Any]]]]]:
    """Per session and the one of `versions` that served it: its id, the version, and its seconds by that one summed up.

    A session that was served by both has its seconds of each: when they changed is in the audit log.
    """

    async def ask(connection: TimedConnection) -> list[tuple[str, str, dict[str, Any]]]:
        found = await connection.fetch(
            "with served as (select s.session_id, m->>'version' as version"
            " from sessions s, jsonb_array_elements(s.fields->'models') m"
            " where s.updated_at >= $1 and m->>'name' = $2),"
            " changed as (select v.session_id, f->>'version' as former,"
            " timestamptz 'epoch' + a.ts_ms * interval '1 millisecond' as at"
            " from served v join audit_log a using (session_id)"
            " cross join lateral jsonb_array_elements(a.body::jsonb->'former') f"
            " where a.body like '%\"action\":\"models\"%' and f->>'name' = $2),"
            " spans as (select session_id, former as version,"
            " lag(at) over (partition by session_id order by at) as since, at as until from changed"
            " union all select session_id, version,"
            " (select max(at) from changed c where c.session_id = v.session_id), null from served v)"
            " select p.session_id, p.version, count(*) as seconds,"
            " avg((x.fields->>'signal' = 'ok')::int)::float as seen,"
            " avg((x.fields->>'risk')::float)::float as risk,"
            " avg((x.fields->>'level' in ('advise', 'pause', 'escalate'))::int)::float as alarmed"
            " from spans p join seconds x using (session_id)"
            " where p.version = any($3) and x.ts >= greatest($1, p.since) and (p.until is null or x.ts < p.until)"
            " group by p.session_id, p.version order by p.session_id",
            rows.timestamp(since_ms),
            model,
            list(versions),
        )
        return [(row["session_id"], row["version"], dict(row)) for row in found]

    return ask


def _row(record: Record) -> tuple[Any, ...]:
    fields = record.fields
    named = [rows.text(str(fields.get(name, ""))) for name in ("model", "version", "event")]
    return rows.timestamp(record.ts_ms), *named, rows.body(record), rows.digest(record)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
