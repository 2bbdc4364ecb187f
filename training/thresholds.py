"""In: a calibrated network and sessions of validation. Out: the probabilities at which the service should act.

Two figures are chosen on the safety monitor's own alarms: where a pause begins, and where an advice does. The crisis
and the risk are then moved, in log-odds, so that these figures become the service's own thresholds (0.7 and 0.6): one
set of thresholds serves every model, and what the move costs in calibration is part of the calibration error reported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import Thresholds
from emdr_stream.evaluation.course import Course, Watched
from emdr_stream.evaluation.events import tally
from emdr_stream.evaluation.labels import Truth
from emdr_stream.evaluation.measuring import is_calm, is_provoking
from emdr_stream.pipeline.features import Features
from emdr_stream.settings import SafetySettings
from emdr_stream.simulation import truth_of
from training.config import Budget
from training.dataset import VALIDATION_ROW_EVERY_MS, Dataset, SessionTask, session_dataset
from training.replay import RESUME_AFTER_MS, Scored, monitor

_ODDS: Final = (-1.2, 2.2)
"""Between these log-odds thresholds are tried: from 0.23 to 0.90."""
_PAUSE_WORTH: Final = 0.25
"""An advice finds a crisis as well as a pause does; of two pairs that find alike, the one that pauses is better."""
_MONITOR: Final = SafetySettings(max_gap_ms=VALIDATION_ROW_EVERY_MS)
"""The service scores many times a second, validation once: a reading stands for the second before it."""


@dataclass(frozen=True, slots=True)
class ValidationSession:
    """Rows of one session with their times (n,), its targets, and what truly happened."""

    times_ms: NDArray[np.int64]
    features: Features
    data: Dataset
    truth: Truth


@dataclass(frozen=True, slots=True)
class ValidationTask:
    """What a process is told to make one; see `SessionTask`."""

    session: SessionTask

    def __call__(self) -> ValidationSession:
        session, rows = self.session.rows()
        truth = truth_of(session, f"validation-{self.session.index}.jsonl")
        return ValidationSession(rows.times_ms, rows.features, session_dataset(session, rows), truth)


@dataclass(frozen=True, slots=True)
class Choice:
    """Log-odds where an advice (`risk`) and a pause (`crisis`) begin, and what came of it on validation."""

    risk: float
    crisis: float
    sensitivity: float
    pause_sensitivity: float
    false_alarms: float
    calm_pauses: float
    hard_pauses: float


def tried(budget: Budget) -> tuple[float, ...]:
    """Log-odds of the thresholds that are tried."""
    low, high = _ODDS
    return tuple(np.linspace(low, high, round((high - low) / budget.odds_apart) + 1).round(2).tolist())


def chosen(
    sessions: Sequence[ValidationSession],
    scored: Sequence[Scored],
    budget: Budget,
    progress: Callable[[int], None] = lambda done: None,
) -> Choice:
    """The pair that finds most events within the budget, by a pause where it can.

    Where no pair keeps the budget, the one that breaks it least.
    """
    pauses, advice, thresholds = [], [], tried(budget)
    for number, odds in enumerate(thresholds, start=1):
        pauses.append([_pauses(one, odds) for one in scored])
        advice.append([_advice(one, odds) for one in scored])
        progress(number)
    costs = _Costs(sessions)
    best: tuple[tuple[float, float, float], Choice] | None = None
    for crisis, paused in zip(thresholds, pauses, strict=True):
        for risk, advised in zip(thresholds, advice, strict=True):
            both = enumerate(zip(paused, advised, strict=True))
            choice = _judged([costs.of(number, *alarms) for number, alarms in both], risk, crisis)
            worth = choice.sensitivity + _PAUSE_WORTH * choice.pause_sensitivity
            merit = (-_excess(choice, budget), worth, -choice.false_alarms)
            if best is None or merit > best[0]:
                best = merit, choice
    if best is None:
        raise ValueError("no threshold was tried")
    return best[1]


def judged_at(sessions: Sequence[ValidationSession], scored: Sequence[Scored], risk: float, crisis: float) -> Choice:
    """What an advice from the log-odds `risk` and a pause from `crisis` on come to."""
    costs = _Costs(sessions)
    alarms = ((_pauses(one, crisis), _advice(one, risk)) for one in scored)
    return _judged([costs.of(number, *each) for number, each in enumerate(alarms)], risk, crisis)


def moved(line: tuple[float, float], odds: float, threshold: float) -> tuple[float, float]:
    """The calibrating line `slope * z + offset` shifted so that what it gave as `odds` becomes `threshold`."""
    return line[0], line[1] + log(threshold / (1.0 - threshold)) - odds


def _pauses(scored: Scored, odds: float) -> tuple[int, ...]:
    limits = Thresholds()
    said = _shifted(scored.crisis, odds, limits.crisis_pause)
    quiet = Scored(scored.times_ms, scored.states, np.zeros_like(scored.risk), said)
    return tuple(round(at * 1_000) for at in monitor(quiet, _MONITOR, limits).pauses_s)


def _advice(scored: Scored, odds: float) -> tuple[int, ...]:
    limits = Thresholds()
    said = _shifted(scored.risk, odds, limits.risk)
    calm = Scored(scored.times_ms, np.zeros_like(scored.states), said, np.zeros_like(scored.crisis))
    return tuple(round(at * 1_000) for at in monitor(calm, _MONITOR, limits).advice_s)


def _shifted(probability: Features, odds: float, threshold: float) -> Features:
    """The probabilities (n,) moved in log-odds, so that `odds` becomes the threshold."""
    kept = np.clip(probability.astype(np.float64), 1e-9, 1.0 - 1e-9)
    z = np.log(kept / (1.0 - kept)) + log(threshold / (1.0 - threshold)) - odds
    return np.asarray(1.0 / (1.0 + np.exp(-z)), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one session's alarms come to: counts, and hours monitored."""

    events: int
    found: int
    paused_for: int
    wrong: int
    wrong_pauses: int
    hours: float
    calm: bool
    hard: bool


