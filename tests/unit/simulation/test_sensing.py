"""Sensors: what each sends, how fast and smooth, and what hands, light, jumps and mixed-up emotions do to it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from emdr_stream.domain import EMOTIONS, SIGNALS
from emdr_stream.simulation import Family, Parameters, SensorProfile, SimulatedSession, draw_sensor, simulate_session
from emdr_stream.simulation.sensor import PROFILES, smoothness_of

P = Parameters()


def sensors(count: int = 300) -> list[SensorProfile]:
    rng = np.random.default_rng(1)
    return [draw_sensor(rng, P) for _ in range(count)]


def plain(rng: np.random.Generator) -> SensorProfile:
    return replace(draw_sensor(rng, P), rate_hz=10.0, smoothness=np.zeros(10), scale=1.0, sent=np.ones(14, dtype=bool))


def seen_by(change: Callable[[SensorProfile], SensorProfile]) -> SimulatedSession:
    rng = np.random.default_rng(2)
    return simulate_session(rng, Family.CALM, sensor=change(plain(rng)), duration_s=200)


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_keeps_to_its_rates_and_signals(name: str) -> None:
    drawn = [sensor for sensor in sensors() if sensor.name == name]
    rates = {
        "morphcast_desktop": (15, 30),
        "morphcast_mobile": (8, 12),
        "camera_fast": (12, 30),
        "camera_slow": (5, 12),
        "third_party": (4, 15),
    }
    low, high = rates[name]
    assert all(low <= sensor.rate_hz <= high for sensor in drawn)
    assert all(sensor.sends_body == name.startswith("camera") for sensor in drawn)
    if name.startswith("morphcast"):
        assert all(np.array_equal(sensor.smoothness, smoothness_of(0.70, 0.83, 0.40)) for sensor in drawn)
    if name == "third_party":
        assert 0.4 < np.mean([sensor.sent[0] for sensor in drawn]) < 0.95
        assert all(sensor.sent[3:10].all() for sensor in drawn)


def test_smoothing_is_per_frame_so_that_its_time_depends_on_the_rate() -> None:
    steps = []
    for rate in (10.0, 30.0):
        session = seen_by(lambda sensor, rate=rate: replace(sensor, rate_hz=rate, smoothness=np.full(10, 0.9)))  # type: ignore[misc]
        valence = session.values[:, 0]
        lag = round(rate)  # one second
        valence = valence[~np.isnan(valence)] - np.nanmean(valence)
        steps.append(float(np.corrcoef(valence[:-lag], valence[lag:])[0, 1]))
    assert steps[0] > steps[1]


def test_a_signal_that_is_not_sent_is_missing_throughout() -> None:
    sent = np.ones(14, dtype=bool)
    sent[SIGNALS.index("attention")] = False
    session = seen_by(lambda sensor: replace(sensor, sent=sent))
    assert np.isnan(session.values[:, SIGNALS.index("attention")]).all()
    assert not np.isnan(session.values[:, 0]).all()


def test_mixed_up_emotions_still_sum_to_one_and_differ() -> None:
    mixed = np.eye(7)
    mixed[EMOTIONS.index("fear")] = 0.0
    mixed[EMOTIONS.index("fear"), EMOTIONS.index("neutral")] = 1.0
    clear, confused = (seen_by(lambda sensor, m=m: replace(sensor, confusion=m)) for m in (np.eye(7), mixed))  # type: ignore[misc]
    fear = SIGNALS.index("fear")
    assert np.nanmean(confused.values[:, fear]) > np.nanmean(clear.values[:, fear]) + 0.05
    sums = confused.values[:, 3:10].sum(axis=1)
    np.testing.assert_allclose(sums[~np.isnan(sums)], 1.0, atol=1e-9)


def test_jumps_of_the_bias_spread_the_readings() -> None:
    still, jumping = (
        seen_by(lambda sensor, rate=rate: replace(sensor, jumps_per_min=rate, jump_sd=(0.6, 1.0)))  # type: ignore[misc]
        for rate in (0.0, 3.0)
    )
    assert np.nanstd(jumping.values[:, 0]) > 1.3 * np.nanstd(still.values[:, 0])


def test_quality_is_zero_without_a_face_and_low_behind_a_hand() -> None:
    session = simulate_session(
        np.random.default_rng(3),
        Family.FACE_LOST,
        sensor=replace(plain(np.random.default_rng(1)), reports_absence=True),
    )
    assert (session.quality[~session.face_present] == 0.0).all()
    assert (session.quality[session.face_present] > 0.0).all()
    assert ((session.quality >= 0.0) & (session.quality <= 1.0)).all()


def test_a_noisy_sensor_is_noisier() -> None:
    rng = np.random.default_rng(4)
    good, bad = (np.mean([draw_sensor(rng, P, noisy=noisy).noise for _ in range(50)]) for noisy in (False, True))
    assert bad > 1.5 * good
