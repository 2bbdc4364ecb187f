"""The filter against sums done by hand, and its laws: shifts, widths, order of the hypotheses."""

from itertools import pairwise
from math import e, log, log1p, pi

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.progress.growth import MOST_HYPOTHESES, before, belief_of, jump_chances, moved, rated
from emdr_stream.progress.prior import GrowthPrior

PLAIN = GrowthPrior(start_mean=0.0, start_sd=1.0, slope_mean=0.0, slope_sd=1.0, residual_sd=1.0, outlier_share=0.0)
FULL = GrowthPrior(
    start_mean=50.0,
    start_sd=12.0,
    slope_mean=-11.0,
    slope_sd=8.0,
    residual_sd=6.0,
    jump_chance=0.06,
    jump_mean=-12.0,
    jump_sd=5.0,
    wander_sd=1.0,
)
COURSES = st.lists(st.tuples(st.integers(1, 5), st.floats(0.0, 80.0)), min_size=1, max_size=7)


def _elapsed(course: list[tuple[int, float]]) -> list[float]:
    return [float(at) for at in np.cumsum([0, *(gap for gap, _ in course[1:])])]


def test_two_ratings_give_the_posterior_that_is_worked_out_by_hand() -> None:
    # First: start 2 * 1/(1+1) = 1, variance 1/2. Second, where log(1 + t) = 1: level 1 + 0, variance 0.5 + 1 + 1 = 2.5;
    # surprise 3 - 1 = 2, gain (0.5, 1) / 2.5 = (0.2, 0.4).
    belief = belief_of(PLAIN, [0.0, e - 1.0], [2.0, 3.0])
    np.testing.assert_allclose(belief.means, [[1.4, 0.8]], atol=1e-12)
    np.testing.assert_allclose(belief.covariances, [[[0.4, -0.2], [-0.2, 0.6]]], atol=1e-12)
    evidence = -0.5 * (log(2 * pi * 2.0) + 4.0 / 2.0) - 0.5 * (log(2 * pi * 2.5) + 4.0 / 2.5)
    assert belief.log_likelihood == pytest.approx(evidence, abs=1e-12)


def test_the_filter_agrees_with_the_conjugate_regression_in_one_step() -> None:
    elapsed, values = [0.0, 1.0, 4.0, 9.0], np.array([50.0, 47.0, 30.0, 33.0])
    prior = msgspec.structs.replace(FULL, outlier_share=0.0, jump_chance=0.0, wander_sd=0.0, correlation=-0.3)
    design = np.array([[1.0, log1p(at)] for at in elapsed])
    begin = before(prior)
    precision = np.linalg.inv(begin.covariances[0])
    after = np.linalg.inv(precision + design.T @ design / 36.0)
    mean = after @ (precision @ begin.means[0] + design.T @ values / 36.0)
    belief = belief_of(prior, elapsed, values)
    np.testing.assert_allclose(belief.means[0], mean, rtol=1e-9)
    np.testing.assert_allclose(belief.covariances[0], after, rtol=1e-9, atol=1e-9)


def test_a_jump_is_believed_when_it_is_there_and_not_on_a_smooth_course() -> None:
    smooth = belief_of(FULL, [0, 1, 2, 3, 4], [50.0, 43.0, 38.0, 35.0, 33.0])
    jumped = belief_of(FULL, [0, 1, 2, 3, 4], [50.0, 49.0, 48.0, 24.0, 22.0])
    assert float(smooth.weights @ (smooth.jumps > 0)) < 0.05
    before_last = belief_of(FULL, [0, 1, 2, 3], [50.0, 49.0, 48.0, 24.0])
    assert float(before_last.weights @ (before_last.jumps > 0)) > 0.5
    assert jumped.level(4.0)[0] < 30.0


def test_one_outlier_moves_the_level_less_than_it_would_without_robustness() -> None:
    course = ([0, 1, 2, 3], [50.0, 46.0, 44.0, 75.0])
    frail = msgspec.structs.replace(FULL, outlier_share=0.0, jump_chance=0.0)
    robust = msgspec.structs.replace(FULL, jump_chance=0.0)
    assert belief_of(robust, *course).level(3.0)[0] < belief_of(frail, *course).level(3.0)[0] - 1.0


def test_chances_of_jumps_add_up_and_grow_with_the_gap() -> None:
    assert jump_chances(0.0, 5) == [1.0]
    assert jump_chances(0.06, 1) == pytest.approx([0.94, 0.06])
    for gap in (1, 2, 7, 40):
        assert sum(jump_chances(0.06, gap)) == pytest.approx(1.0)
    assert jump_chances(0.06, 7)[0] < jump_chances(0.06, 2)[0]


@given(COURSES)
def test_without_jumps_and_outliers_another_rating_never_widens_what_is_known_of_the_slope(
    course: list[tuple[int, float]],
) -> None:
    prior = msgspec.structs.replace(FULL, outlier_share=0.0, jump_chance=0.0)
    elapsed, values = _elapsed(course), [value for _, value in course]
    widths = [belief_of(prior, elapsed[:n], values[:n]).slope[1] for n in range(len(values) + 1)]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(widths))


@given(COURSES)
def test_within_each_hypothesis_another_rating_never_widens_what_is_known_of_the_slope(
    course: list[tuple[int, float]],
) -> None:
    belief = before(FULL)
    for at, (_, value) in zip(_elapsed(course), course, strict=True):
        widest = float(belief.covariances[:, 1, 1].max())
        belief = rated(moved(belief, FULL, at), FULL, value)
        assert float(belief.covariances[:, 1, 1].max()) <= widest + 1e-9
        assert len(belief.weights) <= MOST_HYPOTHESES
        assert float(belief.weights.sum()) == pytest.approx(1.0)


@given(COURSES, st.floats(-40.0, 40.0))
def test_shifting_all_values_and_the_population_shifts_the_level_and_leaves_the_slope(
    course: list[tuple[int, float]], shift: float
) -> None:
    elapsed, values = _elapsed(course), np.array([value for _, value in course])
    moved_prior = msgspec.structs.replace(FULL, start_mean=FULL.start_mean + shift)
    here, there = belief_of(FULL, elapsed, values), belief_of(moved_prior, elapsed, values + shift)
    # Hypotheses of next to no weight may be kept here and dropped there, by rounding.
    assert there.level(20.0)[0] == pytest.approx(here.level(20.0)[0] + shift, abs=1e-4)
    assert there.slope == pytest.approx(here.slope, abs=1e-4)


@given(COURSES, st.floats(0.5, 20.0))
def test_worse_values_never_give_a_better_level(course: list[tuple[int, float]], shift: float) -> None:
    prior = msgspec.structs.replace(FULL, outlier_share=0.0, jump_chance=0.0)
    elapsed, values = _elapsed(course), np.array([value for _, value in course])
    last = elapsed[-1]
    assert belief_of(prior, elapsed, values + shift).level(last)[0] > belief_of(prior, elapsed, values).level(last)[0]
