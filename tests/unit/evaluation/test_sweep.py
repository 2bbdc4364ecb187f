"""The sensitivity at a fixed cost: which seconds make an alarm, what a threshold buys, and what nobody can buy."""

from dataclasses import replace

import numpy as np
import pytest

from emdr_stream.evaluation.course import Course
from emdr_stream.evaluation.sweep import RATES, alarms_at, sweep
from tests.unit.evaluation.courses import course, event


def said(of: Course, *spells: tuple[int, int, float]) -> Course:
    """The same course with these probabilities over these seconds, 0 elsewhere."""
    crisis = np.zeros(len(of.watched.crisis))
    for start, end, level in spells:
        crisis[start:end] = level
    return replace(of, watched=replace(of.watched, crisis=crisis))


def test_three_seconds_in_a_row_make_an_alarm_and_a_gap_begins_anew() -> None:
    crisis = np.array([0.9, 0.9, np.nan, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.0])
    assert alarms_at(crisis, 0.5) == [9_000]


def test_what_stays_high_alarms_once_a_minute() -> None:
    assert alarms_at(np.full(130, 0.9), 0.5) == [3_000, 63_000, 123_000]


def test_a_detector_that_ranks_rightly_finds_all_without_a_false_alarm() -> None:
    found = sweep([said(course([event(200, 220)]), (200, 220, 0.9), (400, 420, 0.3)) for _ in range(6)])
    assert [at.sensitivity for at in found.at] == [1.0] * len(RATES)
    assert found.partial_area == pytest.approx(1.0)


def test_what_ranks_wrongly_costs_what_it_costs() -> None:
    """Each of 6 sessions of ten minutes has a higher peak outside its event: 6 false alarms an hour."""
    found = sweep([said(course([event(200, 220)]), (200, 220, 0.5), (400, 420, 0.8)) for _ in range(6)])
    assert [at.sensitivity for at in found.at] == [0.0] * len(RATES)
    assert found.partial_area == 0.0


def test_half_of_the_events_may_be_had_for_less_than_all_of_them() -> None:
    clear = [said(course([event(200, 220)]), (200, 220, 0.9)) for _ in range(3)]
    costly = [said(course([event(200, 220)]), (200, 220, 0.5), (400, 420, 0.6)) for _ in range(3)]
    found = sweep([*clear, *costly])
    assert [at.sensitivity for at in found.at] == [0.5, 0.5, 1.0]
    assert found.partial_area == pytest.approx(0.5)


def test_without_an_event_nothing_is_measurable() -> None:
    found = sweep([course()])
    assert found.partial_area is None and all(at.sensitivity is None for at in found.at)
