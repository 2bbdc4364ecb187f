"""One console's subscriptions in, the live notices and alerts of its sessions out; runs as long as the socket.

Three loops: requests (in order, as they may wait for a store), live notices, and the alert feed. The coverage is one
value that is replaced as a whole, so each loop sees a subscription either wholly or not at all.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import msgspec

from emdr_stream.alerts.feed import AlertFeed
from emdr_stream.broker.base import EVERYBODY, Notice, Subscription
from emdr_stream.domain import Status
from emdr_stream.endpoints.alert_desk import AlertDesk
from emdr_stream.endpoints.auth import Principal
from emdr_stream.endpoints.conflation import Conflation
from emdr_stream.endpoints.console_parts import ConsoleParts
from emdr_stream.endpoints.coverage import ALL_SESSIONS, MOST_LEFT_OUT, Coverage
from emdr_stream.endpoints.distant import attend_elsewhere, command_elsewhere, find, unknown_session
from emdr_stream.endpoints.history import history
from emdr_stream.endpoints.outbox import Outbox
from emdr_stream.endpoints.trail import note_refusal
from emdr_stream.endpoints.waiting_room import WaitingRoom
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.session.alerts import session_of
from emdr_stream.session.ports import STATE_NOTICE
from emdr_stream.wire.stream import Done
from emdr_stream.wire.values import SessionSummary
from emdr_stream.wire.watch import (
    Ack,
    Attend,
    Command,
    HistoryRequest,
    SessionClosed,
    SessionNotice,
    SessionOpened,
    Subscribe,
    Subscribed,
    Unsubscribe,
)

_LOG: Final = logging.getLogger(__name__)
_REQUESTS: Final = 64
_LINES: Final = 8
"""Commands for other workers' sessions wait in so many lines, those of one session in one: a worker that does not
answer holds up few others."""
_AGAIN_S: Final = 1.0
"""How long after a catch-up with a store away it is tried again."""
_YIELD_AFTER: Final = 64
"""Notices in a row before others may run."""
_NOTICE: Final = msgspec.msgpack.Decoder(SessionNotice).decode


@dataclass(frozen=True, slots=True)
class Discovered:
    """A session of another worker whose live state was seen before anything else of it."""

    session_id: str
    user: str


@dataclass(frozen=True, slots=True)
class Renewed:
    """The token was renewed; its clients are read when the turn comes."""


Request = Subscribe | Unsubscribe | Ack | Command | Attend | HistoryRequest | Discovered | Renewed


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request and when it came, on the monotonic clock."""

    request: Request
    since_s: float


