"""The parts of the simulator: dynamics, events, cohorts, randomisation, parameters, messages."""

from dataclasses import replace

import numpy as np
import pytest

from emdr_stream.simulation import (
    Family,
    Parameters,
    draw_person,
    draw_sensor,
    recording_lines,
    session_messages,
    simulate_cohort,
    simulate_session,
)
from emdr_stream.simulation.dynamics import first_order, wander
from emdr_stream.simulation.parameters import describe, variable, varied
from emdr_stream.simulation.randomisation import randomise_person, randomise_sensor
from emdr_stream.simulation.sensor import smoothness_of


def test_the_vectorised_filter_equals_the_recursion() -> None:
    drive = np.random.default_rng(0).standard_normal((500, 2))
    decay = np.array([0.98, 0.4])
    expected, state = [], np.zeros(2)
    for row in drive:
        state = decay * state + row
        expected.append(state)
    np.testing.assert_allclose(first_order(drive, decay), expected, atol=1e-9)


def test_wandering_has_its_spread_and_its_memory() -> None:
    path = wander(np.random.default_rng(0), 100_000, np.array([0.5]), np.array([2.0]), 0.1)[:, 0]
    assert path.std() == pytest.approx(0.5, rel=0.05)
    assert np.corrcoef(path[:-20], path[20:])[0, 1] == pytest.approx(np.exp(-1), abs=0.05)


def test_a_cohort_gives_each_session_independently_of_the_number_asked_for() -> None:
    few = list(simulate_cohort(5, 2))
    many = list(simulate_cohort(5, 4))
    for first, again in zip(few, many, strict=False):
        np.testing.assert_array_equal(first.values, again.values)
    assert [session.person_id for session in many] == ["person-5-0", "person-5-0", "person-5-1", "person-5-1"]


def test_a_cohort_keeps_to_its_families_and_tells_its_progress() -> None:
    done: list[int] = []
    cohort = simulate_cohort(1, 6, {Family.CALM: 1.0, Family.PANIC: 0.0}, progress=done.append)
    assert {session.family for session in cohort} == {Family.CALM}
    assert done == [1, 2, 3, 4, 5, 6]


def test_a_cohort_without_families_is_refused() -> None:
    with pytest.raises(ValueError, match="families"):
        next(simulate_cohort(1, 1, ()))


def test_randomisation_shifts_person_and_sensor_but_not_the_identity() -> None:
    rng, parameters = np.random.default_rng(2), Parameters()
    people = [draw_person(rng, f"p{i}", parameters) for i in range(50)]
    shifted = [randomise_person(rng, person, parameters) for person in people]
    flips = np.mean([np.sign(b.channel_gain) != np.sign(a.channel_gain) for a, b in zip(people, shifted, strict=True)])
    assert flips == pytest.approx(parameters.shift_flip_share, abs=0.05)
    assert [person.person_id for person in people] == [person.person_id for person in shifted]
    sensor = draw_sensor(rng, parameters)
    assert not np.array_equal(randomise_sensor(rng, sensor, parameters).bias, sensor.bias)


def test_two_sensors_watch_the_same_course() -> None:
    person = draw_person(np.random.default_rng(1), "one", Parameters())
    sensors = [draw_sensor(np.random.default_rng(seed), Parameters()) for seed in (1, 2)]
    first, second = (
        simulate_session(np.random.default_rng(8), Family.PANIC, person=person, sensor=sensor) for sensor in sensors
    )
    np.testing.assert_array_equal(first.labels.latents, second.labels.latents)
    assert not np.array_equal(first.ts_ms[:100], second.ts_ms[:100])


def test_the_noise_of_a_talking_face_is_that_of_the_measured_clips() -> None:
    parameters = Parameters()
    spreads = []
    for seed in range(10):
        rng = np.random.default_rng([4, seed])
        sensor = replace(draw_sensor(rng, parameters), rate_hz=12.5, smoothness=smoothness_of(0, 0, 0), scale=1.0)
        session = simulate_session(rng, Family.PROCESSING, sensor=sensor)
        seconds = session.ts_ms / 1000
        for start in np.flatnonzero(session.talk[:-2] & session.talk[1:-1])[::10]:
            window = (seconds >= start) & (seconds < start + 2)
            if window.sum() > 15:
                spreads.append(np.nanstd(session.values[window, :2], axis=0))
    valence, arousal = np.median(spreads, axis=0)
    assert valence == pytest.approx(0.12, abs=0.04)
    assert arousal == pytest.approx(0.13, abs=0.04)


def test_every_parameter_names_its_source() -> None:
    table = describe(Parameters())
    assert len(table) > 60
    assert all(source for _, _, source in table)


def test_assumed_constants_can_be_varied_by_half_and_sessions_still_come_out() -> None:
    names = variable()
    assert len(names) > 60 and "observable_sd" not in names and "noise_tau_s" not in names
    assert varied(Parameters(), "panic_hold_s", 0.5).panic_hold_s == (7.5, 30.0)
    assert varied(Parameters(), "stop_share", 2.0).stop_share == 1.0
    for number, name in enumerate(names):
        rng = np.random.default_rng([8, number])
        family = list(Family)[number % len(Family)]
        for factor in (0.5, 1.5):
            session = simulate_session(rng, family, duration_s=200, parameters=varied(Parameters(), name, factor))
            assert np.isfinite(session.labels.latents).all(), name


def test_messages_are_in_order_and_follow_the_protocol() -> None:
    session = simulate_session(np.random.default_rng(6), Family.PANIC)
    timed = list(session_messages(session, started_ts_ms=1_000_000))
    assert [item.at_ms for item in timed] == sorted(item.at_ms for item in timed)
    samples = [item.message for item in timed if item.message["type"] == "sample"]
    assert len(samples) == len(session.ts_ms)
    assert samples[0]["ts"] == 1_000_000 + session.ts_ms[0]
    starts = [item for item in timed if item.message.get("action") == "start"]
    assert [item.at_ms for item in starts] == [start for start, _ in session.sets]
    assert [item.message["set_no"] for item in starts] == list(range(1, len(session.sets) + 1))


def test_missing_values_are_left_out_of_messages() -> None:
    session = simulate_session(np.random.default_rng(11), Family.FACE_LOST)
    gone = np.full_like(session.values, np.nan)
    gone[:, 0] = 0.25
    blind = replace(session, values=gone)
    sample = next(item.message for item in session_messages(blind) if item.message["type"] == "sample")
    assert sample["dimensions"] == {"valence": 0.25}
    assert "emotions" not in sample
    assert set(sample["signals"] if isinstance(sample["signals"], dict) else ()) == {"face_present"}


def test_a_recording_begins_with_its_header_and_a_hello_and_ends_with_bye() -> None:
    lines = list(recording_lines(simulate_session(np.random.default_rng(6), Family.CALM), started_ts_ms=5))
    assert lines[0]["emdr_recording"] == 1
    kinds = [line["msg"]["type"] for line in lines[1:] if isinstance(line["msg"], dict)]
    assert (kinds[0], kinds[-1]) == ("hello", "bye")
