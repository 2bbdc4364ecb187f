"""Messages of `/v1/watch`, both directions: the one source of that socket's contract."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from emdr_stream.domain import (
    AlertKind,
    AlertState,
    PauseMode,
    Phase,
    ResumeRequires,
    Severity,
    Status,
    Thresholds,
)
from emdr_stream.wire.stream import (
    PROTOCOL_VERSION,
    Auth,
    Done,
    ErrorMessage,
    GoAway,
    Heartbeat,
    Incoming,
    Outgoing,
    Ping,
    Pong,
)
from emdr_stream.wire.values import (
    AlertBody,
    Dimensions,
    Emotions,
    Evidence,
    HistoryCurve,
    HistoryEvent,
    Intervention,
    ModelRef,
    Name,
    OwnBaseline,
    PauseReport,
    SafetyAnalysis,
    SessionConfig,
    SessionSummary,
    ShortText,
    SignalReport,
    StateEstimate,
    ThresholdChange,
)

Cursor = Annotated[str, Meta(max_length=200)]
SessionSelection = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=1000)]


class WatchHello(Incoming, tag="hello", kw_only=True, frozen=True):
    """First message of a console; `resume_after` is the last cursor it has taken."""

    token: str | None = None
    resume_after: Cursor | None = None


class Subscribe(Incoming, tag="subscribe", kw_only=True, frozen=True):
    """`sessions`: ids, or ["*"] for every session that the token allows, also those yet to open."""

    sessions: SessionSelection
    rate_hz: Literal[1, 2, 5, 10] = 2


class Unsubscribe(Incoming, tag="unsubscribe", kw_only=True, frozen=True):
    sessions: SessionSelection


class Ack(Incoming, tag="ack", kw_only=True, frozen=True):
    alert_id: Annotated[str, Meta(max_length=128)]
    note: ShortText | None = None


class PauseCommand(Incoming, tag="control.pause", kw_only=True, frozen=True):
    session_id: Name
    reason: ShortText
    mode: PauseMode = PauseMode.HARD


class ResumeCommand(Incoming, tag="control.resume", kw_only=True, frozen=True):
    """Ends a pause. `control_epoch`: of the pause that the therapist has before them; a newer one is not ended."""

    session_id: Name
    reason: ShortText
    control_epoch: Annotated[int, Meta(ge=0)] | None = None


class EndCommand(Incoming, tag="session.end", kw_only=True, frozen=True):
    session_id: Name
    reason: ShortText


class ConfigSet(Incoming, tag="config.set", kw_only=True, frozen=True):
    session_id: Name
    config: SessionConfig | None = None
    thresholds: ThresholdChange | None = None


class Attend(Incoming, tag="attend", kw_only=True, frozen=True):
    """The therapist has this session before them; said again every few seconds, forgotten 12 s after the last time."""

    session_id: Name


class HistoryRequest(Incoming, tag="history", kw_only=True, frozen=True):
    """Asks for what the records hold of a session: everything that happened, and the curves of the last minutes."""

    session_id: Name
    curve_s: Annotated[int, Meta(ge=0, le=1800)] = 600


class Received(Incoming, tag="received", kw_only=True, frozen=True):
    """What the console has taken so far, about once a second."""

    cursor: Cursor


Command = PauseCommand | ResumeCommand | EndCommand | ConfigSet
"""What changes a session; goes to the session's owner and into the audit log."""

WatchMessage = WatchHello | Auth | Subscribe | Unsubscribe | Ack | Command | Attend | HistoryRequest | Received | Ping


class WatchWelcome(Outgoing, tag="welcome", kw_only=True, frozen=True):
    protocol: str = PROTOCOL_VERSION
    heartbeat_ms: int
    timeout_ms: int
    server_ts: int
    user: str
    role: str


class Subscribed(Outgoing, tag="subscribed", kw_only=True, frozen=True):
    re: int | str | None
    sessions: tuple[SessionSummary, ...]


class SessionOpened(Outgoing, tag="session.opened", kw_only=True, frozen=True):
    session_id: str
    user: str
    session: SessionSummary


class SessionClosed(Outgoing, tag="session.closed", kw_only=True, frozen=True):
    session_id: str
    user: str
    reason: str


class SessionDetached(Outgoing, tag="session.detached", kw_only=True, frozen=True):
    session_id: str
    user: str


class ResumeRequested(Outgoing, tag="resume_requested", kw_only=True, frozen=True):
    session_id: str


