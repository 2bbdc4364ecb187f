"""The archive in memory, for fast tests: the same questions, answered from the rows of `MemoryRecords` each time."""

from collections import Counter
from typing import Any

from emdr_stream.analytics.figures import ClientSums, Outcome, Period, SessionFigures, SessionRating, Sums
from emdr_stream.analytics.rollup import roll_up, summed
from emdr_stream.broker.base import AlertEntry
from emdr_stream.errors import StoreUnavailable
from emdr_stream.progress.measures import Measure
from emdr_stream.store import rows
from emdr_stream.store.archive import AuditEntry, Span, Unsummed, Why, period_starts
from emdr_stream.store.base import PAST_KINDS, UNFENCED, Record, RecordKind
from emdr_stream.store.memory import MemoryRecords


class MemoryArchive:
    """Implements `Archive`. Sessions count once `refresh` was called after their rows came, as in the database."""

    def __init__(self, records: MemoryRecords) -> None:
        self.records = records
        self._rolled: dict[str, SessionFigures] = {}
        self._outcomes: dict[tuple[str, Measure, str, int], Outcome] = {}

    async def refresh(self, most: int, quiet_s: float) -> int:
        self._check()
        known = (self._figures(session_id) for session_id in self._session_ids())
        due = [figures for figures in known if figures is not None and self._rolled.get(figures.session_id) != figures]
        self._rolled.update((figures.session_id, figures) for figures in due[:most])
        return len(due[:most])

    async def session(self, session_id: str) -> SessionFigures | None:
        self._check()
        return self._figures(session_id)

    async def sessions(self, user: str, before: tuple[int, str] | None, most: int) -> list[SessionFigures]:
        self._check()
        mine = [figures for figures in self._rolled.values() if figures.user == user]
        mine = [figures for figures in mine if before is None or (figures.began_ms, figures.session_id) < before]
        return sorted(mine, key=lambda figures: (figures.began_ms, figures.session_id), reverse=True)[:most]

    async def unsummed(self, user: str, since_ms: int, until_ms: int, most: int) -> list[Unsummed]:
        self._check()
        left = [
            figures for name in self._session_ids() if name not in self._rolled and (figures := self._figures(name))
        ]
        mine = [figures for figures in left if figures.user == user and since_ms <= figures.began_ms < until_ms]
        mine.sort(key=lambda figures: (figures.began_ms, figures.session_id))
        return [Unsummed(figures.session_id, self._why(figures.session_id)) for figures in mine[:most]]

    async def sums(self, span: Span) -> Sums:
        return summed(self._within(span))

    async def kinds(self, span: Span) -> dict[str, int]:
        found: Counter[str] = Counter()
        for figures in self._within(span):
            found.update(figures.kinds)
        return dict(sorted(found.items()))

    async def periods(self, span: Span, days: int) -> list[Period]:
        starts = period_starts(span.since_ms, span.until_ms, days)
        ends = [*starts[1:], span.until_ms]
        found = self._within(span)
        return [
            Period(max(start, span.since_ms), end, summed(f for f in found if start <= f.began_ms < end))
            for start, end in zip(starts, ends, strict=True)
        ]

    async def clients(self, span: Span, most: int) -> list[ClientSums]:
        by_user: dict[str, list[SessionFigures]] = {}
        for figures in self._within(span):
            by_user.setdefault(figures.user, []).append(figures)
        found = [ClientSums(user, max(f.began_ms for f in mine), summed(mine)) for user, mine in by_user.items()]
        return sorted(found, key=lambda client: (-client.newest_ms, client.user))[:most]

    async def ratings(self, user: str, since_ms: int, most: int) -> list[SessionRating]:
        self._check()
        found = [r for r in self.records.rows if r.kind is RecordKind.RATING and r.user == user and r.ts_ms >= since_ms]
        found.sort(key=lambda record: record.ts_ms)
        newest = found[-most:] if most else []
        return [SessionRating(r.session_id, r.ts_ms, r.fields["scale"], float(r.fields["value"])) for r in newest]

    async def keep_outcome(self, outcome: Outcome) -> None:
        self._check()
        self._outcomes[outcome.user, outcome.measure, outcome.target, outcome.ts_ms] = outcome

    async def outcomes(self, user: str, since_ms: int, most: int) -> list[Outcome]:
        self._check()
        found = [o for o in self._outcomes.values() if o.user == user and o.ts_ms >= since_ms]
        return sorted(found, key=lambda outcome: outcome.ts_ms)[-most:] if most else []

    async def seconds(self, session_id: str, after_ms: int, most: int) -> list[tuple[int, dict[str, Any]]]:
        self._check()
        return [(ts_ms, fields) for ts_ms, fields in self._seconds(session_id) if ts_ms > after_ms][:most]

    async def events(self, session_id: str, most: int) -> list[tuple[RecordKind, int, dict[str, Any]]]:
        self._check()
        mine = [r for r in self._rows(session_id) if r.kind in PAST_KINDS]
        mine.sort(key=lambda record: (record.ts_ms, record.kind))
        return [(record.kind, record.ts_ms, record.fields) for record in mine[:most]]

    async def alerts(self, user: str, after: tuple[str, int] | None, most: int) -> list[AlertEntry]:
        self._check()
        mine = [entry for _, entry in self.records.alerts.values() if entry.user == user]
        mine.sort(key=lambda entry: (entry.session_id, entry.alert_seq))
        return [entry for entry in mine if after is None or (entry.session_id, entry.alert_seq) > after][:most]

    async def audit(self, user: str, after: int, most: int) -> list[AuditEntry]:
        self._check()
        logged = [record for record in self.records.rows if record.kind is RecordKind.AUDIT]
        chain = rows.chain(logged, 0, rows.GENESIS)
        mine = [row for row in chain if row.user == user and row.number > after]
        return [AuditEntry(row.number, row.ts_ms, row.session_id, row.user, row.body) for row in mine[:most]]

    # within -----------------------------------------------------------------------------------------------------------
    def _within(self, span: Span) -> list[SessionFigures]:
        self._check()
        return [
            figures
            for figures in self._rolled.values()
            if (span.users is None or figures.user in span.users) and span.since_ms <= figures.began_ms < span.until_ms
        ]

    def _session_ids(self) -> list[str]:
        return list(dict.fromkeys(r.session_id for r in self.records.rows if r.kind not in UNFENCED))

    def _rows(self, session_id: str) -> list[Record]:
        mine = (r for r in self.records.rows if r.session_id == session_id and r.kind not in UNFENCED)
        return sorted(mine, key=lambda record: record.ts_ms)

    def _why(self, session_id: str) -> Why:
        told = [record.fields.get("action") for record in self._rows(session_id) if record.kind is RecordKind.SESSION]
        return Why.DUE if "closed" in told else Why.RUNNING

    def _seconds(self, session_id: str) -> list[tuple[int, dict[str, Any]]]:
        newest: dict[int, Record] = {}
        for record in self._rows(session_id):
            if record.kind is RecordKind.SECOND:
                known = newest.get(record.ts_ms)
                newest[record.ts_ms] = record if known is None or record.epoch > known.epoch else known
        return [(ts_ms, record.fields) for ts_ms, record in newest.items()]

    def _figures(self, session_id: str) -> SessionFigures | None:
        mine = self._rows(session_id)
        if not mine:
            return None
        begun = SessionFigures(session_id, mine[0].user, mine[0].ts_ms, mine[0].ts_ms)
        events = [(r.kind.value, r.ts_ms, r.fields) for r in mine if r.kind is not RecordKind.SECOND]
        steps = [entry for _, entry in self.records.alerts.values() if entry.session_id == session_id]
        steps.sort(key=lambda entry: entry.alert_seq)
        return roll_up(begun, self._seconds(session_id), events, (entry.payload for entry in steps))

    def _check(self) -> None:
        if not self.records.available:
            raise StoreUnavailable("the in-memory store is switched off (MemoryRecords.available)")
