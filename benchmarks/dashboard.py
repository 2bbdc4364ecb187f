"""Ten million rows of seconds in; how long a dashboard takes beside a plain scan of the same rows, and verdict out.

The rows are drawn in the embedded PostgreSQL (`generate_series`): sessions of forty minutes over a year, of 400
clients, each row with every field that the service writes. The sessions are summed up by the service's own code. Then
the questions behind the routes are asked in turn, as the service asks them. The plain scan answers the first of them,
the service's figures of the year, from the rows of seconds alone, without any index.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
import uvloop

from benchmarks.goals import Goal, judge
from emdr_stream.analytics.dashboard import Scope
from emdr_stream.embedded import EmbeddedStores
from emdr_stream.reports.asking import Question, dashboard, insights_of, trends_of
from emdr_stream.store import rows
from emdr_stream.store.archive import DAY_MS, Archive
from emdr_stream.store.archive_postgres import PostgresArchive
from emdr_stream.store.postgres import PostgresStore

WITHIN_100_MS: Final = Goal("dashboard queries, p95", "ms", must=100.0, aim=50.0, more=False)

SESSION_S: Final = 2_400
CLIENTS: Final = 400
OF_A_THERAPIST: Final = 40
_A_REPORT: Final = "a session's 2,400 rows (its report)"
"""Told beside the others and not judged: it is no question of a dashboard."""
_FIRST_MS: Final = 1_767_225_600_000  # 2026-01-01
_DAYS: Final = 320
_SESSIONS: Final = """
insert into sessions (session_id, user_id, epoch, first_seen, updated_at, fields)
select 's' || n, 'u' || n % $2, 1, at, at + $3 * interval '1 second', '{"action": "closed", "source": "emotion"}'
from (select n, $4::timestamptz + (n * 86400.0 * $5 / $1) * interval '1 second' as at
    from generate_series(0, $1::int - 1) as n) as begun
"""
_SECONDS: Final = """
insert into seconds (session_id, epoch, ts, fields)
select session_id, 1, first_seen + s * interval '1 second', jsonb_build_object(
    'valence', round((sin(s / 90.0) * 0.6)::numeric, 4), 'arousal', round((cos(s / 70.0) * 0.6)::numeric, 4),
    'attention', 0.7, 'joy', 0.1, 'sadness', 0.2, 'anger', 0.05, 'fear', round(random()::numeric, 4), 'surprise', 0.1,
    'disgust', 0.05, 'neutral', 0.4, 'blink_rate', 17.0, 'eye_closure', 0.1, 'head_motion', 0.2, 'heart_rate', null,
    'risk', round((random() * 0.5)::numeric, 4), 'crisis', round((random() * 0.3)::numeric, 4),
    'state', (array['calm', 'processing', 'processing', 'hyperarousal', 'hypoarousal', 'drowsy'])[1 + s % 6],
    'level', (array['normal', 'normal', 'normal', 'watch', 'advise', 'pause'])[1 + s / 17 % 6],
    'signal', (array['ok', 'ok', 'ok', 'ok', 'degraded', 'stale'])[1 + s / 31 % 6], 'status', 'running')
from sessions cross join generate_series(0, $1::int - 1) as s
where session_id = any($2)
"""
_OTHERS: Final = """
insert into ratings (session_id, epoch, ts, fields, digest)
select session_id, 1, first_seen + i * interval '400 seconds', jsonb_build_object('scale', 'sud', 'value', 8 - i),
    decode(md5(session_id || i), 'hex')
from sessions cross join generate_series(0, 5) as i;
insert into sets (session_id, epoch, ts, fields, digest)
select session_id, 1, first_seen + i * interval '60 seconds', jsonb_build_object('action', 'start', 'set_no', i),
    decode(md5(session_id || 'set' || i), 'hex')
from sessions cross join generate_series(1, 30) as i;
insert into control_events (session_id, epoch, ts, fields, digest)
select session_id, 1, first_seen + i * interval '700 seconds', '{"action": "pause", "reason": "client_stop"}',
    decode(md5(session_id || 'pause' || i), 'hex')
from sessions cross join generate_series(1, 2) as i;
analyze
"""
_PLAIN: Final = """
select count(distinct session_id), count(*),
    count(*) filter (where fields->>'signal' in ('ok', 'degraded')),
    count(*) filter (where fields->>'state' <> 'unknown'),
    count(*) filter (where fields->>'state' in ('hyperarousal', 'hypoarousal')),
    count(*) filter (where fields->>'level' in ('pause', 'escalate')),
    count(*) filter (where fields->>'status' = 'paused')
