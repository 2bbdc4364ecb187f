"""In: figures of two versions on the same people. Out: by what share the new one is better, and how sure it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

RESAMPLES: Final = 2_000
_INTERVAL: Final = (2.5, 97.5)
_LEAST_PEOPLE: Final = 8
"""Fewer cannot tell what others would get."""


@dataclass(frozen=True, slots=True)
class Improvement:
    """Share by which the new version is better, with its 95 % interval over people; `people` that both served."""

    share: float
    low: float
    high: float
    people: int

    def suffices(self, least: float) -> bool:
        """More than `least` better, and surely not worse."""
        return self.people >= _LEAST_PEOPLE and self.share > least and self.low > 0.0

    def __str__(self) -> str:
        return f"{self.share:+.1%} ({self.low:+.1%} to {self.high:+.1%}) over {self.people} people"


def improvement(
    present: Mapping[str, float], candidate: Mapping[str, float], *, larger_is_better: bool = True, seed: int = 0
) -> Improvement:
    """Of a figure that each version has for each person: paired, so that easy people are easy for both.

    Raises ValueError where nobody was served by both.
    """
    people = sorted(set(present) & set(candidate))
    if not people:
        raise ValueError("no person was scored by both versions")
    before = np.array([present[person] for person in people])
    after = np.array([candidate[person] for person in people])
    sign = 1.0 if larger_is_better else -1.0
    chosen = np.random.default_rng(seed).integers(0, len(people), (RESAMPLES, len(people)))

    def share(old: float, new: float) -> float:
        return sign * (new - old) / abs(old) if old else float("nan")

    drawn = [share(old, new) for old, new in zip(before[chosen].mean(1), after[chosen].mean(1), strict=True)]
    low, high = np.nanpercentile(drawn, _INTERVAL)
    return Improvement(share(float(before.mean()), float(after.mean())), float(low), float(high), len(people))
