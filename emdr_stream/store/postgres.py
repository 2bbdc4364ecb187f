"""The records in PostgreSQL: batches and alerts go in and come out; every call is bounded in time."""

import asyncio
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from emdr_stream.broker.base import AlertEntry
from emdr_stream.errors import ConfigurationError, StoreUnavailable
from emdr_stream.store import rows
from emdr_stream.store.alert_life import alert_step
from emdr_stream.store.base import UNFENCED, AuditVerdict, Record, RecordKind
from emdr_stream.store.chain import Anchor, ChainCheck
from emdr_stream.store.connections import HeldConnections, RawConnection, TimedConnection
from emdr_stream.store.migrate import migrate, migrations

_START_S: Final = 30.0
_CONNECTIONS: Final = 3  # the writer, the alerts, one for questions
_AUDIT_LOCK: Final = 0x61756469  # "audi"
_PARTITION_LOCK: Final = 0x70617274  # "part"
_AUDIT_PAGE: Final = 5_000
_ALERT_COLUMNS: Final = "session_id, user_id, alert_seq, epoch, ts_ms, payload"
_SECOND_COLUMNS: Final = ("session_id", "epoch", "ts", "fields")

_AWAY: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_REFUSALS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


@dataclass(slots=True)
class _Owner:
    """What a batch says of one session: its user, its newest epoch and its earliest time."""

    user: str
    epoch: int
    first_ms: int


class PostgresStore:
    """Implements `Store`. `refused` counts rows of a stale epoch or of an impossible time."""

    def __init__(self, url: str, *, timeout_s: float = 1.0, connections: int = _CONNECTIONS) -> None:
        self._url = url
        self._connections = HeldConnections(
            self._connect, size=connections, timeout_s=timeout_s, away=_AWAY, refusals=_REFUSALS
        )
        self._months: set[tuple[int, int]] = set()
        self.refused = 0

    async def start(self) -> None:
        """Connect and migrate, 30 s at most. Raises StoreUnavailable (try again) or ConfigurationError (do not)."""
        steps = await asyncio.to_thread(migrations)
        await self._connections.run(lambda connection: migrate(connection, steps), _START_S)

    async def aclose(self) -> None:
        self._connections.close()

    async def ping(self) -> None:
        await self._connections.run(lambda connection: connection.execute("select 1"))

    # records ------------------------------------------------------------------------------------------------------
    async def write(self, records: Sequence[Record]) -> None:
        plausible = [record for record in records if rows.plausible_time(record)]
        if plausible:
            stale = await self._connections.run(lambda connection: self._write(connection, plausible))
            self.refused += stale
        self.refused += len(records) - len(plausible)

    async def _write(self, connection: TimedConnection, records: Sequence[Record]) -> int:
        await self._make_partitions(connection, records)
        await connection.execute("begin")
        epochs = await _own(connection, records)
        current = [r for r in records if r.kind in UNFENCED or r.epoch >= epochs[rows.text(r.session_id)]]
        by_kind: dict[RecordKind, list[Record]] = {kind: [] for kind in RecordKind}
        for record in current:
            by_kind[record.kind].append(record)
        await _write_sessions(connection, by_kind[RecordKind.SESSION])
        await _write_seconds(connection, by_kind[RecordKind.SECOND])
        for kind, table in rows.TABLES.items():
            if by_kind[kind]:
                await connection.executemany(
                    f"insert into {table} (session_id, epoch, ts, fields, digest)"  # noqa: S608 - our own table names
                    " values ($1, $2, $3, $4, $5) on conflict do nothing",
                    [rows.event_row(record) for record in by_kind[kind]],
                )
        await _write_audit(connection, by_kind[RecordKind.AUDIT])
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
            await self._connections.run(lambda connection: _append_alerts(connection, ordered))

    async def alerts_since(self, ts_ms: int) -> list[AlertEntry]:
        found = await self._connections.run(
            lambda connection: connection.fetch(
                f"select {_ALERT_COLUMNS} from alerts where ts_ms >= $1 or stored_at >= $2"  # noqa: S608 - our own names
                ' order by session_id collate "C", alert_seq',
                ts_ms,
                rows.timestamp(max(0, ts_ms)),
            )
        )
        return [_entry(row) for row in found]

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
        return [_entry(row) for row in found]

    # audit log ----------------------------------------------------------------------------------------------------
    async def audit_rows(self) -> int:
        """How many rows the log says it has. Raises StoreUnavailable, or ConfigurationError where there is no log."""
        return await self._connections.run(_audit_rows)

    async def verify_audit(
        self, anchor: Anchor | None = None, on_page: Callable[[int], None] = lambda rows: None
    ) -> AuditVerdict:
        """Recompute the whole chain, page by page; rows that are written meanwhile are checked too.

        `on_page` is told how many rows are done. Raises StoreUnavailable.
        """
        check = ChainCheck(anchor)
        while True:
            page = await self._connections.run(functools.partial(_audit_page, after=check.number))
            sound = all(map(check.take, page))
            on_page(check.number)
            if not sound or len(page) < _AUDIT_PAGE:
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


