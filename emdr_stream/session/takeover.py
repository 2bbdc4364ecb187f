"""What another worker left of a session in, the session alive in this one out; and what a worker that slept has lost.

    claimed   the epoch grew: the former owner is fenced out, in both stores
    taken     the session stands in this worker's set: should it die now, an heir will find it
    running   a runner is there, detached until a client is attached
    let go    it is over, or another's: it leaves the set

A session that was claimed and taken and could not be brought to run is found again by the look for strays.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

import msgspec

from emdr_stream.broker.base import Broker
from emdr_stream.domain import Source, Status
from emdr_stream.errors import FencedOut, StoreUnavailable
from emdr_stream.session import denials, losses
from emdr_stream.session.alerts import bodies_of
from emdr_stream.session.core import SessionCore
from emdr_stream.session.keeper import KEEP_EVERY_S, Keeper, StoredSession
from emdr_stream.session.ports import Surroundings
from emdr_stream.session.roll import RollCall
from emdr_stream.session.runner import SessionRunner
from emdr_stream.wire.values import ModelRef

_LOG: Final = logging.getLogger(__name__)
_DOUBT_S: Final = 2.0
"""How long a worker that stood still asks a broker that does not answer; then it goes on: nobody can be taking sessions
from it now, and who did before writes under a higher epoch."""


async def no_session(session_id: str) -> bool:
    """For who keeps no records."""
    return False


class Takeover:
    """Brings sessions of other workers to life in this one. `runners` is the registry's.

    `admit` makes a core's runner one of this worker's; `door` is held by who opens or takes over a session;
    `models_of`: who speaks here in sessions of a source; `known`: whether the records have a session of an id.
    """

    def __init__(
        self,
        around: Surroundings,
        broker: Broker,
        owner: str,
        runners: dict[str, SessionRunner],
        keeper: Keeper,
        roll: RollCall,
        *,
        admit: Callable[[SessionCore, float], SessionRunner],
        door: Callable[[str], AbstractAsyncContextManager[object]],
        models_of: Callable[[Source, str], tuple[ModelRef, ...]] = lambda source, session_id: (),
        known: Callable[[str], Awaitable[bool]] = no_session,
    ) -> None:
        self._around = around
        self._broker = broker
        self._owner = owner
        self._runners = runners
        self._keeper = keeper
        self._roll = roll
        self._admit = admit
        self._door = door
        self._models_of = models_of
        self._known = known
        self._since_ms = around.wall_ms()
        self.draining = False

    async def stored(self, session_id: str) -> tuple[StoredSession, str] | None:
        """What the broker keeps, and of whom. While that cannot be known nothing is opened: it may be a paused one."""
        try:
            found = await self._broker.get_snapshot(session_id)
        except StoreUnavailable:
            raise denials.not_known_now() from None
        return None if found is None else (msgspec.msgpack.decode(found.payload, type=StoredSession), found.owner)

    async def check_unused(self, session_id: str) -> None:
        """Raises FatalProtocolError unless no session has had this id: alerts and records of two would be one's.

        While the records are away only the broker is asked, which remembers a session for an hour after its end.
        """
        found = await self.stored(session_id)
        if found is not None:
            raise denials.used() if found[0].snapshot.core.status is Status.ENDED else denials.taken()
        with suppress(StoreUnavailable):
            if await self._known(session_id):
                raise denials.used()

    async def take_over(self, stored: StoredSession, last_seq: int) -> tuple[SessionRunner, int]:
        """For a client that has come back, and has heard up to `last_seq`. Gives the runner and its epoch.

        Raises FatalProtocolError (1013) when the broker goes away.
        """
        session_id = stored.snapshot.facts.session_id
        # What a dead sibling had raised and told nobody comes before whatever is raised from now on.
        await self._around.alerts.inherit()
        try:
            epoch = await self._broker.claim(session_id, self._owner, stored.snapshot.core.epoch)
        except StoreUnavailable:
            raise denials.not_known_now() from None
        self._roll.took(session_id)
        # The newest snapshot: the former owner may have saved once more before it was fenced out.
        found = await self.stored(session_id)
        return self._revive(found[0] if found else stored, epoch, last_seq), epoch

    async def adopt_orphan(self, session_id: str) -> None:
        """Take over a session whose worker is dead: its timers run on, nobody has come back to it yet."""
        async with self._door(session_id):
            if self.draining or session_id in self._runners:
                return
            found = await self._broker.get_snapshot(session_id)
            if found is None or (found.owner != self._owner and await self._roll.lives(found.owner)):
                self._roll.let_go(session_id)
                return
            if _is_done(msgspec.msgpack.decode(found.payload, type=StoredSession)):
                self._roll.let_go(session_id)
                return
            await self._around.alerts.inherit()
            try:
                # Only if nobody, its own client above all, has taken it meanwhile.
                epoch = await self._broker.claim(session_id, self._owner, only_at=found.epoch)
            except FencedOut:
                self._roll.let_go(session_id)
                return
            # The newest snapshot: an owner that was only taken for dead may have saved a pause in the meantime.
            newest = await self._broker.get_snapshot(session_id) or found
            stored = msgspec.msgpack.decode(newest.payload, type=StoredSession)
            runner = self._revive(stored, epoch, None)
            runner.over = stored.snapshot.core.status is Status.ENDED
            self._around.metrics.session_adopted()
            _LOG.warning("session of a dead worker adopted", extra={"session_id": session_id})

    def _revive(self, stored: StoredSession, epoch: int, last_seq: int | None) -> SessionRunner:
        """A live session from its snapshot, detached, in the time that has passed since.

        `last_seq`: what its client says it has heard; None when no client is there to say it.
        """
        snapshot = stored.snapshot
        # While no worker could be reached, session time stood still: no grace ran out, no silence grew old.
        reachable_ms = max(stored.wall_ms, self._since_ms)
        stood_ms = reachable_ms - stored.wall_ms
        facts = msgspec.structs.replace(snapshot.facts, started_ts=snapshot.facts.started_ts + stood_ms)
        core = SessionCore(facts, self._around.session, snapshot)
        core.care.state.epoch = max(core.care.state.epoch, epoch)
        # A message or an alert of the last moments may be newer than the snapshot: no number is used twice.
        if last_seq is None:
            losses.count_on(core.care)
        elif last_seq > core.care.state.seq:
            losses.heal(core.care, last_seq, snapshot.at_ms)
        book = core.care.alerts
        told = self._around.alerts.steps_after(facts.session_id, book.state.alert_seq)
        if told:
            book.learn(bodies_of(told))
            losses.distrust(core.care, snapshot.at_ms)
        book.begin_block(epoch)
        away_ms = max(0, self._around.wall_ms() - reachable_ms)
        runner = self._admit(core, self._around.clock() - (snapshot.at_ms + away_ms) / 1_000)
        runner.take_up(snapshot.at_ms)
        if models := self._models_of(facts.source, facts.session_id):
            runner.models_changed(models)
        for store in set(core.care.state.stores_down) - self._around.stores_away:
            runner.store_changed(store, up=True)  # it came back while nobody had the session
        runner.resume_hash, runner.earlier_hash = stored.resume_hash, stored.earlier_hash
        return runner

    # a worker that stood still ------------------------------------------------------------------------------------

    async def settle_doubts(self, doubted: asyncio.Event) -> None:
        """Find out what was lost while the worker stood still, then let go on what it still has; until cancelled."""
        while True:
            await doubted.wait()
            doubted.clear()
            await self._ask_what_is_ours()
            self._around.standing.assure(self._around.clock())

    async def _ask_what_is_ours(self) -> None:
        """Save everything: a session that another worker has taken meanwhile is lost by that."""
        to_ask = set(self._runners)
        failing_since: float | None = None
        while to_ask:
            try:
                await self._roll.beat()
                await self._keeper.save_all(to_ask)
            except StoreUnavailable:
                now = self._around.clock()
                failing_since = now if failing_since is None else failing_since
                if now - failing_since >= _DOUBT_S:
                    return
                await asyncio.sleep(KEEP_EVERY_S)


def _is_done(stored: StoredSession) -> bool:
    """Whether nothing is left to do for a session: it is over, and no alert of it waits for anybody."""
    return stored.snapshot.core.status is Status.ENDED and not stored.snapshot.alerts.deadlines_ms
