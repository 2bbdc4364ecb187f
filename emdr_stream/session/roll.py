"""A worker's sessions in, who is there and whose sessions are orphans out: its pulse at the broker.

Each worker says every half second that it lives. One whose lease has run out is dead: its sessions are handed to the
first who asks. Nobody asks who has not itself been heard without a break for longer than a lease: after an outage of
the broker everybody's lease is over, and nobody is dead.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final

from emdr_stream.broker.base import Broker
from emdr_stream.errors import StoreUnavailable

_LOG: Final = logging.getLogger(__name__)
LEASE_MS: Final = 2_500
_BEAT_S: Final = 0.5
_STEADY_S: Final = LEASE_MS / 1_000 + 2 * _BEAT_S
_AT_ONCE: Final = 50
_STRAYS_EVERY: Final = 20
"""Rounds between two looks for orphans whose handing over was lost on its way."""


class RollCall:
    """One worker's place among the others. `living`: owners whose lease had not run out at the newest beat."""

    def __init__(self, broker: Broker, owner: str, clock: Callable[[], float]) -> None:
        self._broker = broker
        self._owner = owner
        self._clock = clock
        self._took: set[str] = set()
        self._let_go: set[str] = set()
        self._handed: list[str] = []
        """Orphans that were given to this worker and are not adopted yet."""
        self._hurry = asyncio.Event()
        self._steady_since: float | None = None
        self._rounds = 0
        self._resigned = False
        self._unknown = False
        """A beat found that the lease was over, and that is not dealt with yet."""
        self.living: frozenset[str] = frozenset()

    def took(self, session_id: str) -> None:
        """The session is this worker's from now on, and should be adopted if this worker dies."""
        self._let_go.discard(session_id)
        self._took.add(session_id)
        self._hurry.set()

    def let_go(self, session_id: str) -> None:
        """The session is over, or another's."""
        self._took.discard(session_id)
        self._let_go.add(session_id)

    async def run(self, mine: Callable[[], Collection[str]]) -> None:
        """Beat until the worker resigns. `mine`: the sessions that live here."""
        while not self._resigned:
            try:
                await self.beat()
                if self._unknown:
                    # The first beat, or the lease was over: the broker may know nothing of us.
                    self._took |= set(mine())
                if self._unknown or self._steady_since is None:
                    # The broker may have slept, or we have: we call nobody dead before a lease without a break.
                    self._steady_since = self._clock()
                self._unknown = False
            except StoreUnavailable:
                self._steady_since = None
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_S):
                    await self._hurry.wait()

    async def look_for_orphans(
        self, adopt: Callable[[str], Awaitable[None]], mine: Callable[[], Collection[str]]
    ) -> None:
        """Have orphans adopted, one after the other, until the worker resigns."""
        while not self._resigned:
            await asyncio.sleep(_BEAT_S)
            with suppress(StoreUnavailable):
                if self._steady_since is not None and self._clock() - self._steady_since >= _STEADY_S:
                    await self.adopt_orphans(adopt, mine)

    async def beat(self, lease_ms: int = LEASE_MS) -> None:
        """Say that this worker lives. Raises StoreUnavailable."""
        self._hurry.clear()
        took, let_go = self._took, self._let_go
        self._took, self._let_go = set(), set()
        try:
            roll = await self._broker.beat(self._owner, lease_ms, took, let_go)
        except BaseException:
            # What became newer meanwhile stands.
            self._took |= took - self._let_go
            self._let_go |= let_go - self._took
            raise
        self.living = roll.living
        self._unknown |= not roll.known

    async def lives(self, owner: str) -> bool:
        """Whether a worker is there; one that has just come may be unknown yet. Raises StoreUnavailable."""
        if owner not in self.living and not self._resigned:
            await self.beat()
        return owner in self.living

    async def resign(self) -> None:
        """The worker stops: what it has is to be adopted at once. Raises StoreUnavailable."""
        self._resigned = True
        await self.beat(0)

    async def adopt_orphans(self, adopt: Callable[[str], Awaitable[None]], mine: Callable[[], Collection[str]]) -> None:
        """Ask for orphans once, and have them adopted. Raises StoreUnavailable."""
        handed = self._handed
        handed += await self._broker.orphans(self._owner, _AT_ONCE)
        self._rounds += 1
        if self._rounds % _STRAYS_EVERY == 0:
            here = set(mine()) | self._took | self._let_go | set(handed)
            handed += sorted(await self._broker.owned(self._owner) - here)
        if handed:
            await self.beat()  # who was living at the beat before may be the one that died
        while handed and not self._resigned:
            try:
                await adopt(handed[0])
            except StoreUnavailable:
                handed.append(handed.pop(0))  # all are tried at the next look, the others first
                raise
            except Exception:
                # One that cannot be read would take one worker after the other with it.
                self.let_go(handed[0])
                _LOG.exception("a session could not be adopted", extra={"session_id": handed[0]})
            del handed[0]
