"""Estimates between a person and people: closed forms by hand, coverage by simulation."""

import numpy as np
import pytest

from emdr_stream.personalization.shrinkage import (
    MeanPrior,
    RatePrior,
    mean_prior_of,
    rate_prior_of,
    shrunk_mean,
    shrunk_rate,
)

MEAN = MeanPrior(mean=2.0, between=1.0, within=2.0, source="a test")
RATE = RatePrior(shape=1.5, exposure=3.0, source="a test")


def test_a_mean_lies_between_the_persons_own_and_that_of_people() -> None:
    # Precision 4 / 4 + 1 = 2; (4 * 6 / 4 + 2) / 2 = 4.
    found = shrunk_mean([5.0, 6.0, 6.0, 7.0], MEAN)
    assert found.value == pytest.approx(4.0)
    assert found.high - found.value == pytest.approx(1.6449 * 0.5**0.5, abs=1e-3)
    assert found.observations == 4


def test_without_an_observation_it_is_that_of_people_with_all_their_spread() -> None:
    found = shrunk_mean([], MEAN)
    assert (found.value, found.observations) == (2.0, 0)
    assert found.high - found.low == pytest.approx(2 * 1.6449, abs=1e-3)
    assert shrunk_rate(0, 0.0, RATE, 0).value == pytest.approx(0.5)


def test_a_rate_lies_between_the_persons_own_and_that_of_people() -> None:
    assert shrunk_rate(6, 2.0, RATE, 6).value == pytest.approx(7.5 / 5.0)


def test_nine_of_ten_means_lie_in_their_intervals() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(4_000):
        truth = rng.normal(2.0, 1.0)
        found = shrunk_mean(rng.normal(truth, 2.0, int(rng.integers(0, 12))).tolist(), MEAN)
        inside += found.low <= truth <= found.high
    assert inside / 4_000 == pytest.approx(0.90, abs=0.015)


def test_nine_of_ten_rates_lie_in_their_intervals() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(4_000):
        truth, hours = rng.gamma(1.5, 1.0 / 3.0), float(rng.uniform(0.5, 12.0))
        found = shrunk_rate(int(rng.poisson(truth * hours)), hours, RATE, 1)
        inside += found.low <= truth <= found.high
    assert inside / 4_000 == pytest.approx(0.90, abs=0.02)


def test_people_are_found_again_from_many_of_them() -> None:
    rng = np.random.default_rng(3)
    groups = [rng.normal(rng.normal(2.0, 1.0), 2.0, 30).tolist() for _ in range(400)]
    found = mean_prior_of(groups, MeanPrior(mean=0.0, between=1.0, within=1.0, source="stated"))
    assert found.mean == pytest.approx(2.0, abs=0.15)
    assert found.between == pytest.approx(1.0, abs=0.1)
    assert found.within == pytest.approx(2.0, abs=0.05)
    truths, hours = rng.gamma(1.5, 1.0 / 3.0, 800), rng.uniform(5.0, 20.0, 800)
    rate = rate_prior_of(rng.poisson(truths * hours).tolist(), hours.tolist(), RATE)
    assert rate.shape / rate.exposure == pytest.approx(0.5, abs=0.04)
    assert rate.shape == pytest.approx(1.5, abs=0.35)


def test_a_handful_of_others_leaves_what_is_stated() -> None:
    assert mean_prior_of([[1.0, 2.0]] * 4, MEAN) is MEAN
    assert rate_prior_of([1, 2], [1.0, 1.0], RATE) is RATE
    assert rate_prior_of([0] * 9, [1.0] * 9, RATE) is RATE


def test_others_who_happen_to_be_alike_do_not_silence_the_next_person() -> None:
    found = mean_prior_of([[1.0, 3.0]] * 10, MEAN)
    assert found.between == pytest.approx(0.25)
