"""A session's id in, what the database keeps of it out: its events, its seconds and the steps of its alerts."""

import datetime
from typing import Any, Final

import msgspec

from emdr_stream.broker.base import AlertEntry
from emdr_stream.store import rows
from emdr_stream.store.base import MOST_SECONDS, PAST_KINDS, RecordKind, SessionPast
from emdr_stream.store.connections import TimedConnection

_EVENTS_OF: Final = "select '{kind}' as kind, id, ts, fields from {table} where session_id = $1"
_EVENTS: Final = (
    "select kind, ts, fields from ("  # noqa: S608 - names of our own
    f"{' union all '.join(_EVENTS_OF.format(kind=kind.value, table=rows.TABLES[kind]) for kind in PAST_KINDS)}"
    ") as happened order by ts desc, kind desc, id desc limit $2"
)
_SECONDS: Final = (
    "select distinct on (ts) ts, fields from seconds"
    " where session_id = $1 and ts >= $2 order by ts, epoch desc limit $3"
)
_ALERTS: Final = (
    "select session_id, user_id, alert_seq, epoch, ts_ms, payload from alerts"
    " where session_id = $1 order by alert_seq desc limit $2"
)
_UNIX_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND: Final = datetime.timedelta(milliseconds=1)
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


async def read_past(
    connection: TimedConnection, session_id: str, seconds_since: datetime.datetime, most: int
) -> SessionPast:
    """Implements `Store.past`. One more row than wanted is asked for, to know whether there are more."""
    events = await connection.fetch(_EVENTS, session_id, most + 1)
    seconds = await connection.fetch(_SECONDS, session_id, seconds_since, MOST_SECONDS + 1)
    alerts = await connection.fetch(_ALERTS, session_id, most + 1)
    cut = max(len(events), len(alerts)) > most or len(seconds) > MOST_SECONDS
    return SessionPast(
        [(RecordKind(row["kind"]), _ms(row), _decode(row["fields"])) for row in reversed(events[:most])],
        [(RecordKind.SECOND, _ms(row), _decode(row["fields"])) for row in seconds[:MOST_SECONDS]],
        [alert_entry(row) for row in reversed(alerts[:most])],
        cut,
    )


def milliseconds(moment: datetime.datetime) -> int:
    """The database's time as ms of the Unix epoch."""
    return int((moment - _UNIX_EPOCH) / _MILLISECOND)


def _ms(row: Any) -> int:
    return milliseconds(row["ts"])


def alert_entry(row: Any) -> AlertEntry:
    """One row of the table `alerts`."""
    return AlertEntry(
        session_id=row["session_id"],
        user=row["user_id"],
        alert_seq=row["alert_seq"],
        epoch=row["epoch"],
        ts_ms=row["ts_ms"],
        payload=bytes(row["payload"]),
    )
