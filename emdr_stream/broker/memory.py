"""The broker in memory, for fast tests: notices, alerts and snapshots go in and come out by the same contract."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from emdr_stream.broker.base import AlertEntry, AlertPage, Notice, Roll, StoredSnapshot
from emdr_stream.broker.fanout import Fanout, LocalSubscription
from emdr_stream.clock import wall_ms
from emdr_stream.errors import FencedOut, StoreUnavailable


@dataclass(slots=True)
class _Ownership:
    epoch: int = 0
    owner: str = ""
    payload: bytes | None = None
    expires_ms: int = 0


@dataclass(slots=True, eq=False)
class MemoryHub:
    """What all brokers of one test share, as they would share a Redis. `available` switched off is an outage."""

    wall_ms: Callable[[], int] = wall_ms
    available: bool = True
    fanouts: list[Fanout] = field(default_factory=list)
    alerts: list[tuple[int, AlertEntry]] = field(default_factory=list)
    appended: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: dict[str, _Ownership] = field(default_factory=dict)
    leases_ms: dict[str, int] = field(default_factory=dict)
    owned: dict[str, set[str]] = field(default_factory=dict)
    letters: dict[str, Callable[[bytes], None]] = field(default_factory=dict)

    def check(self) -> None:
        """Raise StoreUnavailable during an outage."""
        if not self.available:
            raise StoreUnavailable("the in-memory broker is switched off (MemoryHub.available)")


class MemoryBroker:
    """One worker's broker on a hub; without one it is alone."""

    def __init__(self, hub: MemoryHub | None = None, instance: str = "") -> None:
        self._hub = hub or MemoryHub()
        self.instance = instance
        self._fanout = Fanout()
        self.dropped = 0

    async def start(self) -> None:
        self._hub.fanouts.append(self._fanout)

    async def aclose(self) -> None:
        self._fanout.close()
        if self._fanout in self._hub.fanouts:
            self._hub.fanouts.remove(self._fanout)
        self._hub.letters.pop(self.instance, None)

    async def ping(self) -> None:
        self._hub.check()

    def publish(self, notice: Notice) -> None:
        if not self._hub.available:
            self.dropped += 1
            self._fanout.deliver(notice)
            return
        for fanout in self._hub.fanouts:
            fanout.deliver(notice)

    async def subscribe(self, users: Collection[str]) -> LocalSubscription:
        return await self._fanout.add(users)

    async def append_alert(self, entry: AlertEntry) -> None:
        self._hub.check()
        self._hub.alerts.append((self._hub.wall_ms(), entry))
        self._hub.appended.set()
        self._hub.appended = asyncio.Event()

    async def alerts_since(
        self, ts_ms: int, users: Collection[str] | None = None, most: int | None = None
    ) -> list[AlertEntry]:
        self._hub.check()
        since = [
            entry
            for arrived_ms, entry in self._hub.alerts
            if max(arrived_ms, entry.ts_ms) >= ts_ms and (users is None or entry.user in users)
        ]
        newest = since if most is None else since[-most:]
        found = {(entry.session_id, entry.alert_seq): entry for entry in reversed(newest)}
        return [found[key] for key in sorted(found)]

    async def tail_alerts(self, after: str | None, wait_ms: int) -> AlertPage:
        self._hub.check()
        start = len(self._hub.alerts) if after is None else int(after)
        if after is not None and start >= len(self._hub.alerts):
            try:
                async with asyncio.timeout(wait_ms / 1000):
                    await self._hub.appended.wait()
            except TimeoutError:
                pass
            self._hub.check()
        return AlertPage(str(len(self._hub.alerts)), tuple(entry for _, entry in self._hub.alerts[start:]))

    async def claim(self, session_id: str, owner: str, at_least: int = 0, only_at: int | None = None) -> int:
        self._hub.check()
        held = self._hub.sessions.setdefault(session_id, _Ownership())
        if only_at is not None and held.epoch != only_at:
            raise FencedOut(f"session {session_id}: another worker has claimed it since epoch {only_at}")
        held.epoch = max(held.epoch, at_least) + 1
        held.owner = owner
        return held.epoch

    async def put_snapshot(self, session_id: str, owner: str, epoch: int, payload: bytes, ttl_ms: int) -> None:
        held = self._owned(session_id, owner, epoch)
        held.payload = payload
        held.expires_ms = self._hub.wall_ms() + ttl_ms

    async def get_snapshot(self, session_id: str) -> StoredSnapshot | None:
        self._hub.check()
        held = self._hub.sessions.get(session_id)
        now_ms = self._hub.wall_ms()
        if held is None or held.payload is None or now_ms >= held.expires_ms:
            return None
        return StoredSnapshot(held.epoch, held.owner, held.payload)

    async def forget(self, user: str, session_ids: Collection[str]) -> int:
        self._hub.check()
        kept = [(arrived_ms, entry) for arrived_ms, entry in self._hub.alerts if entry.user != user]
        gone = len(self._hub.alerts) - len(kept)
        self._hub.alerts[:] = kept
        return gone + sum(self._hub.sessions.pop(session_id, None) is not None for session_id in session_ids)

    async def compact(self) -> None:
        self._hub.check()

    async def beat(self, owner: str, lease_ms: int, took: Collection[str] = (), let_go: Collection[str] = ()) -> Roll:
        self._hub.check()
        now_ms, leases = self._hub.wall_ms(), self._hub.leases_ms
        known = leases.get(owner, 0) > now_ms
        leases[owner] = now_ms + lease_ms
        owned = self._hub.owned.setdefault(owner, set())
        owned |= set(took)
        owned -= set(let_go)
        return Roll(frozenset(name for name, until_ms in leases.items() if until_ms > now_ms), known)

    async def orphans(self, heir: str, most: int) -> list[str]:
        self._hub.check()
        found: list[str] = []
        now_ms = self._hub.wall_ms()
        for dead in [name for name, until_ms in self._hub.leases_ms.items() if until_ms <= now_ms and name != heir]:
            left = self._hub.owned.get(dead, set())
            while left and len(found) < most:
                found.append(left.pop())
            if not left:
                del self._hub.leases_ms[dead]
        self._hub.owned.setdefault(heir, set()).update(found)
        return found

    async def owned(self, owner: str) -> frozenset[str]:
        self._hub.check()
        return frozenset(self._hub.owned.get(owner, ()))

    def receive(self, letters: Callable[[bytes], None]) -> None:
        self._hub.letters[self.instance] = letters

    async def post(self, owner: str, letter: bytes) -> bool:
        self._hub.check()
        deliver = self._hub.letters.get(owner)
        if deliver is not None:
            asyncio.get_running_loop().call_soon(deliver, letter)
        return deliver is not None

    def _owned(self, session_id: str, owner: str, epoch: int) -> _Ownership:
        self._hub.check()
        held = self._hub.sessions.setdefault(session_id, _Ownership())
        if epoch < held.epoch or (epoch == held.epoch and held.owner not in {"", owner}):
            raise FencedOut(
                f"session {session_id}: epoch {epoch} is not the newest; another worker owns it now, let it go"
            )
        held.epoch, held.owner = epoch, owner
        return held
