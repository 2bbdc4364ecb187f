"""Differences and slopes with their intervals: worked by hand on small series, and by how often they hold the truth."""

import numpy as np
import pytest

from emdr_stream.analytics.estimates import MOST_VALUES, Sure, shift, slope


def test_a_difference_is_the_median_of_all_differences() -> None:
    # 5-1, 5-2, 5-3, 9-1, 9-2, 9-3 sorted: 2 3 4 6 7 8
    told = shift([1, 2, 3], [5, 9])
    assert (told.value, told.before, told.after) == (5.0, 2.0, 7.0)
    assert (told.n_before, told.n_after) == (3, 2)


def test_too_few_values_have_no_interval_and_say_so() -> None:
    for before, after in (([], []), ([1.0], [2.0]), ([1, 2, 3], [7, 8, 9]), ([1, 2], list(range(7, 27)))):
        told = shift(before, after)
        assert (told.low, told.high, told.sure) == (None, None, Sure.NOT_ENOUGH)
    for n in range(5):
        assert slope(list(range(n)), list(range(n))).sure is Sure.NOT_ENOUGH


def test_four_against_four_is_enough_to_be_likely_and_never_clear() -> None:
    told = shift([1, 2, 3, 4], [11, 12, 13, 14])
    assert (told.value, told.sure) == (10.0, Sure.LIKELY)
    assert told.low is not None and told.high is not None and 7 <= told.low <= 10 <= told.high <= 13


def test_a_great_difference_of_many_is_clear_and_none_is_unclear() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0, 1, 30), rng.normal(3, 1, 30)
    assert shift(list(first), list(second)).sure is Sure.CLEAR
    assert shift([1, 2, 3, 4, 5] * 4, [1, 2, 3, 4, 5] * 4).sure is Sure.UNCLEAR


@pytest.mark.parametrize("sizes", [(4, 4), (8, 4), (20, 15)])
def test_the_interval_of_a_difference_holds_the_truth_nine_times_in_ten(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(1_000):
        # Skewed, as durations and counts are.
        told = shift(list(rng.exponential(2, sizes[0])), list(rng.exponential(2, sizes[1]) + 1))
        assert told.low is not None and told.high is not None
        held += told.low <= 1 <= told.high
    assert 870 <= held <= 960


def test_clear_is_said_by_chance_less_than_twice_in_a_hundred() -> None:
    rng = np.random.default_rng(8)
    false = sum(shift(list(rng.normal(0, 1, 12)), list(rng.normal(0, 1, 12))).sure is Sure.CLEAR for _ in range(2_000))
    assert false <= 40


def test_a_slope_is_the_median_of_all_slopes_and_one_wild_value_does_not_turn_it() -> None:
    told = slope([0, 1, 2, 3, 4, 5, 6], [0, 2, 4, 60, 8, 10, 12])
    assert told.value == pytest.approx(2.0)
    assert told.sure in (Sure.LIKELY, Sure.CLEAR)


def test_the_interval_of_a_slope_holds_the_truth_nine_times_in_ten() -> None:
    rng = np.random.default_rng(9)
    held = 0
    for _ in range(1_000):
        told = slope(list(range(10)), list(0.5 * np.arange(10) + rng.normal(0, 1, 10)))
        assert told.low is not None and told.high is not None
        held += told.low <= 0.5 <= told.high
    assert 870 <= held <= 960


def test_values_at_one_place_have_no_slope_between_them() -> None:
    assert slope([1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6]).value is None
    with pytest.raises(ValueError, match="its place"):
        slope([1, 2], [1])


def test_of_very_many_values_some_stand_for_all() -> None:
    told = shift(list(np.arange(50_000.0)), list(np.arange(50_000.0) + 5_000))
    assert told.value == pytest.approx(5_000, rel=0.05)
    assert told.n_before == 50_000 > MOST_VALUES


def test_of_many_values_all_are_counted_though_fewer_are_paired() -> None:
    # A slope over 366 days was told to rest on 200 of them, a difference on all.
    values = [float(day % 7) for day in range(366)]
    told = slope([float(day) for day in range(366)], values)
    assert (told.n_before, told.n_after) == (183, 183)
    assert (shift(values, values[:300]).n_before, shift(values, values[:300]).n_after) == (366, 300)
