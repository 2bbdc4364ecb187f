"""`/v1/stream`: a browser's socket in, an attached session out; decides who may, then hands the bytes over."""

import time
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from emdr_stream.domain import Limits, Role, Source
from emdr_stream.endpoints.auth import Principal, TokenAuthority
from emdr_stream.endpoints.cameras import Cameras
from emdr_stream.endpoints.departures import Departures
from emdr_stream.endpoints.greeting import Greeting
from emdr_stream.endpoints.guard import MESSAGE_COSTS_BYTES, ByteBudget, Guard
from emdr_stream.endpoints.handover import take_over
from emdr_stream.endpoints.licence import Licence
from emdr_stream.endpoints.ports import LaneLimits, Peer
from emdr_stream.endpoints.trail import note_refusal, note_refused_hello
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.session.registry import Opened, SessionRegistry
from emdr_stream.settings import SocketSettings
from emdr_stream.telemetry.labels import FrameOutcome, ResumeResult, SampleOutcome
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.codec import STREAM_CODECS, Codec
from emdr_stream.wire.refusals import error_message
from emdr_stream.wire.stream import (
    Applied,
    Auth,
    Bye,
    ClientMessage,
    Done,
    Frame,
    Hello,
    Landmarks,
    Morphcast,
    Observed,
    PhaseMark,
    Ping,
    Pong,
    Rating,
    ResumeRequest,
    Sample,
    SetMark,
    Skipped,
    Stop,
)

_NOT_RESUMED: Final = {
    ErrorCode.SESSION_OVER: ResumeResult.OVER,
    ErrorCode.RESUME_DENIED: ResumeResult.DENIED,
}
_READINGS: Final = (Morphcast, Frame, Landmarks)
"""What shows the client, besides samples: each counts against the rate."""
_ACTS: Final = (SetMark, Rating, PhaseMark, ResumeRequest, Auth)
"""What a person does. Each is written down or told to watchers: a page gone wild must not drown others' alerts."""
_ACTS_HZ: Final = 10
_NEVER_REFUSED: Final = (Stop, Applied, Bye)


class ClientEndpoint:
    """Serves `/v1/stream`."""

    def __init__(
        self,
        registry: SessionRegistry,
        authority: TokenAuthority,
        settings: SocketSettings,
        limits: Limits,
        lane: LaneLimits,
        departures: Departures,
        metrics: Metrics,
        cameras: Cameras,
    ) -> None:
        self._registry = registry
        self._authority = authority
        self._settings = settings
        self._limits = limits
        self._cameras = cameras
        self._lane = lane
        self._departures = departures
        self._metrics = metrics

    async def __call__(self, websocket: WebSocket) -> None:
        greeting = Greeting(websocket, STREAM_CODECS, self._authority, self._settings, self._metrics)
        try:
            hello, principal = await greeting.receive(Hello, frozenset({Role.CLIENT, Role.SERVICE}))
            opened = await self._open(hello, principal)
        except WebSocketDisconnect:
            return
        except FatalProtocolError as problem:
            note_refused_hello(self._registry, greeting, problem, "/v1/stream")
            await greeting.refuse(problem)
            return
        codec = greeting.codec
        await take_over(
            websocket,
            lambda peer: ClientSink(
                peer,
                codec,
                opened,
                principal,
                self._registry,
                self._authority,
                self._settings,
                self._limits,
                self._metrics,
                self._cameras,
            ),
            self._lane,
            self._departures,
        )

    async def _open(self, hello: Hello, principal: Principal) -> Opened:
        """Raises FatalProtocolError for everything that keeps this session from being opened or resumed."""
        user = _user_of(hello, principal)
        self._cameras.check(hello.source, resumes=hello.resume is not None)
        sid = principal.sid
        if hello.session_id is not None and sid is not None and hello.session_id != sid:
            raise _forbidden("the token is for another session", "session_id")
        if hello.resume is None:
            if hello.session_id is not None and hello.session_id != sid:
                raise _forbidden(
                    "only a token's `sid` may name a new session; to come back send `resume`", "session_id"
                )
            return await self._registry.open(hello, user, sid)
        try:
            opened = await self._registry.resume(hello, hello.resume, user)
        except FatalProtocolError as problem:
            self._metrics.resume(_NOT_RESUMED.get(problem.code, ResumeResult.FAILED))
            raise
        replays = opened.runner.core.remembers(hello.resume.last_seq)
        self._metrics.resume(ResumeResult.REPLAYED if replays else ResumeResult.SNAPSHOT)
        return opened


