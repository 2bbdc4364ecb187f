"""Values that messages are made of: session configuration, estimates, safety, alerts; shared by both sockets."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from emdr_stream.domain import (
    AlertKind,
    AlertState,
    PauseMode,
    Phase,
    ResumeRequires,
    Severity,
    SignalStatus,
    StateLabel,
    Status,
    Thresholds,
)

LONGEST_ID = 128
LARGEST_ID = 2**63 - 1
Id = Annotated[int, Meta(ge=-LARGEST_ID, le=LARGEST_ID)] | Annotated[str, Meta(max_length=LONGEST_ID)]
"""What a sender names its message by. Bounded: it is echoed, and it must fit into a snapshot, which has 64 bits."""

Unit = Annotated[float, Meta(ge=0.0, le=1.0)]
"""A number in [0, 1]."""
Speed = Annotated[float, Meta(ge=0.2, le=2.0, description="Hz, one cycle being left-right-left")]
SetSeconds = Annotated[float, Meta(ge=8.0, le=90.0, description="length of a set in seconds")]
Amplitude = Annotated[float, Meta(ge=1.0, le=20.0, description="degrees of sight to each side of the middle")]
TargetSize = Annotated[float, Meta(ge=0.4, le=5.0, description="degrees of sight")]
ShortText = Annotated[str, Meta(max_length=500)]
# Python's `$` also stands before a line's end, so the patterns here say that none follows.
Name = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]*$(?!\n)")]
"""An identifier: session, user or alert."""
Colour = Annotated[str, Meta(max_length=32)]
Choice = Annotated[str, Meta(max_length=32, pattern=r"^[a-z][a-z_]*$(?!\n)")]
"""One of several kinds by its name; the client knows which there are."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """Common form of the values: frozen, keyword-only but for those of a result, which are made ten times a second."""


class AudioConfig(Value, omit_defaults=True, kw_only=True, frozen=True):
    binaural_frequency: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = None
    asmr_type: ShortText | None = None
    volume: Unit = 0.5
    spatial_audio: bool = True


class ThresholdChange(Value, omit_defaults=True, kw_only=True, frozen=True):
    """A wish to move thresholds; what is absent stays as it is."""

    risk: Annotated[float, Meta(ge=0.2, le=0.95)] | None = None
    crisis_pause: Annotated[float, Meta(ge=0.2, le=0.95)] | None = None
    crisis_immediate: Annotated[float, Meta(ge=0.2, le=0.95)] | None = None


class SessionConfig(Value, omit_defaults=True, kw_only=True, frozen=True):
    """Stimulation settings. Every field is optional: a message carries what it changes.

    `amplitude_deg`, `size_deg` and `shape` have no default here: what nobody has set is as the client has it.
    """

    pattern_type: Choice | None = None
    speed: Speed | None = None
    intensity: Unit | None = None
    duration: SetSeconds | None = None
    colors: Annotated[dict[Annotated[str, Meta(max_length=32)], Colour], Meta(max_length=16)] | None = None
    audio_config: AudioConfig | None = None
    safety_thresholds: ThresholdChange | None = None
    predicted_effectiveness: Unit | None = None
    amplitude_deg: Amplitude | None = None
    size_deg: TargetSize | None = None
    shape: Choice | None = None


class Readiness(Value, kw_only=True, frozen=True):
    """What a clinician has prepared before reprocessing; null means not told."""

    consent: bool | None = None
    location_verified: bool | None = None
    emergency_contact: bool | None = None
    therapist_present: bool | None = None
    stop_rehearsed: bool | None = None
    grounding_rehearsed: bool | None = None


class Emotions(Value, frozen=True):
    joy: float | None = None
    sadness: float | None = None
    anger: float | None = None
    fear: float | None = None
    surprise: float | None = None
    disgust: float | None = None
    neutral: float | None = None


class Dimensions(Value, frozen=True):
    """valence and arousal in [-1, 1], attention in [0, 1]."""

    valence: float | None = None
    arousal: float | None = None
    attention: float | None = None


class BodySignals(Value, kw_only=True, frozen=True):
    """`blink_rate` and `heart_rate` per minute; `eye_closure` (PERCLOS) and `head_motion` in [0, 1]."""

    face_present: bool | None = None
    blink_rate: float | None = None
    eye_closure: float | None = None
    head_motion: float | None = None
    heart_rate: float | None = None


class StateEstimate(Value, frozen=True):
    """Label of the estimated state and the model's probability for it (0 while unknown)."""

    label: StateLabel
    confidence: float


class SafetyAnalysis(Value, frozen=True):
    """`risk_level` and `crisis_probability` are null while no model speaks; `next_check_in` in seconds."""

    risk_level: float | None
    crisis_probability: float | None
    should_pause_session: bool
    warning_signs: tuple[str, ...]
    protective_factors: tuple[str, ...]
    next_check_in: float