class _Costs:
    """The costs of sessions; neighbouring thresholds mostly give the same alarms, which are then counted once."""

    def __init__(self, sessions: Sequence[ValidationSession]) -> None:
        self._sessions = sessions
        self._known: dict[tuple[int, tuple[int, ...], tuple[int, ...]], _Cost] = {}

    def of(self, number: int, pauses: tuple[int, ...], advice: tuple[int, ...]) -> _Cost:
        key = (number, pauses, advice)
        if key not in self._known:
            self._known[key] = self._count(self._sessions[number], pauses, advice)
        return self._known[key]

    @staticmethod
    def _count(session: ValidationSession, pauses: tuple[int, ...], advice: tuple[int, ...]) -> _Cost:
        course = course_of(session, pauses, advice)
        mine, by_pause = tally(course), tally(course, pauses)
        return _Cost(
            events=len(mine.counted),
            found=mine.found,
            paused_for=by_pause.found,
            wrong=len(mine.false_ms),
            wrong_pauses=len(by_pause.false_ms),
            hours=mine.monitored_s / 3_600,
            calm=is_calm(course),
            hard=is_provoking(course),
        )


def _judged(costs: Sequence[_Cost], risk: float, crisis: float) -> Choice:
    events = max(sum(cost.events for cost in costs), 1)
    return Choice(
        risk=risk,
        crisis=crisis,
        sensitivity=sum(cost.found for cost in costs) / events,
        pause_sensitivity=sum(cost.paused_for for cost in costs) / events,
        false_alarms=_hourly([(cost.wrong, cost.hours) for cost in costs]),
        calm_pauses=_hourly([(cost.wrong_pauses, cost.hours) for cost in costs if cost.calm]),
        hard_pauses=_hourly([(cost.wrong_pauses, cost.hours) for cost in costs if cost.hard]),
    )


def _hourly(counted: Sequence[tuple[int, float]]) -> float:
    return sum(count for count, _ in counted) / max(sum(hours for _, hours in counted), 1e-9)


def course_of(session: ValidationSession, pauses: tuple[int, ...], advice: tuple[int, ...]) -> Course:
    """The session as the evaluation sees it: alarms, and the seconds that were watched and not paused."""
    duration_ms = session.truth.to_ms or 0
    watched = Watched.of_length(duration_ms // 1_000)
    watched.crisis[np.minimum(session.times_ms // 1_000, len(watched.crisis) - 1)] = 0.0
    for at in pauses:
        watched.paused[at // 1_000 : (at + RESUME_AFTER_MS) // 1_000] = True
    return Course(session.truth, duration_ms, tuple(sorted({*pauses, *advice})), pauses, (), watched)


def _excess(choice: Choice, budget: Budget) -> float:
    """By how much a choice breaks the budget, each part as a share of what was allowed; 0 within it."""
    parts = (
        choice.false_alarms / budget.false_alarms,
        choice.calm_pauses / budget.calm_pauses,
        choice.hard_pauses / budget.hard_pauses,
    )
    return sum(max(part - 1.0, 0.0) for part in parts)
