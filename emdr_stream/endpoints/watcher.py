"""One console's messages in; answers, live states and alerts out: the sink of `/v1/watch`.

`received` answers at once whatever needs no waiting: commands, acknowledgements, confirmations, tokens. What may wait
for a broker or a store goes to `following`, which `run` serves.
"""

import asyncio
import time
from typing import Any, Final

from emdr_stream.domain import Role
from emdr_stream.endpoints.alert_desk import since_of
from emdr_stream.endpoints.auth import Principal
from emdr_stream.endpoints.console_parts import ConsoleParts
from emdr_stream.endpoints.distant import check_command, unknown_session
from emdr_stream.endpoints.following import Following
from emdr_stream.endpoints.guard import MESSAGE_COSTS_BYTES, ByteBudget, Guard
from emdr_stream.endpoints.late_ack import unknown_alert
from emdr_stream.endpoints.licence import Licence
from emdr_stream.endpoints.outbox import Outbox
from emdr_stream.endpoints.ports import Peer, log_sink_error
from emdr_stream.endpoints.trail import note_refusal
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.session.alerts import session_of
from emdr_stream.wire.codec import Codec
from emdr_stream.wire.stream import Auth, Done, GoAway, Heartbeat, Ping, Pong
from emdr_stream.wire.watch import (
    Ack,
    Attend,
    Command,
    ConfigSet,
    EndCommand,
    HistoryRequest,
    PauseCommand,
    Received,
    ResumeCommand,
    Subscribe,
    Unsubscribe,
    WatchHello,
    WatchMessage,
    WatchWelcome,
)

_RATE_HZ: Final = 60
"""Messages a second of one console, as of a client. Below a flood, commands and acknowledgements are never refused."""
_URGENT: Final = (Ack, PauseCommand, ResumeCommand, EndCommand, ConfigSet)
_EARLY_S: Final = 0.002


