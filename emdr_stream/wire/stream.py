"""Messages of `/v1/stream`, both directions: the one source of that socket's contract."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from emdr_stream.domain import Limits, PauseMode, Phase, ResumeRequires, SignalStatus, Source, Thresholds
from emdr_stream.wire.face import FacePlace, FaceView, HeadPose
from emdr_stream.wire.values import (
    BodySignals,
    ClientSnapshot,
    Dimensions,
    Emotions,
    Id,
    Intervention,
    ModelRef,
    Name,
    Readiness,
    SafetyAnalysis,
    SessionConfig,
    ShortText,
    SignalReport,
    StateEstimate,
    Timing,
    Totals,
    Unit,
)

N_BLENDSHAPES: Final = 52
PROTOCOL_VERSION = "emdr.v1"


class Incoming(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    """Common form of what a peer sends: an optional `id`, which the answer carries as `re`."""

    id: Id | None = None


class ResumeClaim(msgspec.Struct, frozen=True, kw_only=True):
    resume_token: str
    epoch: int = 0
    last_seq: int = 0


class Hello(Incoming, tag="hello", kw_only=True, frozen=True):
    """First message of a client."""

    source: Source
    token: str | None = None
    session_id: Name | None = None
    user: Name | None = None
    resume: ResumeClaim | None = None
    config: SessionConfig | None = None
    result_rate_hz: Annotated[float, Meta(ge=0.1, le=60.0)] = 10.0
    readiness: Readiness | None = None
    context: dict[str, Any] | None = None


class Auth(Incoming, tag="auth", kw_only=True, frozen=True):
    """A renewed token; it must keep `sub` and `role`."""

    token: str


class Sample(Incoming, tag="sample", kw_only=True, frozen=True):
    """One EmotionData sample. `ts`: the client's wall clock in milliseconds."""

    ts: float
    emotions: Emotions | None = None
    dimensions: Dimensions | None = None
    signals: BodySignals | None = None
    context: dict[str, Any] | None = None


class MorphcastEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of the MorphCast SDK as the browser received it; `detail` is the SDK's own payload."""

    type: Annotated[str, Meta(max_length=64)]
    detail: Any = None
    ts: float | None = None


class Morphcast(Incoming, tag="morphcast", kw_only=True, frozen=True):
    ts: float
    events: Annotated[list[MorphcastEvent], Meta(max_length=64)]
    context: dict[str, Any] | None = None


class Frame(Incoming, tag="frame", kw_only=True, frozen=True):
    """One webcam frame: JPEG, WebP or PNG bytes."""

    ts: float
    image: bytes


class Landmarks(Incoming, tag="landmarks", kw_only=True, frozen=True):
    """Face scores that MediaPipe's FaceLandmarker computed in the browser: no pixel leaves it.

    `blendshapes`: its 52 scores in its own order, `_neutral` first; absent where no face was found, and beside `faces`
    where one was found and not read. `faces`: how many it found, where it was asked for more than one. `quality`: how
    far the browser trusts the picture; 0 is no sight of the client. Without a `pose` the scores are trusted less.
    """

    ts: float
    blendshapes: Annotated[list[Unit], Meta(min_length=N_BLENDSHAPES, max_length=N_BLENDSHAPES)] | None = None
    pose: HeadPose | None = None
    place: FacePlace | None = None
    faces: Annotated[int, Meta(ge=0, le=16)] | None = None
    quality: Unit = 1.0


class Observed(Incoming, tag="observation", kw_only=True, frozen=True):
    """What was seen in a `frame` or a `landmarks` message: it stands for them before the core and in recordings.

    No client sends it. `face`: null where nobody looked, because the session has another source. `delay_ms`: how long
    before it was heard the message had come, milliseconds: what a look takes is no delay of the client's clock.
    """

    ts: float
    face: FaceView | None = None
    delay_ms: Annotated[int, Meta(ge=0)] = 0


class SetMark(Incoming, tag="set", kw_only=True, frozen=True):
    """A set of bilateral stimulation starts or ends."""

    action: Literal["start", "end"]
    set_no: Annotated[int, Meta(ge=0, le=100_000)]


class Rating(Incoming, tag="rating", kw_only=True, frozen=True):
    """The client's own rating: SUD 0..10 or VoC 1..7."""

    scale: Literal["sud", "voc"]
    value: float


class PhaseMark(Incoming, tag="phase", kw_only=True, frozen=True):
    phase: Phase


class Stop(Incoming, tag="stop", kw_only=True, frozen=True):
    """The client's stop signal: the client has already stopped locally."""

    reason: ShortText | None = None


