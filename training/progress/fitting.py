"""In: courses of a population. Out: the prior that they speak for: start, slope, their correlation, residual, wander.

Expectation maximisation of the linear mixed model (Laird and Ware 1982), for each of some ratios of wander to residual;
the likelihood chooses among them. Missing ratings are left out: right where they are missing at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from emdr_stream.progress.measures import Floats, Scale
from emdr_stream.progress.prior import GrowthPrior
from training.progress.series import Person

WANDERS: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Variance of a session's wander over that of the residual."""
ROUNDS: Final = 200
_LEAST_SD: Final = 1e-3
_DIGITS: Final = 4
"""Kept of a fitted number: what lies below is another processor's rounding."""


@dataclass(frozen=True, slots=True)
class Table:
    """Persons as a table (n, S): `values` on the model's scale, 0 where `seen` is 0."""

    values: Floats
    seen: Floats

    def without(self, person: int) -> "Table":
        return Table(np.delete(self.values, person, axis=0), np.delete(self.seen, person, axis=0))


@dataclass(frozen=True, slots=True)
class Fit:
    """Mean (2,) and covariance (2, 2) of start and slope, variance of the residual, ratio of the wander."""

    mean: Floats
    covariance: Floats
    residual: float
    wander: float
    log_likelihood: float = -np.inf


def table_of(persons: Sequence[Person], scale: Scale) -> Table:
    """All sessions from 0 to the last that anybody has."""
    width = max(int(person.sessions[-1]) for person in persons) + 1
    values, seen = np.zeros((len(persons), width)), np.zeros((len(persons), width))
    for row, person in enumerate(persons):
        values[row, person.sessions] = scale.to_model(person.values)
        seen[row, person.sessions] = 1.0
    return Table(values, seen)


def fit(table: Table, begin: Fit | None = None, rounds: int = ROUNDS, wanders: Sequence[float] = WANDERS) -> Fit:
    """The likeliest population; `begin`: where to start from."""
    fits = [_fitted(table, _begin(table, begin, wander), rounds) for wander in wanders]
    return max(fits, key=lambda each: each.log_likelihood)


def prior_of(found: Fit, base: GrowthPrior) -> GrowthPrior:
    """The fit as a prior; what was not fitted is that of `base`."""
    sds = np.sqrt(np.diag(found.covariance))
    residual = max(found.residual, _LEAST_SD**2) ** 0.5
    fitted = {
        "start_mean": found.mean[0],
        "start_sd": max(sds[0], _LEAST_SD),
        "slope_mean": found.mean[1],
        "slope_sd": max(sds[1], _LEAST_SD),
        "correlation": np.clip(found.covariance[0, 1] / max(sds[0] * sds[1], _LEAST_SD**2), -0.95, 0.95),
        "residual_sd": residual,
        "wander_sd": residual * found.wander**0.5,
    }
    return msgspec.structs.replace(base, **{name: round(float(value), _DIGITS) for name, value in fitted.items()})


def _begin(table: Table, begin: Fit | None, wander: float) -> Fit:
    if begin is not None:
        return Fit(begin.mean, begin.covariance, begin.residual, wander)
    first = table.values[:, 0][table.seen[:, 0] > 0]
    spread = float(first.var()) + 0.1
    return Fit(np.array([float(first.mean()), 0.0]), np.diag([spread, spread / 4.0]), spread / 4.0, wander)


def _fitted(table: Table, now: Fit, rounds: int) -> Fit:
    width = table.values.shape[1]
    rows = np.stack([np.ones(width), np.log1p(np.arange(width))], axis=1)
    design = rows[None] * table.seen[:, :, None]
    shape = _noise_shape(table, now.wander)
    inverse: Floats = np.linalg.inv(shape).astype(np.float64)
    information = np.einsum("nsi,nst,ntj->nij", design, inverse, design, optimize=True)
    for _ in range(rounds):
        now = _round(table, design, shape, inverse, information, now)
    return now


def _noise_shape(table: Table, wander: float) -> Floats:
    """Covariance of the noise in units of the residual's variance (n, S, S); an unseen rating stands alone."""
    at = np.arange(table.values.shape[1], dtype=np.float64)
    shape = np.eye(len(at)) + wander * np.minimum(at[:, None], at[None, :])
    both = table.seen[:, :, None] * table.seen[:, None, :]
    return shape[None] * both + np.eye(len(at))[None] * (1.0 - table.seen)[:, :, None]


def _round(table: Table, design: Floats, shape: Floats, inverse: Floats, information: Floats, now: Fit) -> Fit:
    """One step of expectation and maximisation; the likelihood is that of the step's beginning."""
    across = np.einsum("nsi,ij->nsj", design, now.covariance)
    variance = np.einsum("nsi,nti->nst", across, design) + now.residual * shape
    surprise = table.values - design @ now.mean
    both = np.linalg.solve(variance, np.concatenate([surprise[:, :, None], across], axis=2))
    solved, gain = both[:, :, 0], both[:, :, 1:]
    states = now.mean + np.einsum("nsi,ns->ni", across, solved)
    covariances = now.covariance - np.einsum("nsi,nsj->nij", across, gain)
    left = table.values - np.einsum("nsi,ni->ns", design, states)
    squares = float((left * (inverse @ left[:, :, None])[:, :, 0]).sum()) + float((information * covariances).sum())
    _, log_determinants = np.linalg.slogdet(variance)
    # An unseen rating has the variance `residual` of its own: taken out of the likelihood again.
    unseen = float((1.0 - table.seen).sum()) * float(np.log(now.residual))
    likelihood = -0.5 * (float(log_determinants.sum()) - unseen + float((surprise * solved).sum()))
    mean = states.mean(axis=0)
    off = states - mean
    covariance = (covariances + off[:, :, None] * off[:, None, :]).mean(axis=0)
    # Rounding makes it lopsided, and the next rounds would make more of it.
    covariance = (covariance + covariance.T) / 2.0
    return Fit(mean, covariance, squares / float(table.seen.sum()), now.wander, likelihood)
