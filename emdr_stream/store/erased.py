"""Records and alerts that come late in, those of sessions that were not erased meanwhile out."""

from collections.abc import Collection, Sequence
from hashlib import sha256

from emdr_stream.store import rows
from emdr_stream.store.base import Record
from emdr_stream.store.connections import TimedConnection


def digest_of(session_id: str) -> bytes:
    """What is kept of an erased session: SHA-256 of its id, which is random."""
    return sha256(rows.text(session_id).encode()).digest()


async def erased_among(connection: TimedConnection, session_ids: Collection[str]) -> frozenset[str]:
    """Which of these sessions were erased."""
    digests = {digest_of(session_id): session_id for session_id in session_ids if session_id}
    if not digests:
        return frozenset()
    found = await connection.fetch("select digest from erased_sessions where digest = any($1)", list(digests))
    return frozenset(digests[row["digest"]] for row in found)


async def without_erased(connection: TimedConnection, records: Sequence[Record]) -> Sequence[Record]:
    """Audit records; of an erased session the deed alone is told, and of nobody."""
    erased = await erased_among(connection, {record.session_id for record in records})
    return [_impersonal(record) if record.session_id in erased else record for record in records]


def _impersonal(record: Record) -> Record:
    deed = {"action": record.fields.get("action", ""), "of": "an erased session"}
    return Record(record.kind, "", "", 0, record.ts_ms, deed)
