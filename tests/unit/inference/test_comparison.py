"""How two versions are compared: by sessions, with intervals that know how little there is to go on."""

import numpy as np
import pytest

from emdr_stream.inference.comparison import Alarm, Course, Line, compare, compare_groups, lead


def course(number: int, first: tuple[float, ...], second: tuple[float, ...], seconds: float = 3_600.0) -> Course:
    def alarms(times: tuple[float, ...]) -> tuple[Alarm, ...]:
        return tuple(Alarm(at_s, pauses=True) for at_s in times)

    return Course(f"s{number}", seconds, 0.1 * seconds, 0.2 * seconds, 0.9 * seconds, alarms(first), alarms(second))


def line(lines: list[Line], what: str) -> Line:
    (found,) = [each for each in lines if each.what.startswith(what)]
    return found


def test_rates_differences_and_agreement_are_per_hour_and_second() -> None:
    lines = compare([course(n, (100.0,), (90.0, 500.0)) for n in range(10)])
    alarms = line(lines, "alarms")
    assert alarms.first is not None and alarms.second is not None
    assert (alarms.first.value, alarms.second.value, alarms.difference.value) == (1.0, 2.0, 1.0)
    assert line(lines, "mean difference of the risk").difference.value == pytest.approx(0.1)
    assert line(lines, "share of seconds").difference.value == pytest.approx(0.9)
    assert line(lines, "seconds by which").difference.value == pytest.approx(10.0)


def test_an_interval_is_wide_where_one_session_makes_the_difference() -> None:
    lines = compare([course(0, (), tuple(range(100, 1_100, 100))), *(course(n, (), ()) for n in range(1, 6))])
    difference = line(lines, "alarms").difference
    assert difference.low == 0.0 and difference.high > 3.0


def test_no_alarm_in_an_hour_is_no_proof_of_none() -> None:
    none = line(compare([course(0, (), ())]), "pauses").first
    assert none is not None
    assert (none.value, none.low, none.high) == (0.0, 0.0, 3.0)


def test_alarms_close_together_are_one_and_leads_are_of_the_same_occasion() -> None:
    assert lead(course(0, (100.0, 105.0, 110.0), (96.0, 400.0))) == [4.0]
    assert lead(course(0, (100.0,), (200.0,))) == []


def test_a_comparison_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no session"):
        compare([])


def test_the_interval_of_a_difference_holds_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for trial in range(60):
        found = compare_groups(rng.normal(0.0, 1.0, 40).tolist(), rng.normal(0.5, 1.0, 40).tolist(), "x", trial)
        held += found.difference.low <= 0.5 <= found.difference.high
    assert held >= 50  # 57 of 60 expected; 49 or fewer once in 2,000 runs, and the seed is fixed
