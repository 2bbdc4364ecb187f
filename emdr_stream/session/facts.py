"""What is fixed when a session opens, and everything that another worker needs to go on with it."""

from typing import Any, Final

import msgspec

from emdr_stream.domain import Phase, Scores, Source, Status, Thresholds
from emdr_stream.pipeline.adaptation import AdaptationState
from emdr_stream.pipeline.baseline import BaselinePrior
from emdr_stream.pipeline.perception import PerceptionState
from emdr_stream.pipeline.safety import MonitorState
from emdr_stream.session.alerts import AlertBookState
from emdr_stream.session.control import ControlState
from emdr_stream.session.pacing import NEVER
from emdr_stream.wire.face import FaceProblem
from emdr_stream.wire.stream import ControlPause, ControlResume, DurableMessage, Hello
from emdr_stream.wire.values import Id, ModelRef, Readiness, SessionConfig, ThresholdChange

_REASON_MS: Final = 2_000
DEFAULT_CONFIG = SessionConfig(pattern_type="horizontal", speed=1.0, intensity=0.8, duration=24.0)
"""Horizontal, 1 Hz, about 24 s: the laboratory standard (domain notes, stimulation parameters)."""


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The opening of a session. `user` is the token's `sub`; `started_ts` wall clock in milliseconds."""

    session_id: str
    user: str
    source: Source
    started_ts: int
    config: SessionConfig = DEFAULT_CONFIG
    thresholds: Thresholds = msgspec.field(default_factory=Thresholds)
    result_rate_hz: float = 10.0
    readiness: Readiness = msgspec.field(default_factory=Readiness)
    models: tuple[ModelRef, ...] = ()
    """Who speaks when it opens; CoreState.models, if others were put in use since."""
    prior: BaselinePrior | None = None


class Tally(msgspec.Struct):
    """Counts of what happened in a session."""

    samples: int = 0
    too_late: int = 0
    duplicates: int = 0
    results: int = 0
    pauses: int = 0
    adaptations: int = 0
    interventions: int = 0
    sets: int = 0


class CoreState(msgspec.Struct, kw_only=True):
    """The core's own state, apart from its parts'. Session times in milliseconds."""

    status: Status = Status.RUNNING
    epoch: int = 0
    seq: int = 0
    sure_seq: int | None = None
    """The newest number that was saved before an heir counted on over the unknown; None once a client has come back."""
    config: SessionConfig
    thresholds: Thresholds
    pending_config: SessionConfig | None = None
    phase: Phase | None = None
    set_no: int | None = None
    set_started_ms: int | None = None
    ratings: dict[str, list[float]] = msgspec.field(default_factory=dict)
    detached_ms: int | None = None
    disconnect_told: bool = False
    gentler_after_resume: bool = False
    model_down: bool = False
    stores_down: list[str] = msgspec.field(default_factory=list)
    sud_rising: bool = False
    """The rule on rising SUD holds: its alert is not the models' to resolve."""
    models: tuple[ModelRef, ...] | None = None
    """Who speaks now, when it is no longer who did at the opening."""
    newest_control: ControlPause | ControlResume | None = None
    """The control message that stands; it never falls out of `durable`'s bound."""
    durable: list[DurableMessage] = msgspec.field(default_factory=list)
    tally: Tally = msgspec.field(default_factory=Tally)


class ViewState(msgspec.Struct, kw_only=True):
    """What was last seen of the client and said of it. Session times in milliseconds; restorable."""

    now_ms: int = 0
    """Time of the newest event: nothing is said to have happened before it."""
    ticket: int = 0
    asked_ms: int | None = None
    """When the row was handed out whose scores are awaited."""
    scores: Scores | None = None
    face: bool = False
    """Whether the newest look at the client saw it: what is not seen now is not shown."""
    pending: tuple[Id | None, float] | None = None
    """`id` and `ts` of the newest sample that has no result yet."""
    problem: FaceProblem | None = None
    """Why nothing could be read of the newest picture."""
    problem_ms: int = 0
    """When that was."""
    blind_again_ms: float = NEVER
    next_result_ms: float = 0.0
    next_analysis_ms: float = 0.0
    next_second_ms: int = 0
    next_look_ms: int = 0
    warning: tuple[str, ...] = ()
    protective: tuple[str, ...] = ()

    def reason(self, at_ms: int) -> FaceProblem | None:
        """Why nothing could be read, as long as that picture is of now: after that it is that no more came."""
        return self.problem if at_ms - self.problem_ms < _REASON_MS else None


class SessionSnapshot(msgspec.Struct, kw_only=True):
    """Everything that another worker needs to go on. `at_ms`: the session time it was taken at."""

    facts: SessionFacts
    at_ms: int
    core: CoreState
    control: ControlState
    alerts: AlertBookState
    monitor: MonitorState
    adaptation: AdaptationState
    perception: PerceptionState
    view: ViewState = msgspec.field(default_factory=ViewState)


def merged(config: SessionConfig, change: SessionConfig) -> SessionConfig:
    """`config` with the fields that `change` names; thresholds are no part of the stimulation and are left out."""
    fields: dict[str, Any] = {
        name: getattr(change, name)
        for name in SessionConfig.__struct_fields__
        if name != "safety_thresholds" and getattr(change, name) is not None
    }
    return msgspec.structs.replace(config, **fields)


def apply_thresholds(present: Thresholds, change: ThresholdChange | None) -> Thresholds:
    """`present` with what `change` names."""
    if change is None:
        return present
    return Thresholds(
        risk=present.risk if change.risk is None else change.risk,
        crisis_pause=present.crisis_pause if change.crisis_pause is None else change.crisis_pause,
        crisis_immediate=present.crisis_immediate if change.crisis_immediate is None else change.crisis_immediate,
    )


def tightened(present: Thresholds, wish: ThresholdChange | None) -> tuple[Thresholds, bool]:
    """What a client may do to thresholds: only lower them. Also tells whether part of the wish was refused.

    What calls for an immediate intervention pauses, too: a lower `crisis_immediate` takes `crisis_pause` down with it.
    """
    wished = apply_thresholds(present, wish)
    risk = min(present.risk, wished.risk)
    pause = min(present.crisis_pause, wished.crisis_pause)
    immediate = min(present.crisis_immediate, wished.crisis_immediate)
    refused = (risk, pause, immediate) != (wished.risk, wished.crisis_pause, wished.crisis_immediate)
    return Thresholds(risk=risk, crisis_pause=min(pause, immediate), crisis_immediate=immediate), refused


def open_facts(
    hello: Hello,
    *,
    session_id: str,
    user: str,
    started_ts: int,
    thresholds: Thresholds,
    models: tuple[ModelRef, ...],
    prior: BaselinePrior | None = None,
) -> tuple[SessionFacts, bool]:
    """The facts of a session that a `hello` opens, and whether it asked for a relaxed threshold, which is refused."""
    config = hello.config or SessionConfig()
    allowed, refused = tightened(thresholds, config.safety_thresholds)
    facts = SessionFacts(
        session_id=session_id,
        user=user,
        source=hello.source,
        started_ts=started_ts,
        config=merged(DEFAULT_CONFIG, config),
        thresholds=allowed,
        result_rate_hz=hello.result_rate_hz,
        readiness=hello.readiness or Readiness(),
        models=models,
        prior=prior,
    )
    return facts, refused