class StateMessage(Outgoing, tag="state", kw_only=True, frozen=True):
    """Live state of a session; the latest wins.

    `attended_by`: therapists who have it before them now; absent with none.
    """

    session_id: str
    ts: float
    emotions: Emotions
    dimensions: Dimensions
    state: StateEstimate
    safety: SafetyAnalysis
    signal: SignalReport
    status: Status
    config: SessionConfig
    phase: Phase | None
    set_no: int | None
    sud: float | UnsetType = UNSET
    voc: float | UnsetType = UNSET
    control_epoch: int
    thresholds: Thresholds
    baseline: OwnBaseline
    pause: PauseReport | UnsetType = UNSET
    set_started_ts: int | UnsetType = UNSET
    pending: SessionConfig | UnsetType = UNSET
    attended_by: tuple[str, ...] | UnsetType = UNSET


class AlertMessage(Outgoing, tag="alert", kw_only=True, frozen=True):
    """One step in the life of an alert; `ts`: when it was made. `cursor` makes a repeat harmless.

    `report`: of the kind `reported`, the words of who raised it.
    """

    cursor: str
    alert_id: str
    session_id: str
    kind: AlertKind
    severity: Severity
    state: AlertState
    raised_ts: int
    evidence: tuple[Evidence, ...]
    probability: float | UnsetType = UNSET
    threshold: float | UnsetType = UNSET
    model: ModelRef | UnsetType = UNSET
    by: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    ack_deadline_ts: int | UnsetType = UNSET
    reported_by: str | UnsetType = UNSET
    report: str | UnsetType = UNSET
    ts: int


class ControlNotice(Outgoing, tag="control", kw_only=True, frozen=True):
    """A control message as sent to the client; `action` is pause or resume."""

    session_id: str
    action: Literal["pause", "resume"]
    seq: int
    epoch: int
    control_epoch: int
    mode: PauseMode | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    resume_requires: ResumeRequires | UnsetType = UNSET
    alert_id: str | UnsetType = UNSET
    by: str | UnsetType = UNSET
    ts: int | UnsetType = UNSET


class AdaptNotice(Outgoing, tag="adapt", kw_only=True, frozen=True):
    session_id: str
    seq: int
    epoch: int
    adapt_id: str
    config: SessionConfig
    effective: str
    ramp_ms: int
    reasons: tuple[str, ...]
    ts: int | UnsetType = UNSET


class InterventionNotice(Outgoing, tag="intervention", kw_only=True, frozen=True):
    session_id: str
    seq: int
    epoch: int
    intervention: Intervention
    ts: int | UnsetType = UNSET


class AppliedNotice(Outgoing, tag="applied", kw_only=True, frozen=True):
    """The client confirms a control message, on receipt and, with `stopped_ts`, when the stimulus is at rest."""

    session_id: str
    control_epoch: int
    ts: int
    stopped_ts: int | UnsetType = UNSET


class SetNotice(Outgoing, tag="set", kw_only=True, frozen=True):
    """A set starts, ends, or is ended by a pause or a lost connection (`interrupted`)."""

    session_id: str
    action: Literal["start", "end", "interrupted"]
    set_no: int | None
    ts: int


class RatingNotice(Outgoing, tag="rating", kw_only=True, frozen=True):
    """The client's own rating: SUD 0..10 or VoC 1..7."""

    session_id: str
    scale: Literal["sud", "voc"]
    value: float
    ts: int


class PhaseNotice(Outgoing, tag="phase", kw_only=True, frozen=True):
    """The session entered a phase."""

    session_id: str
    phase: Phase
    ts: int


SessionNotice = (
    SessionOpened
    | SessionClosed
    | SessionDetached
    | ResumeRequested
    | StateMessage
    | ControlNotice
    | AdaptNotice
    | InterventionNotice
    | AppliedNotice
    | SetNotice
    | RatingNotice
    | PhaseNotice
)
"""Live messages about one session; lossy, unlike alerts."""


class History(Outgoing, tag="history", kw_only=True, frozen=True):
    """Answers `history`. `complete`: the records were there, and nothing was cut off; they lag by a second or two.

    `alerts`: the newest step of each alert of the session.
    """

    re: int | str | None
    session_id: str
    complete: bool
    events: tuple[HistoryEvent, ...]
    alerts: tuple[AlertBody, ...]
    curve: HistoryCurve


ConsoleMessage = (
    WatchWelcome | Subscribed | SessionNotice | AlertMessage | History | Done | ErrorMessage | Heartbeat | GoAway | Pong
)
