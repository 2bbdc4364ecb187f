"""Takes records and alerts, gives the values of database rows, and the links of the audit log's hash chain; pure."""

import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from emdr_stream.store.base import Record, RecordKind

TABLES: Final = {
    RecordKind.SET: "sets",
    RecordKind.RATING: "ratings",
    RecordKind.CONTROL: "control_events",
    RecordKind.ADAPTATION: "adaptations",
}
"""Tables of one shape: session, epoch, time, fields, digest."""

GENESIS: Final = bytes(32)
"""What the first row of the audit log follows."""

_encode: Final = msgspec.json.Encoder().encode
_UNIX_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_EARLIEST_MS: Final = 1_577_836_800_000  # 2020-01-01
_LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the audit log: `body` is the canonical JSON of the record's fields."""

    number: int
    ts_ms: int
    session_id: str
    user: str
    epoch: int
    body: str
    digest: bytes
    prev_hash: bytes
    hash: bytes


def plausible_time(record: Record) -> bool:
    """Whether the time lies in this century; nonsense must not make the store create partitions for it."""
    return _EARLIEST_MS <= record.ts_ms < _LATEST_MS


def timestamp(ts_ms: int) -> datetime.datetime:
    """Milliseconds since the Unix epoch as the database's time, exactly."""
    return _UNIX_EPOCH + datetime.timedelta(milliseconds=ts_ms)


def text(value: str) -> str:
    """PostgreSQL's text holds no NUL."""
    return value.replace("\x00", "\ufffd")


def document(payload: bytes) -> bytes:
    """JSON without NUL in its texts; what is no JSON as it is."""
    if b"\\u0000" not in payload:
        return payload
    try:
        return msgspec.json.encode(_without_nul(msgspec.json.decode(payload)))
    except ValueError:
        return payload


def body(record: Record) -> str:
    """The fields as canonical JSON: keys sorted, no spaces, NaN as null. Raises TypeError for what JSON cannot say."""
    encoded = msgspec.json.encode(record.fields, order="deterministic").decode()
    if "\\u0000" in encoded:
        encoded = msgspec.json.encode(_without_nul(record.fields), order="deterministic").decode()
    return encoded


def unordered_body(record: Record) -> str:
    """As `body`, for columns that sort the keys themselves: in half the time."""
    encoded = _encode(record.fields)
    return body(record) if b"\\u0000" in encoded else encoded.decode()


def digest(record: Record) -> bytes:
    """16 bytes that are the same for the same row alone."""
    identity = (record.kind, record.session_id, record.user, record.epoch, record.ts_ms, body(record))
    return hashlib.sha256(msgspec.json.encode(identity)).digest()[:16]


def second_row(record: Record) -> tuple[Any, ...]:
    """session_id, epoch, ts, fields."""
    return text(record.session_id), record.epoch, timestamp(record.ts_ms), unordered_body(record)


def event_row(record: Record) -> tuple[Any, ...]:
    """session_id, epoch, ts, fields, digest."""
    return *second_row(record), digest(record)


def month(record: Record) -> tuple[int, int]:
    """The partition's year and month."""
    at = timestamp(record.ts_ms)
    return at.year, at.month


def month_bounds(year: int, number: int) -> tuple[str, str]:
    """First day of the month and of the next."""
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return f"{year:04d}-{number:02d}-01", f"{following[0]:04d}-{following[1]:02d}-01"


def link_hash(
    prev_hash: bytes, number: int, ts_ms: int, session_id: str, user: str, epoch: int, body_text: str
) -> bytes:
    """SHA-256 over the previous hash and the row's canonical JSON array."""
    row = msgspec.json.encode((number, ts_ms, session_id, user, epoch, body_text))
    return hashlib.sha256(prev_hash + row).digest()


def chain(records: Iterable[Record], number: int, prev_hash: bytes) -> list[AuditRow]:
    """The rows that follow row `number` with hash `prev_hash`."""
    rows = []
    for record in records:
        number += 1
        values = (number, record.ts_ms, text(record.session_id), text(record.user), record.epoch, body(record))
        linked = link_hash(prev_hash, *values)
        rows.append(AuditRow(*values, digest(record), prev_hash, linked))
        prev_hash = linked
    return rows


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nul(inner) for inner in value]
    return value
