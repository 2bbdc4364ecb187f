"""In: the courses of many recordings. Out: how many events the crisis probability finds at a cost in false alarms.

Whoever compares two detectors needs them at the same cost; the thresholds that a model ships with give each its own. So
the threshold is moved over the probability that was said, second by second, and the alarms scored by the same rules. No
state machine is in it but the least that an alarm needs: some seconds in a row, then a rest. What the service itself
does is told by the other figures.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from emdr_stream.evaluation.course import Course, Floats
from emdr_stream.evaluation.events import tally

RATES: Final = (0.5, 1.0, 3.0)
"""False alarms an hour at which the sensitivity is told (domain notes, section 4)."""
PERSISTENCE_S: Final = 3
"""Seconds in a row at or above the threshold that make an alarm."""
REST_S: Final = 60
"""After an alarm, before the next one."""
_THRESHOLDS: Final = tuple(float(p) for p in 1.0 / (1.0 + np.exp(-np.linspace(-5.0, 5.0, 51))))
"""From 0.007 to 0.993, 0.2 apart in log-odds."""
_HOUR_S: Final = 3_600.0


class Operating(msgspec.Struct, frozen=True, kw_only=True):
    """The best that some threshold does at no more than `false_alarms_per_hour`; null where none stays below."""

    false_alarms_per_hour: float
    sensitivity: float | None
    threshold: float | None


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """`partial_area`: mean sensitivity over 0 to 3 false alarms an hour, 0..1; null without an event or a threshold."""

    at: tuple[Operating, ...]
    partial_area: float | None


def sweep(courses: Sequence[Course]) -> Sweep:
    """Sensitivity against false alarms an hour over all thresholds."""
    points = [point for threshold in _THRESHOLDS if (point := _point(courses, threshold)) is not None]
    return Sweep(at=tuple(_best(points, rate) for rate in RATES), partial_area=_partial_area(points))


def alarms_at(crisis: Floats, threshold: float) -> list[int]:
    """Milliseconds of the alarms of probabilities (S,), NaN where nobody was heard, which breaks a row of seconds."""
    above = np.concatenate([crisis >= threshold, [False]])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above]).astype(np.int8)))
    alarms: list[int] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        at = start + PERSISTENCE_S - 1
        while at < end:
            if alarms and at - alarms[-1] < REST_S:
                at = alarms[-1] + REST_S
                continue
            alarms.append(at)
    return [(at + 1) * 1_000 for at in alarms]


_Point = tuple[float, float, float]
"""False alarms an hour, sensitivity, threshold."""


def _point(courses: Sequence[Course], threshold: float) -> _Point | None:
    tallies = [tally(course, alarms_at(course.watched.crisis, threshold)) for course in courses]
    events = sum(len(item.counted) for item in tallies)
    # Not the pauses of the model as it stands: under another threshold they would have been others.
    hours = sum(item.monitored_s + item.paused_s for item in tallies) / _HOUR_S
    if not events or hours <= 0.0:
        return None
    return sum(len(t.false_ms) for t in tallies) / hours, sum(t.found for t in tallies) / events, threshold


def _best(points: Sequence[_Point], rate: float) -> Operating:
    allowed = [(sensitivity, threshold) for wrong, sensitivity, threshold in points if wrong <= rate]
    sensitivity, threshold = max(allowed, default=(None, None), key=lambda each: (each[0], each[1]))
    return Operating(false_alarms_per_hour=rate, sensitivity=sensitivity, threshold=threshold)


def _partial_area(points: Sequence[_Point]) -> float | None:
    """Area under the staircase of the best sensitivity at each cost up to the highest of RATES, divided by that."""
    if not points:
        return None
    area, reached, best = 0.0, 0.0, 0.0
    for wrong, sensitivity, _ in sorted(points):
        if wrong > RATES[-1]:
            break
        area += best * (wrong - reached)
        reached, best = wrong, max(best, sensitivity)
    return (area + best * (RATES[-1] - reached)) / RATES[-1]
