"""The records in memory, for fast tests: batches and alerts go in and come out by the same contract as PostgreSQL's."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from emdr_stream.broker.base import AlertEntry
from emdr_stream.clock import wall_ms
from emdr_stream.errors import StoreUnavailable
from emdr_stream.store.alert_life import open_steps
from emdr_stream.store.base import MOST_SECONDS, PAST_KINDS, UNFENCED, Record, RecordKind, SessionPast


@dataclass(slots=True, eq=False)
class MemoryRecords:
    """What all stores of one test share, as they would share a database. `available` switched off is an outage."""

    available: bool = True
    rows: list[Record] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)
    owners: dict[str, dict[int, int]] = field(default_factory=dict)
    """Of each session its epochs, and when each began."""
    alerts: dict[tuple[str, int], tuple[int, AlertEntry]] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    """Sessions that were erased: their alerts are refused."""


class MemoryStore:
    """One worker's store. `refused` counts rows of a stale epoch."""

    def __init__(self, records: MemoryRecords | None = None, wall_ms: Callable[[], int] = wall_ms) -> None:
        self.records = records or MemoryRecords()
        self.refused = 0
        self._wall_ms = wall_ms

    async def start(self) -> None:
        self._check()

    async def aclose(self) -> None:
        return

    async def ping(self) -> None:
        self._check()

    async def write(self, records: Sequence[Record]) -> None:
        self._check()
        for record in records:
            if record.kind not in UNFENCED:
                self.records.owners.setdefault(record.session_id, {}).setdefault(record.epoch, record.ts_ms)
        for record in records:
            if record.kind not in UNFENCED and self._is_stale(record):
                self.refused += 1
            elif (key := msgspec.json.encode(record, order="deterministic")) not in self.records.seen:
                self.records.seen.add(key)
                self.records.rows.append(record)

    async def append_alerts(self, entries: Sequence[AlertEntry]) -> None:
        self._check()
        for entry in entries:
            if entry.session_id in self.records.erased:
                continue
            self.records.alerts.setdefault((entry.session_id, entry.alert_seq), (self._wall_ms(), entry))

    async def alerts_since(
        self, ts_ms: int, users: Collection[str] | None = None, most: int | None = None
    ) -> list[AlertEntry]:
        self._check()
        found = [
            entry
            for stored_ms, entry in self.records.alerts.values()
            if max(stored_ms, entry.ts_ms) >= ts_ms and (users is None or entry.user in users)
        ]
        found.sort(key=lambda entry: entry.ts_ms)
        newest = found if most is None else found[-most:]
        return sorted(newest, key=lambda entry: (entry.session_id, entry.alert_seq))

    async def open_alerts(self, users: Sequence[str] | None) -> list[AlertEntry]:
        self._check()
        mine = (entry for _, entry in self.records.alerts.values() if users is None or entry.user in users)
        return open_steps(mine)

    async def knows(self, session_id: str) -> bool:
        self._check()
        return session_id in self.records.owners or any(name == session_id for name, _ in self.records.alerts)

    async def erased(self, session_ids: Collection[str]) -> frozenset[str]:
        self._check()
        return frozenset(self.records.erased.intersection(session_ids))

    async def past(self, session_id: str, seconds_since_ms: int, most: int) -> SessionPast:
        self._check()
        mine = sorted((r for r in self.records.rows if r.session_id == session_id), key=lambda r: r.ts_ms)
        events = [(r.kind, r.ts_ms, r.fields) for r in mine if r.kind in PAST_KINDS]
        seconds = [
            (r.kind, r.ts_ms, r.fields) for r in mine if r.kind is RecordKind.SECOND and r.ts_ms >= seconds_since_ms
        ]
        steps = [entry for _, entry in self.records.alerts.values() if entry.session_id == session_id]
        steps.sort(key=lambda entry: entry.alert_seq)
        cut = max(len(events), len(steps)) > most
        return SessionPast(events[-most:], seconds[:MOST_SECONDS], steps[-most:], cut or len(seconds) > MOST_SECONDS)

    def rows(self, kind: RecordKind) -> list[Record]:
        """All rows of one kind, in the order in which they were written."""
        return [record for record in self.records.rows if record.kind is kind]

    def _is_stale(self, record: Record) -> bool:
        owners = self.records.owners[record.session_id]
        later = [since_ms for epoch, since_ms in owners.items() if epoch > record.epoch]
        return bool(later) and record.ts_ms >= min(later)

    def _check(self) -> None:
        if not self.records.available:
            raise StoreUnavailable("the in-memory store is switched off (MemoryRecords.available)")
