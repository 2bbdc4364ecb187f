"""Samples of the first calm minute in, the person's own baseline out: mean and spread of each signal, how sure it is.

No absolute reading of a face is trusted. Until the minute is full the baseline does not stand and no model is heard.
A population prior of a few seconds' weight keeps a signal that hardly moved from looking infinitely steady.
"""

from math import sqrt
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from emdr_stream.domain import N_SIGNALS
from emdr_stream.settings import BaselineSettings

PRIOR_MEAN: Final = (0.0, 0.1, 0.7, 0.15, 0.1, 0.06, 0.06, 0.1, 0.05, 0.48, 17.0, 0.1, 0.08, 72.0)
"""Population means, ordered as SIGNALS: mid-range readings of a calm face; 17 blinks a minute (Bentivoglio 1997)."""
PRIOR_DEVIATION: Final = (0.12, 0.13, 0.12, 0.10, 0.08, 0.06, 0.06, 0.09, 0.05, 0.15, 6.0, 0.06, 0.06, 8.0)
"""Spreads within a person: 0.12 and 0.13 for valence and arousal, 8 beats a minute (domain notes, [M] rows)."""
_FLOOR: Final = tuple(0.25 * deviation for deviation in PRIOR_DEVIATION)
_LEAST_S: Final = 5.0


class BaselineState(msgspec.Struct):
    """Weighted sums of the samples taken so far; weight in seconds, per signal. Restorable."""

    seconds: float = 0.0
    weight: list[float] = msgspec.field(default_factory=lambda: [0.0] * N_SIGNALS)
    total: list[float] = msgspec.field(default_factory=lambda: [0.0] * N_SIGNALS)
    squares: list[float] = msgspec.field(default_factory=lambda: [0.0] * N_SIGNALS)


class BaselinePrior(msgspec.Struct, frozen=True):
    """What is assumed before anything is seen: a population's figures, or the same client's earlier sessions."""

    mean: tuple[float, ...] = PRIOR_MEAN
    deviation: tuple[float, ...] = PRIOR_DEVIATION


class Baseline:
    """The baseline of one session; stands once `duration_s` seconds of usable signal were taken, then stays."""

    __slots__ = ("_prior", "_settings", "deviation", "mean", "ready", "state")

    def __init__(
        self, settings: BaselineSettings, prior: BaselinePrior | None = None, state: BaselineState | None = None
    ) -> None:
        self._settings = settings
        self._prior = prior or BaselinePrior()
        self.state = state or BaselineState()
        self.ready = False
        self.mean: npt.NDArray[np.float64] = np.array(self._prior.mean)
        self.deviation: npt.NDArray[np.float64] = np.array(self._prior.deviation)
        self._settle_when_full()

    @property
    def sureness(self) -> float:
        """0..1: share of the calm minute that has been seen."""
        return 1.0 if self.ready else min(1.0, self.state.seconds / self._settings.duration_s)

    def take(self, values: tuple[float, ...], weight_s: float) -> bool:
        """Take one usable sample; returns True when this one completed the baseline."""
        if self.ready:
            return False
        state = self.state
        state.seconds += weight_s
        weight, total, squares = state.weight, state.total, state.squares
        for i, value in enumerate(values):
            if value == value:
                weight[i] += weight_s
                total[i] += weight_s * value
                squares[i] += weight_s * value * value
        self._settle_when_full()
        return self.ready

    def _settle_when_full(self) -> None:
        if self.state.seconds < self._settings.duration_s:
            return
        self.ready = True
        for i in range(N_SIGNALS):
            self.mean[i], self.deviation[i] = self._of(i)

    def _of(self, i: int) -> tuple[float, float]:
        """Mean of the person's own samples; spread shrunk towards the prior. NaN where the signal was hardly seen."""
        seen = self.state.weight[i]
        if seen < _LEAST_S:
            return float("nan"), self._prior.deviation[i]
        mean = self.state.total[i] / seen
        variance = max(0.0, self.state.squares[i] / seen - mean * mean)
        assumed = self._settings.prior_weight_s
        pooled = (seen * variance + assumed * self._prior.deviation[i] ** 2) / (seen + assumed)
        return mean, max(sqrt(pooled), _FLOOR[i])
