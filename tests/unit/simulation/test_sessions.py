"""Simulated sessions: what must hold for every family, person and sensor."""

from functools import cache

import numpy as np
import pytest

from emdr_stream.domain import EMOTIONS, SIGNALS
from emdr_stream.simulation import CRISES, EventKind, Family, SimulatedSession, simulate_session

EMOTION_COLUMNS = slice(SIGNALS.index(EMOTIONS[0]), SIGNALS.index(EMOTIONS[-1]) + 1)
RANGES = {
    "valence": (-1, 1),
    "arousal": (-1, 1),
    "attention": (0, 1),
    "blink_rate": (0, 120),
    "eye_closure": (0, 1),
    "head_motion": (0, 1),
    "heart_rate": (35, 200),
}


@cache
def session_of(family: Family, number: int, randomise: bool) -> SimulatedSession:
    rng = np.random.default_rng([7, number])
    return simulate_session(rng, family, duration_s=300, randomise=randomise)


def sessions(family: Family, count: int = 8, *, randomise: bool = False) -> list[SimulatedSession]:
    return [session_of(family, number, randomise) for number in range(count)]


def within(values: np.ndarray, low: float, high: float) -> bool:
    known = values[~np.isnan(values)]
    return bool(((known >= low) & (known <= high)).all())


def test_the_same_seed_gives_the_same_session() -> None:
    first, again = (simulate_session(np.random.default_rng(3), Family.PANIC) for _ in range(2))
    np.testing.assert_array_equal(first.ts_ms, again.ts_ms)
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.labels.states, again.labels.states)
    assert (first.events, first.sets, first.sud, first.stop_press_ms) == (
        again.events,
        again.sets,
        again.sud,
        again.stop_press_ms,
    )


def test_another_seed_gives_another_session() -> None:
    first, other = (simulate_session(np.random.default_rng(seed), Family.PANIC) for seed in (3, 4))
    assert first.person_id != other.person_id
    assert not np.array_equal(first.ts_ms[:50], other.ts_ms[:50])


@pytest.mark.parametrize("randomise", [False, True])
@pytest.mark.parametrize("family", list(Family))
def test_values_keep_their_units_and_emotions_sum_to_one(family: Family, randomise: bool) -> None:
    for session in sessions(family, 4, randomise=randomise):
        emotions = session.values[:, EMOTION_COLUMNS]
        known = emotions[~np.isnan(emotions).any(axis=1)]
        assert len(known) > 100
        assert (known >= 0).all()
        np.testing.assert_allclose(known.sum(axis=1), 1.0, atol=1e-9)
        for name, (low, high) in RANGES.items():
            assert within(session.values[:, SIGNALS.index(name)], low, high), name


@pytest.mark.parametrize("family", list(Family))
def test_shapes_agree_and_the_baseline_minute_has_no_set(family: Family) -> None:
    for session in sessions(family, 4):
        n, seconds = len(session.ts_ms), int(session.duration_s)
        assert session.values.shape == (n, len(SIGNALS))
        assert session.ts_ms.dtype == np.int64
        assert session.face_present.shape == (n,)
        assert session.labels.states.shape == session.labels.observable.shape == session.talk.shape == (seconds,)
        assert len(session.sud) == len(session.sets)
        assert session.sets[0][0] >= 70_000
        assert 0 <= session.ts_ms.min() <= session.ts_ms.max() < session.duration_s * 1000


@pytest.mark.parametrize("family", list(Family))
def test_events_last_ten_seconds_or_more(family: Family) -> None:
    for session in sessions(family):
        assert all(event.offset_s - event.onset_s >= 10 for event in session.events)


def test_drowsy_people_close_their_eyes() -> None:
    eyes = SIGNALS.index("eye_closure")
    seen = 0
    for session in sessions(Family.DROWSY, 20):
        event = next(event for event in session.events if event.kind is EventKind.DROWSY)
        during = (session.ts_ms > (event.onset_s + 10) * 1000) & (session.ts_ms < event.offset_s * 1000)
        if session.sensor_profile.sends_body:
            seen += 1
            assert (
                np.nanmean(session.values[during, eyes])
                > np.nanmean(session.values[session.ts_ms < 50_000, eyes]) + 0.05
            )
    assert seen > 3


def test_a_lost_face_is_reported_or_leaves_silence_but_never_values() -> None:
    reported = silent = 0
    for session in sessions(Family.FACE_LOST, 20):
        assert np.isnan(session.values[~session.face_present, :10]).all()
        for event in session.events:
            if event.kind is EventKind.ABSENT:
                inside = (session.ts_ms > (event.onset_s + 1) * 1000) & (session.ts_ms < (event.onset_s + 9) * 1000)
                reported += bool(inside.any())
                silent += not inside.any()
    assert reported > 0
    assert silent > 0


def test_about_half_of_the_clients_send_no_body_signals() -> None:
    bare = [np.isnan(session.values[:, 10:]).all() for family in Family for session in sessions(family, 10)]
    assert 0.35 < np.mean(bare) < 0.65


def test_stop_is_pressed_after_a_crisis_and_ends_the_sets() -> None:
    pressed = 0
    for session in sessions(Family.PANIC, 30):
        if session.stop_press_ms is None:
            continue
        pressed += 1
        onset_s = next(event.onset_s for event in session.events if event.kind in CRISES)
        assert 5 <= session.stop_press_ms / 1000 - onset_s <= 40
        assert all(end <= session.stop_press_ms for _, end in session.sets)
    assert 10 <= pressed <= 26


def test_a_duration_without_room_for_a_set_is_refused() -> None:
    with pytest.raises(ValueError, match="duration_s"):
        simulate_session(np.random.default_rng(0), Family.CALM, duration_s=60)


@pytest.mark.parametrize("family", [Family.PANIC, Family.SHUTDOWN])
def test_the_shortest_session_still_has_its_crisis_but_for_those_at_the_very_edge(family: Family) -> None:
    shortest = [simulate_session(np.random.default_rng([2, seed]), family, duration_s=180) for seed in range(15)]
    assert sum(bool(session.crises) for session in shortest) >= 12


def test_stop_presses_can_be_switched_off_and_nothing_else_changes() -> None:
    for seed in range(30):
        pressing, quiet = (
            simulate_session(np.random.default_rng([5, seed]), Family.PANIC, stop_presses=presses)
            for presses in (True, False)
        )
        assert quiet.stop_press_ms is None
        np.testing.assert_array_equal(pressing.values, quiet.values)
        assert pressing.crises == quiet.crises
        if pressing.stop_press_ms is not None:
            return
    pytest.fail("nobody pressed stop")
