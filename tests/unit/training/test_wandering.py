"""Wandering sessions: excursions of any form on either side of the window's edges, for training alone."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from emdr_stream.simulation import Parameters, SimulatedSession, draw_person, simulate_session
from emdr_stream.simulation.labels import EventKind
from emdr_stream.simulation.scenario import Casting, plain_course
from training.config import load_config
from training.dataset import TRAINING, VALIDATION, cohort_session
from training.wandering import WANDERING, excursion


@pytest.fixture(scope="module")
def sessions() -> list[SimulatedSession]:
    return [simulate_session(np.random.default_rng([5, seed]), WANDERING, duration_s=360.0) for seed in range(60)]


def test_excursions_leave_the_window_over_each_edge_and_some_stay_inside(sessions: list[SimulatedSession]) -> None:
    kinds = Counter(event.kind for session in sessions for event in session.crises)
    assert set(kinds) >= {EventKind.HYPER, EventKind.HYPO, EventKind.DISSOCIATION} and min(kinds.values()) >= 5
    assert 10 <= sum(not session.crises for session in sessions) <= 50


def test_they_come_in_sets_and_between_them(sessions: list[SimulatedSession]) -> None:
    inside = [
        any(start <= event.onset_s * 1_000 < end for start, end in session.sets)
        for session in sessions
        for event in session.crises
    ]
    assert 0.2 < float(np.mean(inside)) < 0.9


def test_an_excursion_starts_and_ends_at_rest_and_reaches_its_height_once_scaled() -> None:
    parameters = Parameters()
    for seed in range(40):
        rng = np.random.default_rng([9, seed])
        cast = Casting(rng, draw_person(rng, "p", parameters), parameters)
        scenario = plain_course(cast, 400.0)
        shape = excursion(cast, scenario)
        assert shape.max() == pytest.approx(1.0) and shape.min() >= 0.0
        assert (shape[scenario.time_s < scenario.first_set_s] == 0.0).all()


def test_the_share_decides_and_leaves_every_other_session_as_it_was() -> None:
    cohort = load_config().cohort
    none = [cohort_session(replace(cohort, wandering_share=0.0), 4, TRAINING, index) for index in range(30)]
    some = [cohort_session(replace(cohort, wandering_share=0.4), 4, TRAINING, index) for index in range(30)]
    wandering = [session.family == "wandering" for session in some]
    assert 4 <= sum(wandering) <= 20
    for one, other, replaced in zip(none, some, wandering, strict=True):
        assert replaced or (one.family == other.family and np.array_equal(one.values, other.values, equal_nan=True))


def test_validation_knows_no_wandering() -> None:
    cohort = replace(load_config().cohort, wandering_share=1.0)
    assert all(cohort_session(cohort, 4, VALIDATION, index).family != "wandering" for index in range(5))
