"""Hellos in, live sessions out: opens, resumes, adopts and ends the sessions of one worker.

The only part of a session's life that waits for a store is its opening and its resuming on another worker. Snapshots
are the keeper's, the pulse of the worker and the orphans of dead ones the roll call's: tasks behind the live path.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from emdr_stream.broker.base import Broker
from emdr_stream.domain import Status, Thresholds
from emdr_stream.errors import ErrorCode, ProtocolError, StoreUnavailable
from emdr_stream.pipeline.baseline import BaselinePrior
from emdr_stream.session import denials
from emdr_stream.session.alerts import session_of
from emdr_stream.session.core import SessionCore
from emdr_stream.session.facts import SessionFacts, open_facts
from emdr_stream.session.keeper import KEEP_EVERY_S, Keeper, StoredSession
from emdr_stream.session.ports import SessionRecord, Surroundings
from emdr_stream.session.roll import RollCall
from emdr_stream.session.runner import SessionRunner
from emdr_stream.session.switchboard import Request, Switchboard
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.telemetry.metrics import Refusal
from emdr_stream.wire.stream import GoAway, Hello, ResumeClaim
from emdr_stream.wire.values import ModelRef, SessionSummary
from emdr_stream.wire.watch import Ack

_LOG: Final = logging.getLogger(__name__)
_FIRST_EPOCH: Final = 1
_DOUBT_S: Final = 2.0
"""How long a worker that stood still asks whether its sessions are still its own. Without an answer it goes on: nobody
can have taken them while the broker is away."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that a client may be attached to."""

    runner: SessionRunner
    resume_token: str
    epoch: int
    last_seq: int | None = None
    relaxing_refused: bool = False
    """The hello asked for a threshold that only a therapist may relax."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A session outside this worker, as its snapshot has it. `owner_lives`: the worker that saved it is there."""

    summary: SessionSummary
    owner: str
    owner_lives: bool

    @property
    def over(self) -> bool:
        return self.summary.status is Status.ENDED


