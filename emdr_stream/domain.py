"""Value types and vocabulary of the service, with their units; nothing goes in, constants and types come out."""

import math
from enum import StrEnum
from typing import Final

import msgspec

EMOTIONS: Final = ("joy", "sadness", "anger", "fear", "surprise", "disgust", "neutral")
DIMENSIONS: Final = ("valence", "arousal", "attention")
BODY_SIGNALS: Final = ("blink_rate", "eye_closure", "head_motion", "heart_rate")

SIGNALS: Final = DIMENSIONS + EMOTIONS + BODY_SIGNALS
"""Canonical order of an observation's values; the models' inputs depend on it."""

N_SIGNALS: Final = len(SIGNALS)
_HEART_RATE: Final = SIGNALS.index("heart_rate")
"""The last signal, and the only one that is not read from a face."""
MISSING: Final = math.nan


class Source(StrEnum):
    """What a client streams, fixed in `hello`."""

    EMOTION = "emotion"
    MORPHCAST = "morphcast"
    FRAME = "frame"
    LANDMARKS = "landmarks"


class Role(StrEnum):
    CLIENT = "client"
    THERAPIST = "therapist"
    SERVICE = "service"


class Status(StrEnum):
    """The life of a session (protocol, section 2)."""

    RUNNING = "running"
    PAUSED = "paused"
    DETACHED = "detached"
    ENDED = "ended"


class Phase(StrEnum):
    """The eight phases of the EMDR protocol (Shapiro)."""

    HISTORY = "history"
    PREPARATION = "preparation"
    ASSESSMENT = "assessment"
    DESENSITIZATION = "desensitization"
    INSTALLATION = "installation"
    BODY_SCAN = "body_scan"
    CLOSURE = "closure"
    REEVALUATION = "reevaluation"


REPROCESSING_PHASES: Final = frozenset({Phase.DESENSITIZATION, Phase.INSTALLATION, Phase.BODY_SCAN})


class PauseCause(StrEnum):
    """Why a session pauses; the `reason` of `control.pause`."""

    CLIENT_STOP = "client_stop"
    CRISIS = "crisis"
    DISSOCIATION = "dissociation"
    SIGNAL_LOST = "signal_lost"
    MANY_FACES = "many_faces"
    DEGRADED = "degraded"
    CLIENT_DISCONNECTED = "client_disconnected"
    THERAPIST = "therapist"


class PauseMode(StrEnum):
    """How the stimulus comes to rest."""

    HARD = "hard"
    FINISH_PASS = "finish_pass"
    EASE_TO_CENTER = "ease_to_center"


class ResumeRequires(StrEnum):
    """Who may end a pause."""

    CLIENT = "client"
    THERAPIST = "therapist"


class AlertKind(StrEnum):
    CRISIS = "crisis"
    HIGH_RISK = "high_risk"
    DISSOCIATION = "dissociation"
    CLIENT_STOP = "client_stop"
    SIGNAL_LOST = "signal_lost"
    CLIENT_DISCONNECTED = "client_disconnected"
    PAUSE_UNCONFIRMED = "pause_unconfirmed"
    DEGRADED = "degraded"
    MANY_FACES = "many_faces"
    REPORTED = "reported"
    """By a person, or by a back end for one."""


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class AlertState(StrEnum):
    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class SignalStatus(StrEnum):
    """What the service knows of its own sight of the client. Blindness is not calm."""

    OK = "ok"
    DEGRADED = "degraded"
    STALE = "stale"
    LOST = "lost"


class StateLabel(StrEnum):
    """The client's estimated state; `unknown` until the personal baseline stands."""

    CALM = "calm"
    PROCESSING = "processing"
    HYPERAROUSAL = "hyperarousal"
    HYPOAROUSAL = "hypoarousal"
    DROWSY = "drowsy"
    UNKNOWN = "unknown"


MODEL_STATES: Final = (
    StateLabel.CALM,
    StateLabel.PROCESSING,
    StateLabel.HYPERAROUSAL,
    StateLabel.HYPOAROUSAL,
    StateLabel.DROWSY,
)
"""Order of the classes in the output of `emotion_state`."""


class SafetyLevel(StrEnum):
    """Levels of the safety monitor, in rising order of caution."""

    NORMAL = "normal"
    WATCH = "watch"
    ADVISE = "advise"
    PAUSE = "pause"
    ESCALATE = "escalate"


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Calibrated probabilities, 0..1, at which the safety monitor acts: the brief's 0.6, 0.7 and 0.8."""

    risk: float = 0.6
    crisis_pause: float = 0.7
    crisis_immediate: float = 0.8


class Limits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one client may send: frames a second, bytes a message, pixels (width, height), messages a second."""

    fps: int = 30
    message_bytes: int = 262_144
    pixels: tuple[int, int] = (1280, 720)
    rate_hz: int = 60


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One look at the client, whatever the source.

    `values`: N_SIGNALS floats in the order of SIGNALS, NaN where missing. `ts_ms`: the client's wall clock.
    `face_present`: False when a lost face was reported; None when the source does not say. `faces`: how many
    faces were seen, None when unknown. `quality`: 0..1, how far the source trusts its own reading. `delay_ms`:
    how long ago it had come when it was heard.
    """

    ts_ms: float
    values: tuple[float, ...]
    face_present: bool | None = None
    faces: int | None = None
    quality: float = 1.0
    delay_ms: int = 0

    @property
    def usable(self) -> bool:
        """Whether this is a sight of exactly one client at all: some value is there and no lost face is reported."""
        first = self.values[0]
        return self.face_present is not False and (first == first or any(v == v for v in self.values))

    @property
    def shows_face(self) -> bool:
        """Whether anything in it was read from a face; a heart rate alone may come from a wrist, unseen."""
        first = self.values[0]
        return first == first or any(v == v for v in self.values[:_HEART_RATE])


MEMORY_UNITS: Final = 96
"""What a model with a memory keeps of a session from one step to the next: so many float32, all 0 at first."""
BETWEEN, STEP, ANEW = 0.0, 1.0, 2.0
"""What a row is to the memory: nothing, for it lies between two steps; a step; the first step, with nothing before."""


class Scores(msgspec.Struct, frozen=True, gc=False):
    """What the models say of one feature row.

    `states`: probabilities in the order of MODEL_STATES. `risk`, `crisis`: calibrated probabilities, 0..1.
    `change`: expected change of valence, arousal and attention over the next 10 s, in their own units.
    `memory`: what the model would remember after this row, float32; empty where it has no memory, or need not keep it.
    """

    states: tuple[float, ...]
    risk: float
    crisis: float
    change: tuple[float, float, float]
    memory: bytes = b""