from seconds where ts >= $1 and ts < $2
"""


def report(wanted_rows: int, asked: int = 200) -> bool:
    """Draw, sum up, ask; False where the slowest question misses its must."""
    with tempfile.TemporaryDirectory(prefix="emdr-dashboard-") as name:
        # PostgreSQL leaves the root account.
        Path(name).chmod(0o755)
        return uvloop.run(_report(Path(name), wanted_rows, asked))


async def _report(folder: Path, wanted_rows: int, asked: int) -> bool:
    async with EmbeddedStores(folder / "data") as addresses:
        store = PostgresStore(addresses.database_url, timeout_s=30.0)
        await store.start()
        connection: Any = await asyncpg.connect(addresses.database_url)
        await _draw(connection, wanted_rows // SESSION_S)
        archive = PostgresArchive(store)
        await _sum_up(archive)
        slowest = await _ask(archive, asked)
        plain_ms = await _plain_ms(connection)
        await connection.close()
        await store.aclose()
    print(f"\nplain scan of the same rows for the service's figures alone: {plain_ms:,.0f} ms, once")
    print(f"ratio of it to the slowest p95: {plain_ms / slowest:,.0f}")
    return judge(WITHIN_100_MS, slowest)


async def _draw(connection: Any, sessions: int) -> None:
    began_s = time.perf_counter()
    await connection.execute("set synchronous_commit = off")
    first = rows.timestamp(_FIRST_MS)
    await connection.execute("insert into users select 'u' || n, $1 from generate_series(0, $2 - 1) n", first, CLIENTS)
    await connection.execute(_SESSIONS, sessions, CLIENTS, SESSION_S, first, _DAYS)
    for month in range(1, 13):
        since, until = rows.month_bounds(2026, month)
        await connection.execute(
            f"create table seconds_2026_{month:02d} partition of seconds"
            f" for values from ('{since} 00:00:00+00') to ('{until} 00:00:00+00')"
        )
    for start in range(0, sessions, 50):
        names = [f"s{n}" for n in range(start, min(start + 50, sessions))]
        await connection.execute(_SECONDS, SESSION_S, names, timeout=600)
    await connection.execute(_OTHERS, timeout=600)
    count = await connection.fetchval("select count(*) from seconds", timeout=600)
    size = await connection.fetchval(
        "select sum(pg_total_relation_size(inhrelid)) from pg_inherits where inhparent = 'seconds'::regclass"
    )
    took_s = time.perf_counter() - began_s
    gigabytes = float(size) / 1e9
    print(f"\n{count:,} rows of seconds, {gigabytes:.1f} GB with their index, {sessions:,} sessions; {took_s:.0f} s")


async def _sum_up(archive: Archive) -> None:
    began_s, done = time.perf_counter(), 0
    while found := await archive.refresh(50, quiet_s=0.0):
        done += found
    took_s = time.perf_counter() - began_s
    print(f"summed up: {done:,} sessions of {SESSION_S} s, {1_000 * took_s / max(done, 1):.1f} ms each")


async def _ask(archive: Archive, asked: int) -> float:
    """The largest p95 in ms, after a first round that warms caches."""
    until = _FIRST_MS + _DAYS * DAY_MS
    everybody = Question(Scope.SERVICE, None, _FIRST_MS, until)
    mine = Question(Scope.THERAPIST, [f"u{n}" for n in range(OF_A_THERAPIST)], _FIRST_MS, until)
    client = Question(Scope.CLIENT, ["u7"], _FIRST_MS, until)
    recent = Question(Scope.SERVICE, None, until - 30 * DAY_MS, until, days=1)
    questions: dict[str, Callable[[], Awaitable[object]]] = {
        "dashboard, service, the year by weeks": lambda: dashboard(archive, everybody),
        "dashboard, service, 30 days by days": lambda: dashboard(archive, recent),
        f"dashboard, a therapist's {OF_A_THERAPIST} clients": lambda: dashboard(archive, mine),
        "dashboard, one client": lambda: dashboard(archive, client),
        "insights, service, 30 days": lambda: insights_of(archive, recent),
        "insights, one client": lambda: insights_of(archive, client),
        "trends, service, the year by weeks": lambda: trends_of(archive, everybody),
        _A_REPORT: lambda: archive.seconds("s7", 0, SESSION_S),
    }
    print(f"\n{'question':42} {'median':>8} {'p95':>8}  ms, {asked} times each")
    slowest = 0.0
    for name, question in questions.items():
        await question()
        times = []
        for _ in range(asked):
            began_s = time.perf_counter()
            await question()
            times.append(1_000 * (time.perf_counter() - began_s))
            await asyncio.sleep(0)
        p95 = statistics.quantiles(times, n=20)[-1]
        slowest = slowest if name == _A_REPORT else max(slowest, p95)
        print(f"{name:42} {statistics.median(times):8.1f} {p95:8.1f}")
    return slowest


async def _plain_ms(connection: Any) -> float:
    """Without indexes, on as many processes as PostgreSQL likes."""
    await connection.execute("set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off")
    bounds = rows.timestamp(_FIRST_MS), rows.timestamp(_FIRST_MS + _DAYS * DAY_MS)
    began_s = time.perf_counter()
    await connection.fetch(_PLAIN, *bounds, timeout=1_800)
    return 1_000 * (time.perf_counter() - began_s)