class SessionRegistry:
    """The sessions of one worker. `owner` names this worker in leases."""

    def __init__(
        self,
        around: Surroundings,
        broker: Broker,
        *,
        owner: str,
        models: tuple[ModelRef, ...],
        max_sessions: int,
        max_sessions_per_user: int = 0,
        record: Callable[[SessionFacts], SessionRecord] | None = None,
        doubted: asyncio.Event | None = None,
    ) -> None:
        """`doubted` is set when the worker's standing is in doubt."""
        self._around = around
        self._broker = broker
        self._owner = owner
        self._models = models
        self._max = max_sessions
        self._max_per_user = max_sessions_per_user
        self._record = record
        self._runners: dict[str, SessionRunner] = {}
        self.keeper = Keeper(
            around, broker, owner, self._runners, claim=self._claim, lost=self._lose, over=self._forget
        )
        self.roll = RollCall(broker, owner, around.clock)
        self.switchboard = Switchboard(broker, owner, obey=self.obey, moved=self._moved)
        self._doubted = doubted or asyncio.Event()
        self._doors: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._since_ms = around.wall_ms()
        self.draining = False
        self.taken_over = 0
        """Sessions that another worker took from this one."""

    def __len__(self) -> int:
        return len(self._runners)

    def get(self, session_id: str) -> SessionRunner | None:
        return self._runners.get(session_id)

    def of_users(self, users: Collection[str]) -> Iterator[SessionRunner]:
        """Sessions of these users that are not over; "*" means everybody's."""
        everybody = "*" in users
        for runner in self._runners.values():
            if not runner.over and (everybody or runner.user in users):
                yield runner

    async def open(self, hello: Hello, user: str, sid: str | None) -> Opened:
        """A new session. Raises FatalProtocolError when this worker or its user is full, or the id may be taken."""
        session_id = sid or f"s{secrets.token_hex(8)}"
        async with self._door(session_id):
            return await self._open(session_id, hello, user, sid)

    async def _open(self, session_id: str, hello: Hello, user: str, sid: str | None) -> Opened:
        self._check_room(user)
        if session_id in self._runners or (sid and await self._stored(session_id) is not None):
            raise denials.taken()
        facts, refused = open_facts(
            hello,
            session_id=session_id,
            user=user,
            started_ts=self._around.wall_ms(),
            thresholds=self._thresholds(),
            models=self._models,
            prior=BaselinePrior(),
        )
        epoch = await self._claim(session_id)
        self._check_room(user)
        core = SessionCore(facts, self._around.session, deriver=self._around.deriver)
        core.care.state.epoch = epoch
        runner = self._adopt(core, self._around.clock())
        return Opened(runner, self._new_token(runner), epoch, relaxing_refused=refused)

    async def resume(self, hello: Hello, claim: ResumeClaim, user: str) -> Opened:
        """A session that lives here, or whose snapshot another worker left.

        Raises FatalProtocolError: unknown_session, session_over (4504), resume_denied for a wrong token (4503),
        overloaded (1013) while it cannot be known.
        """
        session_id = hello.session_id
        if session_id is None:
            raise denials.nameless()
        async with self._door(session_id):
            runner = await self._still_here(session_id, claim) or await self._restore(session_id, user, claim)
        self._check((runner.resume_hash, runner.earlier_hash), claim, runner.user == user)
        if runner.core.status is Status.ENDED:
            raise denials.over()
        epoch = runner.core.care.state.epoch
        if sha256(claim.resume_token.encode()).digest() == runner.resume_hash:
            runner.earlier_hash = runner.resume_hash
        return Opened(runner, self._new_token(runner), epoch, last_seq=claim.last_seq)

    async def elsewhere(self, session_id: str) -> Elsewhere | None:
        """A session that does not live in this worker, from its snapshot; None when there is none.

        Raises StoreUnavailable when that cannot be known now.
        """
        found = await self._broker.get_snapshot(session_id)
        if found is None:
            return None
        stored = msgspec.msgpack.decode(found.payload, type=StoredSession)
        core = SessionCore(stored.snapshot.facts, self._around.session, stored.snapshot, deriver=self._around.deriver)
        away_ms = max(0, self._around.wall_ms() - stored.wall_ms)
        owner_lives = found.owner != self._owner and await self.roll.lives(found.owner)
        return Elsewhere(core.summary(stored.snapshot.at_ms + away_ms), found.owner, owner_lives)

    def obey(self, request: Request, by: str, control_epoch: int | None = None) -> None:
        """Do what another worker's watcher asked while `control_epoch` stood. Raises ProtocolError when it cannot."""
        session_id = session_of(request.alert_id) if isinstance(request, Ack) else request.session_id
        runner = self._runners.get(session_id or "")
        if runner is None or runner.fenced:
            raise ProtocolError(ErrorCode.UNKNOWN_SESSION, "no such session lives here", param="session_id")
        if isinstance(request, Ack):
            runner.acknowledge(request.alert_id, by, request.note)
        else:
            runner.command(request, by, control_epoch)

    def audit(self, fields: dict[str, Any], *, session_id: str = "", user: str = "", epoch: int = 0) -> None:
        """Keep what somebody did, or was refused, outside of a session that lives here; "" and 0 where not known."""
        around = self._around
        around.records.offer(Record(RecordKind.AUDIT, session_id, user, epoch, around.wall_ms(), fields))

    def store_changed(self, store: str, up: bool) -> None:
        """A store went away or came back: every session tells its watchers."""
        away = self._around.stores_away
        if up is (store not in away):
            return
        (away.discard if up else away.add)(store)
        for runner in list(self._runners.values()):
            if not runner.over:
                runner.store_changed(store, up)

    async def keep(self) -> None:
        """Everything that goes on behind the sessions; runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.keeper.run())
            group.create_task(self.roll.run(self._adopt_orphan, lambda: self._runners))
            group.create_task(self.switchboard.run())
            group.create_task(self._settle_doubts())

    async def drain(self, time_left_ms: int) -> None:
        """Before the worker stops: tell every client, save every session, close with 1012."""
        self.draining = True
        runners = list(self._runners.values())
        for runner in runners:
            runner.send(GoAway(reason="the service restarts", time_left_ms=time_left_ms))
        for runner in runners:
            try:
                await self.keeper.save(runner)
            except StoreUnavailable:
                _LOG.warning("session not saved before the restart", extra={"session_id": runner.session_id})
        for runner in runners:
            runner.leave("the service restarts")
        self._runners.clear()
        with suppress(StoreUnavailable):
            # What nobody comes back for is another worker's at once.
            await self.roll.resign()

    # within -------------------------------------------------------------------------------------------------------

    def _thresholds(self) -> Thresholds:
        return self._around.session.safety.thresholds

    def _adopt(self, core: SessionCore, started: float) -> SessionRunner:
        record = self._record(core.facts) if self._record else None
        runner = SessionRunner(core, self._around, started, record)
        self._runners[runner.session_id] = runner
        self.keeper.take(runner)
        self.roll.took(runner.session_id)
        return runner

    async def _claim(self, session_id: str, at_least: int = 0) -> int:
        """The session's epoch, above `at_least`; the first one when the broker is away, to be claimed later."""
        try:
            return await self._broker.claim(session_id, self._owner, at_least)
        except StoreUnavailable:
            self.keeper.unclaimed.add(session_id)
            return _FIRST_EPOCH

    def _door(self, session_id: str) -> asyncio.Lock:
        """Held by who opens or restores a session: two at once would make two sessions of one id."""
        return self._doors.setdefault(session_id, asyncio.Lock())

    def _check_room(self, user: str | None = None) -> None:
        """Asked again after every wait: others may have come meanwhile, or the end.

        `user`: whose new session it is. Sessions in their grace time count too, or one token would fill the worker by
        coming and going; who comes back to a session is not counted.
        """
        if self.draining:
            raise denials.stopping()
        if len(self._runners) >= self._max:
            raise denials.full()
        if user is not None and self._max_per_user and sum(1 for _ in self.of_users((user,))) >= self._max_per_user:
            self._around.metrics.refused(Refusal.USER)
            raise denials.crowded()

    async def _stored(self, session_id: str) -> tuple[StoredSession, str] | None:
        """What the broker keeps, and of whom. While that cannot be known nothing is opened: it may be a paused one."""
        try:
            found = await self._broker.get_snapshot(session_id)
        except StoreUnavailable:
            raise denials.not_known_now() from None
        return None if found is None else (msgspec.msgpack.decode(found.payload, type=StoredSession), found.owner)

    async def _still_here(self, session_id: str, claim: ResumeClaim) -> SessionRunner | None:
        """The session, if it lives here; asked anew for a client that knows a higher epoch, and so was elsewhere."""
        runner = self._runners.get(session_id)
        if runner is not None and claim.epoch > runner.core.care.state.epoch:
            try:
                await self.keeper.save(runner)
            except StoreUnavailable:
                raise denials.not_known_now() from None
        return self._runners.get(session_id)

    async def _restore(self, session_id: str, user: str, claim: ResumeClaim) -> SessionRunner:
        """Take a session over from its snapshot, for a client that has come back to it."""
        found = await self._stored(session_id)
        if found is None:
            raise denials.unknown()
        stored, former = found
        self._check((stored.resume_hash, stored.earlier_hash), claim, stored.snapshot.facts.user == user)
        if stored.snapshot.core.status is Status.ENDED:
            raise denials.over()
        self._check_room()
        epoch = await self._claim(session_id, stored.snapshot.core.epoch)
        if former != self._owner:
            self.switchboard.tell_moved(former, session_id, epoch)
        # The newest snapshot: the former owner may have saved once more before it was fenced out.
        found = await self._stored(session_id)
        self._check_room()
        return await self._revive(found[0] if found else stored, epoch, claim.last_seq)

    async def _adopt_orphan(self, session_id: str) -> None:
        """Take over a session whose worker is dead: its timers run on, nobody has come back to it yet."""
        async with self._door(session_id):
            found = None if session_id in self._runners else await self._broker.get_snapshot(session_id)
            if found is None or (found.owner != self._owner and await self.roll.lives(found.owner)):
                if session_id not in self._runners:
                    self.roll.let_go(session_id)
                return
            stored = msgspec.msgpack.decode(found.payload, type=StoredSession)
            ended = stored.snapshot.core.status is Status.ENDED
            if ended and not stored.snapshot.alerts.deadlines_ms:
                self.roll.let_go(session_id)
                return
            epoch = await self._broker.claim(session_id, self._owner, stored.snapshot.core.epoch)
            runner = await self._revive(stored, epoch)
            runner.over = ended
            self._around.metrics.session_adopted()
            _LOG.warning("session of a dead worker adopted", extra={"session_id": session_id})

    async def _revive(self, stored: StoredSession, epoch: int, last_seq: int = 0) -> SessionRunner:
        """A live session from its snapshot, detached, in the time that has passed since."""
        # What a dead sibling had raised and told nobody comes before whatever is raised from now on.
        await self._around.alerts.inherit()
        snapshot = stored.snapshot
        session_id = snapshot.facts.session_id
        # While no worker could be reached, session time stood still: no grace ran out, no silence grew old.
        reachable_ms = max(stored.wall_ms, self._since_ms)
        stood_ms = reachable_ms - stored.wall_ms
        facts = msgspec.structs.replace(snapshot.facts, started_ts=snapshot.facts.started_ts + stood_ms)
        core = SessionCore(facts, self._around.session, snapshot, deriver=self._around.deriver)
        core.care.state.epoch = max(core.care.state.epoch, epoch)
        # Alerts of the last moments may be newer than the snapshot: a number used twice would hide an alert.
        if last_seq > core.care.state.seq:
            core.care.heal(last_seq, snapshot.at_ms)
        book = core.care.alerts
        if book.begin_anew(self._around.alerts.last_seq(session_id)):
            core.care.distrust(snapshot.at_ms)
        self._around.alerts.counts_from(session_id, book.state.alert_seq)
        away_ms = max(0, self._around.wall_ms() - reachable_ms)
        runner = self._adopt(core, self._around.clock() - (snapshot.at_ms + away_ms) / 1_000)
        runner.take_up(snapshot.at_ms)
        runner.resume_hash, runner.earlier_hash = stored.resume_hash, stored.earlier_hash
        return runner

    def _check(self, hashes: tuple[bytes, bytes], claim: ResumeClaim, same_user: bool) -> None:
        if not same_user:
            raise denials.unknown()
        given = sha256(claim.resume_token.encode()).digest()
        # Both are compared, so that the time it takes tells nothing.
        if not any([hmac.compare_digest(given, each) for each in hashes]):  # noqa: C419
            raise denials.stale_token()

    def _new_token(self, runner: SessionRunner) -> str:
        token = secrets.token_urlsafe(32)
        runner.resume_hash = sha256(token.encode()).digest()
        runner.urgent = True
        return token

    async def _settle_doubts(self) -> None:
        """Find out what was lost while the worker stood still, then let go on what it still has."""
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_DOUBT_S):
                    await self._ask_what_is_ours()
            self._around.standing.assure(self._around.clock())

    async def _ask_what_is_ours(self) -> None:
        """Save everything: a session that another worker has taken meanwhile is lost by that."""
        while True:
            try:
                await self.roll.beat()
                await self.keeper.save_all()
            except StoreUnavailable:
                await asyncio.sleep(KEEP_EVERY_S)
            else:
                return

    def _moved(self, session_id: str, epoch: int) -> None:
        """Another worker says that it has taken a session."""
        runner = self._runners.get(session_id)
        if runner is not None and runner.core.care.state.epoch < epoch:
            # The client itself has come back there: this socket is not to try again.
            runner.replace()
            self._lose(runner)

    def _lose(self, runner: SessionRunner) -> None:
        """Another worker owns the session now."""
        _LOG.warning("session taken over by another worker", extra={"session_id": runner.session_id})
        self.taken_over += 1
        runner.fence()
        self._forget(runner.session_id)

    def _forget(self, session_id: str) -> None:
        runner = self._runners.pop(session_id, None)
        self.keeper.forget(session_id)
        self.roll.let_go(session_id)
        if runner is not None:
            runner.stop()
