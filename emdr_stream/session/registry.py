"""Hellos in, live sessions out: opens, resumes, adopts and ends the sessions of one worker.

The only part of a session's life that waits for a store is its opening and its resuming on another worker. Snapshots
are the keeper's, the pulse of the worker and the orphans of dead ones the roll call's: tasks behind the live path.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from emdr_stream.broker.base import Broker
from emdr_stream.domain import Source, Status
from emdr_stream.errors import ErrorCode, FatalProtocolError, ProtocolError, StoreUnavailable
from emdr_stream.inference.choice import Choice
from emdr_stream.pipeline.baseline import BaselinePrior
from emdr_stream.session import denials
from emdr_stream.session.alerts import session_of
from emdr_stream.session.core import SessionCore
from emdr_stream.session.facts import SessionFacts, open_facts
from emdr_stream.session.forgetting import end_for_good
from emdr_stream.session.keeper import Keeper, StoredSession
from emdr_stream.session.ports import SessionRecord, Surroundings
from emdr_stream.session.resume_token import check_claim, is_newest, renew
from emdr_stream.session.roll import RollCall
from emdr_stream.session.room import Room
from emdr_stream.session.runner import SessionRunner
from emdr_stream.session.switchboard import Request, Switchboard
from emdr_stream.session.takeover import Takeover, no_session
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.wire.orders import Forget
from emdr_stream.wire.stream import GoAway, Hello, ResumeClaim
from emdr_stream.wire.values import ModelRef, SessionSummary
from emdr_stream.wire.watch import Ack, Attend

_LOG: Final = logging.getLogger(__name__)
_FIRST_EPOCH: Final = 1
_TRIES: Final = 3
_LAST_SAVES_S: Final = 2.0
"""How long a worker that stops tries to save its sessions; what a broker that hangs does not take is as it was."""
_AGAIN_S: Final = 0.05
"""A session may be taken by another worker while its client resumes it here; then it is taken back."""


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
        room: Room,
        looked_by: Mapping[Source, Choice] | None = None,
        record: Callable[[SessionFacts], SessionRecord] | None = None,
        erased: Callable[[Collection[str]], None] = lambda session_ids: None,
        doubted: asyncio.Event | None = None,
        known: Callable[[str], Awaitable[bool]] = no_session,
    ) -> None:
        """`looked_by`: whose model reads a face. `erased` hears what must go; `doubted` is set when the standing is.

        `known`: whether the records have, or had, a session of an id; may raise StoreUnavailable.
        """
        self._around = around
        self._broker = broker
        self._owner = owner
        self._models = models
        self._looked_by = looked_by or {}
        self._room = room
        self._record = record
        self._erased = erased
        self._runners: dict[str, SessionRunner] = {}
        self.keeper = Keeper(
            around, broker, owner, self._runners, claim=self._claim, lost=self._lose, over=self._forget
        )
        self.roll = RollCall(broker, owner, around.clock)
        self.switchboard = Switchboard(broker, owner, obey=self.obey, moved=self._moved)
        self._doubted = doubted or asyncio.Event()
        self._doors: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.takeover = Takeover(
            around,
            broker,
            owner,
            self._runners,
            self.keeper,
            self.roll,
            admit=self._adopt,
            door=self._door,
            models_of=self._models_of,
            known=known,
        )
        self.draining = False
        self.taken_over = 0
        """Sessions that another worker took from this one."""

    def __len__(self) -> int:
        return len(self._runners)

    def get(self, session_id: str) -> SessionRunner | None:
        return self._runners.get(session_id)

    def _models_of(self, source: Source, session_id: str) -> tuple[ModelRef, ...]:
        """Who speaks in a session: the model that decides, and the one that reads the face, where it is one of ours."""
        face = self._looked_by.get(source)
        return self._models if face is None else (*self._models, face.of(session_id))

    def use_models(self, models: tuple[ModelRef, ...], looked_by: Mapping[Source, Choice]) -> None:
        """Other versions speak from now on: in every session that is here, and in those to come."""
        self._models, self._looked_by = models, looked_by
        for runner in list(self._runners.values()):
            if not runner.over:
                runner.models_changed(self._models_of(runner.core.facts.source, runner.session_id))

    def of_users(self, users: Collection[str]) -> Iterator[SessionRunner]:
        """Sessions of these users that are not over; "*" means everybody's."""
        everybody = "*" in users
        for runner in self._runners.values():
            if not runner.over and (everybody or runner.user in users):
                yield runner

    async def open(self, hello: Hello, user: str, sid: str | None) -> Opened:
        """A new session. Raises FatalProtocolError: no room (`Room.check_new`), or the id is, was or may be taken."""
        session_id = sid or f"s{secrets.token_hex(8)}"
        async with self._door(session_id):
            return await self._open(session_id, hello, user, sid)

    async def _open(self, session_id: str, hello: Hello, user: str, sid: str | None) -> Opened:
        self._check_room(user)
        if session_id in self._runners:
            raise denials.taken()
        if sid:
            await self.takeover.check_unused(sid)
        facts, refused = open_facts(
            hello,
            session_id=session_id,
            user=user,
            started_ts=self._around.wall_ms(),
            thresholds=self._around.session.safety.thresholds,
            models=self._models_of(hello.source, session_id),
            prior=BaselinePrior(),
        )
        epoch = await self._claim(session_id)
        try:
            self._check_room(user)
        except FatalProtocolError:
            self.keeper.unclaimed.discard(session_id)
            raise
        # Others may speak since the broker was asked.
        facts = msgspec.structs.replace(facts, models=self._models_of(hello.source, session_id))
        core = SessionCore(facts, self._around.session)
        core.care.state.epoch = epoch
        if epoch > _FIRST_EPOCH:
            # Somebody had this id, and may have told alerts under it: a number that is told twice is heard once.
            core.care.alerts.begin_block(epoch)
        runner = self._adopt(core, self._around.clock())
        token = renew(runner)
        if session_id not in self.keeper.unclaimed:
            # A client that loses its socket at once may come back to a worker that knows it from the broker alone.
            with suppress(StoreUnavailable):
                await self.keeper.save(runner)
        if runner.fenced:  # another worker has opened it in the same moment
            raise denials.taken()
        return Opened(runner, token, epoch, relaxing_refused=refused)

    async def resume(self, hello: Hello, claim: ResumeClaim, user: str) -> Opened:
        """A session that lives here, or whose snapshot another worker left.

        Raises FatalProtocolError: unknown_session, session_over (4504), resume_denied for a wrong token (4503),
        overloaded (1013) while it cannot be known, or there is no room for another worker's.
        """
        session_id = hello.session_id
        if session_id is None:
            raise denials.nameless()
        for _ in range(_TRIES):
            async with self._door(session_id):
                runner = await self._still_here(session_id, claim) or await self._restore(session_id, user, claim)
                check_claim((runner.resume_hash, runner.earlier_hash), claim, runner.user == user)
                if runner.core.status is Status.ENDED:
                    raise denials.over()
                if is_newest(claim, runner):
                    runner.earlier_hash = runner.resume_hash
                token = renew(runner)
                # Told before it is stored, the new token would be worthless if another worker had taken the session.
                with suppress(StoreUnavailable):
                    await self.keeper.save(runner)
            if not runner.fenced:
                return Opened(runner, token, runner.core.care.state.epoch, last_seq=claim.last_seq)
        raise denials.not_known_now()

    async def elsewhere(self, session_id: str) -> Elsewhere | None:
        """A session that does not live in this worker, from its snapshot; None when there is none.

        Raises StoreUnavailable when that cannot be known now.
        """
        found = await self._broker.get_snapshot(session_id)
        if found is None:
            return None
        stored = msgspec.msgpack.decode(found.payload, type=StoredSession)
        core = SessionCore(stored.snapshot.facts, self._around.session, stored.snapshot)
        away_ms = max(0, self._around.wall_ms() - stored.wall_ms)
        owner_lives = found.owner != self._owner and await self.roll.lives(found.owner)
        return Elsewhere(core.summary(stored.snapshot.at_ms + away_ms), found.owner, owner_lives)

    def obey(self, request: Request, by: str) -> tuple[str, ...]:
        """Do what another worker's watcher asked; gives what `forget` gives.

        Raises ProtocolError when it cannot.
        """
        if isinstance(request, Forget):
            return self.forget(request.user, request.sessions, by)
        session_id = session_of(request.alert_id) if isinstance(request, Ack) else request.session_id
        runner = self._runners.get(session_id or "")
        if runner is None or runner.fenced:
            raise ProtocolError(ErrorCode.UNKNOWN_SESSION, "no such session lives here", param="session_id")
        if isinstance(request, Ack):
            runner.acknowledge(request.alert_id, by, request.note)
        elif isinstance(request, Attend):
            runner.attendance.note(by)
        else:
            runner.command(request, by)
        return ()

    def forget(self, user: str, session_ids: Collection[str], by: str) -> tuple[str, ...]:
        """A person is erased by `by`: let go of all of them. Gives the ids of their sessions that were here."""
        found = end_for_good([runner for runner in self._runners.values() if runner.user == user], by)
        for session_id in found:
            self._forget(session_id)
        # The records name none of an earlier erasure that this worker did not hear of.
        found = tuple({*found, *self._around.alerts.sessions_of(user)})
        names = {*session_ids, *found}
        self._around.alerts.forget(names)
        self._erased(names)
        return found

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
            group.create_task(self.roll.run(lambda: self._runners))
            group.create_task(self.roll.look_for_orphans(self.takeover.adopt_orphan, lambda: self._runners))
            group.create_task(self.switchboard.run())
            group.create_task(self.takeover.settle_doubts(self._doubted))

    async def drain(self, time_left_ms: int) -> None:
        """Before the worker stops: tell every client, save every session, close with 1012."""
        self.draining = self.takeover.draining = True
        for runner in list(self._runners.values()):
            runner.send(GoAway(reason="the service restarts", time_left_ms=time_left_ms))
        await self._save_last()
        for runner in list(self._runners.values()):
            runner.leave("the service restarts")
        self._runners.clear()
        with suppress(StoreUnavailable):
            # What nobody comes back for is another worker's at once.
            await self.roll.resign()

    # within -------------------------------------------------------------------------------------------------------

    async def _save_last(self) -> None:
        """Save every session, as far as that can be done in time: with a broker that hangs, each would take its own."""
        left = set(self._runners)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SAVES_S):
                while left:
                    with suppress(StoreUnavailable):
                        await self.keeper.save_all(left)
                    if left:
                        await asyncio.sleep(_AGAIN_S)
        if left:
            _LOG.warning("sessions not saved before the restart", extra={"sessions": len(left)})

    def _adopt(self, core: SessionCore, started: float) -> SessionRunner:
        record = self._record(core.facts) if self._record else None
        runner = SessionRunner(core, self._around, started, record)
        self._runners[runner.session_id] = runner
        self.keeper.take(runner)
        self.roll.took(runner.session_id)
        self._room.took()
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
        """Of a new session asked again after every wait: others may have come, or the end. `user`: whose it is."""
        if self.draining:
            raise denials.stopping()
        if user is None:
            self._room.check_return(len(self._runners))
        else:
            self._room.check_new(len(self._runners), lambda: sum(1 for _ in self.of_users((user,))))

    async def _still_here(self, session_id: str, claim: ResumeClaim) -> SessionRunner | None:
        """The session, if it lives here; asked anew when the client or this worker may have been away from it."""
        runner = self._runners.get(session_id)
        if runner is not None and (claim.epoch > runner.core.care.state.epoch or self._around.standing.in_doubt):
            try:
                await self.keeper.save(runner)
            except StoreUnavailable:
                raise denials.not_known_now() from None
        return self._runners.get(session_id)

    async def _restore(self, session_id: str, user: str, claim: ResumeClaim) -> SessionRunner:
        """Take a session over from its snapshot, for a client that has come back to it."""
        found = await self.takeover.stored(session_id)
        if found is None:
            raise denials.unknown()
        stored, former = found
        check_claim((stored.resume_hash, stored.earlier_hash), claim, stored.snapshot.facts.user == user)
        if stored.snapshot.core.status is Status.ENDED:
            raise denials.over()
        self._check_room()
        runner, epoch = await self.takeover.take_over(stored, claim.last_seq)
        if former != self._owner:
            self.switchboard.tell_moved(former, session_id, epoch)
        return runner

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
        if self._runners.get(runner.session_id) is runner:
            self._forget(runner.session_id)

    def _forget(self, session_id: str) -> None:
        runner = self._runners.pop(session_id, None)
        self.keeper.forget(session_id)
        self.roll.let_go(session_id)
        if runner is not None:
            runner.stop()
