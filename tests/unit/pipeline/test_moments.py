"""Moments equal what the definition gives, whatever the order and the gaps."""

from math import exp, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdr_stream.domain import N_SIGNALS
from emdr_stream.pipeline.moments import CLOCK, COLUMNS, N_MOMENTS, ROWS, TICK_S, WINDOWS_S, Moments

Sample = tuple[int, tuple[float, ...], float]


def directly(samples: list[Sample], now: int) -> np.ndarray:
    """Weighted sums by the definition: sum of weight * exp(-age / (T/2)) * (m, x, x^2)."""
    sums = np.zeros((ROWS, COLUMNS))
    for tick, values, weight in samples:
        for window, length in enumerate(WINDOWS_S):
            w = weight * exp(-2.0 * (now - tick) * TICK_S / length)
            for i, value in enumerate(values):
                if value == value:
                    sums[window * N_MOMENTS : (window + 1) * N_MOMENTS, i] += w * np.array([1.0, value, value**2])
    return sums


LATE = st.sampled_from([0, 0, 0, 1, 30, 200])
VALUES = st.lists(st.one_of(st.just(nan), st.floats(-1.0, 1.0)), min_size=N_SIGNALS, max_size=N_SIGNALS).map(tuple)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(1, 400), VALUES, st.floats(0.01, 0.5)), min_size=1, max_size=6), st.data())
def test_sums_equal_the_definition_in_any_order(steps: list[Sample], data: st.DataObject) -> None:
    moments, tick = Moments(), 0
    taken: list[Sample] = []
    for gap, values, weight in steps:
        tick += gap
        late = data.draw(LATE) if taken else 0
        if late:
            tick -= gap
            moments.add_late(late, values, weight)
            taken.append((tick - late, values, weight))
        else:
            moments.add(tick, values, weight, gap * TICK_S)
            taken.append((tick, values, weight))
    moments.pass_time(tick + 150)
    expected = directly(taken, tick + 150)
    np.testing.assert_allclose(moments.sums[:, :CLOCK], expected[:, :CLOCK], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("gap", [1, 199, 200, 201, 5_000])
def test_a_gap_ages_by_its_length_tabled_or_not(gap: int) -> None:
    moments = Moments()
    values = (0.5,) * N_SIGNALS
    moments.add(0, values, 0.1, 0.1)
    moments.add(gap, values, 0.1, gap * TICK_S)
    expected = directly([(0, values, 0.1), (gap, values, 0.1)], gap)
    np.testing.assert_allclose(moments.sums[:, :CLOCK], expected[:, :CLOCK], rtol=1e-12)


HOLES = st.sampled_from([(), (), (N_SIGNALS - 1,), (N_SIGNALS - 1,), (0,), (3, N_SIGNALS - 1), tuple(range(N_SIGNALS))])


@given(st.lists(st.tuples(st.sampled_from([10, 10, 10, 30]), HOLES), min_size=2, max_size=12))
def test_what_is_missing_now_and_then_weighs_nothing_and_costs_the_next_sample_nothing(
    steps: list[tuple[int, tuple[int, ...]]],
) -> None:
    """A stream as clients send it: each sample stands for the time since the one before, most signals are there."""
    moments, tick = Moments(), 0
    taken: list[Sample] = []
    clock = 0.0
    for number, (gap, holes) in enumerate(steps):
        tick += gap if number else 0
        weight = gap * TICK_S
        values = tuple(nan if i in holes else 0.01 * (number + i) for i in range(N_SIGNALS))
        moments.add(tick, values, weight, weight)
        taken.append((tick, values, weight))
        clock = clock * exp(-2.0 * weight) + weight if number else weight
    np.testing.assert_allclose(moments.sums[:, :CLOCK], directly(taken, tick)[:, :CLOCK], rtol=1e-9, atol=1e-12)
    assert moments.sums[0, CLOCK] == pytest.approx(clock)


def test_what_is_kept_behind_the_sums_is_there_after_every_sample() -> None:
    moments = Moments(room=3)
    moments.keep_behind(1, np.array([7.0, 8.0]))
    for tick in range(3):
        moments.add(tick, (0.5,) * N_SIGNALS, 0.1, 0.1)
        assert moments.row[-3:].tolist() == [0.0, 7.0, 8.0]
        assert (moments.row[: ROWS * COLUMNS] == moments.sums.reshape(-1)).all()


def test_a_silent_signal_is_absent_after_a_second_and_a_half() -> None:
    moments = Moments()
    for tick in range(0, 300, 10):
        moments.add(tick, (0.5,) * N_SIGNALS, 0.1, 0.1)
    seen = []
    for tick in range(300, 500, 10):
        moments.pass_time(tick)
        seen.append(moments.present_values()[0])
    assert seen[:12] == pytest.approx([0.5] * 12), "a blink of the camera changes nothing"
    assert all(value != value for value in seen[16:])


def test_one_missing_signal_leaves_the_others_alone() -> None:
    moments = Moments()
    for tick in range(10):
        moments.add(tick, (nan, *[0.5] * (N_SIGNALS - 1)), 0.1, 0.1)
    present = moments.present_values()
    assert present[0] != present[0] and present[1:] == pytest.approx([0.5] * (N_SIGNALS - 1))


def test_nothing_seen_is_nothing_present() -> None:
    assert all(value != value for value in Moments().present_values())


def test_time_does_not_go_back() -> None:
    moments = Moments()
    moments.add(100, (0.5,) * N_SIGNALS, 0.1, 0.1)
    before = moments.sums.copy()
    moments.pass_time(50)
    assert moments.tick == 100 and (moments.sums == before).all()


def test_a_restored_session_goes_on_to_the_bit() -> None:
    one, other = Moments(), Moments()
    for tick in range(0, 100, 7):
        one.add(tick, (0.1 * tick,) * N_SIGNALS, 0.07, 0.07)
    other.restore(np.frombuffer(one.sums.tobytes()).reshape(ROWS, COLUMNS), one.tick)
    for moments in (one, other):
        moments.add(120, (0.3,) * N_SIGNALS, 0.1, 0.1)
    assert one.sums.tobytes() == other.sums.tobytes()