async def _own(connection: TimedConnection, records: Iterable[Record]) -> dict[str, int]:
    """Have the sessions there with at least the batch's epochs; gives the epochs that hold until the commit."""
    owners: dict[str, _Owner] = {}
    for record in records:
        if record.kind not in UNFENCED:
            name = rows.text(record.session_id)
            owner = owners.setdefault(name, _Owner(rows.text(record.user), record.epoch, record.ts_ms))
            owner.epoch = max(owner.epoch, record.epoch)
            owner.first_ms = min(owner.first_ms, record.ts_ms)
    names = sorted(owners)
    known = await connection.fetch("select session_id, epoch from sessions where session_id = any($1)", names)
    epochs = {row["session_id"]: row["epoch"] for row in known}
    grown = [name for name in names if owners[name].epoch > epochs.get(name, -1)]
    if grown:
        await _raise_epochs(connection, {name: owners[name] for name in grown})
    # The share lock keeps a new owner's epoch out until our rows are committed.
    held = await connection.fetch(
        "select session_id, epoch from sessions where session_id = any($1) order by session_id for share", names
    )
    return {row["session_id"]: row["epoch"] for row in held}


async def _raise_epochs(connection: TimedConnection, owners: dict[str, _Owner]) -> None:
    first_seen = [rows.timestamp(owner.first_ms) for owner in owners.values()]
    users = [owner.user for owner in owners.values()]
    await connection.execute(
        "insert into users (user_id, first_seen) select u, min(t) from unnest($1::text[], $2::timestamptz[]) as n(u, t)"
        " group by u order by u on conflict do nothing",
        users,
        first_seen,
    )
    await connection.execute(
        "insert into sessions (session_id, user_id, epoch, first_seen, updated_at)"
        " select s, u, e, t, t from unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) as n(s, u, e, t)"
        " on conflict (session_id) do update set epoch = greatest(sessions.epoch, excluded.epoch)",
        list(owners),
        users,
        [owner.epoch for owner in owners.values()],
        first_seen,
    )


async def _write_sessions(connection: TimedConnection, records: Sequence[Record]) -> None:
    await connection.executemany(
        "update sessions set fields = fields || $2::jsonb, updated_at = greatest(updated_at, $3) where session_id = $1",
        [(rows.text(r.session_id), rows.body(r), rows.timestamp(r.ts_ms)) for r in records],
    )


async def _write_seconds(connection: TimedConnection, records: Sequence[Record]) -> None:
    if not records:
        return
    values = [rows.second_row(record) for record in records]
    await connection.execute("savepoint before_seconds")
    try:
        await connection.copy("seconds", _SECOND_COLUMNS, values)
    except asyncpg.UniqueViolationError:
        # A batch whose first commit was never confirmed comes again: COPY knows no "on conflict".
        await connection.execute("rollback to savepoint before_seconds")
        await connection.executemany(
            "insert into seconds (session_id, epoch, ts, fields) values ($1, $2, $3, $4) on conflict do nothing", values
        )


async def _write_audit(connection: TimedConnection, records: Sequence[Record]) -> None:
    if not records:
        return
    await connection.execute("select pg_advisory_xact_lock($1)", _AUDIT_LOCK)
    fresh = {rows.digest(record): record for record in records}
    written = await connection.fetch("select digest from audit_log where digest = any($1)", list(fresh))
    for row in written:
        del fresh[row["digest"]]
    last = await connection.fetch("select id, hash from audit_log order by id desc limit 1")
    number, prev_hash = (last[0]["id"], last[0]["hash"]) if last else (0, rows.GENESIS)
    linked = rows.chain(fresh.values(), number, prev_hash)
    await connection.executemany(
        "insert into audit_log (id, ts_ms, session_id, user_id, epoch, body, digest, prev_hash, hash)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        [(r.number, r.ts_ms, r.session_id, r.user, r.epoch, r.body, r.digest, r.prev_hash, r.hash) for r in linked],
    )


async def _audit_rows(connection: TimedConnection) -> int:
    found = await connection.fetch("select to_regclass('audit_log') is not null as there")
    if not found[0]["there"]:
        raise ConfigurationError(
            "this database holds no audit log: name the one that the service writes to (EMDR_DATABASE_URL), "
            "or start the service on it once"
        )
    counted = await connection.fetch("select coalesce(max(id), 0) as newest from audit_log")
    return int(counted[0]["newest"])


async def _audit_page(connection: TimedConnection, after: int) -> list[Any]:
    return await connection.fetch(
        "select id, ts_ms, session_id, user_id, epoch, body, prev_hash, hash from audit_log"
        " where id > $1 order by id limit $2",
        after,
        _AUDIT_PAGE,
    )


async def _append_alerts(connection: TimedConnection, entries: Sequence[AlertEntry]) -> None:
    values = []
    for entry in entries:
        step = alert_step(entry)
        keys = (rows.text(entry.session_id), entry.alert_seq, rows.text(entry.user))
        values.append((*keys, entry.epoch, entry.ts_ms, rows.text(step.alert_id), step.state.value, entry.payload))
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


def _entry(row: Any) -> AlertEntry:
    return AlertEntry(
        session_id=row["session_id"],
        user=row["user_id"],
        alert_seq=row["alert_seq"],
        epoch=row["epoch"],
        ts_ms=row["ts_ms"],
        payload=bytes(row["payload"]),
    )
