"""In: nothing. Out: what progress is measured by: ranges, goals, and how much is a change."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_MARGIN: Final = 0.5
"""Half a point beyond each end of a bounded scale, so that its ends have a finite logit."""


class Measure(StrEnum):
    """What a file of ratings may hold."""

    PCL5 = "pcl5"
    SUD = "sud"
    VOC = "voc"


@dataclass(frozen=True, slots=True)
class Goal:
    """A milestone: an improvement of `points` since the first rating, or, where `level`, that value or better."""

    name: str
    points: float
    level: bool = True


@dataclass(frozen=True, slots=True)
class Scale:
    """A measure. `better`: -1 where less is better, +1 where more is. `logit`: the model works on the log-odds of the
    place within the range, so that no forecast leaves it; else on the scale itself, cut off at its ends.

    `reliable_change`: points of improvement that are more than chance, None where none is known. `noise`: points that
    a rating moves by itself: less is no change. `goals`: in the order in which they are reached.
    """

    name: str
    low: float
    high: float
    better: int
    logit: bool
    reliable_change: float | None
    noise: float
    goals: tuple[Goal, ...]

    def to_model(self, values: Floats) -> Floats:
        """Values of the scale as the model sees them."""
        if not self.logit:
            return values.astype(np.float64)
        share = (values - self.low + _MARGIN) / (self.high - self.low + 2 * _MARGIN)
        logits: Floats = np.log(share / (1.0 - share))
        return logits

    def from_model(self, values: Floats) -> Floats:
        """The way back, within the range."""
        if self.logit:
            share = 1.0 / (1.0 + np.exp(-np.clip(values, -40.0, 40.0)))
            values = self.low - _MARGIN + share * (self.high - self.low + 2 * _MARGIN)
        return np.clip(values, self.low, self.high)

    def improvement(self, first: float, later: Floats) -> Floats:
        """Points by which each of `later` is better than `first`."""
        better: Floats = (later - first) * self.better
        return better

    def gained(self, first: float, later: float) -> float:
        """Points by which `later` is better than `first`."""
        return (later - first) * self.better

    def met(self, goal: Goal, first: float, values: Floats) -> Bools:
        """Whether each of `values` reaches the goal of somebody who began at `first`."""
        begin = goal.points if goal.level else first
        needed = 0.0 if goal.level else goal.points
        reached: Bools = (values - begin) * self.better >= needed - 1e-9
        return reached


SCALES: Final[Mapping[Measure, Scale]] = {
    # Reliable change of 15 to 18 and 28 or less as clinically significant: Marx et al. 2022, Psychological Assessment.
    Measure.PCL5: Scale(
        "PCL-5",
        0.0,
        80.0,
        -1,
        False,
        15.0,
        # Half a reliable change: less than the residual and more than rounding; a proposal without a source.
        7.5,
        (Goal("reliable change of 15", 15.0, level=False), Goal("28 or less", 28.0)),
    ),
    # Shapiro 2018: desensitisation ends at 0, or 1 where that is true to life. 2 points of noise: a proposal.
    Measure.SUD: Scale("SUD", 0.0, 10.0, -1, True, 2.0, 2.0, (Goal("1 or less", 1.0),)),
    # Shapiro 2018: installation ends at 7, 6 where that is true to life. No reliable change is known.
    Measure.VOC: Scale("VoC", 1.0, 7.0, 1, True, None, 1.0, (Goal("6 or more", 6.0),)),
}
