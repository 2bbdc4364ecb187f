"""What each family is: its course, what it must never do, and how rare crises are among all of them."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from emdr_stream.domain import SIGNALS
from emdr_stream.simulation import (
    EventKind,
    Family,
    LatentState,
    Parameters,
    SimulatedSession,
    draw_person,
    mixed_cohort,
    prevalence,
    simulate_session,
)
from emdr_stream.simulation.families import COURSES
from emdr_stream.simulation.scenario import ACTIVATION, DISSOCIATION, build_scenario

P = Parameters()
INSIDE = [Family.CALM, Family.PROCESSING, Family.ABREACTION, Family.TALK_LAUGH, Family.FLAT_CALM, Family.DROWSY]
MOTION, BLINKS, HEART = (SIGNALS.index(name) for name in ("head_motion", "blink_rate", "heart_rate"))


@cache
def sessions(family: Family, count: int = 20) -> list[SimulatedSession]:
    return [simulate_session(np.random.default_rng([9, n]), family, duration_s=420) for n in range(count)]


@pytest.mark.parametrize("family", INSIDE)
def test_families_inside_the_window_have_no_crisis_and_no_stop(family: Family) -> None:
    for session in sessions(family):
        assert session.crises == ()
        assert session.stop_press_ms is None
        assert session.labels.closeness.max() <= P.inside_share + 1e-9


def test_an_abreaction_comes_near_the_edge_and_down_again_after_its_set() -> None:
    lows = []
    for session in sessions(Family.ABREACTION):
        near = session.labels.latents[:, ACTIVATION] / session.person.window_edge
        assert near.max() > 0.5
        assert len(session.strong) >= 1
        lows += [near[int(end) : int(end) + 25].min() for _, end in session.strong if end + 25 < session.duration_s]
    assert np.median(lows) < 0.45


def test_panic_leaves_the_window_and_does_not_come_down_with_the_set() -> None:
    found = [event for session in sessions(Family.PANIC) for event in session.crises]
    assert len(found) >= 18
    assert all(event.kind is EventKind.HYPER for event in found)
    assert np.median([event.offset_s - event.onset_s for event in found]) > 25
    for session in sessions(Family.PANIC):
        for event in session.crises:
            inside = session.labels.states[int(event.onset_s) : int(event.offset_s)]
            assert (inside == LatentState.HYPERAROUSAL).mean() > 0.5 or (inside == LatentState.ABSENT).any()


def test_rises_to_panic_take_seconds_to_minutes() -> None:
    took = []
    for session in sessions(Family.PANIC, 60):
        near = session.labels.closeness
        for event in session.crises[:1]:
            before = near[: int(event.onset_s) + 1]
            took.append(int(event.onset_s) - int(np.flatnonzero(before < 0.5)[-1]))
    assert min(took) < 6
    assert max(took) > 60


def test_shutdown_is_flat_in_one_half_and_frozen_in_the_other() -> None:
    kinds = [event.kind for session in sessions(Family.SHUTDOWN, 60) for event in session.crises]
    assert len(kinds) >= 54
    assert 0.3 < np.mean([kind is EventKind.DISSOCIATION for kind in kinds]) < 0.7
    assert {EventKind.HYPO, EventKind.DISSOCIATION} >= set(kinds)


def test_a_frozen_person_is_still_stares_and_has_a_faster_heart_and_a_livelier_face_than_a_flat_one() -> None:
    from emdr_stream.simulation.body import body_evident
    from emdr_stream.simulation.face import show

    who = replace(draw_person(np.random.default_rng(1), "one", P), heart_gain=0.0, agitation=0.5)
    scenario = build_scenario(np.random.default_rng(2), COURSES[Family.CALM], who, 200.0, P)
    frozen, flat = np.zeros((2000, 5)), np.zeros((2000, 5))
    frozen[:, ACTIVATION], flat[:, ACTIVATION] = 0.3, -0.65
    frozen[:, DISSOCIATION] = flat[:, DISSOCIATION] = 0.8
    blinks, lids, motion, heart = body_evident(who, frozen, P)[-1]
    assert np.exp(blinks) < 0.6 and lids < 0.0 and np.exp(motion) < 0.6
    assert heart == pytest.approx(P.heart_freeze * 0.8, abs=0.5)
    assert body_evident(who, flat, P)[-1, 3] == pytest.approx(0.0, abs=0.2)
    moves = [show(np.random.default_rng(3), who, scenario, latents, P).face[:, 0].std() for latents in (frozen, flat)]
    assert moves[0] > 2.0 * moves[1]


def test_drowsy_people_close_their_lids_and_dissociated_ones_do_not() -> None:
    eyes = SIGNALS.index("eye_closure")

    def closing(session: SimulatedSession, kinds: set[EventKind]) -> float:
        event = next(event for event in session.events if event.kind in kinds)
        during = (session.ts_ms > (event.onset_s + 10) * 1000) & (session.ts_ms < event.offset_s * 1000)
        rest = session.ts_ms < 50_000
        return float(np.nanmean(session.values[during, eyes]) - np.nanmean(session.values[rest, eyes]))

    sleepy = [closing(s, {EventKind.DROWSY}) for s in sessions(Family.DROWSY) if s.sensor_profile.sends_body]
    gone = [
        closing(s, {EventKind.DISSOCIATION})
        for s in sessions(Family.SHUTDOWN, 60)
        if s.sensor_profile.sends_body and any(e.kind is EventKind.DISSOCIATION for e in s.crises)
    ]
    assert len(sleepy) > 2 and len(gone) > 2
    assert min(sleepy) > 0.05
    assert np.mean(gone) < 0.02


def test_peaks_fade_from_set_to_set() -> None:
    first, last = [], []
    for session in sessions(Family.PROCESSING, 40):
        activation = session.labels.latents[:, ACTIVATION]
        peaks = [activation[start // 1000 : end // 1000].max() for start, end in session.sets]
        first.append(np.mean(peaks[:2]))
        last.append(np.mean(peaks[-2:]))
    assert np.mean(last) < 0.85 * np.mean(first)


def test_a_set_begins_with_a_dip_and_creeps_up() -> None:
    onset, later = [], []
    for session in sessions(Family.CALM, 40):
        activation = session.labels.latents[:, ACTIVATION]
        for start, end in session.sets:
            onset.append(activation[start // 1000 + 3])
            later.append(activation[end // 1000 - 1])
    assert np.mean(onset) < np.mean(later) - 0.02


def test_talking_raises_blinks_and_a_set_lowers_them() -> None:
    talking, tracking = [], []
    for session in sessions(Family.TALK_LAUGH, 40):
        if session.sensor_profile.sends_body:
            second = np.minimum(session.ts_ms // 1000, len(session.talk) - 1)
            blinks = session.values[:, BLINKS]
            in_set = np.zeros(len(second), dtype=bool)
            for start, end in session.sets:
                in_set |= (session.ts_ms >= start + 15_000) & (session.ts_ms < end)
            talking.append(np.nanmean(blinks[session.talk[second] & ~in_set]) / session.person.blink_per_min)
            tracking.append(np.nanmean(blinks[in_set & ~session.talk[second]]) / session.person.blink_per_min)
    assert len(talking) > 5
    assert np.mean(talking) > np.mean(tracking) + 0.15


def test_suds_fall_over_a_session_and_are_high_after_a_crisis() -> None:
    calm = sessions(Family.PROCESSING, 40)
    assert np.mean([session.sud[-1] for session in calm]) < np.mean([session.sud[0] for session in calm]) - 1.5
    shaken = []
    for session in sessions(Family.PANIC, 40):
        for event in session.crises:
            shaken += [
                sud
                for (_, end), sud in zip(session.sets, session.sud, strict=True)
                if event.onset_s + 5 < end / 1000 < event.offset_s
            ]
    assert np.mean(shaken) > 7


def test_in_the_mixture_crises_are_about_five_percent_of_the_time_and_one_in_two_sessions() -> None:
    found = prevalence(mixed_cohort(21, 150))
    assert 0.035 < found.share_of_time < 0.065, str(found)
    assert 0.40 < found.events_per_session < 0.60, str(found)
    assert 0.4 < found.observable / found.events < 0.85, str(found)