class Following:
    """What one console follows. `principal` is replaced by a renewed token; `since_ms` comes from `resume_after`."""

    def __init__(self, parts: ConsoleParts, outbox: Outbox, principal: Principal, since_ms: int | None) -> None:
        self._parts = parts
        self._outbox = outbox
        self._principal = principal
        self._coverage = Coverage(principal.clients)
        self.desk = AlertDesk(parts.alerts, outbox, parts.metrics, lambda: self._coverage, since_ms, parts.clock)
        loop = asyncio.get_running_loop()
        self._states = Conflation(outbox.send_state, parts.metrics.notices_dropped, loop.call_later, parts.clock)
        self._requests: WaitingRoom[Waiting] = WaitingRoom(_REQUESTS)
        # A pause must not wait behind acknowledgements to a worker that does not answer, nor behind a long past.
        self._commands: tuple[WaitingRoom[Waiting], ...] = tuple(WaitingRoom(_REQUESTS) for _ in range(_LINES))
        self._renewed = False
        self._listed: set[str] = set()
        self._incomplete_since: Coverage | None = None
        self._feed = parts.alerts.feed(principal.clients)

    def request(self, request: Request) -> None:
        """Take what needs waiting. Raises ProtocolError(overloaded) when too much waits already."""
        line = self._requests
        if isinstance(request, Command):
            line = self._commands[crc32(request.session_id.encode()) % _LINES]
        line.put(Waiting(request, self._parts.clock()))

    def renew(self, principal: Principal) -> None:
        """A renewed token: what it no longer allows is dropped at once, what it allows newly is followed soon."""
        before, self._principal = self._coverage.clients, principal
        self._replace(self._coverage.for_clients(_common(before, principal.clients)))
        self._feed.watch(principal.clients)
        self._renewed = True
        with contextlib.suppress(ProtocolError):
            # Where the queue is full, the request before takes care of it.
            self.request(Renewed())

    async def run(self) -> None:
        """Follow until cancelled."""
        live = await self._parts.broker.subscribe(())
        async with contextlib.aclosing(live), asyncio.TaskGroup() as group:
            group.create_task(self._follow_alerts(self._feed))
            group.create_task(self._follow_live(live))
            group.create_task(self._serve(live))
            for line in self._commands:
                group.create_task(self._serve_commands(line))

    def close(self) -> None:
        """Nothing is wished and nothing sent any more."""
        self._feed.close()
        self._states.close()
        self._parts.demand.wish(self, (), 0)

    # requests -----------------------------------------------------------------------------------------------------

    async def _serve(self, live: Subscription) -> None:
        while True:
            # None: it is time to ask again for what a store could not tell.
            waiting = await self._requests.take(None if self._incomplete_since is None else _AGAIN_S)
            if waiting is None:
                await self._catch_up_again()
                continue
            await self._do(waiting, live)
            if self._renewed:
                await self._widen(live)

    async def _do(self, waiting: Waiting, live: Subscription) -> None:
        request = waiting.request
        if isinstance(request, Subscribe):
            await self._subscribe(request, live)
        elif isinstance(request, Unsubscribe):
            await self._unsubscribe(request, live)
        elif isinstance(request, Discovered):
            await self._introduce(request)
        elif isinstance(request, HistoryRequest):
            await self._tell_past(request)
        elif not isinstance(request, Renewed):
            await self._ask_elsewhere(request, waiting.since_s)

    async def _serve_commands(self, line: WaitingRoom[Waiting]) -> None:
        while True:
            waiting = await line.take()
            if waiting is not None and isinstance(waiting.request, Command):
                await self._ask_elsewhere(waiting.request, waiting.since_s)

    async def _subscribe(self, request: Subscribe, live: Subscription) -> None:
        try:
            found, problem = await self._resolve(request.sessions)
        except ProtocolError as refused:
            self._refuse(request, refused)
            return
        everything = ALL_SESSIONS in request.sessions
        users = {summary.session_id: summary.user for summary in found}
        await live.watch(self._coverage.users | (self._coverage.clients if everything else frozenset(users.values())))
        before = self._coverage
        if everything:
            coverage = before.with_all(request.rate_hz)
            found = self._local_summaries(before)
        else:
            # The token may have been renewed while we waited.
            coverage = before.with_sessions(users, request.rate_hz).for_clients(before.clients)
            found = tuple(summary for summary in found if coverage.may_see(summary.user))
        self._replace(coverage)
        self.desk.hold(before)
        self._listed.update(summary.session_id for summary in found)
        self._outbox.send(Subscribed(re=request.id, sessions=found))
        if problem is not None:
            self._refuse(request, problem)
        await self._catch_up(before)

    def _refuse(self, request: Subscribe, problem: ProtocolError) -> None:
        if problem.code is not ErrorCode.INTERNAL:  # what cannot be known now is refused to nobody
            note_refusal(self._parts.registry, self._principal, "subscribe", problem, sessions=request.sessions)
        self._outbox.say(problem, request.id)

    async def _resolve(self, session_ids: Iterable[str]) -> tuple[tuple[SessionSummary, ...], ProtocolError | None]:
        """The named sessions that are theirs, and a word about those that are not. Raises it alone."""
        if ALL_SESSIONS in session_ids:
            return (), None
        found, problem = [], None
        for index, session_id in enumerate(session_ids):
            try:
                summary = await self._summary(session_id)
            except ProtocolError as unknowable:
                problem = unknowable  # nor would be the others: each would take its time to say so
                break
            if summary is not None and self._principal.may_see(summary.user):
                found.append(summary)
            elif problem is None:
                why = "no session of your clients has this id; those that were found are followed"
                problem = ProtocolError(ErrorCode.UNKNOWN_SESSION, why, param=f"sessions[{index}]")
        if problem is not None and not found:
            why = problem.message if problem.param is None else "no session of your clients has this id"
            raise ProtocolError(problem.code, why, param=problem.param)
        return tuple(found), problem

    async def _summary(self, session_id: str) -> SessionSummary | None:
        """The session's summary, wherever it lives. Raises ProtocolError(internal) while that cannot be known."""
        runner = self._parts.registry.get(session_id)
        if runner is not None:
            return runner.core.summary(runner.now_ms())
        elsewhere = await find(self._parts.registry, session_id)
        return None if elsewhere is None else elsewhere.summary

    def _local_summaries(self, coverage: Coverage) -> tuple[SessionSummary, ...]:
        runners = self._parts.registry.of_users(coverage.clients)
        return tuple(runner.core.summary(runner.now_ms()) for runner in runners)

    async def _unsubscribe(self, request: Unsubscribe, live: Subscription) -> None:
        coverage = self._coverage.without(request.sessions)
        if len(coverage.left_out) > MOST_LEFT_OUT:
            why = f"no more than {MOST_LEFT_OUT} sessions can be left out: subscribe to those that you want"
            self._outbox.say(ProtocolError(ErrorCode.INVALID_FIELD, why, param="sessions"), request.id)
            return
        self._replace(coverage)
        self.desk.forget(self._coverage)
        await live.watch(self._coverage.users)
        self._done(request.id)

    async def _tell_past(self, request: HistoryRequest) -> None:
        try:
            summary = await self._summary(request.session_id)
        except ProtocolError as unknowable:
            self._outbox.say(unknowable, request.id)
            return
        if summary is None or not self._principal.may_see(summary.user):
            problem = unknown_session()
            note_refusal(self._parts.registry, self._principal, "history", problem, session_id=request.session_id)
            self._outbox.say(problem, request.id)
            return
        self._outbox.send(await history(self._parts.store, request, self._parts.wall_ms()))

    async def _ask_elsewhere(self, request: Ack | Command | Attend, since_s: float) -> None:
        """What concerns a session that does not live in this worker."""
        try:
            if isinstance(request, Attend):
                await attend_elsewhere(self._parts.registry, self._principal, request)
            elif isinstance(request, Ack):
                session_id = session_of(request.alert_id) or ""
                await self._parts.late.acknowledge(session_id, request.alert_id, request.note, self._principal)
            else:
                await command_elsewhere(self._parts.registry, self._principal, request, self._parts.clock() - since_s)
        except ProtocolError as problem:
            self._outbox.say(problem, request.id)
            return
        self._done(request.id)

    async def _introduce(self, request: Discovered) -> None:
        """Tell of a session that another worker has, as if it had just opened."""
        summary = None
        with contextlib.suppress(ProtocolError):
            summary = await self._summary(request.session_id)
        if summary is None or summary.status is Status.ENDED:
            self._listed.discard(request.session_id)
        elif self._coverage.covers(request.session_id, summary.user):
            self._outbox.send(SessionOpened(session_id=request.session_id, user=summary.user, session=summary))

    async def _widen(self, live: Subscription) -> None:
        """Follow what a renewed token allows newly."""
        self._renewed = False
        await live.watch(self._coverage.for_clients(self._principal.clients).users)
        before = self._coverage
        self._replace(before.for_clients(self._principal.clients))
        if self._coverage.all_rate_hz is None:
            return
        self.desk.hold(before)
        for summary in self._local_summaries(self._coverage):
            if not before.covers(summary.session_id, summary.user):
                self._outbox.send(SessionOpened(session_id=summary.session_id, user=summary.user, session=summary))
        await self._catch_up(before)

    async def _catch_up(self, before: Coverage) -> None:
        complete = await self.desk.catch_up(before)
        if not complete and self._incomplete_since is None:
            self._incomplete_since = before

    async def _catch_up_again(self) -> None:
        if self._incomplete_since is not None and await self.desk.catch_up(self._incomplete_since):
            self._incomplete_since = None

    def _replace(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._states.retain(coverage)
        self._parts.demand.wish(self, coverage.users, coverage.highest_rate_hz)

    def _done(self, re: int | str | None) -> None:
        if re is not None:
            self._outbox.send(Done(re=re))

    # what happens in the sessions ---------------------------------------------------------------------------------

    async def _follow_alerts(self, feed: AlertFeed) -> None:
        async for entry in feed:
            self.desk.live(entry)
            await asyncio.sleep(0)
        if feed.overrun:
            self._outbox.cut_off("alerts came faster than they could be told: come back with `resume_after`")

    async def _follow_live(self, live: Subscription) -> None:
        taken = 0
        async for notice in live:
            if self._coverage.covers(notice.session_id, notice.user):
                self._take(notice)
            taken += 1
            if taken % _YIELD_AFTER == 0:
                await asyncio.sleep(0)

    def _take(self, notice: Notice) -> None:
        session_id = notice.session_id
        if notice.kind == STATE_NOTICE:
            self._states.offer(session_id, notice.user, notice.payload, self._coverage.rate_hz(session_id))
            self._discover(notice)
            return
        try:
            message = _NOTICE(notice.payload)
        except msgspec.MsgspecError:
            self._parts.metrics.notices_dropped()
            _LOG.warning("a live notice could not be read: do all workers run the same version?")
            return
        if isinstance(message, SessionClosed):
            self._states.forget(session_id)
            self._listed.discard(session_id)
        else:
            self._states.outdated(session_id)
        if isinstance(message, SessionOpened):
            self._listed.add(session_id)
        self._outbox.send(message)

    def _discover(self, notice: Notice) -> None:
        """A session that was never told of lives in another worker."""
        if notice.session_id in self._listed or self._parts.registry.get(notice.session_id) is not None:
            return
        with contextlib.suppress(ProtocolError):
            self.request(Discovered(notice.session_id, notice.user))
            self._listed.add(notice.session_id)


def _common(some: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """The users that both allow, "*" being everybody."""
    if EVERYBODY in some:
        return others
    return some if EVERYBODY in others else some & others
