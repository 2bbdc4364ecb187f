"""Contract of the records: what the service keeps of sessions, alerts and commands, in PostgreSQL.

Implementations: `memory.py` (fast tests) and `postgres.py`; both pass `tests/contract/test_store.py`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from emdr_stream.broker.base import AlertEntry


class RecordKind(StrEnum):
    """Kinds of rows, each a table."""

    SESSION = "session"
    SECOND = "second"
    SET = "set"
    RATING = "rating"
    CONTROL = "control"
    ADAPTATION = "adaptation"
    AUDIT = "audit"
    MODEL = "model"
    """What happened to a model, or how far it has drifted; of no session."""


UNFENCED: Final = frozenset({RecordKind.AUDIT, RecordKind.MODEL})
"""Kinds that are kept whatever their epoch: the audit log tells what happened, a stale owner's deeds included."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row to be. `fields` are plain JSON values; `ts_ms` wall clock; `epoch` the owner's fencing token."""

    kind: RecordKind
    session_id: str
    user: str
    epoch: int
    ts_ms: int
    fields: dict[str, Any]


MOST_SECONDS: Final = 7_200
"""Rows of seconds that one look at a session's past gives at most."""
PAST_KINDS: Final = (RecordKind.SET, RecordKind.RATING, RecordKind.CONTROL, RecordKind.ADAPTATION)
"""Kinds that tell what happened in a session, one row each time."""


@dataclass(frozen=True, slots=True)
class SessionPast:
    """What is kept of one session, oldest first: events (PAST_KINDS), seconds, and every step of its alerts.

    Events and seconds are (kind, wall clock in ms, fields). `cut`: there is more than was asked for.
    """

    events: Sequence[tuple[RecordKind, int, dict[str, Any]]]
    seconds: Sequence[tuple[RecordKind, int, dict[str, Any]]]
    alerts: Sequence[AlertEntry]
    cut: bool


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """Outcome of an audit: `rows` that are sound from the first on, `head` the hash of the last of them (hexadecimal).

    `first_bad`: number of the first row that is changed, missing or out of place; None when all are sound. Rows cut off
    at the end, and a log written wholly anew, show only against what was noted elsewhere: `anchored` tells whether that
    was met on the way (True without any). `emptied`: rows about persons who were erased, sound as a later one says so.
    """

    rows: int
    head: str
    first_bad: int | None
    anchored: bool = True
    emptied: int = 0


class Store(Protocol):
    """All methods raise StoreUnavailable within `timeout` (1 s by default), never later."""

    @property
    def refused(self) -> int:
        """Rows of a stale epoch that were refused so far."""

    async def start(self) -> None:
        """Connect and run the migrations under an advisory lock."""

    async def aclose(self) -> None: ...

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the store answers, and took the last writes."""

    async def write(self, records: Sequence[Record]) -> None:
        """Write a batch, all or nothing; the same row twice is one row. Rows of a stale epoch are refused one by one.

        Stale is a row that tells of a time when a newer owner had begun; of an earlier time, it is only late. What was
        refused is counted in `refused`.
        """

    async def append_alerts(self, entries: Sequence[AlertEntry]) -> None:
        """Write alerts; one that is already there (session_id, alert_seq) is left as it is."""

    async def alerts_since(
        self, ts_ms: int, users: Collection[str] | None = None, most: int | None = None
    ) -> list[AlertEntry]:
        """Entries raised or stored at `ts_ms` or later, in order of (session_id, alert_seq).

        Of these users (None: everybody's), and of many the newest `most`.
        """

    async def past(self, session_id: str, seconds_since_ms: int, most: int) -> SessionPast:
        """What is kept of a session: its newest `most` events and alert steps each, its seconds from a time on."""

    async def knows(self, session_id: str) -> bool:
        """Whether there is, or was until it was erased, a session of this id."""

    async def erased(self, session_ids: Collection[str]) -> frozenset[str]:
        """Which of these sessions were erased."""

    async def open_alerts(self, users: Sequence[str] | None) -> list[AlertEntry]:
        """Newest entry of each alert that is not resolved, of these users (None: everybody)."""
