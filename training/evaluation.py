"""In: a model and the test cohorts. Out: one report of figures: events, calibration, states, per family and cohort."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import MODEL_STATES
from emdr_stream.simulation import Family, SimulatedSession
from training.calibration import calibration_error
from training.config import TrainingConfig
from training.controls import ControlReport
from training.dataset import IID, SHIFTED, UNSEEN, held_cohort
from training.replay import Model, Replayed, replay
from training.scoring import Course, Score, score
from training.targets import targets_of

Floats = NDArray[np.float64]

COHORTS: Final = {"iid": IID, "shifted": SHIFTED, "unseen families": UNSEEN}
CALM: Final = frozenset({Family.CALM, Family.FLAT_CALM, Family.PROCESSING, Family.DROWSY})
PROVOKING: Final = frozenset({Family.ABREACTION, Family.TALK_LAUGH})
"""Strong feeling inside the window, and laughter: the pauses here are the harm that a monitor can do."""


@dataclass(frozen=True, slots=True)
class CohortReport:
    """Of one cohort, without the sensor left out of training.

    `pauses`, `alarms`: scores by pauses alone, and by pauses and advice; events that mostly show, then all events.
    Errors of calibration and shares of states are over seconds with a client in view."""

    name: str
    sessions: int
    pauses: Score
    alarms: Score
    pauses_all_events: Score
    families: dict[str, Score]
    held_sensor: Score
    provoking_pauses_per_hour: float
    calm_pauses_per_hour: float
    crisis_share: float
    crisis_error: float
    risk_error: float
    state_accuracy: float
    state_balanced: float
    state_recall: dict[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured; `controls` is None where no recordings were given."""

    cohorts: tuple[CohortReport, ...]
    controls: ControlReport | None = None
    never_alarm_accuracy: float = field(default=float("nan"))

    def cohort(self, name: str) -> CohortReport:
        return next(cohort for cohort in self.cohorts if cohort.name == name)


@dataclass(frozen=True, slots=True)
class Seconds:
    """Said and true, one entry per second that counts."""

    crisis: Floats
    risk: Floats
    true_crisis: Floats
    true_risk: Floats
    state: NDArray[np.int64]
    true_state: NDArray[np.int64]


def evaluate(model: Model, config: TrainingConfig, progress: Callable[[int], None] | None = None) -> Report:
    """Replay the three test cohorts; `progress` is told the sessions done within each."""
    reports = tuple(
        evaluate_cohort(model, held_cohort(config.cohort, config.seed, number, progress), name, config)
        for name, number in COHORTS.items()
    )
    return Report(reports, never_alarm_accuracy=1.0 - reports[0].crisis_share)


def evaluate_cohort(
    model: Model, sessions: Iterable[SimulatedSession], name: str, config: TrainingConfig
) -> CohortReport:
    """Replay one cohort and score it."""
    pauses: list[Course] = []
    alarms: list[Course] = []
    held: list[Course] = []
    parts: list[Seconds] = []
    for item in replay(model, sessions):
        if item.session.sensor_profile.name.endswith(config.cohort.held_out_sensor):
            held.append(item.pauses)
            continue
        pauses.append(item.pauses)
        alarms.append(item.alarms)
        parts.append(seconds_of(item))
    seconds = _joined(parts)
    recall = _recall(seconds)
    one = np.ones(len(seconds.crisis))
    return CohortReport(
        name=name,
        sessions=len(pauses),
        pauses=score(pauses, observable_only=True),
        alarms=score(alarms, observable_only=True),
        pauses_all_events=score(pauses),
        families={family: score(own, observable_only=True) for family, own in _by_family(pauses).items()},
        held_sensor=score(held, observable_only=True),
        provoking_pauses_per_hour=_false_rate(pauses, PROVOKING),
        calm_pauses_per_hour=_false_rate(pauses, CALM),
        crisis_share=float(seconds.true_crisis.mean()),
        crisis_error=calibration_error(seconds.crisis, seconds.true_crisis, one),
        risk_error=calibration_error(seconds.risk, seconds.true_risk, one),
        state_accuracy=float((seconds.state == seconds.true_state).mean()),
        state_balanced=float(np.nanmean(list(recall.values()))),
        state_recall=recall,
    )


def seconds_of(item: Replayed) -> Seconds:
    """The last row of each second, beside the truth; seconds after a stop signal or without a client are left out."""
    targets = targets_of(item.session)
    second = np.minimum(item.scored.times_ms // 1_000, len(targets.state) - 1)
    last = np.flatnonzero(np.diff(second, append=-1) != 0)
    chosen = last[targets.state_weight[second[last]] > 0.0]
    at = second[chosen]
    return Seconds(
        crisis=item.scored.crisis[chosen].astype(np.float64),
        risk=item.scored.risk[chosen].astype(np.float64),
        true_crisis=targets.crisis[at],
        true_risk=targets.risk[at],
        state=item.scored.states[chosen].argmax(axis=1),
        true_state=targets.state[at],
    )


def _joined(parts: Sequence[Seconds]) -> Seconds:
    def join(name: str) -> Floats:
        return np.concatenate([getattr(part, name) for part in parts])

    return Seconds(
        crisis=join("crisis"),
        risk=join("risk"),
        true_crisis=join("true_crisis"),
        true_risk=join("true_risk"),
        state=join("state").astype(np.int64),
        true_state=join("true_state").astype(np.int64),
    )


def _recall(seconds: Seconds) -> dict[str, float]:
    recall = {}
    for number, state in enumerate(MODEL_STATES):
        own = seconds.true_state == number
        recall[state.value] = float((seconds.state[own] == number).mean()) if own.any() else float("nan")
    return recall


def _by_family(courses: Sequence[Course]) -> dict[str, list[Course]]:
    families: dict[str, list[Course]] = {}
    for course in courses:
        families.setdefault(course.family, []).append(course)
    return dict(sorted(families.items()))


def _false_rate(courses: Sequence[Course], families: frozenset[Family]) -> float:
    """False pauses an hour in these families; NaN where there is none of them."""
    own = [course for course in courses if course.family in families]
    return score(own).false_alarms_per_hour
