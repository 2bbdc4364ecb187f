"""What is held out of training: its courses differ, it is drawn from its own seeds, and its crises are rare."""

import numpy as np
import pytest

from emdr_stream.simulation import EventKind, Parameters, SimulatedSession, draw_person, prevalence, simulate_session
from emdr_stream.simulation.families import Family
from emdr_stream.simulation.scenario import ACTIVATION, Course
from training.heldout.cohorts import HeldOut, heldout_cohort
from training.heldout.families import OBSERVABLE, UNOBSERVABLE
from training.heldout.shift import confusion, shifted_person


def sessions(course: Course, count: int = 12) -> list[SimulatedSession]:
    return [
        simulate_session(np.random.default_rng([3, n]), course, duration_s=600, stop_presses=False)
        for n in range(count)
    ]


def relative(session: SimulatedSession) -> np.ndarray:
    return np.asarray(session.labels.latents[:, ACTIVATION] / session.person.window_edge)


def test_no_held_out_family_has_the_name_of_a_trained_one() -> None:
    assert not {*OBSERVABLE, *UNOBSERVABLE} & {family.value for family in Family}
    assert len(OBSERVABLE) >= 3


@pytest.mark.parametrize("name", OBSERVABLE)
def test_each_held_out_family_has_a_crisis_in_nearly_every_session(name: str) -> None:
    assert sum(bool(session.crises) for session in sessions(OBSERVABLE[name])) >= 10


def test_the_slow_burn_swings_in_and_out_of_the_window() -> None:
    crossings = [np.diff((relative(s) > 0.8).astype(int)).clip(min=0).sum() for s in sessions(OBSERVABLE["slow_burn"])]
    assert np.median(crossings) >= 3


def test_a_flood_follows_the_freeze_within_a_minute() -> None:
    both = 0
    for session in sessions(OBSERVABLE["freeze_then_flood"]):
        kinds = [event.kind for event in session.crises]
        both += EventKind.HYPER in kinds
    assert both >= 10


def test_silent_crying_is_tearful_and_without_talk() -> None:
    for session in sessions(OBSERVABLE["silent_crying"]):
        for event in session.crises:
            during = slice(int(event.onset_s), int(event.offset_s))
            assert session.tears[during].any()
            assert not session.talk[during].any()


def test_startles_ratchet_up() -> None:
    for session in sessions(OBSERVABLE["startle_bursts"]):
        for event in session.crises[:1]:
            before = relative(session)[max(int(event.onset_s) - 60, 0) : int(event.onset_s)]
            assert before.max() - before.min() > 0.3


def test_the_collapse_comes_after_a_long_strong_feeling() -> None:
    collapsed = [s for s in sessions(OBSERVABLE["late_collapse"]) if s.crises]
    for session in collapsed:
        onset = int(session.crises[0].onset_s)
        assert relative(session)[max(onset - 60, 0) : onset].max() > 0.55
        assert session.crises[0].kind in {EventKind.HYPO, EventKind.DISSOCIATION}


@pytest.mark.parametrize("name", UNOBSERVABLE)
def test_an_unobservable_family_has_crises_of_which_none_shows(name: str) -> None:
    events = [event for session in sessions(UNOBSERVABLE[name]) for event in session.crises]
    assert len(events) >= 10
    assert not any(event.observable for event in events)


@pytest.mark.parametrize("test_set", HeldOut)
def test_a_test_set_is_the_same_by_its_seed_rare_in_crises_and_without_stops(test_set: HeldOut) -> None:
    found = list(heldout_cohort(5, 24, test_set))
    again = next(iter(heldout_cohort(5, 1, test_set)))
    np.testing.assert_array_equal(found[0].values, again.values)
    assert all(session.stop_press_ms is None for session in found)
    assert len({session.person_id for session in found}) == 12
    assert 0.01 < prevalence(found).share_of_time < 0.12
    shifted = test_set in {HeldOut.SHIFTED, HeldOut.UNSEEN_SHIFTED}
    assert all(session.sensor_profile.shifted == shifted for session in found)


def test_shifted_persons_have_fewer_agreeing_channels() -> None:
    rng, p = np.random.default_rng(1), Parameters()
    people = [draw_person(rng, "x", p) for _ in range(200)]
    shifted = [shifted_person(rng, person, p) for person in people]
    contrary = [np.mean([(one.channel_gain < 0).mean() for one in group]) for group in (people, shifted)]
    assert contrary[1] > contrary[0]
    assert np.mean([s.window_edge for s in shifted]) < np.mean([s.window_edge for s in people])


def test_confused_emotions_lose_no_weight() -> None:
    mixed = confusion(np.random.default_rng(2))
    np.testing.assert_allclose(mixed.sum(axis=1), 1.0)
    assert not np.array_equal(mixed, np.eye(7))
