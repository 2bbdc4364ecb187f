"""In: a belief. Out: many possible futures of the person, always the same ones for the same belief.

The draws are fixed: a forecast is a function of the ratings. With 4000 paths a share of 5 % is known to 0.4 points.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import log1p
from typing import Final

import numpy as np

from emdr_stream.progress.course import MOST_SESSIONS
from emdr_stream.progress.growth import Belief
from emdr_stream.progress.measures import Floats, Scale
from emdr_stream.progress.prior import GrowthPrior

PATHS: Final = 4_000
_SEED: Final = 5


@dataclass(frozen=True, slots=True)
class Paths:
    """`levels` (PATHS, H): without the residual of a rating; `ratings` (PATHS, H): with it; on the measure's scale."""

    levels: Floats
    ratings: Floats


def paths_of(belief: Belief, prior: GrowthPrior, scale: Scale, horizon: int) -> Paths:
    """The next `horizon` sessions after the belief's last rating."""
    which = np.searchsorted(np.cumsum(belief.weights), (np.arange(PATHS) + 0.5) / PATHS)
    which = np.minimum(which, len(belief.weights) - 1)
    roots = _roots(belief.covariances)
    states = belief.means[which] + np.einsum("nij,nj->ni", roots[which], _state_draws())
    levels, ratings = np.empty((PATHS, horizon)), np.empty((PATHS, horizon))
    drift = np.zeros(PATHS)
    for step in range(1, horizon + 1):
        draws = _draws(step)
        drift += (draws.chances < prior.jump_chance) * (prior.jump_mean + prior.jump_sd * draws.jumps)
        drift += prior.wander_sd * draws.steps
        width = np.where(draws.outliers < prior.outlier_share, prior.outlier_scale, 1.0) * prior.inner_sd
        levels[:, step - 1] = states[:, 0] + states[:, 1] * log1p(belief.elapsed + step) + drift
        ratings[:, step - 1] = levels[:, step - 1] + width * draws.residuals
    return Paths(scale.from_model(levels), scale.from_model(ratings))


@dataclass(frozen=True, slots=True)
class _Draws:
    """Of one session, each (PATHS,): chances of a jump and an outlier are uniform, the others standard normal."""

    chances: Floats
    jumps: Floats
    steps: Floats
    outliers: Floats
    residuals: Floats


@lru_cache(maxsize=1)
def _state_draws() -> Floats:
    rng = np.random.default_rng(_SEED)
    return np.stack([_normal(rng), _normal(rng)], axis=1)


@lru_cache(maxsize=MOST_SESSIONS)
def _draws(step: int) -> _Draws:
    """A session's draws are its own: a longer look ahead does not change what is said of the next session."""
    rng = np.random.default_rng([_SEED, step])
    return _Draws(rng.random(PATHS), _normal(rng), _normal(rng), rng.random(PATHS), _normal(rng))


def _normal(rng: np.random.Generator) -> Floats:
    """Every draw and its opposite: means come out exactly."""
    half = rng.standard_normal(PATHS // 2)
    return np.stack([half, -half], axis=1).ravel()


def _roots(covariances: Floats) -> Floats:
    """Lower triangles L with L L^T = covariance (K, 2, 2); a variance that rounding made negative counts as 0."""
    first = np.sqrt(np.maximum(covariances[:, 0, 0], 0.0))
    below = covariances[:, 1, 0] / np.maximum(first, 1e-12)
    last = np.sqrt(np.maximum(covariances[:, 1, 1] - below**2, 0.0))
    roots = np.zeros_like(covariances)
    roots[:, 0, 0], roots[:, 1, 0], roots[:, 1, 1] = first, below, last
    return roots
