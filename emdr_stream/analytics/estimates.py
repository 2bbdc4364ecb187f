"""Numbers in, a difference or a slope with its interval out, without any assumption about how the numbers are spread.

Differences: the median of all pairwise differences (Hodges and Lehmann 1963), its interval by the normal approximation
of Mann and Whitney's statistic. Slopes: the median of all pairwise slopes, interval by Kendall's (Sen 1968).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import floor, sqrt
from typing import Final

import numpy as np

from emdr_stream.progress.measures import Floats

_Z: Final = {0.9: 1.6449, 0.99: 2.5758}
_FEWEST: Final = 3
"""Of each side; the normal approximation is none below."""
MOST_VALUES: Final = 200
"""Of each side; of more, as many are taken, evenly spaced in their order: pairs are counted one by one."""


class Sure(StrEnum):
    """How sure a difference or a slope is."""

    CLEAR = "clear"
    """Zero lies outside the 99 % interval."""
    LIKELY = "likely"
    """Zero lies outside the 90 % interval: one in ten such findings is chance."""
    UNCLEAR = "unclear"
    """Zero lies inside: nothing is known to have changed, which is not the same as no change."""
    NOT_ENOUGH = "not_enough_data"
    """There are too few values for any interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """`value` with its 90 % interval; None where there are too few values. `before`, `after`: medians of both sides
    (of a slope: of its first and second half); `n_before`, `n_after`: how many values."""

    value: float | None
    low: float | None
    high: float | None
    sure: Sure
    before: float | None
    after: float | None
    n_before: int
    n_after: int


def shift(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """By how much `after` lies higher than `before`. An interval needs three values on one side, four on the other."""
    first, second = _spread(before), _spread(after)
    n, m = len(first), len(second)
    differences = (second[:, None] - first[None, :]).ravel()
    spread = sqrt(n * m * (n + m + 1) / 12)
    bounds = {level: floor(n * m / 2 - z * spread) if min(n, m) >= _FEWEST else 0 for level, z in _Z.items()}
    return _estimate(differences, bounds, _median(first), _median(second), (len(before), len(after)))


def slope(at: Sequence[float], values: Sequence[float]) -> Estimate:
    """By how much a value rises for each unit of `at`, which rises. An interval needs five values."""
    if len(at) != len(values):
        raise ValueError("each value needs its place")
    x, y = _spread(at), _spread(values)
    n = len(x)
    i, j = np.triu_indices(n, 1)
    rises = x[j] - x[i]
    slopes: Floats = (y[j] - y[i])[rises > 0] / rises[rises > 0]
    spread = sqrt(n * (n - 1) * (2 * n + 5) / 18) if n > 1 else 0.0
    bounds = {level: floor((len(slopes) - z * spread) / 2) for level, z in _Z.items()}
    half, counted = n // 2, len(values) // 2
    return _estimate(slopes, bounds, _median(y[:half]), _median(y[n - half :]), (counted, len(values) - counted))


def _estimate(
    pairs: Floats, bounds: dict[float, int], before: float | None, after: float | None, counts: tuple[int, int]
) -> Estimate:
    """`pairs`: in any order; `bounds`: how many of them to leave out on each side for a level."""
    size = len(pairs)
    if size == 0:
        return Estimate(None, None, None, Sure.NOT_ENOUGH, before, after, *counts)
    # A few ranks are asked for: to find them takes a fifth of the time of putting all in order.
    ranks = {(size - 1) // 2, size // 2} | {rank for k in bounds.values() if k >= 1 for rank in (k - 1, size - k)}
    ranked = np.partition(pairs, sorted(ranks))
    value = float(ranked[(size - 1) // 2] + ranked[size // 2]) / 2
    if bounds[0.9] < 1:
        return Estimate(value, None, None, Sure.NOT_ENOUGH, before, after, *counts)
    low, high = float(ranked[bounds[0.9] - 1]), float(ranked[-bounds[0.9]])
    sure = Sure.LIKELY if low > 0 or high < 0 else Sure.UNCLEAR
    wide = bounds[0.99]
    if wide >= 1 and (ranked[wide - 1] > 0 or ranked[-wide] < 0):
        sure = Sure.CLEAR
    return Estimate(value, low, high, sure, before, after, *counts)


def _spread(values: Sequence[float]) -> Floats:
    found: Floats = np.array(values, dtype=np.float64)
    if len(found) > MOST_VALUES:
        found = found[np.linspace(0, len(found) - 1, MOST_VALUES).astype(np.int64)]
    return found


def _median(values: Floats) -> float | None:
    return float(np.median(values)) if len(values) else None