class ClientSink:
    """One client's socket once its session is there: decodes, keeps the peace, hands on."""

    def __init__(
        self,
        peer: Peer,
        codec: Codec[Any],
        opened: Opened,
        principal: Principal,
        registry: SessionRegistry,
        authority: TokenAuthority,
        settings: SocketSettings,
        limits: Limits,
        metrics: Metrics,
        cameras: Cameras,
    ) -> None:
        self._peer = peer
        self._registry = registry
        self._decode = codec.decode
        self._runner = opened.runner
        self._metrics = metrics
        self._guard = Guard(limits.rate_hz, settings.max_malformed_per_minute)
        self._acts = Guard(_ACTS_HZ, settings.max_malformed_per_minute)
        self._cameras = cameras
        self._runner.attach(peer, codec, epoch=opened.epoch, resume_token=opened.resume_token, last_seq=opened.last_seq)
        # From here on `closed` will be called.
        self._desk = self._runner.frames = cameras.desk(opened.runner)
        self._budget = ByteBudget(settings.bytes_per_s if self._desk is None else settings.frame_bytes_per_s)
        self._metrics.connection_opened(principal.role)
        self._licence = Licence(principal, authority, metrics, self._expire)
        if opened.relaxing_refused:
            why = "only a therapist may relax a threshold: yours were kept as strict as the service's"
            refused = ProtocolError(ErrorCode.FORBIDDEN, why, param="config.safety_thresholds")
            self._note_refusal("hello", refused)
            self._say(refused)

    def received(self, data: bytes | str) -> None:
        now = time.monotonic()
        runner = self._runner
        if runner.socket is not self._peer:
            return
        budget = self._budget
        budget.heard += (weight := len(data) + MESSAGE_COSTS_BYTES)
        heavy = budget.heard > budget.most and budget.is_exceeded(now, weight)
        if heavy and budget.is_flooded:
            self._flooded("far too many bytes", None)
            return
        try:
            message: ClientMessage = self._decode(data)
        except ProtocolError as problem:
            self._refused(problem, now)
        else:
            # Nearly every message is a sample within its rate: that case takes no detour.
            if type(message) is not Sample:
                self._hand_on(message, now, heavy)
            elif self._guard.admits(now) and not heavy:
                runner.take(message, now)
            else:
                self._drop(message)

    def _hand_on(self, message: ClientMessage, now: float, heavy: bool) -> None:
        """Refuse what is too much; give the rest to whom it concerns."""
        kind = type(message)
        if kind in _READINGS and (not self._guard.admits(now) or heavy):
            self._drop(message)
        elif kind in _ACTS and (not self._acts.admits(now) or heavy):
            self._too_fast(message, self._acts)
        elif heavy and kind not in _NEVER_REFUSED:
            self._too_fast(message, self._guard)
        elif kind is Ping or kind is Auth or kind is Hello:
            self._answer(message)
        else:
            self._look_and_take(message, now)

    def _look_and_take(self, message: ClientMessage, now: float) -> None:
        """Pictures and face scores are looked at first: the session hears what was seen."""
        desk, runner = self._desk, self._runner
        if isinstance(message, Frame) and desk is not None:
            desk.offer(message, now)
        elif isinstance(message, Landmarks) and runner.core.facts.source is Source.LANDMARKS:
            runner.take(
                Observed(id=message.id, ts=message.ts, face=self._cameras.read(message, runner.session_id)), now
            )
        else:
            runner.take(message, now)

    def _drop(self, message: ClientMessage) -> None:
        """An observation that is too much. A stop or a confirmation never is."""
        if isinstance(message, Frame):
            self._metrics.frame(FrameOutcome.RATE)
        else:
            self._metrics.sample(SampleOutcome.RATE_LIMITED)
        self._too_fast(message, self._guard)

    def closed(self, code: int) -> None:
        self._licence.end()
        self._metrics.connection_closed(self._licence.principal.role, code)
        if self._desk is not None:
            self._desk.close()
            if self._runner.frames is self._desk:
                self._runner.frames = None
        self._runner.detach(self._peer)

    def _answer(self, message: ClientMessage) -> None:
        """What concerns the socket and not the session."""
        if isinstance(message, Ping):
            now = time.time() * 1_000
            extra = {} if message.id is None else {"re": message.id}
            self._runner.send(Pong(t0=message.t0, t1=now, t2=time.time() * 1_000, **extra))
        elif isinstance(message, Auth):
            self._renew(message)
        else:
            self._say(ProtocolError(ErrorCode.BAD_MESSAGE, "`hello` was said already", param="type", re=message.id))

    def _renew(self, message: Auth) -> None:
        try:
            self._licence.renew(message.token, self._runner.session_id, self._runner.user)
        except FatalProtocolError as problem:
            self._note_refusal("auth", problem)
            self._close(problem, message.id)
            return
        if message.id is not None:
            self._runner.send(Done(re=message.id))

    def _note_refusal(self, action: str, problem: ProtocolError) -> None:
        note_refusal(self._registry, self._licence.principal, action, problem, session_id=self._runner.session_id)

    def _expire(self) -> None:
        if self._runner.socket is self._peer:
            problem = FatalProtocolError(
                ErrorCode.TOKEN_EXPIRED, "the token has expired: come back with a new one", CloseCode.TOKEN_EXPIRED
            )
            self._close(problem, None)

    def _refused(self, problem: ProtocolError, now: float) -> None:
        self._metrics.sample(SampleOutcome.MALFORMED)
        if isinstance(problem, FatalProtocolError):
            self._close(problem, problem.re)
            return
        self._say(problem)
        if not self._guard.forgives(now):
            problem = FatalProtocolError(
                ErrorCode.BAD_MESSAGE, "too many malformed messages in a minute", CloseCode.INVALID_PAYLOAD
            )
            self._close(problem, None)

    def _too_fast(self, message: ClientMessage, guard: Guard) -> None:
        if guard.is_flooded:
            self._flooded("far too many messages", message.id)
        elif isinstance(message, Frame) and message.id is not None:
            # Each frame has an answer of its own.
            self._runner.send(Skipped(re=message.id, reason="rate"))
        elif guard.should_tell:
            why = "too many messages or bytes a second: the rest are dropped"
            self._say(ProtocolError(ErrorCode.RATE_LIMITED, why, re=message.id), 1_000)

    def _flooded(self, why: str, re: int | str | None) -> None:
        self._close(FatalProtocolError(ErrorCode.RATE_LIMITED, why, CloseCode.RATE_LIMITED), re)

    def _say(self, problem: ProtocolError, retry_after_ms: int | None = None) -> None:
        self._metrics.error(problem.code)
        self._runner.send(error_message(problem, problem.re, retry_after_ms=retry_after_ms))

    def _close(self, problem: FatalProtocolError, re: int | str | None) -> None:
        self._metrics.error(problem.code)
        self._runner.send(error_message(problem, re, fatal=True))
        self._peer.close(problem.close_code, problem.message)


def _user_of(hello: Hello, principal: Principal) -> str:
    """Whose session it is: the token's `sub`, or for a service the `user` it names."""
    if principal.role is not Role.SERVICE:
        if hello.user is not None and hello.user != principal.sub:
            raise _forbidden("`user` must be the token's own `sub`", "user")
        return principal.sub
    if hello.user is None:
        raise FatalProtocolError(
            ErrorCode.INVALID_FIELD, "`user` is needed from a service", CloseCode.FORBIDDEN, param="user"
        )
    if not principal.may_see(hello.user):
        raise _forbidden("`user` is none of the token's `clients`", "user")
    return hello.user


def _forbidden(why: str, param: str) -> FatalProtocolError:
    return FatalProtocolError(ErrorCode.FORBIDDEN, why, CloseCode.FORBIDDEN, param=param)
