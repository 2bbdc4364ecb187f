"""In: sums by person. Out: figures with 95 % intervals that resample persons, not events.

Events of one person are alike: an interval that took them for independent would be too narrow.
"""

from collections.abc import Sequence
from math import isfinite, log
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES: Final = 1_000
_TAILS: Final = (2.5, 97.5)
_TAIL: Final = 0.025
_CHUNK: Final = 100


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval; null where there was nothing to measure."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class Persons:
    """Which persons there are, and a fixed set of resamples of them: the same input gives the same intervals."""

    def __init__(self, persons: Sequence[str], seed: int = 0) -> None:
        names = sorted(set(persons))
        self._index = {name: number for number, name in enumerate(names)}
        n = len(names)
        draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), RESAMPLES) if n else np.zeros((0, 0))
        self._draws: Floats = draws.astype(np.float64)
        """How often each person is in each resample (RESAMPLES, persons)."""

    def __len__(self) -> int:
        return len(self._index)

    def sums(self, persons: Sequence[str], values: Sequence[float]) -> Floats:
        """The values added up by person (persons,)."""
        total = np.zeros(len(self._index))
        for person, value in zip(persons, values, strict=True):
            total[self._index[person]] += value
        return total

    def share(self, part: Floats, whole: Floats) -> Interval:
        """The share sum(part) / sum(whole), 0..1. Where all or none were found, resampling knows no doubt: the exact
        bound for as many persons as have any takes its place (Clopper and Pearson 1934)."""
        total = float(whole.sum())
        if total <= 0.0:
            return Interval()
        value = float(part.sum()) / total
        bound = _TAIL ** (1.0 / max(int((whole > 0.0).sum()), 1))
        if value <= 0.0:
            return Interval(0.0, 0.0, 1.0 - bound)
        if value >= 1.0:
            return Interval(1.0, bound, 1.0)
        return self._ratio(value, part, whole)

    def rate(self, count: Floats, hours: Floats) -> Interval:
        """sum(count) / sum(hours). Where none was counted, the upper end is that of a Poisson count of 0."""
        total = float(hours.sum())
        if total <= 0.0:
            return Interval()
        if not count.any():
            return Interval(0.0, 0.0, -log(_TAIL) / total)
        return self._ratio(float(count.sum()) / total, count, hours)

    def quantile(self, persons: Sequence[str], values: Sequence[float], level: float) -> Interval:
        """A quantile of values that belong to persons; `level` 0..1."""
        if not values:
            return Interval()
        given = np.asarray(values, dtype=np.float64)
        order = np.argsort(given)
        owners = np.array([self._index[person] for person in persons])[order]
        estimates = []
        for start in range(0, RESAMPLES, _CHUNK):
            heap = np.cumsum(self._draws[start : start + _CHUNK][:, owners], axis=1)
            heap = heap[heap[:, -1] > 0.0]
            at = (heap < level * heap[:, -1:]).sum(axis=1)
            estimates.append(given[order][np.minimum(at, len(given) - 1)])
        low, high = np.percentile(np.concatenate(estimates), _TAILS)
        return Interval(float(np.quantile(given, level)), float(low), float(high))

    def _ratio(self, value: float, part: Floats, whole: Floats) -> Interval:
        wholes = self._draws @ whole
        ratios = (self._draws @ part)[wholes > 0.0] / wholes[wholes > 0.0]
        low, high = np.percentile(ratios, _TAILS)
        return Interval(value, float(low), float(high))


def precision_at(sensitivity: float | None, false_per_recording: float, events_per_recording: float) -> float | None:
    """Which share of the alarms would be right, were there so many events in a recording; None where none is known."""
    if sensitivity is None or not isfinite(sensitivity):
        return None
    right = sensitivity * events_per_recording
    return right / (right + false_per_recording) if right + false_per_recording > 0.0 else None
