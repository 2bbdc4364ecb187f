"""What is believed of each client's effects: the closed forms against the whole system solved at once."""

import numpy as np
import pytest

from emdr_stream.personalization.belief import (
    Evidence,
    Prior,
    belief_of,
    evidence_of,
    no_evidence,
    pooled,
    pooled_without_own,
    with_outcomes,
)
from emdr_stream.personalization.features import N_FEATURES
from emdr_stream.personalization.prior import benefit_prior, leaving_prior, sources

PRIOR = Prior(np.array([0.5, -0.2]), np.diag([0.3, 0.1]), np.array([[0.2, 0.05], [0.05, 0.4]]), 0.7)


def drawn(clients: int, seed: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(clients):
        rows = rng.standard_normal((int(rng.integers(1, 9)), 2))
        own = rng.multivariate_normal(PRIOR.mean, PRIOR.between)
        found.append((rows, rows @ own + 0.7 * rng.standard_normal(len(rows))))
    return found


def stacked(clients: list[tuple[np.ndarray, np.ndarray]]) -> Evidence:
    each = [evidence_of(rows, told, PRIOR.noise) for rows, told in clients]
    return Evidence(
        *(np.concatenate([getattr(one, name) for one in each]) for name in ("precision", "weighted", "rows"))
    )


def solved_at_once(clients: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Shared effects and each client's own as one Gaussian: mean and covariance of (t, b_1, ..., b_n)."""
    n = len(clients)
    precision = np.zeros((2 + 2 * n, 2 + 2 * n))
    precision[:2, :2] = np.linalg.inv(PRIOR.population)
    told = np.zeros(2 + 2 * n)
    told[:2] = precision[:2, :2] @ PRIOR.mean
    for k, (rows, values) in enumerate(clients):
        at = slice(2 + 2 * k, 4 + 2 * k)
        design = np.zeros((len(rows), 2 + 2 * n))
        design[:, :2] = design[:, at] = rows
        precision[at, at] += np.linalg.inv(PRIOR.between)
        precision += design.T @ design / PRIOR.noise**2
        told += design.T @ values / PRIOR.noise**2
    covariance = np.linalg.inv(precision)
    return covariance @ told, covariance


def test_the_shared_effects_are_those_of_the_whole_system() -> None:
    clients = drawn(7)
    mean, covariance = solved_at_once(clients)
    found = pooled(PRIOR, stacked(clients))
    assert found.mean == pytest.approx(mean[:2], abs=1e-9)
    assert found.population == pytest.approx(covariance[:2, :2], abs=1e-9)


def test_a_client_with_others_behind_them_is_that_of_the_whole_system() -> None:
    clients = drawn(6)
    mean, covariance = solved_at_once(clients)
    evidence = stacked(clients)
    belief = belief_of(pooled_without_own(PRIOR, evidence), evidence)
    for k in range(6):
        at = slice(2 + 2 * k, 4 + 2 * k)
        assert belief.mean[k] == pytest.approx(mean[:2] + mean[at], abs=1e-9)
        own = covariance[:2, :2] + covariance[at, at] + covariance[:2, at] + covariance[at, :2]
        assert belief.covariance[k] == pytest.approx(own, abs=1e-9)


def test_outcome_after_outcome_is_the_same_as_all_at_once() -> None:
    rows, told = drawn(1, seed=8)[0]
    one_by_one = no_evidence(1, 2)
    for row, value in zip(rows, told, strict=True):
        one_by_one = with_outcomes(one_by_one, row[None], np.array([value]), PRIOR.noise)
    together = evidence_of(rows, told, PRIOR.noise)
    assert one_by_one.precision == pytest.approx(together.precision)
    assert one_by_one.weighted == pytest.approx(together.weighted)
    assert one_by_one.rows == together.rows


def test_a_set_that_nobody_rated_tells_nothing() -> None:
    evidence = with_outcomes(no_evidence(1, 2), np.ones((1, 2)), np.array([np.nan]), 1.0)
    assert not evidence.precision.any() and not evidence.weighted.any() and evidence.rows == 0.0


def test_more_sets_never_make_it_less_sure() -> None:
    rng = np.random.default_rng(4)
    evidence, before = no_evidence(1, 2), np.inf
    for _ in range(20):
        evidence = with_outcomes(evidence, rng.standard_normal((1, 2)), rng.standard_normal(1), 1.0)
        now = float(np.trace(belief_of(PRIOR, evidence).covariance[0]))
        assert now < before
        before = now


def test_the_stated_priors_name_a_source_for_each_feature() -> None:
    assert len(sources()) == N_FEATURES
    assert all(source for *_, source in sources())
    for prior in (benefit_prior(), leaving_prior()):
        assert prior.mean.shape == (N_FEATURES,)
        assert np.linalg.eigvalsh(prior.population + prior.between).min() > 0.0
