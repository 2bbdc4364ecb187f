"""Contract of the archive: what is asked of the records once sessions are over, by therapists, operators and exports.

Implementations: `archive_memory.py` (fast tests) and `archive_postgres.py`; both pass `tests/contract/test_archive.py`.
Who may ask for whom is the caller's to check.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from emdr_stream.analytics.figures import ClientSums, Outcome, Period, SessionFigures, SessionRating, Sums
from emdr_stream.broker.base import AlertEntry
from emdr_stream.store.base import RecordKind

MOST_SESSIONS: Final = 500
"""Sessions that one question gives at most; ask again from the last one on."""
MOST_ROWS: Final = 5_000
"""Rows of any other kind that one question gives at most."""
MOST_PERIODS: Final = 400
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Span:
    """Sessions of `users` (None: everybody's) that began within [`since_ms`, `until_ms`)."""

    users: Sequence[str] | None
    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of the audit log: `number` in the log, `body` the canonical JSON that the chain of hashes is made of."""

    number: int
    ts_ms: int
    session_id: str
    user: str
    body: str


class Why(StrEnum):
    """Why a session is not summed up, and so in no figure and no export."""

    RUNNING = "running"
    DUE = "due"
    """It is over, and its turn comes within a minute."""
    UNREADABLE = "unreadable"
    """It was tried, and its rows cannot be added up; the log says so."""


@dataclass(frozen=True, slots=True)
class Unsummed:
    session_id: str
    why: Why


class Archive(Protocol):
    """All methods raise StoreUnavailable when the store does not answer in time."""

    async def refresh(self, most: int, quiet_s: float) -> int:
        """Sum up at most so many sessions that are due; gives how many it did.

        Due is a session whose sums are missing, or were made of an earlier state of it: closed `quiet_s` seconds ago,
        or unheard of for hours.
        """

    async def session(self, session_id: str) -> SessionFigures | None:
        """A session's figures as its rows are now, a running one's too; None without such a session."""

    async def sessions(self, user: str, before: tuple[int, str] | None, most: int) -> list[SessionFigures]:
        """A user's sessions that are summed up, newest first; `before`: (began_ms, session_id) of the last one seen."""

    async def unsummed(self, user: str, since_ms: int, until_ms: int, most: int) -> list[Unsummed]:
        """The user's sessions within [`since_ms`, `until_ms`) that are not summed up, oldest first."""

    async def sums(self, span: Span) -> Sums: ...

    async def kinds(self, span: Span) -> dict[str, int]:
        """Alerts by kind."""

    async def periods(self, span: Span, days: int) -> list[Period]:
        """Sums for each so many days, oldest first, from the start of `since_ms`' day (UTC) on; empty ones too.

        Raises ValueError for more than MOST_PERIODS of them.
        """

    async def clients(self, span: Span, most: int) -> list[ClientSums]:
        """Sums of each client, those with the newest session first."""

    async def ratings(self, user: str, since_ms: int, most: int) -> list[SessionRating]:
        """The newest ratings given within sessions since then, oldest first."""

    async def keep_outcome(self, outcome: Outcome) -> None:
        """Keep it; another value of the same measure, target and time replaces the one before."""

    async def outcomes(self, user: str, since_ms: int, most: int) -> list[Outcome]:
        """The newest results of questionnaires since then, oldest first."""

    async def seconds(self, session_id: str, after_ms: int, most: int) -> list[tuple[int, dict[str, Any]]]:
        """Rows of seconds later than that, oldest first: (ms, fields)."""

    async def events(self, session_id: str, most: int) -> list[tuple[RecordKind, int, dict[str, Any]]]:
        """The first events of a session (PAST_KINDS), oldest first: (kind, ms, fields)."""

    async def alerts(self, user: str, after: tuple[str, int] | None, most: int) -> list[AlertEntry]:
        """Steps of a user's alerts in order of (session_id, alert_seq); `after`: those of the last one seen."""

    async def audit(self, user: str, after: int, most: int) -> list[AuditEntry]:
        """Entries of the audit log about a user, in order, later than number `after`."""


def period_starts(since_ms: int, until_ms: int, days: int) -> list[int]:
    """Starts of the periods from the start of the day (UTC) of `since_ms` on. Raises ValueError for too many."""
    first = since_ms - since_ms % DAY_MS
    starts = list(range(first, until_ms, days * DAY_MS)) if days > 0 and (until_ms - first) else []
    if days < 1 or len(starts) > MOST_PERIODS:
        raise ValueError(f"choose periods of so many days that there are at most {MOST_PERIODS} of them")
    return starts
