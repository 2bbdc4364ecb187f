"""The records in PostgreSQL: batches and alerts go in and come out; every call is bounded in time."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg

from emdr_stream.broker.base import AlertEntry
from emdr_stream.errors import StoreUnavailable, WritesRefused
from emdr_stream.store import rows
from emdr_stream.store.alert_life import alert_step
from emdr_stream.store.audit_log import AUDIT_PAGE, audit_page, count_audit, write_audit
from emdr_stream.store.base import UNFENCED, AuditVerdict, Record, RecordKind, SessionPast
from emdr_stream.store.chain import Anchor, ChainCheck
from emdr_stream.store.connections import HeldConnections, RawConnection, TimedConnection
from emdr_stream.store.erased import digest_of, erased_among
from emdr_stream.store.migrate import migrate, migrations
from emdr_stream.store.model_events import write_model_events
from emdr_stream.store.ownership import current_records
from emdr_stream.store.past import alert_entry, read_past
from emdr_stream.store.rollups import make_due
from emdr_stream.store.seconds import copy_seconds, write_seconds

Result = TypeVar("Result")

_START_S: Final = 30.0
_CONNECTIONS: Final = 5  # two batches of the writer, one of what was spilled, the alerts, one for questions
_PARTITION_LOCK: Final = 0x70617274  # "part"
_ALERT_COLUMNS: Final = "session_id, user_id, alert_seq, epoch, ts_ms, payload"

_AWAY: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_FULL: Final = (
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
)
_REFUSAL_S: Final = 3.0
"""A full disk takes some rows and refuses others: so long after a refusal the database counts as away."""
_REFUSALS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


@dataclass(slots=True)
class _Refusal:
    """The last time that the database took no write of a kind; `stands` until it takes one."""

    why: str
    at_s: float
    stands: bool = True


class PostgresStore:
    """Implements `Store`. `refused` counts rows of a stale epoch or of an impossible time."""

    def __init__(self, url: str, *, timeout_s: float = 1.0, connections: int = _CONNECTIONS) -> None:
        self._url = url
        self._connections = HeldConnections(
            self._connect, size=connections, timeout_s=timeout_s, away=_AWAY, full=_FULL, refusals=_REFUSALS
        )
        self._months: set[tuple[int, int]] = set()
        # Two transactions that both hold a session and then change it would wait for one another.
        self._one_by_one = asyncio.Lock()
        self._refusing: dict[str, _Refusal] = {}
        self.refused = 0

    async def start(self) -> None:
        """Connect and migrate, 30 s at most. Raises StoreUnavailable (try again) or ConfigurationError (do not)."""
        steps = await asyncio.to_thread(migrations)
        await self._connections.run(lambda connection: migrate(connection, steps), _START_S)

    async def aclose(self) -> None:
        self._connections.close()

    async def ping(self) -> None:
        await self._connections.run(lambda connection: connection.execute("select 1"))
        for refusal in self._refusing.values():
            if refusal.stands or asyncio.get_running_loop().time() - refusal.at_s < _REFUSAL_S:
                raise WritesRefused(refusal.why)

    async def _writing(self, table: str, work: Callable[[TimedConnection], Awaitable[Result]]) -> Result:
        """Run a write, and remember whether the database takes such ones; who is refused tries again."""
        try:
            result = await self._connections.run(work)
        except WritesRefused as refused:
            self._refusing[table] = _Refusal(str(refused), asyncio.get_running_loop().time())
            raise
        if table in self._refusing:
            self._refusing[table].stands = False
        return result

    # records ------------------------------------------------------------------------------------------------------
    async def write(self, records: Sequence[Record]) -> None:
        plausible = [record for record in records if rows.plausible_time(record)]
        if plausible:
            stale = await self._writing("records", lambda connection: self._write(connection, plausible))
            self.refused += stale
        self.refused += len(records) - len(plausible)

    async def _write(self, connection: TimedConnection, records: Sequence[Record]) -> int:
        """Gives the number of stale rows, which were not written."""
        await self._make_partitions(connection, records)
        only_seconds = all(record.kind is RecordKind.SECOND for record in records)
        if only_seconds and await copy_seconds(connection, records, (asyncpg.UniqueViolationError,)):
            return 0
        async with self._one_by_one:
            return await self._write_owned(connection, records)

    async def _write_owned(self, connection: TimedConnection, records: Sequence[Record]) -> int:
        await connection.execute("begin")
        current = await current_records(connection, records)
        by_kind: dict[RecordKind, list[Record]] = {kind: [] for kind in RecordKind}
        for record in current:
            by_kind[record.kind].append(record)
        await _write_sessions(connection, by_kind[RecordKind.SESSION])
        await write_seconds(connection, by_kind[RecordKind.SECOND])
        for kind, table in rows.TABLES.items():
            if by_kind[kind]:
                await connection.executemany(
                    f"insert into {table} (session_id, epoch, ts, fields, digest)"  # noqa: S608 - our own table names
                    " values ($1, $2, $3, $4, $5) on conflict do nothing",
                    [rows.event_row(record) for record in by_kind[kind]],
                )
        # Rows that come late, from a disk where they waited: the sums that were made without them are made anew.
        await make_due(connection, {rows.text(r.session_id) for r in current if r.kind not in UNFENCED})
        await write_model_events(connection, by_kind[RecordKind.MODEL])
        await write_audit(connection, by_kind[RecordKind.AUDIT])
        await connection.execute("commit")
        return len(records) - len(current)

    async def _make_partitions(self, connection: TimedConnection, records: Sequence[Record]) -> None:
        wanted = {rows.month(record) for record in records if record.kind is RecordKind.SECOND} - self._months
        for year, month in sorted(wanted):
            first, last = rows.month_bounds(year, month)
            await connection.execute(
                f"begin; select pg_advisory_xact_lock({_PARTITION_LOCK}); "  # noqa: S608 - numbers of our own
                f"create table if not exists seconds_{year:04d}_{month:02d} "
                f"partition of seconds for values from ('{first} 00:00:00+00') to ('{last} 00:00:00+00'); commit"
            )
            self._months.add((year, month))

    # alerts -------------------------------------------------------------------------------------------------------
    async def append_alerts(self, entries: Sequence[AlertEntry]) -> None:
        if entries:
            ordered = sorted(entries, key=lambda entry: (entry.session_id, entry.alert_seq))
            await self._writing("alerts", lambda connection: _append_alerts(connection, ordered))
            # Also of a session that is over: somebody may acknowledge an alert hours later.
            sessions = {rows.text(entry.session_id) for entry in ordered}
            await self._connections.run(lambda connection: make_due(connection, sessions))

    async def alerts_since(
        self, ts_ms: int, users: Collection[str] | None = None, most: int | None = None
    ) -> list[AlertEntry]:
        found = await self._connections.run(
            lambda connection: connection.fetch(
                f"select {_ALERT_COLUMNS} from alerts where (ts_ms >= $1 or stored_at >= $2)"  # noqa: S608 - our own names
                " and ($3::text[] is null or user_id = any($3)) order by ts_ms desc limit $4",
                ts_ms,
                rows.timestamp(max(0, ts_ms)),
                None if users is None else [rows.text(user) for user in users],
                most,
            )
        )
        return sorted(map(alert_entry, found), key=lambda entry: (entry.session_id, entry.alert_seq))

    async def open_alerts(self, users: Sequence[str] | None) -> list[AlertEntry]:
        names = None if users is None else [rows.text(user) for user in users]
        found = await self._connections.run(
            lambda connection: connection.fetch(
                f"select {', '.join('a.' + c.strip() for c in _ALERT_COLUMNS.split(','))}"  # noqa: S608 - our own names
                " from alert_heads h join alerts a using (session_id, alert_seq)"
                " where h.state <> 'resolved' and ($1::text[] is null or h.user_id = any($1))"
                ' order by a.session_id collate "C", a.alert_seq',
                names,
            )
        )
        return [alert_entry(row) for row in found]

    async def knows(self, session_id: str) -> bool:
        name = rows.text(session_id)
        found = await self._connections.run(
            lambda connection: connection.fetch(
                "select 1 from sessions where session_id = $1"
                " union all select 1 from alerts where session_id = $1"
                " union all select 1 from erased_sessions where digest = $2 limit 1",
                name,
                digest_of(name),
            )
        )
        return bool(found)

    async def erased(self, session_ids: Collection[str]) -> frozenset[str]:
        return await self._connections.run(lambda connection: erased_among(connection, session_ids))

    async def past(self, session_id: str, seconds_since_ms: int, most: int) -> SessionPast:
        name, since = rows.text(session_id), rows.timestamp(max(0, seconds_since_ms))
        return await self._connections.run(lambda connection: read_past(connection, name, since, most))

    async def ask(
        self, question: Callable[[TimedConnection], Awaitable[Result]], budget_s: float | None = None
    ) -> Result:
        """What a question of another module says, such as those of `model_events.py`; in `budget_s`, or the timeout.

        Raises StoreUnavailable.
        """
        return await self._connections.run(question, budget_s)

    # audit log ----------------------------------------------------------------------------------------------------
    async def audit_rows(self) -> int:
        """How many rows the log says it has. Raises StoreUnavailable, or ConfigurationError where there is no log."""
        return await self._connections.run(count_audit)

    async def verify_audit(
        self, anchor: Anchor | None = None, on_page: Callable[[int], None] = lambda rows: None
    ) -> AuditVerdict:
        """Recompute the whole chain, page by page; rows that are written meanwhile are checked too.

        `on_page` is told how many rows are done. Raises StoreUnavailable.
        """
        check = ChainCheck(anchor)
        while True:
            page = await self._connections.run(functools.partial(audit_page, after=check.number))
            sound = all(map(check.take, page))
            on_page(check.number)
            if not sound or len(page) < AUDIT_PAGE:
                return check.verdict()

    async def _connect(self, timeout_s: float) -> RawConnection:
        try:
            connection: RawConnection = await asyncpg.connect(
                self._url,
                timeout=timeout_s,
                server_settings={
                    "application_name": "emdr-stream",
                    # What this side has given up must not hold locks on the other.
                    "statement_timeout": "60s",
                    "idle_in_transaction_session_timeout": "10s",
                },
            )
        except ValueError as error:
            raise StoreUnavailable("the database address is malformed: correct EMDR_DATABASE_URL") from error
        return connection


async def _write_sessions(connection: TimedConnection, records: Sequence[Record]) -> None:
    # Records may come late and out of order: of one field the latest counts. Writers that cross lock in one order.
    await connection.executemany(
        "update sessions set updated_at = greatest(updated_at, $3),"
        " fields = case when $3 >= updated_at then fields || $2::jsonb else $2::jsonb || fields end"
        " where session_id = $1",
        [(rows.text(r.session_id), rows.body(r), rows.timestamp(r.ts_ms)) for r in sorted(records, key=_by_session)],
    )


def _by_session(record: Record) -> str:
    return record.session_id


async def _append_alerts(connection: TimedConnection, entries: Sequence[AlertEntry]) -> None:
    erased = await erased_among(connection, {entry.session_id for entry in entries})
    values = []
    for entry in entries:
        if entry.session_id in erased:
            continue
        step = alert_step(entry)
        keys = (rows.text(entry.session_id), entry.alert_seq, rows.text(entry.user))
        alert_id, payload = rows.text(step.alert_id), rows.document(entry.payload)
        values.append((*keys, entry.epoch, entry.ts_ms, alert_id, step.state.value, payload))
    await connection.execute("begin")
    await connection.executemany(
        "insert into alerts (session_id, alert_seq, user_id, epoch, ts_ms, alert_id, state, payload)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
        values,
    )
    # The head follows what the table holds: of two entries with one number the first is the one that counts.
    await connection.executemany(
        "insert into alert_heads (session_id, alert_id, alert_seq, user_id, state)"
        " select session_id, alert_id, alert_seq, user_id, state from alerts where session_id = $1 and alert_seq = $2"
        " on conflict (session_id, alert_id) do update set alert_seq = excluded.alert_seq, state = excluded.state"
        " where excluded.alert_seq > alert_heads.alert_seq",
        [row[:2] for row in values],
    )
    await connection.execute("commit")
