"""The client's clock: its offset, its drift, its jumps, and what the network adds to it."""

import random

import pytest

from emdr_stream.pipeline.timeline import Timeline

CLOCK = 1_650_000_000_000.0


def test_the_offset_is_that_of_the_least_delayed_sample() -> None:
    chance, timeline, worst = random.Random(5), Timeline(jump_ms=5_000), 0.0
    for made in range(0, 60_000, 100):
        delay = 5 + int(chance.expovariate(1 / 60))
        at = timeline.to_session(CLOCK + made, made + delay)
        if made > 10_000:
            worst = max(worst, abs(at - made))
    assert worst < 30


def test_no_sample_is_in_the_future() -> None:
    chance, timeline, at_ms = random.Random(6), Timeline(jump_ms=5_000), 0
    for _ in range(2_000):
        at_ms += chance.randrange(200)
        assert timeline.to_session(CLOCK + at_ms + chance.gauss(0, 4_000), at_ms) <= at_ms + 1e-3


@pytest.mark.parametrize("drift", [-5e-5, 5e-5])
def test_a_drifting_clock_is_followed(drift: float) -> None:
    timeline, at = Timeline(jump_ms=5_000), 0.0
    for made in range(0, 3_600_000, 100):
        at = timeline.to_session(CLOCK + made * (1 + drift), made)
    assert at == pytest.approx(3_599_900, abs=5)


def test_a_clock_set_forward_is_believed_at_once_and_one_set_back_after_five_samples() -> None:
    timeline = Timeline(jump_ms=5_000)
    timeline.to_session(CLOCK, 0)
    assert timeline.to_session(CLOCK + 3_600_000, 100) == pytest.approx(100)
    ages = [200 + n * 100 - timeline.to_session(CLOCK + n * 100, 200 + n * 100) for n in range(6)]
    assert [age > 1_000_000 for age in ages] == [True, True, True, True, False, False]
    assert timeline.jumps == 2


def test_a_late_burst_stays_late() -> None:
    timeline = Timeline(jump_ms=5_000)
    for made in range(0, 2_000, 100):
        timeline.to_session(CLOCK + made, made)
    ages = [5_000 - timeline.to_session(CLOCK + made, 5_000) for made in range(2_000, 5_000, 100)]
    assert ages == sorted(ages, reverse=True) and ages[0] == pytest.approx(3_000, abs=5)


def test_a_clock_that_stands_still_is_not_believed() -> None:
    timeline = Timeline(jump_ms=5_000)
    ages = [at - timeline.to_session(CLOCK, at) for at in range(0, 60_000, 100)]
    assert ages == sorted(ages) and ages[-1] == pytest.approx(59_900, abs=50)
    assert timeline.jumps == 0


def test_a_clock_that_was_set_back_and_repeats_each_sample_is_believed_all_the_same() -> None:
    timeline = Timeline(jump_ms=5_000)
    timeline.to_session(CLOCK + 3_600_000, 0)
    ages = [at - timeline.to_session(CLOCK + at - at % 200, at) for at in range(100, 2_000, 100)]
    assert ages[0] > 1_000_000 and ages[-1] < 200