class Watcher:
    """One console's socket once its hello was taken."""

    def __init__(
        self, peer: Peer, codec: Codec[Any], hello: WatchHello, principal: Principal, parts: ConsoleParts
    ) -> None:
        self._codec = codec
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._guard = Guard(_RATE_HZ, parts.settings.max_malformed_per_minute)
        self._budget = ByteBudget(parts.settings.bytes_per_s)
        self._outbox = Outbox(peer, codec, parts.settings, parts.metrics, parts.clock)
        self._licence = Licence(principal, parts.authority, parts.metrics, self._expire)
        self._outbox.send(self._welcome())
        self._following = Following(parts, self._outbox, principal, self._since(hello))
        self._heartbeat_s = parts.control.heartbeat_ms / 1_000
        self._pulse_timer = self._loop.call_later(self._heartbeat_s, self._pulse)
        parts.metrics.connection_opened(principal.role)

    @property
    def sub(self) -> str:
        """Who watches."""
        return self._licence.principal.sub

    async def run(self) -> None:
        """Serve what takes time until cancelled; a failure closes the socket with 1011."""
        try:
            await self._following.run()
        except* Exception as failures:
            for failure in failures.exceptions:
                log_sink_error(failure)
            self._outbox.end(CloseCode.INTERNAL, "")

    def received(self, data: bytes | str) -> None:
        if not self._outbox.is_open:
            return
        now = self._parts.clock()
        budget = self._budget
        budget.heard += (weight := len(data) + MESSAGE_COSTS_BYTES)
        heavy = budget.heard > budget.most and budget.is_exceeded(now, weight)
        if heavy and budget.is_flooded:
            self._flooded("far too many bytes", None)
            return
        try:
            message: WatchMessage = self._codec.decode(data)
        except ProtocolError as problem:
            self._refused(problem, now)
            return
        if (not self._guard.admits(now) or heavy) and not self._bears(message):
            return
        try:
            self._take(message)
        except FatalProtocolError as problem:
            self._outbox.close(problem, message.id)
        except ProtocolError as problem:
            self._outbox.say(problem, message.id)

    def closed(self, code: int) -> None:
        self._outbox.is_open = False
        self._licence.end()
        self._pulse_timer.cancel()
        self._following.close()
        self._parts.metrics.connection_closed(self._licence.principal.role, code)

    def say_goodbye(self, reason: str, time_left_ms: int) -> None:
        """The worker stops: tell the console to come back elsewhere, and close with 1012."""
        self._outbox.send(GoAway(reason=reason, time_left_ms=time_left_ms))
        self._outbox.end(CloseCode.RESTART, reason)

    # messages -----------------------------------------------------------------------------------------------------

    def _take(self, message: WatchMessage) -> None:
        """Raises ProtocolError for what cannot be done."""
        if isinstance(message, Subscribe | Unsubscribe | HistoryRequest):
            self._following.request(message)
        elif isinstance(message, Ping):
            self._answer_ping(message)
        elif isinstance(message, WatchHello):
            raise ProtocolError(ErrorCode.BAD_MESSAGE, "`hello` was said already", param="type")
        elif isinstance(message, Ack):
            self._acknowledge(message)
        elif isinstance(message, Attend):
            self._attend(message)
        elif isinstance(message, Received):
            self._following.desk.received(message.cursor)
            self._done(message)
        elif isinstance(message, Auth):
            self._renew(message)
            self._done(message)
        else:
            self._command(message)

    def _command(self, command: Command) -> None:
        """A session that lives here obeys at once; for another worker's the line is asked. Raises ProtocolError."""
        runner = self._parts.registry.get(command.session_id)
        if runner is None:
            self._following.request(command)
            return
        principal = self._licence.principal
        check_command(self._parts.registry, principal, command, runner.user)
        runner.command(command, principal.sub)
        self._done(command)

    def _acknowledge(self, message: Ack) -> None:
        session_id = session_of(message.alert_id)
        runner = self._parts.registry.get(session_id or "")
        if session_id is not None and runner is None:
            self._following.request(message)
            return
        if runner is None or not self._licence.principal.may_see(runner.user):
            problem, said = unknown_alert(), {"alert_id": message.alert_id, "note": message.note}
            note_refusal(
                self._parts.registry, self._licence.principal, "ack", problem, session_id=session_id or "", **said
            )
            raise problem
        runner.acknowledge(message.alert_id, self._licence.principal.sub, message.note)
        self._done(message)

    def _attend(self, message: Attend) -> None:
        principal = self._licence.principal
        runner = self._parts.registry.get(message.session_id)
        if principal.role is not Role.THERAPIST:
            raise ProtocolError(ErrorCode.FORBIDDEN, "only a therapist attends a session", param="type")
        if runner is None:
            self._following.request(message)
        elif not principal.may_see(runner.user):
            raise unknown_session()
        else:
            runner.attendance.note(principal.sub)
            self._done(message)

    def _answer_ping(self, message: Ping) -> None:
        now = time.time() * 1_000
        extra: dict[str, Any] = {} if message.id is None else {"re": message.id}
        self._outbox.send(Pong(t0=message.t0, t1=now, t2=time.time() * 1_000, **extra))

    def _done(self, message: WatchMessage) -> None:
        if message.id is not None:
            self._outbox.send(Done(re=message.id))

    # tokens -------------------------------------------------------------------------------------------------------

    def _renew(self, message: Auth) -> None:
        """Raises FatalProtocolError for a token that is not theirs."""
        try:
            self._licence.renew(message.token)
        except FatalProtocolError as problem:
            note_refusal(self._parts.registry, self._licence.principal, "auth", problem)
            raise
        self._following.renew(self._licence.principal)

    def _expire(self) -> None:
        why = "the token has expired: come back with a new one and `resume_after`"
        self._outbox.close(FatalProtocolError(ErrorCode.TOKEN_EXPIRED, why, CloseCode.TOKEN_EXPIRED))

    # keeping the peace --------------------------------------------------------------------------------------------

    def _refused(self, problem: ProtocolError, now: float) -> None:
        if isinstance(problem, FatalProtocolError):
            self._outbox.close(problem)
            return
        self._outbox.say(problem, None)
        if not self._guard.forgives(now):
            why = "too many malformed messages in a minute"
            self._outbox.close(FatalProtocolError(ErrorCode.BAD_MESSAGE, why, CloseCode.INVALID_PAYLOAD))

    def _flooded(self, why: str, re: int | str | None) -> None:
        self._outbox.close(FatalProtocolError(ErrorCode.RATE_LIMITED, why, CloseCode.RATE_LIMITED), re)

    def _bears(self, message: WatchMessage) -> bool:
        """Whether a message beyond the rate is taken all the same."""
        if self._guard.is_flooded:
            self._flooded("far too many messages", message.id)
            return False
        if isinstance(message, _URGENT):
            return True
        if self._guard.should_tell:
            why = "too many messages or bytes a second: the rest are dropped"
            self._outbox.say(ProtocolError(ErrorCode.RATE_LIMITED, why), message.id, 1_000)
        return False

    # the console's life -------------------------------------------------------------------------------------------

    def _pulse(self) -> None:
        """Break the silence, and look whether the console keeps up."""
        outbox, now = self._outbox, self._parts.clock()
        behind_s = max(outbox.stuck_s(), self._following.desk.behind_s())
        if behind_s >= self._parts.settings.watcher_lag_s:
            outbox.cut_off("the console is too far behind: come back with `resume_after`")
        if now - outbox.last_sent >= self._heartbeat_s - _EARLY_S:
            outbox.send(Heartbeat(server_ts=self._parts.wall_ms()))
        wait_s = max(_EARLY_S, outbox.last_sent + self._heartbeat_s - self._parts.clock())
        self._pulse_timer = self._loop.call_later(wait_s, self._pulse)

    def _since(self, hello: WatchHello) -> int | None:
        """The time of `resume_after`; a cursor that is none is told, and everything open is told anew."""
        try:
            return since_of(hello.resume_after)
        except ProtocolError as problem:
            self._outbox.say(problem, hello.id)
            return None

    def _welcome(self) -> WatchWelcome:
        control, principal = self._parts.control, self._licence.principal
        return WatchWelcome(
            heartbeat_ms=control.heartbeat_ms,
            timeout_ms=control.timeout_ms,
            server_ts=self._parts.wall_ms(),
            user=principal.sub,
            role=principal.role,
        )
