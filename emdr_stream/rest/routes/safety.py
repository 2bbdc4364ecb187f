"""Samples, reports and words in, safety out: what the monitor would say, and what a live session is told to do."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from emdr_stream.domain import Severity, Thresholds
from emdr_stream.rest.analysis import Reading
from emdr_stream.rest.operation import EVERYBODY, THERAPIST_AND_SERVICE, Asked, Call, NoQuery, Operation, Told
from emdr_stream.rest.problems import ProblemCode
from emdr_stream.rest.reach import live_session, order
from emdr_stream.rest.samples import AnalyzeRequest
from emdr_stream.session.interventions import WORDS
from emdr_stream.wire.orders import Intervene, ReportAlert
from emdr_stream.wire.values import Id, Intervention, ModelRef, Name, ShortText

_LOWEST: Final = 0.2
_HIGHEST: Final = 0.95


class SafetyReading(Told, frozen=True, kw_only=True):
    """What the safety monitor says after the newest sample; `risk_level` and `crisis_probability` are null while no
    model speaks. `recommended_intervention`: what a session would have said to the client last; `next_check_in` in
    seconds. `model`: who estimated, trained on simulated persons.
    """

    id: Id | None
    ts: float | None
    risk_level: float | None
    crisis_probability: float | None
    recommended_intervention: Intervention | None
    should_pause_session: bool
    warning_signs: tuple[str, ...]
    protective_factors: tuple[str, ...]
    next_check_in: float
    thresholds: Thresholds
    model: ModelRef


class AlertRequest(Asked, frozen=True, kw_only=True):
    """`text`: what was seen, without names. It is kept with the alert and in the audit log."""

    session_id: Name
    text: Annotated[ShortText, Meta(min_length=1)]
    severity: Severity = Severity.HIGH


class InterventionRequest(Asked, frozen=True, kw_only=True):
    """What the client is told now. `instructions`: in place of the service's own words; `duration` in seconds."""

    session_id: Name
    type: Literal["grounding", "breathing"]
    instructions: Annotated[ShortText, Meta(min_length=1)] | None = None
    duration: Annotated[float, Meta(ge=5, le=600)] | None = None
    priority: Severity = Severity.MEDIUM


class AlertRaised(Told, frozen=True, kw_only=True):
    """The session has raised it: every console of the client hears of it, at least once."""

    session_id: str
    severity: Severity
    raised: Literal[True] = True


class InterventionSent(Told, frozen=True, kw_only=True):
    """The session says this to the client, and the consoles hear of it."""

    session_id: str
    intervention: Intervention


class ThresholdsQuery(Asked, frozen=True, kw_only=True):
    session_id: Annotated[Name | None, Meta(description="of this live session; else of sessions to come")] = None


class ThresholdsNow(Told, frozen=True, kw_only=True):
    """Probabilities at which the monitor acts: risk advises, `crisis_pause` pauses, `crisis_immediate` intervenes.

    They may lie between `lowest` and `highest`; a client may tighten them in `hello`, only a therapist relaxes them.
    """

    session_id: str | None
    thresholds: Thresholds
    lowest: float
    highest: float


async def analyze(call: Call[AnalyzeRequest, NoQuery]) -> SafetyReading:
    """What the safety monitor says to the samples of one person."""
    reading = await call.parts.analyst.read(*call.body.taken())
    thresholds = call.parts.settings.session.safety.thresholds
    return SafetyReading(id=call.body.id, thresholds=thresholds, **_said(reading))


async def alert(call: Call[AlertRequest, NoQuery]) -> AlertRaised:
    """Raise an alert in a live session, by its own core."""
    asked = call.body
    await order(call, ReportAlert(session_id=asked.session_id, severity=asked.severity, text=asked.text))
    return AlertRaised(session_id=asked.session_id, severity=asked.severity)


async def thresholds(call: Call[None, ThresholdsQuery]) -> ThresholdsNow:
    """The thresholds of a live session, or of those that will open."""
    session_id = call.query.session_id
    if session_id is None:
        present = call.parts.settings.session.safety.thresholds
    else:
        present = (await live_session(call, session_id)).thresholds
    return ThresholdsNow(session_id=session_id, thresholds=present, lowest=_LOWEST, highest=_HIGHEST)


async def intervention(call: Call[InterventionRequest, NoQuery]) -> InterventionSent:
    """Have a live session say something to its client."""
    asked = call.body
    own = WORDS[asked.type]
    said = Intervention(
        type=asked.type,
        instructions=asked.instructions or own.instructions,
        duration=asked.duration or own.duration,
        priority=asked.priority,
    )
    await order(call, Intervene(session_id=asked.session_id, intervention=said))
    return InterventionSent(session_id=asked.session_id, intervention=said)


def _said(reading: Reading) -> dict[str, Any]:
    result = reading.result
    safety = None if result is None else result.safety
    return {
        "ts": None if result is None else result.ts,
        "risk_level": safety.risk_level if safety else None,
        "crisis_probability": safety.crisis_probability if safety else None,
        "recommended_intervention": reading.interventions[-1] if reading.interventions else None,
        "should_pause_session": safety.should_pause_session if safety else False,
        "warning_signs": safety.warning_signs if safety else (),
        "protective_factors": safety.protective_factors if safety else (),
        "next_check_in": safety.next_check_in if safety else 0.0,
        "model": reading.model,
    }


_ACTS_ON_A_SESSION: Final = frozenset({ProblemCode.NOT_FOUND, ProblemCode.SESSION_OVER, ProblemCode.CONFLICT})

OPERATIONS: Final = (
    Operation(
        name="safety.analyze",
        method="POST",
        path="/v1/safety/analyze",
        summary="What the safety monitor says to the samples of one person; nothing is kept.",
        roles=THERAPIST_AND_SERVICE,
        handle=analyze,
        body=AnalyzeRequest,
        answer=SafetyReading,
    ),
    Operation(
        name="safety.alert",
        method="POST",
        path="/v1/safety/alert",
        summary="Raise an alert in a live session: it goes the way of the session's own.",
        roles=THERAPIST_AND_SERVICE,
        handle=alert,
        body=AlertRequest,
        answer=AlertRaised,
        acts=True,
        problems=_ACTS_ON_A_SESSION,
    ),
    Operation(
        name="safety.thresholds",
        method="GET",
        path="/v1/safety/thresholds",
        summary="The thresholds of a live session, or of those that will open.",
        roles=EVERYBODY,
        handle=thresholds,
        query=ThresholdsQuery,
        answer=ThresholdsNow,
        problems=frozenset({ProblemCode.NOT_FOUND}),
    ),
    Operation(
        name="safety.intervention",
        method="POST",
        path="/v1/safety/intervention",
        summary="Have a live session say something to its client.",
        roles=THERAPIST_AND_SERVICE,
        handle=intervention,
        body=InterventionRequest,
        answer=InterventionSent,
        acts=True,
        problems=_ACTS_ON_A_SESSION,
    ),
)
