"""Takes alert entries from all sides in any order, gives each once and in the order of its session; pure."""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from emdr_stream.broker.base import ALERT_BLOCK, EVERYBODY, AlertEntry

_PATIENCE_S: Final = 3.0
"""How long an entry waits for one before it: a late order is better than a withheld alert."""


_SETTLE_S: Final = 0.3
"""How long a new owner's first entry waits for the former owner's last ones, when both stores have been asked."""
_BEGIN_S: Final = 1.0
"""The same when a store is away."""


@dataclass(slots=True)
class _Session:
    """`last`: newest sequence number that was released, 0 before the first."""

    last: int = 0
    recent: OrderedDict[int, AlertEntry] = field(default_factory=OrderedDict)
    held: dict[int, AlertEntry] = field(default_factory=dict)
    held_since_s: float = 0.0


class Sequencer:
    """The order of alerts in one process. Bounded: `per_session` entries each, `total` over all sessions.

    Counters: `forced` releases over a gap, `late` entries that came after their gap had been given up.
    """

    def __init__(self, *, patience_s: float = _PATIENCE_S, per_session: int = 512, total: int = 20_000) -> None:
        self._patience_s = patience_s
        self._per_session = per_session
        self._total = total
        self._kept = 0
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._gaps: set[str] = set()
        self.forced = 0
        self.late = 0

    @property
    def has_gaps(self) -> bool:
        """Whether an entry waits for one before it."""
        return bool(self._gaps)

    def earliest_held_ms(self) -> int:
        """The oldest time of an entry that waits; what it waits for was raised about then. Only with gaps."""
        return min(entry.ts_ms for name in self._gaps for entry in self._sessions[name].held.values())

    def last_seq(self, session_id: str) -> int:
        """The highest sequence number seen of the session, 0 when none is known."""
        session = self._sessions.get(session_id)
        return 0 if session is None else max(session.last, *session.held, 0)

    def adopt(self, entry: AlertEntry) -> None:
        """Take an entry as history, whatever is missing before it."""
        session = self._session(entry.session_id)
        if entry.alert_seq not in session.recent:
            self._keep(session, entry)
        session.last = max(session.last, entry.alert_seq)

    def offer(self, entry: AlertEntry, now_s: float) -> list[AlertEntry]:
        """Take an entry; gives what may be told now, in order."""
        session = self._session(entry.session_id)
        sequence = entry.alert_seq
        if sequence in session.recent or sequence in session.held:
            return []
        if sequence <= session.last:
            return self._came_late(session, entry)
        if not session.held:
            session.held_since_s = now_s
        session.held[sequence] = entry
        return self._release(entry.session_id, session)

    def searched(self, now_s: float) -> list[AlertEntry]:
        """Every store was asked for what is missing and has answered: a new owner's first entry waits no longer.

        It begins a block of numbers of its own, so that nothing needs to lie between it and the one before. What the
        former owner raised last may still be on its way when it comes, hence a moment's wait all the same. The first
        entry of a session that is unknown here waits no longer either: what was before it is older than this process.
        """
        return self._let_begin(now_s, _SETTLE_S, unknown_too=True)

    def overdue(self, now_s: float) -> list[AlertEntry]:
        """What has waited too long is told over the gap."""
        released = self._let_begin(now_s, _BEGIN_S)
        for name in [n for n in self._gaps if now_s - self._sessions[n].held_since_s >= self._patience_s]:
            session = self._sessions[name]
            self.forced += 1
            session.last = min(session.held) - 1
            session.held_since_s = now_s
            released += self._release(name, session)
        return released

    def _let_begin(self, now_s: float, waited_s: float, *, unknown_too: bool = False) -> list[AlertEntry]:
        """Release what has waited for so long and begins a block, or is the first that is heard of its session."""
        released: list[AlertEntry] = []
        for name in [n for n in self._gaps if now_s - self._sessions[n].held_since_s >= waited_s]:
            session = self._sessions[name]
            first = min(session.held)
            begins = first > ALERT_BLOCK and first % ALERT_BLOCK == 1
            if begins or (unknown_too and not session.last):
                session.last = first - 1
                session.held_since_s = now_s
                released += self._release(name, session)
        return released

    def forget(self, names: Collection[str]) -> None:
        """These sessions were erased."""
        for name in names:
            self._gaps.discard(name)
            session = self._sessions.pop(name, None)
            if session is not None:
                self._kept -= len(session.recent)

    def of_session(self, name: str) -> list[AlertEntry]:
        """What is in memory of one session, released or not, in its order."""
        session = self._sessions.get(name)
        known = {} if session is None else {**session.recent, **session.held}
        return [known[sequence] for sequence in sorted(known)]

    def recent(self, users: Collection[str]) -> list[AlertEntry]:
        """What is in memory of these users, released or not; {"*"} means everybody."""
        everybody = EVERYBODY in users
        return [
            entry
            for session in self._sessions.values()
            for entry in (*session.recent.values(), *session.held.values())
            if everybody or entry.user in users
        ]

    def _session(self, name: str) -> _Session:
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = _Session()
        self._sessions.move_to_end(name)
        return session

    def _came_late(self, session: _Session, entry: AlertEntry) -> list[AlertEntry]:
        """Below what was released: an entry whose gap was given up, or one so old that it has left memory."""
        if session.recent and entry.alert_seq < min(session.recent) and len(session.recent) >= self._per_session:
            return []
        self.late += 1
        self._keep(session, entry)
        return [entry]

    def _release(self, name: str, session: _Session) -> list[AlertEntry]:
        released = []
        while (entry := session.held.pop(session.last + 1, None)) is not None:
            session.last += 1
            self._keep(session, entry)
            released.append(entry)
        if session.held:
            self._gaps.add(name)
        else:
            self._gaps.discard(name)
        return released

    def _keep(self, session: _Session, entry: AlertEntry) -> None:
        session.recent[entry.alert_seq] = entry
        self._kept += 1
        if len(session.recent) > self._per_session:
            del session.recent[min(session.recent)]
            self._kept -= 1
        if self._kept > self._total:
            self._forget_quietest()

    def _forget_quietest(self) -> None:
        """Drop the sessions that have been silent longest; one with a gap, or the only one, stays."""
        for name in list(self._sessions)[:-1]:
            if self._kept <= self._total:
                return
            if name not in self._gaps:
                self._kept -= len(self._sessions.pop(name).recent)
