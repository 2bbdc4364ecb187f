"""Messages of `/v1/watch`, both directions: the one source of that socket's contract."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from emdr_stream.domain import AlertKind, AlertState, PauseMode, Phase, ResumeRequires, Severity, Status
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
    Dimensions,
    Emotions,
    Evidence,
    Intervention,
    ModelRef,
    Name,
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
    session_id: Name
    reason: ShortText


class EndCommand(Incoming, tag="session.end", kw_only=True, frozen=True):
    session_id: Name
    reason: ShortText


class ConfigSet(Incoming, tag="config.set", kw_only=True, frozen=True):
    session_id: Name
    config: SessionConfig | None = None
    thresholds: ThresholdChange | None = None


class Received(Incoming, tag="received", kw_only=True, frozen=True):
    """What the console has taken so far, about once a second."""

    cursor: Cursor


Command = PauseCommand | ResumeCommand | EndCommand | ConfigSet
"""What changes a session; goes to the session's owner and into the audit log."""

WatchMessage = WatchHello | Auth | Subscribe | Unsubscribe | Ack | Command | Received | Ping


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
    """Live state of a session; the latest wins."""

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


class AlertMessage(Outgoing, tag="alert", kw_only=True, frozen=True):
    """One step in the life of an alert. `cursor` makes a repeat harmless."""

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


class AdaptNotice(Outgoing, tag="adapt", kw_only=True, frozen=True):
    session_id: str
    seq: int
    epoch: int
    adapt_id: str
    config: SessionConfig
    effective: str
    ramp_ms: int
    reasons: tuple[str, ...]


class InterventionNotice(Outgoing, tag="intervention", kw_only=True, frozen=True):
    session_id: str
    seq: int
    epoch: int
    intervention: Intervention


SessionNotice = (
    SessionOpened
    | SessionClosed
    | SessionDetached
    | ResumeRequested
    | StateMessage
    | ControlNotice
    | AdaptNotice
    | InterventionNotice
)
"""Live messages about one session; lossy, unlike alerts."""

ConsoleMessage = (
    WatchWelcome | Subscribed | SessionNotice | AlertMessage | Done | ErrorMessage | Heartbeat | GoAway | Pong
)