class Applied(Incoming, tag="applied", kw_only=True, frozen=True):
    """Confirms a control message: on receipt, and again with `stopped_ts` when the stimulus is at rest."""

    control_epoch: int
    stopped_ts: float | None = None


class ResumeRequest(Incoming, tag="resume_request", kw_only=True, frozen=True):
    """Asks to leave a pause."""


class Ping(Incoming, tag="ping", kw_only=True, frozen=True):
    t0: float


class Bye(Incoming, tag="bye", kw_only=True, frozen=True):
    """Orderly end."""


ClientMessage = (
    Hello
    | Auth
    | Sample
    | Morphcast
    | Frame
    | Landmarks
    | SetMark
    | Rating
    | PhaseMark
    | Stop
    | Applied
    | ResumeRequest
    | Ping
    | Bye
)

Heard = ClientMessage | Observed
"""What a session's core hears of its client."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    """Common form of what the service sends."""


class Welcome(Outgoing, tag="welcome", kw_only=True, frozen=True):
    protocol: str = PROTOCOL_VERSION
    session_id: str
    resume_token: str
    epoch: int
    seq: int
    resumed: bool
    snapshot: ClientSnapshot
    heartbeat_ms: int
    timeout_ms: int
    grace_s: float
    limits: Limits
    thresholds: Thresholds
    models: tuple[ModelRef, ...]
    server_ts: int


class Result(Outgoing, tag="result", kw_only=True, frozen=True):
    """The estimate for the newest sample; a missing number is null, never 0."""

    re: Id | None
    ts: float
    emotions: Emotions
    dimensions: Dimensions
    state: StateEstimate
    predicted_changes: Dimensions | None
    recommendations: tuple[str, ...]
    safety: SafetyAnalysis
    signal: SignalReport
    timing: Timing | None


class FrameLimits(Outgoing, tag="limits", kw_only=True, frozen=True):
    """How many frames a second this client may send now, at most those of `welcome.limits`; more are `skipped`."""

    fps: int


class Models(Outgoing, tag="models", kw_only=True, frozen=True):
    """Other versions speak from now on: those of `welcome.models` are replaced by these, all of them."""

    models: tuple[ModelRef, ...]


class Skipped(Outgoing, tag="skipped", kw_only=True, frozen=True):
    re: Id
    reason: str


class Signal(Outgoing, tag="signal", kw_only=True, frozen=True):
    status: SignalStatus
    age_ms: int


class ControlPause(Outgoing, tag="control.pause", kw_only=True, frozen=True):
    seq: int
    epoch: int
    control_epoch: int
    mode: PauseMode
    reason: str
    resume_requires: ResumeRequires
    alert_id: str | UnsetType = UNSET


class ControlResume(Outgoing, tag="control.resume", kw_only=True, frozen=True):
    seq: int
    epoch: int
    control_epoch: int
    by: str


class InterventionMessage(Outgoing, tag="intervention", kw_only=True, frozen=True):
    seq: int
    epoch: int
    intervention: Intervention


class PatternAdapt(Outgoing, tag="pattern.adapt", kw_only=True, frozen=True):
    """`config` holds the changed fields only; `effective` is now, end_of_pass or next_set."""

    seq: int
    epoch: int
    adapt_id: str
    config: SessionConfig
    effective: str
    ramp_ms: int
    reasons: tuple[str, ...]


class Ended(Outgoing, tag="ended", kw_only=True, frozen=True):
    reason: str
    totals: Totals
    seq: int
    epoch: int


class Heartbeat(Outgoing, tag="heartbeat", kw_only=True, frozen=True):
    server_ts: int


class ErrorMessage(Outgoing, tag="error", kw_only=True, frozen=True):
    code: str
    message: str
    retryable: bool
    fatal: bool
    re: Id | UnsetType = UNSET
    param: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


class GoAway(Outgoing, tag="goaway", kw_only=True, frozen=True):
    reason: str
    time_left_ms: int


class Done(Outgoing, tag="done", kw_only=True, frozen=True):
    re: Id


class Pong(Outgoing, tag="pong", kw_only=True, frozen=True):
    """Clock: `t0` as sent, `t1` receipt and `t2` answer in the server's wall clock, milliseconds."""

    t0: float
    t1: float
    t2: float
    re: Id | UnsetType = UNSET


DurableMessage = ControlPause | ControlResume | InterventionMessage | PatternAdapt | Ended
"""Messages that carry `seq` and are replayed to a client that comes back."""

ServerMessage = (
    DurableMessage
    | Welcome
    | Result
    | FrameLimits
    | Models
    | Skipped
    | Signal
    | Heartbeat
    | ErrorMessage
    | GoAway
    | Done
    | Pong
)
