"""Scores and ratings in, pauses, advice and adaptation out: what a reading of the client leads to."""

from emdr_stream.domain import MODEL_STATES, AlertKind, PauseCause, Scores, Severity, StateLabel, Status
from emdr_stream.pipeline.perception import Perception
from emdr_stream.pipeline.safety import Decision, LevelEvent
from emdr_stream.session.care import Care
from emdr_stream.session.interventions import CAUTIOUS, IMMEDIATE
from emdr_stream.session.reporting import Signs
from emdr_stream.wire.values import Evidence, ModelRef

_HYPOAROUSAL = MODEL_STATES.index(StateLabel.HYPOAROUSAL)
_RATINGS_KEPT = 3


class Judging:
    """Judges one session: models through the safety monitor, ratings by a rule that needs no model."""

    __slots__ = ("_care", "_perception", "_signs", "_sud_alarm")

    def __init__(self, care: Care, perception: Perception, signs: Signs, sud_alarm: float) -> None:
        self._care = care
        self._perception = perception
        self._signs = signs
        self._sud_alarm = sud_alarm

    def judge(self, scores: Scores, at_ms: int) -> None:
        """Act on finite scores. In a running set they may also make the stimulus gentler."""
        care = self._care
        for decision in care.monitor.update(scores.risk, scores.crisis, scores.states[_HYPOAROUSAL], at_ms):
            self._act(decision, at_ms)
        state = care.state
        if state.set_started_ms is not None and state.status is Status.RUNNING:
            stimulation = care.stimulation
            stimulation.adapt(stimulation.adaptation.in_set(care.monitor.level, scores.risk, at_ms), at_ms)

    def rate_sud(self, value: float, at_ms: int) -> None:
        """Two rises in a row up to a high SUD advise; the first rating that does not rise ends it."""
        care, state = self._care, self._care.state
        given = state.ratings["sud"]
        rising = len(given) == _RATINGS_KEPT and given[0] < given[1] < given[2] and value >= self._sud_alarm
        if rising:
            state.sud_rising = True
            care.monitor.note(LevelEvent.ADVISE)
            self._advise(tuple(Evidence(signal="sud", value=each) for each in given), at_ms)
        elif state.sud_rising and given[-1] <= given[-2]:
            state.sud_rising = False
            if not care.monitor.state.risk.active:
                care.monitor.note(LevelEvent.ADVICE_OVER)
                care.resolve(AlertKind.HIGH_RISK, at_ms)

    def note_rating(self, scale: str, value: float) -> None:
        given = self._care.state.ratings.setdefault(scale, [])
        given.append(value)
        del given[:-_RATINGS_KEPT]

    def _act(self, decision: Decision, at_ms: int) -> None:
        care = self._care
        if decision.over:
            self._advice_over(at_ms)
            return
        evidence = self._signs.evidence(self._perception)
        if decision.kind is AlertKind.HIGH_RISK:
            self._advise(evidence, at_ms, decision)
            return
        crisis = decision.kind is AlertKind.CRISIS
        body = care.raise_alert(
            decision.kind,
            Severity.CRITICAL if crisis else Severity.HIGH,
            at_ms,
            evidence,
            probability=decision.probability,
            threshold=decision.threshold,
            model=self._model(),
            again=decision.immediate,
        )
        care.pause(
            PauseCause.CRISIS if crisis else PauseCause.DISSOCIATION,
            at_ms,
            alert=body or care.alerts.find(decision.kind),
            intervention=IMMEDIATE if decision.immediate else None,
        )

    def _model(self) -> ModelRef | None:
        """Whose scores these are: the first of the session's models decides."""
        models = self._care.models
        return models[0] if models else None

    def _advice_over(self, at_ms: int) -> None:
        """The models' risk is over; what the rule on SUD says stands until the ratings fall."""
        care = self._care
        if care.state.sud_rising:
            care.monitor.note(LevelEvent.ADVISE)
        else:
            care.resolve(AlertKind.HIGH_RISK, at_ms)

    def _advise(self, evidence: tuple[Evidence, ...], at_ms: int, decision: Decision | None = None) -> None:
        """High risk does not pause: an advisory alert and a cautious word."""
        care = self._care
        body = care.raise_alert(
            AlertKind.HIGH_RISK,
            Severity.MEDIUM,
            at_ms,
            evidence,
            probability=decision.probability if decision else None,
            threshold=decision.threshold if decision else None,
            model=self._model() if decision else None,
        )
        if body is not None and care.state.status is Status.RUNNING:
            care.intervene(CAUTIOUS, at_ms)