class SignalReport(Value, frozen=True):
    """Sight of the client: status, quality 0..1 (null before the first sample), age of the newest usable sample.

    `reason`: why nothing could be read of the newest picture, a FaceProblem's value; absent when something could.
    """

    status: SignalStatus
    quality: float | None
    age_ms: int | None
    reason: str | UnsetType = UNSET


class Level(Value, frozen=True):
    """A person's own level of one signal: mean and standard deviation, in the signal's own unit."""

    mean: float
    deviation: float


class OwnBaseline(Value, omit_defaults=True, kw_only=True, frozen=True):
    """The personal baseline: how far its calm minute is seen (0..1; at 1 it stands), then the levels it found."""

    sureness: float
    valence: Level | None = None
    arousal: Level | None = None
    attention: Level | None = None


class PauseReport(Value, kw_only=True, frozen=True):
    """The pause that stands. `received`: the client confirmed the newest control message.

    `asked_ts`: when that was sent. `stopped_ts`: when the stimulus came to rest as the client says, absent until then.
    """

    reason: str
    mode: PauseMode
    resume_requires: ResumeRequires
    asked_ts: int
    received: bool
    stopped_ts: int | UnsetType = UNSET
    alert_id: str | UnsetType = UNSET


class Timing(Value, frozen=True):
    """Where a result's time went, in milliseconds; null where a stage does not apply."""

    age_ms: float | None = None
    queue_ms: float | None = None
    decode_ms: float | None = None
    face_ms: float | None = None
    infer_ms: float | None = None
    total_ms: float | None = None


class Intervention(Value, kw_only=True, frozen=True):
    """`duration` in seconds; `type`: grounding, breathing or emergency_contact (for the therapist, never automatic)."""

    type: str
    instructions: str
    duration: float
    priority: Severity


class Evidence(Value, kw_only=True, frozen=True):
    """One signal that drove a decision: its value, and the person's own baseline where there is one."""

    signal: str
    value: float | None
    baseline: float | UnsetType | None = UNSET


class ModelRef(Value, kw_only=True, frozen=True):
    name: str
    version: str
    sha256: str


class ClientSnapshot(Value, kw_only=True, frozen=True):
    """What a client needs to show the session as it stands."""

    status: Status
    control_epoch: int
    config: SessionConfig
    phase: Phase | None
    set_no: int | None
    reason: str | UnsetType = UNSET
    mode: PauseMode | UnsetType = UNSET
    resume_requires: ResumeRequires | UnsetType = UNSET


class SessionSummary(Value, kw_only=True, frozen=True):
    """What a console needs to list a session. `set_started_ts`: absent between sets.

    `pending`: what a therapist set and what waits, for the set's end or the resume.
    """

    session_id: str
    user: str
    source: str
    started_ts: int
    status: Status
    control_epoch: int
    config: SessionConfig
    thresholds: Thresholds
    phase: Phase | None
    set_no: int | None
    signal: SignalReport
    resume_requires: ResumeRequires | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    sud: float | UnsetType = UNSET
    voc: float | UnsetType = UNSET
    baseline: OwnBaseline
    pause: PauseReport | UnsetType = UNSET
    set_started_ts: int | UnsetType = UNSET
    pending: SessionConfig | UnsetType = UNSET


class Totals(Value, kw_only=True, frozen=True):
    """Counts of a session at its end."""

    samples: int
    dropped_late: int
    duplicates: int
    results: int
    pauses: int
    adaptations: int
    interventions: int
    alerts: int
    sets: int
    duration_s: float


class AlertBody(Value, kw_only=True, frozen=True):
    """An alert as the core knows it; `cursor` is added where it is told to watchers.

    `report`: of the kind `reported`, the words of who raised it.
    """

    alert_id: str
    session_id: str
    alert_seq: int
    kind: AlertKind
    severity: Severity
    state: AlertState
    ts: int
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

    @property
    def is_new(self) -> bool:
        """Whether this is the step by which the alert began, and not one that tells more of it."""
        return self.ts == self.raised_ts and self.state is AlertState.RAISED


class HistoryEvent(Value, kw_only=True, frozen=True):
    """One thing that happened. `kind`: set, rating, control, adaptation or session; `fields` as recorded."""

    kind: str
    ts: int
    fields: dict[str, Any]


class HistoryCurve(Value, kw_only=True, frozen=True):
    """Columns of equal length, one entry a recorded second; a number that was not there is null."""

    ts: tuple[int, ...] = ()
    valence: tuple[float | None, ...] = ()
    arousal: tuple[float | None, ...] = ()
    attention: tuple[float | None, ...] = ()
    risk: tuple[float | None, ...] = ()
    crisis: tuple[float | None, ...] = ()
    signal: tuple[str | None, ...] = ()
