"""Live sessions in, their snapshots at the broker out: what another worker needs to go on is there when this one dies.

One task a worker, behind the live path. What must not be lost is saved at once, the rest every few seconds.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from emdr_stream.broker.base import Broker
from emdr_stream.errors import FencedOut, StoreUnavailable
from emdr_stream.session.facts import SessionSnapshot
from emdr_stream.session.ports import Surroundings
from emdr_stream.session.runner import SessionRunner

_LOG: Final = logging.getLogger(__name__)
KEEP_EVERY_S: Final = 0.1
_SNAPSHOT_EVERY_S: Final = 4.0
"""How old the snapshot of a session may grow in which nothing happens but samples; what matters is saved at once."""
_AGAIN_S: Final = 1.0
_EARLIER: Final = 0.25
"""By up to this share some sessions are saved more often than others: sessions that opened together drift apart."""
_TOGETHER: Final = 16
"""Snapshots that share a write to the broker: half the price of one after the other, and the loop is soon back."""
_AT_ONCE: Final = 100
"""Snapshots on their way at a time, when all must be saved: what one write to the broker takes."""
_ENDED_TTL_MS: Final = 3_600_000


class StoredSession(msgspec.Struct):
    """What the broker keeps of a session. `wall_ms`: when; the resume token itself is nowhere kept."""

    wall_ms: int
    resume_hash: bytes
    snapshot: SessionSnapshot
    earlier_hash: bytes = b""


class Keeper:
    """Keeps one worker's sessions. `runners` is the registry's; `claim` gives a session an epoch that it has not yet.

    `lost` is told of a session that another worker has taken, `over` of one that nothing waits for any more.
    """

    def __init__(
        self,
        around: Surroundings,
        broker: Broker,
        owner: str,
        runners: dict[str, SessionRunner],
        *,
        claim: Callable[[str], Awaitable[int]],
        lost: Callable[[SessionRunner], None],
        over: Callable[[str], None],
    ) -> None:
        self._around = around
        self._broker = broker
        self._owner = owner
        self._runners = runners
        self._claim = claim
        self._lost = lost
        self._over = over
        self._due_s: dict[str, float] = {}
        """When each session is to be saved again, if nothing happens before."""
        self._hurry = asyncio.Event()
        self._hurried: set[str] = set()
        self.unclaimed: set[str] = set()
        """Sessions that opened while the broker was away."""

    def take(self, runner: SessionRunner) -> None:
        """A session lives here from now on."""
        runner.on_urgent = partial(self._make_haste, runner.session_id)

    def forget(self, session_id: str) -> None:
        """It does no longer."""
        self._due_s.pop(session_id, None)
        self.unclaimed.discard(session_id)

    async def run(self) -> None:
        """Save snapshots, claim what could not be claimed, let go what is over; runs until cancelled."""
        kept_s = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_EVERY_S):
                    await self._hurry.wait()
            try:
                await self._save_urgent()
                if self._around.clock() - kept_s >= KEEP_EVERY_S:
                    kept_s = self._around.clock()
                    await self.keep_all()
            except StoreUnavailable:
                await asyncio.sleep(_AGAIN_S)

    async def keep_all(self) -> None:
        """Look after every session once. Raises StoreUnavailable."""
        waiting = self._that_want_keeping()
        for first in range(0, len(waiting), _TOGETHER):
            if self._hurried:
                await self._save_urgent()
            try:
                async with asyncio.TaskGroup() as group:
                    for session_id, runner in waiting[first : first + _TOGETHER]:
                        group.create_task(self._keep_safely(session_id, runner))
            except* StoreUnavailable as failures:
                raise failures.exceptions[0] from None

    async def save_all(self, session_ids: set[str]) -> None:
        """Save these now, many at a time, and take each from the set when it is done. Raises StoreUnavailable."""
        while session_ids:
            some = list(itertools.islice(session_ids, _AT_ONCE))
            try:
                async with asyncio.TaskGroup() as group:
                    for session_id in some:
                        group.create_task(self._save_now(session_id))
            except* StoreUnavailable as failures:
                raise failures.exceptions[0] from None
            session_ids.difference_update(some)

    async def _save_now(self, session_id: str) -> None:
        runner = self._runners.get(session_id)
        if runner is not None:
            runner.urgent = True
            await self._keep_safely(session_id, runner)

    async def save(self, runner: SessionRunner) -> None:
        """Save one session now. Raises StoreUnavailable; one that another worker has is lost, and told as such."""
        at_ms = runner.now_ms()
        snapshot = runner.core.snapshot(at_ms)
        stored = StoredSession(self._around.wall_ms(), runner.resume_hash, snapshot, runner.earlier_hash)
        runner.urgent = False
        epoch = runner.core.care.state.epoch
        ttl_ms = _ENDED_TTL_MS if runner.over else _ENDED_TTL_MS + self._around.session.control.grace_ms
        try:
            payload = msgspec.msgpack.encode(stored)
            await self._broker.put_snapshot(runner.session_id, self._owner, epoch, payload, ttl_ms)
        except FencedOut:
            self._lost(runner)
            return
        except (StoreUnavailable, asyncio.CancelledError):  # it is not known whether it was stored
            runner.urgent = True
            raise
        self._put_off(runner.session_id)

    # within -------------------------------------------------------------------------------------------------------

    def _make_haste(self, session_id: str) -> None:
        self._hurried.add(session_id)
        self._hurry.set()

    async def _save_urgent(self) -> None:
        """Save first what must not be lost: a crash forgets a pause that is not yet saved."""
        while self._hurried:
            session_id = self._hurried.pop()
            runner = self._runners.get(session_id)
            if runner is not None and runner.urgent:
                await self._keep_safely(session_id, runner)
        self._hurry.clear()

    def _that_want_keeping(self) -> list[tuple[str, SessionRunner]]:
        """With whom there is anything to do; every session is asked ten times a second, so it must cost little."""
        now, due_s, unclaimed = self._around.clock(), self._due_s, self.unclaimed
        return [
            (session_id, runner)
            for session_id, runner in self._runners.items()
            if due_s.get(session_id, 0.0) <= now or runner.over or runner.urgent or session_id in unclaimed
        ]

    def _is_due(self, session_id: str) -> bool:
        return self._due_s.get(session_id, 0.0) <= self._around.clock()

    def _put_off(self, session_id: str) -> None:
        """It need not be saved again for a while."""
        share = hash(session_id) % 1_024 / 1_024
        self._due_s[session_id] = self._around.clock() + _SNAPSHOT_EVERY_S * (1.0 - _EARLIER * share)

    async def _keep_safely(self, session_id: str, runner: SessionRunner) -> None:
        if runner.fenced:
            return  # an older list's: the session has left, and may have come back as another runner
        try:
            await self._keep_one(session_id, runner)
        except StoreUnavailable:
            raise
        except Exception:
            # One session that cannot be kept, for whatever reason, must not end the keeping of all others.
            self._put_off(session_id)
            _LOG.exception("a session could not be kept", extra={"session_id": session_id})

    async def _keep_one(self, session_id: str, runner: SessionRunner) -> None:
        if session_id in self.unclaimed:
            self.unclaimed.discard(session_id)
            runner.own(await self._claim(session_id))
        # Also where nothing happens: a new owner counts the time since the snapshot only as far as workers were there.
        if runner.urgent or (self._is_due(session_id) and not runner.over):
            await self.save(runner)
        if runner.over and not runner.urgent and not runner.waits_for_acknowledgement:
            self._over(session_id)
