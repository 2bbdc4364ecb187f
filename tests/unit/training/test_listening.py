"""Sessions that are listened to late: whose baseline is short, and stands before the crisis."""

from dataclasses import replace

import numpy as np
import pytest

from emdr_stream.simulation import CRISES, Family, Parameters, SimulatedSession, draw_sensor, simulate_session
from training import leaveout
from training.config import load_config
from training.dataset import TRAINING, VALIDATION, SessionTask, tasks_of
from training.headroom.followed import asked_randomised
from training.listening import LEAST_WATCHED_S, LONGEST_S, SHORTEST_S, SOON_S, Listening, listened_late
from training.rows import rows_of
from training.swift import swift_rows

COHORT = replace(load_config().cohort, training_sessions=24, validation_sessions=4)


def of_family(family: Family, seed: int) -> SimulatedSession:
    rng = np.random.default_rng(seed)
    sensor = replace(draw_sensor(rng, Parameters()), disorder_share=0.0, gaps_per_min=0.0, missing_share=0.0)
    return simulate_session(rng, family, sensor=sensor, duration_s=300)


def crises_s(session: SimulatedSession) -> list[float]:
    return [event.onset_s for event in session.events if event.kind in CRISES]


def many(session: SimulatedSession) -> list[Listening]:
    found = (listened_late(np.random.default_rng(seed), session) for seed in range(60))
    return [listening for listening in found if listening is not None]


@pytest.mark.parametrize("family", [Family.PANIC, Family.SHUTDOWN, Family.PROCESSING])
def test_the_baseline_is_short_and_stands_before_the_crisis_begins(family: Family) -> None:
    session = of_family(family, 3)
    last_s = min([*crises_s(session), session.duration_s - LEAST_WATCHED_S])
    listenings = many(session)
    assert len(listenings) > 50
    for listening in listenings:
        assert SHORTEST_S <= listening.settings.baseline.duration_s <= LONGEST_S
        rows = swift_rows(session, 1_000, listening.settings, tell_sets=listening.tell_sets, from_ms=listening.from_ms)
        stands_s = rows.times_ms[0] / 1_000
        assert listening.from_ms / 1_000 + listening.settings.baseline.duration_s <= stands_s + 0.5
        assert stands_s <= last_s + 2.0


def test_half_of_those_with_a_crisis_have_it_soon() -> None:
    session = of_family(Family.PANIC, 3)
    begins_s = crises_s(session)[0]
    untold = [listening for listening in many(session) if not listening.tell_sets]
    left = [begins_s - listening.from_ms / 1_000 - listening.settings.baseline.duration_s for listening in untold]
    near = float(np.mean(np.array(left) < SOON_S))
    assert 0.25 < near < 0.65, "of half of them some two thirds, and a few of the others; of none it would be a fifth"
    assert begins_s > 5.0 * SOON_S
    assert 0.25 < len(untold) / len(many(session)) < 0.75, "and half are told of no set"


def test_who_listens_late_perceives_as_the_service_would() -> None:
    session = of_family(Family.PANIC, 5)
    listening = many(session)[0]
    told, from_ms = listening.tell_sets, listening.from_ms
    exact = rows_of(session, 1_000, listening.settings, tell_sets=told, from_ms=from_ms)
    swift = swift_rows(session, 1_000, listening.settings, tell_sets=told, from_ms=from_ms)
    assert len(exact.times_ms) > 60 and exact.times_ms[0] > listening.from_ms > 0
    assert np.array_equal(exact.times_ms, swift.times_ms)
    assert float(np.abs(exact.features - swift.features).max()) < 1e-3


def test_a_session_that_begins_with_its_crisis_is_not_listened_to_late() -> None:
    session = of_family(Family.PANIC, 3)
    early = replace(session, labels=replace(session.labels, events=(replace(session.crises[0], onset_s=5.0),)))
    assert listened_late(np.random.default_rng(0), early) is None


def first_rows_s(cohort: int, late_share: float) -> list[float]:
    """When the first row of each session is; beyond its end where it has none."""
    tasks: list[SessionTask] = tasks_of(replace(COHORT, late_share=late_share), 7, cohort)
    rows = [task.rows()[1].times_ms for task in tasks]
    return [float(times_ms[0]) / 1_000 if len(times_ms) else 1e6 for times_ms in rows]


def test_a_share_of_the_sessions_of_training_is_listened_to_late_and_none_of_validation() -> None:
    whole, half, all_ = (first_rows_s(TRAINING, share) for share in (0.0, 0.5, 1.0))
    assert sum(a != b for a, b in zip(half, whole, strict=True)) in range(4, 21)
    assert np.median(all_) > np.median(whole)
    assert first_rows_s(VALIDATION, 1.0) == first_rows_s(VALIDATION, 0.0)


def test_whoever_is_asked_about_is_listened_to_from_the_beginning() -> None:
    late = replace(load_config(), cohort=replace(COHORT, late_share=1.0))
    leave_out = [task.session for task in leaveout._asked(late, Family.PANIC, 4)]
    headroom = [task.session for task in asked_randomised(late.cohort, 4)]
    for task in (*leave_out, *headroom):
        session, rows = task.rows()
        assert np.array_equal(rows.times_ms, swift_rows(session, 1_000).times_ms)
