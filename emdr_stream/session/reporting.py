"""Present values, scores and levels in; the words and numbers that people and programs read out."""

from typing import Final

from msgspec import UNSET

from emdr_stream.domain import DIMENSIONS, EMOTIONS, MODEL_STATES, SIGNALS, SafetyLevel, Scores, StateLabel
from emdr_stream.pipeline.baseline import Baseline
from emdr_stream.pipeline.features import recent_levels
from emdr_stream.pipeline.perception import Perception
from emdr_stream.session.control import ControlState
from emdr_stream.session.facts import ViewState
from emdr_stream.wire.values import (
    Dimensions,
    Emotions,
    Evidence,
    Level,
    OwnBaseline,
    PauseReport,
    SafetyAnalysis,
    StateEstimate,
)

UNKNOWN: Final = StateEstimate(label=StateLabel.UNKNOWN, confidence=0.0)
_SHOWN: Final = 3
_LOOK_EVERY_MS: Final = 1_000
_NOTABLE: Final = 1.5
"""A level this many baseline standard deviations away is worth a word."""

_PAUSING: Final = (SafetyLevel.PAUSE, SafetyLevel.ESCALATE)
_CHECK_IN_S: Final = {
    SafetyLevel.NORMAL: 60.0,
    SafetyLevel.WATCH: 30.0,
    SafetyLevel.ADVISE: 15.0,
    SafetyLevel.PAUSE: 5.0,
    SafetyLevel.ESCALATE: 5.0,
}
RECOMMENDATIONS: Final[dict[SafetyLevel, tuple[str, ...]]] = {
    SafetyLevel.NORMAL: (),
    SafetyLevel.WATCH: ("look more closely: the signals are leaving this person's own range",),
    SafetyLevel.ADVISE: ("consider a shorter or slower set", "ask for a SUD rating after this set"),
    SafetyLevel.PAUSE: ("the stimulus is stopped: speak with the client before going on",),
    SafetyLevel.ESCALATE: ("nobody has acknowledged the alert: reach the client now",),
}
_NO_EMOTIONS: Final = Emotions()
_DROWSY: Final = ("the client seems drowsy: a short break may help",)


def emotions_of(present: list[float]) -> Emotions:
    """`present`: N_SIGNALS floats in the order of SIGNALS, NaN where missing."""
    if present[3] != present[3]:
        return _NO_EMOTIONS
    return Emotions(*present[3:10])


def dimensions_of(present: list[float]) -> Dimensions:
    valence, arousal, attention = present[:3]
    if valence + arousal + attention == valence + arousal + attention:
        return Dimensions(valence, arousal, attention)
    return Dimensions(
        valence=valence if valence == valence else None,
        arousal=arousal if arousal == arousal else None,
        attention=attention if attention == attention else None,
    )


def state_of(scores: Scores | None) -> StateEstimate:
    if scores is None:
        return UNKNOWN
    states = scores.states
    best = max(states)
    return StateEstimate(MODEL_STATES[states.index(best)], best)


def changes_of(scores: Scores | None) -> Dimensions | None:
    return None if scores is None else Dimensions(*scores.change)


def safety_of(scores: Scores | None, level: SafetyLevel, view: ViewState) -> SafetyAnalysis:
    risk, crisis = (None, None) if scores is None else (scores.risk, scores.crisis)
    if level is SafetyLevel.NORMAL:
        return SafetyAnalysis(risk, crisis, False, (), view.protective, _CHECK_IN_S[SafetyLevel.NORMAL])
    return SafetyAnalysis(risk, crisis, level in _PAUSING, view.warning, view.protective, _CHECK_IN_S[level])


def baseline_of(baseline: Baseline) -> OwnBaseline:
    """How sure the personal baseline is and, once it stands, its levels; a signal that was hardly seen has none."""
    if not baseline.ready:
        return OwnBaseline(sureness=round(baseline.sureness, 3))
    levels = [
        None if mean != mean else Level(round(mean, 4), round(deviation, 4))
        for mean, deviation in zip(baseline.mean[:3].tolist(), baseline.deviation[:3].tolist(), strict=True)
    ]
    return OwnBaseline(sureness=1.0, valence=levels[0], arousal=levels[1], attention=levels[2])


def pause_of(control: ControlState, started_ts: int) -> PauseReport:
    """The pause that stands, and how far the client has confirmed it."""
    return PauseReport(
        reason=control.reason,
        mode=control.mode,
        resume_requires=control.requires,
        asked_ts=started_ts + control.sent_ms,
        received=control.received,
        stopped_ts=UNSET if control.stopped_ms is None else started_ts + control.stopped_ms,
        alert_id=UNSET if control.alert_id is None else control.alert_id,
    )


def recommendations_of(level: SafetyLevel, state: StateEstimate) -> tuple[str, ...]:
    if state.label is StateLabel.DROWSY and level in (SafetyLevel.NORMAL, SafetyLevel.WATCH):
        return _DROWSY
    return RECOMMENDATIONS[level]


class Signs:
    """What stands out against the person's own baseline, in words; looked at once a second, not at each sample."""

    __slots__ = ("_view",)

    def __init__(self, view: ViewState) -> None:
        """`view` holds the words, and when to look again."""
        self._view = view

    def look(self, perception: Perception, at_ms: int) -> None:
        """Renew the words, if there is a baseline and it is time."""
        view = self._view
        if at_ms < view.next_look_ms or not perception.baseline.ready:
            return
        view.next_look_ms = at_ms + _LOOK_EVERY_MS
        levels = recent_levels(perception.current_row())
        view.warning = tuple(_worded(i, levels[i]) for i in _foremost(levels) if abs(levels[i]) >= _NOTABLE)
        view.protective = _protective(levels)

    def evidence(self, perception: Perception) -> tuple[Evidence, ...]:
        """The signals that stand out at this moment, with their value and the person's own mean; where none does, the
        one that comes nearest to it."""
        levels = recent_levels(perception.current_row())
        present = perception.present()
        return tuple(
            Evidence(
                signal=SIGNALS[i],
                value=None if present[i] != present[i] else round(present[i], 4),
                baseline=_rounded(perception.baseline_of(i)),
            )
            for place, i in enumerate(_foremost(levels))
            if place == 0 or abs(levels[i]) >= _NOTABLE
        )


def _foremost(levels: list[float]) -> list[int]:
    """The signals that are furthest from this person's own mean, the furthest first."""
    return sorted(range(len(levels)), key=lambda signal: -abs(levels[signal]))[:_SHOWN]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _worded(signal: int, level: float) -> str:
    return f"{SIGNALS[signal]} {'above' if level > 0 else 'below'} own baseline"


def _protective(levels: list[float]) -> tuple[str, ...]:
    attention = levels[DIMENSIONS.index("attention")]
    valence = levels[DIMENSIONS.index("valence")]
    fear = levels[len(DIMENSIONS) + EMOTIONS.index("fear")]
    found = []
    if attention > -1.0:
        found.append("attention as usual")
    if valence > -1.0:
        found.append("valence within own range")
    if fear < 1.0:
        found.append("no more fear than usual")
    return tuple(found)
