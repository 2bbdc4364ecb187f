"""In: probabilities that were said, second by second, and what was so. Out: Brier score, calibration error, AUC."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import MODEL_STATES
from emdr_stream.evaluation.course import NO_STATE, Course
from emdr_stream.evaluation.events import merged_events

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Matrix = NDArray[np.int64]

BINS: Final = 15
HORIZON_S: Final = 15
"""What the models are asked: is there a crisis, or will one begin within so many seconds."""


def crisis_truth(course: Course) -> tuple[Bools, Bools]:
    """For each second (S,): whether a crisis is on or begins within the horizon, and whether that can be said.

    Seconds of a marginal event cannot be said, nor those that are not scored.
    """
    seconds = len(course.watched.crisis)
    crisis, known = np.zeros(seconds, dtype=np.bool_), np.zeros(seconds, dtype=np.bool_)
    known[course.window] = True
    for event in merged_events(course.truth.events):
        span = slice(max(event.onset_ms // 1_000 - HORIZON_S, 0), -(-event.end_ms // 1_000))
        if event.marginal:
            known[span] = False
        else:
            crisis[span] = True
    return crisis, known


def said_and_true(courses: Sequence[Course]) -> tuple[Floats, Floats]:
    """The crisis probability of every judged second whose truth is known, and that truth as 0 or 1."""
    said, true = [np.zeros(0)], [np.zeros(0)]
    for course in courses:
        crisis, known = crisis_truth(course)
        counted = known & course.watched.judged
        said.append(course.watched.crisis[counted])
        true.append(crisis[counted].astype(np.float64))
    return np.concatenate(said), np.concatenate(true)


def brier(said: Floats, true: Floats) -> float | None:
    """Mean squared difference; None for no second."""
    return float(((said - true) ** 2).mean()) if len(said) else None


def calibration_error(said: Floats, wanted: Floats, weight: Floats | None = None, bins: int = BINS) -> float | None:
    """Expected calibration error: weighted mean gap between what was said and what was, over equal bins of 0..1."""
    if not len(said):
        return None
    weight = np.ones(len(said)) if weight is None else weight
    index = np.minimum((said * bins).astype(np.int64), bins - 1)
    gap = np.bincount(index, weight * said, bins) - np.bincount(index, weight * wanted, bins)
    return float(np.abs(gap).sum() / max(weight.sum(), 1e-12))


def reliability(said: Floats, true: Floats, bins: int = BINS) -> list[tuple[float, float, int]]:
    """For each bin that has any seconds: mean of what was said, share of what was so, number of seconds."""
    index = np.minimum((said * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    sums, hits = np.bincount(index, said, bins), np.bincount(index, true, bins)
    return [(float(sums[i] / n), float(hits[i] / n), int(n)) for i, n in enumerate(counts.tolist()) if n]


def area_under_curve(said: Floats, true: Floats) -> float | None:
    """Probability that a second of crisis was given more than another one; ties count half. None where one is none."""
    positives = int(true.sum())
    if positives in {0, len(true)}:
        return None
    _, inverse, counts = np.unique(said, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    rank_sum = float(ranks[true > 0.5].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * (len(true) - positives))


def confusion(courses: Sequence[Course], *, observable_only: bool = True) -> Matrix:
    """Counts of seconds (true state, said state) over MODEL_STATES, of recordings whose seconds are labelled.

    Seconds without a client, or in which no state was said, are left out.
    """
    n = len(MODEL_STATES)
    counts = np.zeros((n, n), dtype=np.int64)
    for course in courses:
        seconds = course.truth.seconds
        if seconds is None:
            continue
        first = -(-seconds.start_ms // 1_000)
        said = course.watched.state[first : first + len(seconds.state)]
        length = len(said)
        true = np.array([_NUMBER[state] for state in seconds.state[:length]], dtype=np.int64)
        counted = (said != NO_STATE) & np.array(seconds.present[:length], dtype=np.bool_)
        if observable_only:
            counted &= np.array(seconds.observable[:length], dtype=np.bool_)
        place = np.arange(first, first + length)
        counted &= (place >= course.window.start) & (place < course.window.stop)
        np.add.at(counts, (true[counted], said[counted].astype(np.int64)), 1)
    return counts


_NUMBER: Final = {state.value: number for number, state in enumerate(MODEL_STATES)}
