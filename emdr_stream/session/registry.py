"""Hellos in, live sessions out: opens, resumes and ends the sessions of one worker, and keeps their snapshots.

The only part of a session's life that waits for a store is its opening and its resuming on another worker. Snapshots,
leases and the removal of what is over are the keeper's: one task a worker, behind the live path.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from emdr_stream.broker.base import Broker
from emdr_stream.domain import Status, Thresholds
from emdr_stream.errors import FencedOut, StoreUnavailable
from emdr_stream.pipeline.baseline import BaselinePrior
from emdr_stream.session import denials
from emdr_stream.session.core import SessionCore
from emdr_stream.session.facts import SessionFacts, SessionSnapshot, open_facts
from emdr_stream.session.ports import SessionRecord, Surroundings
from emdr_stream.session.runner import SessionRunner
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.telemetry.metrics import Refusal
from emdr_stream.wire.stream import GoAway, Hello, ResumeClaim
from emdr_stream.wire.values import ModelRef, SessionSummary

_LOG: Final = logging.getLogger(__name__)
_KEEP_EVERY_S: Final = 0.1
_SNAPSHOT_EVERY_S: Final = 4.0
"""How old the snapshot of a session may grow in which nothing happens but samples; what matters is saved at once."""
_LEASE_MS: Final = 15_000
_ENDED_TTL_MS: Final = 3_600_000
_FIRST_EPOCH: Final = 1


class StoredSession(msgspec.Struct):
    """What the broker keeps of a session. `wall_ms`: when; the resume token itself is nowhere kept."""

    wall_ms: int
    resume_hash: bytes
    snapshot: SessionSnapshot
    earlier_hash: bytes = b""


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
    """A session outside this worker. `alive`: another worker has it; otherwise it is over, or its worker is gone."""

    summary: SessionSummary
    alive: bool


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
    ) -> None:
        self._around = around
        self._broker = broker
        self._owner = owner
        self._models = models
        self._max = max_sessions
        self._max_per_user = max_sessions_per_user
        self._record = record
        self._runners: dict[str, SessionRunner] = {}
        self._saved_s: dict[str, float] = {}
        self._unclaimed: set[str] = set()
        self._hurry = asyncio.Event()
        self._hurried: set[str] = set()
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
            runner = self._runners.get(session_id) or await self._restore(session_id, user, claim)
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
        # A busy session is saved instead of renewed: either tells that its worker lives.
        fresh = found.lease_left_ms > 0 or away_ms < _LEASE_MS
        alive = core.status is not Status.ENDED and fresh
        return Elsewhere(core.summary(stored.snapshot.at_ms + away_ms), alive)

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
        """Save snapshots, claim what could not be claimed, forget what is over; runs until cancelled."""
        kept_s = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_KEEP_EVERY_S):
                    await self._hurry.wait()
            try:
                await self._save_urgent()
                if self._around.clock() - kept_s >= _KEEP_EVERY_S:
                    kept_s = self._around.clock()
                    await self._keep_all()
            except StoreUnavailable as problem:
                if not isinstance(problem, FencedOut):
                    await asyncio.sleep(1.0)

    async def drain(self, time_left_ms: int) -> None:
        """Before the worker stops: tell every client, save every session, close with 1012."""
        self.draining = True
        runners = list(self._runners.values())
        for runner in runners:
            runner.send(GoAway(reason="the service restarts", time_left_ms=time_left_ms))
        for runner in runners:
            try:
                await self._save(runner)
            except StoreUnavailable:
                _LOG.warning("session not saved before the restart", extra={"session_id": runner.session_id})
        for runner in runners:
            runner.leave("the service restarts")
        self._runners.clear()

    # within -------------------------------------------------------------------------------------------------------

    def _thresholds(self) -> Thresholds:
        return self._around.session.safety.thresholds

    def _adopt(self, core: SessionCore, started: float) -> SessionRunner:
        record = self._record(core.facts) if self._record else None
        runner = SessionRunner(core, self._around, started, record)
        self._runners[runner.session_id] = runner
        runner.on_urgent = partial(self._make_haste, runner.session_id)
        return runner

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

    async def _claim(self, session_id: str, at_least: int = 0) -> int:
        """The session's epoch, above `at_least`; the first one when the broker is away, to be claimed later."""
        try:
            return await self._broker.claim(session_id, self._owner, _LEASE_MS, at_least)
        except StoreUnavailable:
            self._unclaimed.add(session_id)
            return _FIRST_EPOCH

    def _door(self, session_id: str) -> asyncio.Lock:
        """Held by who opens or restores a session: two at once would make two sessions of one id."""
        return self._doors.setdefault(session_id, asyncio.Lock())

    def _check_room(self, user: str | None = None) -> None:
        """Asked again after every wait: others may have come meanwhile, or the end.

        `user`: whose new session it is. Sessions in their grace time count too, or one token would fill the worker by
        coming and going; who comes back to a session is not counted.
        """
        if self.draining or len(self._runners) >= self._max:
            raise denials.full()
        if user is not None and self._max_per_user and sum(1 for _ in self.of_users((user,))) >= self._max_per_user:
            self._around.metrics.refused(Refusal.USER)
            raise denials.crowded()

    async def _stored(self, session_id: str) -> StoredSession | None:
        """What the broker keeps. While that cannot be known nothing is opened: a paused session may be kept there."""
        try:
            found = await self._broker.get_snapshot(session_id)
        except StoreUnavailable:
            raise denials.not_known_now() from None
        return None if found is None else msgspec.msgpack.decode(found.payload, type=StoredSession)

    async def _restore(self, session_id: str, user: str, claim: ResumeClaim) -> SessionRunner:
        """Take a session over from its snapshot."""
        stored = await self._stored(session_id)
        if stored is None:
            raise denials.unknown()
        self._check((stored.resume_hash, stored.earlier_hash), claim, stored.snapshot.facts.user == user)
        if stored.snapshot.core.status is Status.ENDED:
            raise denials.over()
        self._check_room()
        epoch = await self._claim(session_id, stored.snapshot.core.epoch)
        self._check_room()
        snapshot = stored.snapshot
        # While no worker could be reached, session time stood still: no grace ran out, no silence grew old.
        reachable_ms = max(stored.wall_ms, self._since_ms)
        stood_ms = reachable_ms - stored.wall_ms
        facts = msgspec.structs.replace(snapshot.facts, started_ts=snapshot.facts.started_ts + stood_ms)
        core = SessionCore(facts, self._around.session, snapshot, deriver=self._around.deriver)
        core.care.state.epoch = max(core.care.state.epoch, epoch)
        # Alerts of the last moments may be newer than the snapshot: a number used twice would hide an alert.
        book = core.care.alerts.state
        told_seq = self._around.alerts.last_seq(session_id)
        if told_seq > book.alert_seq:
            book.alert_seq = told_seq
            core.care.distrust(snapshot.at_ms)
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

    async def _keep_all(self) -> None:
        for session_id, runner in list(self._runners.items()):
            if self._hurried:
                await self._save_urgent()
            if self._wants_keeping(session_id, runner):
                await self._keep_safely(session_id, runner)

    def _wants_keeping(self, session_id: str, runner: SessionRunner) -> bool:
        """Whether there is anything to do; asked of every session ten times a second, so it must cost little."""
        return runner.urgent or runner.over or session_id in self._unclaimed or self._is_due(session_id)

    def _is_due(self, session_id: str) -> bool:
        return self._around.clock() - self._saved_s.get(session_id, 0.0) >= _SNAPSHOT_EVERY_S

    async def _keep_safely(self, session_id: str, runner: SessionRunner) -> None:
        try:
            await self._keep_one(session_id, runner)
        except StoreUnavailable:
            raise
        except Exception:
            # One session that cannot be kept, for whatever reason, must not end the keeping of all others.
            self._saved_s[session_id] = self._around.clock()
            _LOG.exception("a session could not be kept", extra={"session_id": session_id})

    async def _keep_one(self, session_id: str, runner: SessionRunner) -> None:
        if session_id in self._unclaimed:
            self._unclaimed.discard(session_id)
            runner.own(await self._claim(session_id))
        due = self._is_due(session_id)
        if runner.urgent or (runner.dirty and due):
            await self._save(runner)
        elif due and not runner.over:
            await self._renew(runner)
        if runner.over and not runner.urgent and not runner.waits_for_acknowledgement:
            self._forget(session_id)

    async def _save(self, runner: SessionRunner) -> None:
        at_ms = runner.now_ms()
        snapshot = runner.core.snapshot(at_ms)
        stored = StoredSession(self._around.wall_ms(), runner.resume_hash, snapshot, runner.earlier_hash)
        runner.dirty = runner.urgent = False
        epoch = runner.core.care.state.epoch
        ttl_ms = _ENDED_TTL_MS if runner.over else _ENDED_TTL_MS + self._around.session.control.grace_ms
        try:
            payload = msgspec.msgpack.encode(stored)
            await self._broker.put_snapshot(runner.session_id, self._owner, epoch, payload, ttl_ms)
        except FencedOut:
            self._lose(runner)
        except StoreUnavailable:
            runner.dirty = runner.urgent = True
            raise
        self._saved_s[runner.session_id] = self._around.clock()

    async def _renew(self, runner: SessionRunner) -> None:
        try:
            await self._broker.renew(runner.session_id, self._owner, runner.core.care.state.epoch, _LEASE_MS)
        except FencedOut:
            self._lose(runner)
        self._saved_s[runner.session_id] = self._around.clock()

    def _lose(self, runner: SessionRunner) -> None:
        """Another worker owns the session now."""
        _LOG.warning("session taken over by another worker", extra={"session_id": runner.session_id})
        self.taken_over += 1
        runner.fence()
        self._forget(runner.session_id)

    def _forget(self, session_id: str) -> None:
        runner = self._runners.pop(session_id, None)
        self._saved_s.pop(session_id, None)
        self._unclaimed.discard(session_id)
        if runner is not None:
            runner.stop()
