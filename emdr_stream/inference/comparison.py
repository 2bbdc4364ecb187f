"""In: what two versions said and would have done, per session. Out: how they differ, with 95 % intervals; pure.

Intervals come from a bootstrap over sessions: seconds of one session are no independent witnesses. A difference is that
of the second version less that of the first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

RESAMPLES: Final = 2_000
_INTERVAL: Final = (2.5, 97.5)
_MATCH_S: Final = 60.0
"""An alarm of one and an alarm of the other within this time are of the same occasion."""
_MERGE_S: Final = 20.0
"""Alarms closer than this are one, as in the evaluation."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """When, in seconds, and whether it would have paused."""

    at_s: float
    pauses: bool


@dataclass(frozen=True, slots=True)
class Course:
    """One session: `seconds` scored by both; sums over them of |risk difference|, |crisis difference| and agreement."""

    session: str
    seconds: float
    risk_apart: float
    crisis_apart: float
    agreed: float
    first: tuple[Alarm, ...]
    second: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; NaN where nothing can be said."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison; `first`, `second`: each version's own, None where the line is about both."""

    what: str
    first: Estimate | None
    second: Estimate | None
    difference: Estimate


def compare(courses: Sequence[Course], seed: int = 0) -> list[Line]:
    """What two versions differ in. Raises ValueError without any session."""
    if not courses:
        raise ValueError("no session was scored by both versions")
    hours = np.array([course.seconds for course in courses]) / 3_600.0
    draw = _draws(len(courses), seed)
    lines = []
    for what, only in (("alarms an hour", False), ("pauses an hour", True)):
        first = np.array([len(_merged(course.first, only)) for course in courses], float)
        second = np.array([len(_merged(course.second, only)) for course in courses], float)
        own = [_at_most(draw(each, hours), each, hours) for each in (first, second)]
        lines.append(Line(what, own[0], own[1], draw(second - first, hours)))
    seconds = np.array([course.seconds for course in courses])
    for what, name in (
        ("mean difference of the risk, without its sign", "risk_apart"),
        ("mean difference of the crisis probability, without its sign", "crisis_apart"),
        ("share of seconds on the same side of every threshold", "agreed"),
    ):
        sums = np.array([getattr(course, name) for course in courses])
        lines.append(Line(what, None, None, draw(sums, seconds)))
    leads = [lead(course) for course in courses]
    counts, sums = np.array([len(each) for each in leads], float), np.array([sum(each) for each in leads])
    lines.append(Line("seconds by which the second is earlier, on the same occasions", None, None, draw(sums, counts)))
    return lines


def lead(course: Course) -> list[float]:
    """By how many seconds the second was earlier, for each occasion on which both gave an alarm."""
    found, left = [], list(_merged(course.second, False))
    for alarm in _merged(course.first, False):
        near = min(left, key=lambda other: abs(other - alarm), default=None)
        if near is not None and abs(near - alarm) <= _MATCH_S:
            found.append(alarm - near)
            left.remove(near)
    return found


def compare_groups(first: Sequence[float], second: Sequence[float], what: str, seed: int = 0) -> Line:
    """Two groups of sessions, each served by one version: one figure per session."""
    one, other = np.array(first, float), np.array(second, float)
    rng = np.random.default_rng(seed)
    means = [_means(group, rng) for group in (one, other)]
    own = [
        _estimate(float(group.mean()) if len(group) else np.nan, drawn)
        for group, drawn in zip((one, other), means, strict=True)
    ]
    apart = float(other.mean() - one.mean()) if len(one) and len(other) else np.nan
    return Line(what, own[0], own[1], _estimate(apart, means[1] - means[0]))


def _means(group: Floats, rng: np.random.Generator) -> Floats:
    if len(group) < 2:  # of one session nobody can tell how much others differ
        return np.full(RESAMPLES, np.nan)
    return np.asarray(group[rng.integers(0, len(group), (RESAMPLES, len(group)))].mean(axis=1))


def _merged(alarms: Sequence[Alarm], pauses_only: bool) -> list[float]:
    """The first of each run of alarms."""
    kept: list[float] = []
    newest = -np.inf
    for at_s in sorted(alarm.at_s for alarm in alarms if alarm.pauses or not pauses_only):
        if at_s - newest >= _MERGE_S:
            kept.append(at_s)
        newest = at_s
    return kept


def _draws(n: int, seed: int) -> Callable[[Floats, Floats], Estimate]:
    """A ratio of sums over sessions with its interval; every figure is of the same drawn sessions."""
    chosen = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))

    def draw(above: Floats, below: Floats) -> Estimate:
        totals = below[chosen].sum(axis=1)
        drawn = np.divide(above[chosen].sum(axis=1), totals, out=np.full(RESAMPLES, np.nan), where=totals > 0)
        total = float(below.sum())
        return _estimate(float(above.sum()) / total if total > 0 else np.nan, drawn)

    return draw


def _at_most(estimate: Estimate, counts: Floats, hours: Floats) -> Estimate:
    """A bootstrap is sure of what it never saw: of none in so many hours there may be up to three (rule of three)."""
    return estimate if counts.any() else Estimate(estimate.value, 0.0, 3.0 / max(float(hours.sum()), 1e-9))


def _estimate(value: float, drawn: Floats) -> Estimate:
    known = drawn[np.isfinite(drawn)]
    if len(known) == 0:
        return Estimate(value, np.nan, np.nan)
    low, high = np.percentile(known, _INTERVAL)
    return Estimate(value, float(low), float(high))
