"""In: what face and body show. Out: the samples that a client's camera and network make of it, in arrival order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import N_SIGNALS
from emdr_stream.simulation.dynamics import Floats, first_order
from emdr_stream.simulation.face import Display
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import FACE_CHANNELS

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SensorProfile:
    """How one client senses and sends. Arrays of 10 follow the face channels (emotions as logits)."""

    name: str
    rate_hz: float
    jitter: float  # SD of a frame interval, as a share of it
    smoothness: Floats  # (10,): per-frame exponential smoothing, 0 = raw
    scale: float  # of valence and arousal: some engines report small numbers
    bias: Floats  # (10,)
    drift_per_min: Floats  # (10,)
    noise: float  # times the measured noise
    white_gain: float  # uncorrelated noise bursts, times the noise, in `burst_share` of the time
    burst_share: float
    quantum: float  # step of the sent numbers, 0 = not rounded
    drop_share: float  # single samples lost
    gaps_per_min: float  # network gaps of 0.3-4 s
    duplicate_share: float
    disorder_share: float  # samples that arrive after their successor
    missing_share: float  # samples that lack the dimensions or the emotions
    sends_body: bool  # blink rate, eye closure, head motion
    sends_heart: bool
    reports_absence: bool  # sends `face_present: false`; otherwise it falls silent


@dataclass(frozen=True, slots=True)
class Samples:
    """In arrival order: `ts_ms` (N,) client time, `values` (N, 14) with NaN for missing, `face_present` (N,)."""

    ts_ms: NDArray[np.int64]
    values: Floats
    face_present: Bools


def smoothness_of(dimensions: float, attention: float, emotions: float) -> Floats:
    """Per-channel smoothing (10,) from the three that engines let one set."""
    return np.array([dimensions, dimensions, attention, *([emotions] * 7)])


def draw_sensor(rng: np.random.Generator, parameters: Parameters, *, noisy: bool = False) -> SensorProfile:
    """Draw a client: MorphCast on desktop or mobile (no body signals), or our camera client; `noisy` makes it bad."""
    p = parameters
    name = ("morphcast_desktop", "morphcast_mobile", "camera_fast", "camera_slow")[int(rng.integers(4))]
    low, high = {
        "morphcast_desktop": (15.0, p.rate_hz[1]),
        "morphcast_mobile": (6.0, 12.0),
        "camera_fast": (12.0, p.rate_hz[1]),
        "camera_slow": (p.rate_hz[0], 12.0),
    }[name]
    engine = name.startswith("morphcast")
    own = float(rng.uniform(0.0, 0.5))
    badness = float(rng.uniform(*p.noisy_factor)) if noisy else 1.0
    bias = np.concatenate(
        [rng.normal(0.0, p.sensor_bias_sd, 3), rng.normal(0.0, rng.uniform(*p.emotion_bias_sd) / 2, 7)]
    )
    drift = rng.normal(0.0, [p.sensor_drift_per_min[0]] * 3 + [p.sensor_drift_per_min[1]] * 7)
    return SensorProfile(
        name=f"noisy_{name}" if noisy else name,
        rate_hz=float(rng.uniform(low, high)),
        jitter=float(rng.uniform(*p.jitter)),
        smoothness=smoothness_of(*p.smoothness) if engine else smoothness_of(own, own, own),
        scale=float(rng.uniform(*p.dimension_scale)) if engine else 1.0,
        bias=bias * badness**2,
        drift_per_min=drift * badness**2,
        noise=float(np.exp(rng.normal(0.0, p.noise_log_sd))) * badness,
        white_gain=badness,
        burst_share=p.burst_share * badness**2,
        quantum=float(rng.choice([0.0, 1e-4, 1e-3, 1e-2])) if not noisy else float(rng.choice([0.01, 0.05])),
        drop_share=float(rng.uniform(*p.drop_share)) * badness**2,
        gaps_per_min=float(rng.uniform(*p.gaps_per_min)) * badness**2,
        duplicate_share=float(rng.uniform(*p.duplicate_share)) * badness**2,
        disorder_share=float(rng.uniform(*p.disorder_share)) * badness**2,
        missing_share=float(rng.uniform(*p.missing_share)) * badness**2,
        sends_body=not engine,
        sends_heart=not engine,
        reports_absence=bool(rng.random() < p.reports_absence_share),
    )


def sense(
    rng: np.random.Generator, display: Display, absent: Bools, has_heart: bool, sensor: SensorProfile, p: Parameters
) -> Samples:
    """Sample `display` with `sensor`; `absent` (n,) marks the grid steps without a face in view."""
    times_s = _frame_times(rng, len(absent) * p.step_s, sensor)
    index = np.minimum((times_s / p.step_s).astype(np.int64), len(absent) - 1)
    after = np.minimum(index + 1, len(absent) - 1)
    blend = np.clip(times_s / p.step_s - index, 0.0, 1.0)[:, None]
    present = ~absent[index]
    face = _read_face(rng, display.face[index] * (1.0 - blend) + display.face[after] * blend, times_s, sensor, p)
    values = np.full((len(times_s), N_SIGNALS), np.nan)
    values[:, :FACE_CHANNELS] = _forget(rng, face, sensor)
    if sensor.sends_body:
        values[:, FACE_CHANNELS : FACE_CHANNELS + 3] = display.body[index, :3]
    if sensor.sends_heart and has_heart:
        values[:, FACE_CHANNELS + 3] = _read_heart(rng, display.body[index, 3], times_s, sensor, p)
    values[:, FACE_CHANNELS:] = _quantised(values[:, FACE_CHANNELS:], sensor.quantum)
    values[~present, : FACE_CHANNELS + 3] = np.nan
    kept = _kept(rng, times_s, sensor, p) & (present | sensor.reports_absence)
    return _arrive(rng, np.round(times_s[kept] * 1000.0).astype(np.int64), values[kept], present[kept], sensor)


def _frame_times(rng: np.random.Generator, duration_s: float, sensor: SensorProfile) -> Floats:
    count = int(duration_s * sensor.rate_hz * 1.1) + 20
    shape = 1.0 / max(sensor.jitter, 0.01) ** 2
    times_s = np.cumsum(rng.gamma(shape, 1.0 / (shape * sensor.rate_hz), count))
    return np.asarray(times_s[times_s < duration_s])


def _read_face(
    rng: np.random.Generator, shown: Floats, times_s: Floats, sensor: SensorProfile, p: Parameters
) -> Floats:
    n = len(times_s)
    decay = np.full(FACE_CHANNELS, np.exp(-1.0 / (sensor.rate_hz * p.noise_tau_s)))
    sd = np.array([*p.noise_sd, *([p.noise_logit_sd] * 7)]) * sensor.noise
    white = np.array([*p.noise_white_share, *([p.noise_white_logit_share] * 7)])
    correlated = first_order(rng.standard_normal((n, FACE_CHANNELS)) * np.sqrt(1.0 - decay**2), decay)
    # Bad light and fast turns come in stretches of about a second.
    stretch = np.arange(n) // max(int(sensor.rate_hz), 1)
    bursts = 1.0 + sensor.white_gain * (rng.random(int(stretch[-1]) + 1) < sensor.burst_share)[stretch]
    noise = (
        np.sqrt(1.0 - white) * correlated + np.sqrt(white) * rng.standard_normal((n, FACE_CHANNELS)) * bursts[:, None]
    )
    raw = shown + noise * sd + sensor.bias + sensor.drift_per_min * (times_s / 60.0)[:, None]
    raw[:, 3:] = _softmax(raw[:, 3:])
    raw[:, :2] *= sensor.scale
    start = raw[0]
    smoothed = start + first_order((raw - start) * (1.0 - sensor.smoothness), sensor.smoothness)
    smoothed[:, :2] = np.clip(_quantised(smoothed[:, :2], sensor.quantum), -1.0, 1.0)
    smoothed[:, 2] = np.clip(_quantised(smoothed[:, 2], sensor.quantum), 0.0, 1.0)
    emotions = np.clip(_quantised(smoothed[:, 3:], sensor.quantum), 0.0, 1.0)
    smoothed[:, 3:] = emotions / emotions.sum(axis=1, keepdims=True)
    return np.asarray(smoothed)


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _quantised(values: Floats, quantum: float) -> Floats:
    return np.round(values / quantum) * quantum if quantum > 0.0 else values


def _read_heart(
    rng: np.random.Generator, heart: Floats, times_s: Floats, sensor: SensorProfile, p: Parameters
) -> Floats:
    """A wearable reports once a second; now and then it loses the pulse and reads far too high or low."""
    seconds = times_s.astype(np.int64)
    count = int(seconds[-1]) + 1
    glitch = rng.normal(0.0, p.heart_glitch[1], count) * (rng.random(count) < p.heart_glitch[0])
    first = np.searchsorted(seconds, np.arange(count)).clip(max=len(heart) - 1)
    per_second = heart[first] + rng.normal(0.0, 1.5 * sensor.noise, count) + glitch
    return np.asarray(np.clip(np.round(per_second), 35.0, 200.0)[seconds])


def _forget(rng: np.random.Generator, face: Floats, sensor: SensorProfile) -> Floats:
    """Now and then a module has no result: the dimensions or the emotions of a sample are missing."""
    fate = rng.random(len(face))
    face[fate < sensor.missing_share / 2, :3] = np.nan
    face[fate > 1.0 - sensor.missing_share / 2, 3:] = np.nan
    return face


def _kept(rng: np.random.Generator, times_s: Floats, sensor: SensorProfile, p: Parameters) -> Bools:
    kept = rng.random(len(times_s)) >= sensor.drop_share
    for start in rng.uniform(0.0, times_s[-1], rng.poisson(sensor.gaps_per_min * times_s[-1] / 60.0)):
        kept &= (times_s < start) | (times_s > start + rng.uniform(*p.gap_s))
    return kept


def _arrive(
    rng: np.random.Generator, ts_ms: NDArray[np.int64], values: Floats, present: Bools, sensor: SensorProfile
) -> Samples:
    """Duplicates repeat their sample; a late sample changes places with its successor."""
    order = np.repeat(np.arange(len(ts_ms)), 1 + (rng.random(len(ts_ms)) < sensor.duplicate_share))
    late = np.flatnonzero(rng.random(max(len(order) - 1, 0)) < sensor.disorder_share)
    late = late[np.diff(late, prepend=-2) > 1]
    order[late], order[late + 1] = order[late + 1], order[late].copy()
    return Samples(ts_ms[order], values[order], present[order])
