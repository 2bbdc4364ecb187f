"""In: rows of features and what came of them, client by client. Out: each one's effects, and how surely they are known.

Bayesian linear regression with effects of the client's own: y = x'(t + b_i) + e, t ~ N(m, P) shared by all clients,
b_i ~ N(0, B) the client's own, e ~ N(0, s²). With A_i = X_i'X_i / s² and c_i = X_i'y_i / s² (Gelman et al., Bayesian
Data Analysis, ch. 14 and 15; pooling for bandits: IntelligentPooling, doi 10.1007/s10994-021-05995-8):

    client, given the prior:  precision (P + B)^-1 + A_i,   mean by (P + B)^-1 m + c_i
    population, b_i taken out: precision P^-1 + sum_i [A_i - A_i (A_i + B^-1)^-1 A_i],
                               mean by P^-1 m + sum_i [c_i - A_i (A_i + B^-1)^-1 c_i]
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdr_stream.personalization.setting import Floats


@dataclass(frozen=True, slots=True)
class Prior:
    """`mean` (D,) and `population` (D, D) of the shared effects, or (N, D) and (N, D, D) where each client has others
    behind them; `between` (D, D) of the clients' own effects, `noise` the SD of one outcome."""

    mean: Floats
    population: Floats
    between: Floats
    noise: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What N clients have shown: `precision` (N, D, D) and `weighted` (N, D), and `rows` (N,) they come from."""

    precision: Floats
    weighted: Floats
    rows: Floats


@dataclass(frozen=True, slots=True)
class Belief:
    """`mean` (N, D) and `covariance` (N, D, D) of each client's effects."""

    mean: Floats
    covariance: Floats

    def of_rows(self, rows: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (N, K) of what rows (N, K, D) are expected to bring, without the noise."""
        mean = np.einsum("nkd,nd->nk", rows, self.mean)
        variance = np.einsum("nkd,nde,nke->nk", rows, self.covariance, rows, optimize=True)
        return mean, np.sqrt(np.maximum(variance, 0.0))


def no_evidence(clients: int, features: int) -> Evidence:
    return Evidence(np.zeros((clients, features, features)), np.zeros((clients, features)), np.zeros(clients))


def with_outcomes(evidence: Evidence, rows: Floats, outcomes: Floats, noise: float) -> Evidence:
    """One more outcome of each client: rows (N, D), outcomes (N,); a NaN outcome tells nothing."""
    known = np.isfinite(outcomes)
    used = np.where(known[:, None], rows, 0.0)
    told = np.where(known, outcomes, 0.0)
    weight = 1.0 / noise**2
    return Evidence(
        evidence.precision + weight * used[:, :, None] * used[:, None, :],
        evidence.weighted + weight * used * told[:, None],
        evidence.rows + known,
    )


def evidence_of(rows: Floats, outcomes: Floats, noise: float) -> Evidence:
    """All outcomes of one client at once: rows (T, D), outcomes (T,)."""
    known = np.isfinite(outcomes)
    used, told = rows[known], outcomes[known]
    weight = 1.0 / noise**2
    return Evidence((weight * used.T @ used)[None], (weight * used.T @ told)[None], np.array([float(known.sum())]))


def belief_of(prior: Prior, evidence: Evidence) -> Belief:
    """What is known of each client."""
    before = np.linalg.inv(prior.population + prior.between)
    covariance = _symmetric(np.linalg.inv(before + evidence.precision))
    told = np.einsum("...de,...e->...d", before, prior.mean) + evidence.weighted
    return Belief(np.einsum("nde,ne->nd", covariance, told), covariance)


def pooled(prior: Prior, others: Evidence) -> Prior:
    """The prior for a client of whom nothing is known, after others have been seen; `others` holds a row a client."""
    shared, told = _shared(prior, others)
    return _narrowed(prior, shared.sum(axis=0), told.sum(axis=0))


def pooled_without_own(prior: Prior, evidence: Evidence) -> Prior:
    """For each of N clients what `pooled` gives for the N - 1 others: no set is counted twice."""
    shared, told = _shared(prior, evidence)
    return _narrowed(prior, shared.sum(axis=0) - shared, told.sum(axis=0) - told)


def _shared(prior: Prior, evidence: Evidence) -> tuple[Floats, Floats]:
    """What each client says of the effects that all share (N, D, D), (N, D): their own are taken out."""
    of_all = evidence.precision + np.linalg.inv(prior.between)
    shared = evidence.precision - evidence.precision @ np.linalg.solve(of_all, evidence.precision)
    own = np.linalg.solve(of_all, evidence.weighted[:, :, None])[:, :, 0]
    told = evidence.weighted - np.einsum("nde,ne->nd", evidence.precision, own)
    return _symmetric(shared), told


def _narrowed(prior: Prior, shared: Floats, told: Floats) -> Prior:
    before = np.linalg.inv(prior.population)
    population = _symmetric(np.linalg.inv(before + shared))
    mean = np.einsum("...de,...e->...d", population, before @ prior.mean + told)
    return replace(prior, mean=mean, population=population)


def _symmetric(matrix: NDArray[np.floating[Any]]) -> Floats:
    """Rounding makes inverses a little lopsided; a covariance is not."""
    return np.asarray(0.5 * (matrix + np.swapaxes(matrix, -1, -2)), dtype=np.float64)
