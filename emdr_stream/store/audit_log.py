"""Audit records in, linked rows of `audit_log` out, and its rows again: the SQL of the chain in the database."""

from collections.abc import Sequence
from typing import Any, Final

from emdr_stream.errors import ConfigurationError
from emdr_stream.store import rows
from emdr_stream.store.base import Record
from emdr_stream.store.connections import TimedConnection
from emdr_stream.store.erased import without_erased

_AUDIT_LOCK: Final = 0x61756469  # "audi"
AUDIT_PAGE: Final = 5_000


async def lock_audit(connection: TimedConnection) -> None:
    """Until the commit nobody else appends to the log or empties entries of it."""
    await connection.execute("select pg_advisory_xact_lock($1)", _AUDIT_LOCK)


async def write_audit(connection: TimedConnection, records: Sequence[Record]) -> None:
    """Append entries to the chain, within a transaction; one that is there already is left out."""
    if not records:
        return
    await lock_audit(connection)
    records = await without_erased(connection, records)
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


async def count_audit(connection: TimedConnection) -> int:
    """How many entries the log says it has. Raises ConfigurationError where there is none."""
    found = await connection.fetch("select to_regclass('audit_log') is not null as there")
    if not found[0]["there"]:
        raise ConfigurationError(
            "this database holds no audit log: name the one that the service writes to (EMDR_DATABASE_URL), "
            "or start the service on it once"
        )
    counted = await connection.fetch("select coalesce(max(id), 0) as newest from audit_log")
    return int(counted[0]["newest"])


async def audit_page(connection: TimedConnection, after: int) -> list[Any]:
    """AUDIT_PAGE entries behind number `after`, with all that their hashes need."""
    return await connection.fetch(
        "select id, ts_ms, session_id, user_id, epoch, body, prev_hash, hash from audit_log"
        " where id > $1 order by id limit $2",
        after,
        AUDIT_PAGE,
    )
