"""In: a course on the model's scale and a prior. Out: what is known of the person's level and slope.

A sum of Gaussians, each one hypothesis of where jumps and outliers were, each carried by a Kalman filter in closed form
(Alspach and Sorenson 1972): state (level without the slope's part, slope), rating = level + slope * log(1 + t) + noise.
Within a hypothesis the slope's variance never grows. Outliers as a second, wider normal are the robust twin of
t residuals (Tukey 1960): a tenth, 2.5 times as wide, has the kurtosis of t with 6 degrees of freedom.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, log1p
from typing import Final

import numpy as np

from emdr_stream.progress.measures import Floats
from emdr_stream.progress.prior import GrowthPrior

MOST_HYPOTHESES: Final = 64
_MOST_JUMPS: Final = 2
_NEGLIGIBLE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Belief:
    """K hypotheses: `weights` (K,) that add up to 1, `means` (K, 2) and `covariances` (K, 2, 2) of level and slope,
    `jumps` (K,) how many jumps between the last two ratings. `elapsed`: sessions from the first rating to the last.
    `log_likelihood`: of all ratings so far."""

    weights: Floats
    means: Floats
    covariances: Floats
    jumps: Floats
    elapsed: float = 0.0
    log_likelihood: float = 0.0

    @property
    def slope(self) -> tuple[float, float]:
        """Mean and SD of the slope over all hypotheses."""
        return self._moments(np.array([0.0, 1.0]))

    def level(self, elapsed: float) -> tuple[float, float]:
        """Mean and SD of the level after so many sessions, if no more jumps came."""
        return self._moments(np.array([1.0, log1p(elapsed)]))

    def _moments(self, row: Floats) -> tuple[float, float]:
        each = self.means @ row
        mean = float(self.weights @ each)
        within = np.einsum("i,kij,j->k", row, self.covariances, row)
        return mean, float(self.weights @ (within + (each - mean) ** 2)) ** 0.5


def before(prior: GrowthPrior) -> Belief:
    """What is known of somebody of whom nothing is known."""
    across = prior.correlation * prior.start_sd * prior.slope_sd
    covariance = np.array([[prior.start_sd**2, across], [across, prior.slope_sd**2]])
    mean = np.array([[prior.start_mean, prior.slope_mean]])
    return Belief(np.ones(1), mean, covariance[None], np.zeros(1))


def belief_of(prior: GrowthPrior, elapsed: Sequence[float] | Floats, values: Sequence[float] | Floats) -> Belief:
    """What is known after these ratings; `elapsed`: sessions since the first, rising."""
    belief = before(prior)
    for at, value in zip(elapsed, values, strict=True):
        belief = rated(moved(belief, prior, float(at)), prior, float(value))
    return belief


def moved(belief: Belief, prior: GrowthPrior, elapsed: float) -> Belief:
    """The same, later: jumps may have come and the level may have wandered; nothing is known of it yet."""
    steps = elapsed - belief.elapsed
    chances = jump_chances(prior.jump_chance, steps)
    counts = np.arange(len(chances), dtype=np.float64)
    weights = np.outer(chances, belief.weights).ravel()
    means = np.tile(belief.means, (len(chances), 1))
    covariances = np.tile(belief.covariances, (len(chances), 1, 1))
    jumps = np.repeat(counts, len(belief.weights))
    means[:, 0] += jumps * prior.jump_mean
    covariances[:, 0, 0] += jumps * prior.jump_sd**2 + steps * prior.wander_sd**2
    return Belief(weights, means, covariances, jumps, elapsed, belief.log_likelihood)


def rated(belief: Belief, prior: GrowthPrior, value: float) -> Belief:
    """What is known after one more rating: each hypothesis once as an ordinary rating, once as an outlier."""
    row = np.array([1.0, log1p(belief.elapsed)])
    parts = [_updated(belief, row, value, prior.inner_sd, 1.0 - prior.outlier_share)]
    if prior.outlier_share > 0.0:
        parts.append(_updated(belief, row, value, prior.inner_sd * prior.outlier_scale, prior.outlier_share))
    log_weights = np.concatenate([part[0] for part in parts])
    means = np.concatenate([part[1] for part in parts])
    covariances = np.concatenate([part[2] for part in parts])
    jumps = np.tile(belief.jumps, len(parts))
    top = float(log_weights.max())
    weights = np.exp(log_weights - top)
    evidence = top + float(np.log(weights.sum()))
    kept = np.argsort(-weights, kind="stable")[:MOST_HYPOTHESES]
    weights = weights[kept] / weights[kept].sum()
    after = belief.log_likelihood + evidence
    return Belief(weights, means[kept], covariances[kept], jumps[kept], belief.elapsed, after)


def jump_chances(chance: float, steps: float) -> list[float]:
    """Chances of 0, 1, ... jumps in so many sessions (binomial); the last count stands for all above it."""
    sessions = round(steps)
    if chance <= 0.0 or sessions < 1:
        return [1.0]
    found = [
        comb(sessions, count) * chance**count * (1.0 - chance) ** (sessions - count)
        for count in range(min(_MOST_JUMPS, sessions) + 1)
    ]
    while len(found) > 1 and found[-1] < _NEGLIGIBLE:
        found.pop()
    found[-1] += 1.0 - sum(found)
    return found


def _updated(belief: Belief, row: Floats, value: float, noise_sd: float, share: float) -> tuple[Floats, Floats, Floats]:
    """Log weights, means and covariances after a rating with noise of one width (Kalman 1960)."""
    across = belief.covariances @ row
    variance = across @ row + noise_sd**2
    surprise = value - belief.means @ row
    gain = across / variance[:, None]
    means = belief.means + gain * surprise[:, None]
    covariances = belief.covariances - gain[:, :, None] * across[:, None, :]
    log_weights = np.log(np.maximum(belief.weights * share, 1e-300))
    log_weights = log_weights - 0.5 * (np.log(2.0 * np.pi * variance) + surprise**2 / variance)
    return log_weights, means, covariances
