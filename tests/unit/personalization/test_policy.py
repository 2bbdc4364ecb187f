"""From beliefs to probabilities: bounded, never of what the mask refuses, and never of what may well be worse."""

import numpy as np
import pytest

from emdr_stream.personalization.arms import INDEX, N_ARMS, Arm, hard_mask, reached, reference_arm
from emdr_stream.personalization.belief import Belief
from emdr_stream.personalization.features import N_ACTION, N_FEATURES, action_rows
from emdr_stream.personalization.policy import Rules, best_shares, chosen, conservative, propensities
from tests.unit.personalization.points import drawn_points

RULES = Rules()


def belief(mean: float, spread: float, n: int = 1) -> Belief:
    """Speed alone does something: `mean` a 0.2 Hz."""
    means = np.zeros((n, N_FEATURES))
    means[:, 0] = mean
    return Belief(means, np.broadcast_to(np.eye(N_FEATURES) * spread**2, (n, N_FEATURES, N_FEATURES)).copy())


def speeds() -> np.ndarray:
    """Three arms: none, 0.2 Hz faster, 0.2 Hz slower."""
    action = np.zeros((1, 3, N_ACTION))
    action[0, 1, 0], action[0, 2, 0] = 1.0, -1.0
    return action


def test_probabilities_stay_within_their_bounds_and_off_the_mask_at_ten_thousand_points() -> None:
    rng = np.random.default_rng(1)
    points = drawn_points(rng, 10_000)
    mask = hard_mask(points, reached(points))
    reference = reference_arm(mask)
    shares = np.where(mask, rng.dirichlet(np.full(N_ARMS, 0.3), 10_000), 0.0)
    found = propensities(shares, mask, reference, RULES)
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert not found[~mask].any()
    several = (found > 0.0).sum(axis=1) > 1
    assert found[several].max() <= RULES.most + 1e-12
    positive = found[several]
    assert positive[positive > 0.0].min() >= RULES.least - 1e-12
    assert (found[~several].max(axis=1) == 1.0).all()
    there = np.flatnonzero(reference >= 0)
    assert (found[there, reference[there]] > 0.0).all()


def test_an_arm_is_drawn_as_often_as_its_probability_says() -> None:
    probability = np.array([0.1, 0.0, 0.8, 0.1])
    drawn = chosen(np.broadcast_to(probability, (40_000, 4)), np.random.default_rng(2).random(40_000))
    assert np.bincount(drawn, minlength=4) / 40_000 == pytest.approx(probability, abs=0.006)


def test_no_uniform_draws_an_arm_without_probability() -> None:
    probability = np.array([[0.0, 0.3, 0.7, 0.0]] * 3)
    assert chosen(probability, np.array([0.0, 0.3, np.nextafter(1.0, 0.0)])).tolist() == [1, 2, 2]


def test_an_arm_is_best_as_often_as_the_normal_distribution_says() -> None:
    draws = np.random.default_rng(3).standard_normal((40_000, N_ACTION + 3))
    shares = best_shares(belief(0.5, 1.0), speeds(), np.array([[False, True, True]]), draws)[0]
    # P(s > -s) for s ~ N(0.5, 1) is Phi(0.5).
    assert shares[1] == pytest.approx(0.6915, abs=0.008)
    assert shares[0] == 0.0


def test_arms_that_are_alike_share() -> None:
    draws = np.random.default_rng(3).standard_normal((10_000, N_ACTION + 3))
    shares = best_shares(belief(0.0, 1.0), np.zeros((1, 3, N_ACTION)), np.ones((1, 3), bool), draws)[0]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize(
    ("benefit", "leaving", "kept"),
    [
        (belief(0.0, 0.1), belief(0.0, 0.001), [True, True, True]),
        (belief(-0.5, 0.1), belief(0.0, 0.001), [True, False, True]),
        (belief(0.0, 1.0), belief(0.0, 0.001), [True, False, False]),
        (belief(1.0, 0.1), belief(0.05, 0.001), [True, False, False]),
        (belief(0.0, 0.1), belief(0.05, 0.001), [True, False, True]),
    ],
    ids=["alike", "probably worse", "unknown", "good but leaves the window", "no better and leaves the window"],
)
def test_what_may_be_worse_than_the_therapists_setting_is_left_out(
    benefit: Belief, leaving: Belief, kept: list[bool]
) -> None:
    mask = np.ones((1, 3), dtype=bool)
    found = conservative(benefit, leaving, speeds(), mask, np.array([0]), RULES)
    assert found[0].tolist() == kept


def test_where_only_gentler_things_are_left_none_of_them_is_left_out() -> None:
    mask = np.array([[False, False, True]])
    found = conservative(belief(5.0, 3.0), belief(0.0, 1.0), speeds(), mask, np.array([-1]), RULES)
    assert found.tolist() == mask.tolist()


def test_rules_that_cannot_be_kept_are_refused() -> None:
    for broken in ({"listed": 1}, {"least": 0.3}, {"least": 0.1, "most": 0.95}):
        with pytest.raises(ValueError, match="list"):
            Rules(**broken)


def test_the_reference_has_a_probability_even_when_it_is_never_the_best() -> None:
    points = drawn_points(np.random.default_rng(5), 500)
    found = reached(points)
    mask = hard_mask(points, found)
    reference = reference_arm(mask)
    action = action_rows(found, points.reference, np.zeros(500))
    draws = np.random.default_rng(6).standard_normal((64, N_ACTION + N_ARMS))
    allowed = conservative(belief(0.2, 0.05, 500), belief(0.0, 0.001, 500), action, mask, reference, RULES)
    shares = best_shares(belief(0.2, 0.05, 500), action, allowed, draws)
    probability = propensities(shares, allowed, reference, RULES)
    free = np.flatnonzero(reference >= 0)
    assert (probability[free, reference[free]] >= RULES.least - 1e-12).all()
    assert not probability[:, INDEX[Arm.PAUSE]][free].any()
