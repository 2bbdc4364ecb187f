"""In: what face and body show, and a sensor. Out: the samples that the client makes of it, in order of arrival."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import N_SIGNALS
from emdr_stream.simulation.dynamics import Floats, first_order, follow, pulses
from emdr_stream.simulation.face import Display
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import FACE_CHANNELS
from emdr_stream.simulation.sensor import Bools, SensorProfile, stirred

HEART = FACE_CHANNELS + 3
UNSEEN_QUALITY = 0.55  # how much of its quality a reading loses behind a hand: assumed
DIM_QUALITY = 0.35  # and in bad light


@dataclass(frozen=True, slots=True)
class Samples:
    """In arrival order: `ts_ms` (N,) client time, `values` (N, 14) with NaN for missing, `face_present` (N,).

    `quality` (N,): 0..1, what a camera client thinks of its own reading; a sample on the wire has no field for it.
    """

    ts_ms: NDArray[np.int64]
    values: Floats
    face_present: Bools
    quality: Floats


@dataclass(frozen=True, slots=True)
class Frames:
    """The moments at which the sensor looks: times (N,) in seconds, grid steps, stir, veil, light (N,)."""

    times_s: Floats
    index: NDArray[np.int64]
    stir: Floats
    veil: Floats
    light: Floats


def sense(
    rng: np.random.Generator, display: Display, absent: Bools, has_heart: bool, sensor: SensorProfile, p: Parameters
) -> Samples:
    """Sample `display` with `sensor`; `absent` (n,) marks the grid steps without a face in view."""
    times_s = _frame_times(rng, len(absent) * p.step_s, sensor)
    index = np.minimum((times_s / p.step_s).astype(np.int64), len(absent) - 1)
    frames = Frames(times_s, index, display.stir[index], display.veil[index], display.light[index])
    present = ~absent[index]
    values = np.full((len(times_s), N_SIGNALS), np.nan)
    values[:, :FACE_CHANNELS] = _forget(
        rng, _read_face(rng, _between(display.face, frames, p), frames, sensor, p), sensor
    )
    values[:, FACE_CHANNELS:HEART] = display.body.shown[index, :3]
    if sensor.sends_heart and has_heart:
        values[:, HEART] = _read_heart(rng, display.body.shown[index, 3], times_s, sensor, p)
    values[:, FACE_CHANNELS:] = _quantised(values[:, FACE_CHANNELS:], sensor.quantum)
    values[:, ~sensor.sent] = np.nan
    values[~present, :HEART] = np.nan
    quality = sensor.quality * (1.0 - UNSEEN_QUALITY * frames.veil) * (1.0 - DIM_QUALITY * frames.light) * present
    kept = _kept(rng, times_s, sensor, p) & (present | sensor.reports_absence)
    ts_ms = np.round(times_s[kept] * 1000.0).astype(np.int64)
    return _arrive(rng, Samples(ts_ms, values[kept], present[kept], np.clip(quality[kept], 0.0, 1.0)), sensor)


def _between(path: Floats, frames: Frames, p: Parameters) -> Floats:
    """The grid's `path` (n, C) at the frames' times, interpolated: (N, C)."""
    after = np.minimum(frames.index + 1, len(path) - 1)
    blend = np.clip(frames.times_s / p.step_s - frames.index, 0.0, 1.0)[:, None]
    return np.asarray(path[frames.index] * (1.0 - blend) + path[after] * blend)


def _frame_times(rng: np.random.Generator, duration_s: float, sensor: SensorProfile) -> Floats:
    count = int(duration_s * sensor.rate_hz * 1.1) + 20
    shape = 1.0 / max(sensor.jitter, 0.01) ** 2
    times_s = np.cumsum(rng.gamma(shape, 1.0 / (shape * sensor.rate_hz), count))
    return np.asarray(times_s[times_s < duration_s])


def _read_face(rng: np.random.Generator, shown: Floats, frames: Frames, sensor: SensorProfile, p: Parameters) -> Floats:
    """What the engine reads of the shown face (N, 10): emotions as probabilities."""
    shown = shown * (1.0 - p.occlusion_veil * frames.veil)[:, None]
    worse = 1.0 + p.occlusion_noise * frames.veil + p.light_noise * frames.light
    worse *= stirred(frames.stir, p)
    raw = shown + _noise(rng, len(shown), sensor, p) * sensor.noise_sd(p) * worse[:, None]
    raw += sensor.bias + _wrong(rng, frames, sensor, p)
    raw[:, 3:] = _softmax(raw[:, 3:] @ sensor.confusion.T)
    raw[:, :2] *= sensor.scale
    start = raw[0]
    smoothed = start + first_order((raw - start) * (1.0 - sensor.smoothness), sensor.smoothness)
    smoothed[:, :2] = np.clip(_quantised(smoothed[:, :2], sensor.quantum), -1.0, 1.0)
    smoothed[:, 2] = np.clip(_quantised(smoothed[:, 2], sensor.quantum), 0.0, 1.0)
    emotions = np.clip(_quantised(smoothed[:, 3:], sensor.quantum), 0.0, 1.0)
    smoothed[:, 3:] = emotions / emotions.sum(axis=1, keepdims=True)
    return np.asarray(smoothed)


def _noise(rng: np.random.Generator, n: int, sensor: SensorProfile, p: Parameters) -> Floats:
    """Noise of standard deviation 1 (N, 10): partly correlated from frame to frame, partly white."""
    decay = np.full(FACE_CHANNELS, np.exp(-1.0 / (sensor.rate_hz * p.noise_tau_s)))
    white = np.array([*p.noise_white_share, *([p.noise_white_logit_share] * 7)])
    correlated = first_order(rng.standard_normal((n, FACE_CHANNELS)) * np.sqrt(1.0 - decay**2), decay)
    # Fast turns of the head come in stretches of about a second.
    stretch = np.arange(n) // max(int(sensor.rate_hz), 1)
    bursts = 1.0 + sensor.white_gain * (rng.random(int(stretch[-1]) + 1) < sensor.burst_share)[stretch]
    return np.asarray(
        np.sqrt(1.0 - white) * correlated + np.sqrt(white) * rng.standard_normal((n, FACE_CHANNELS)) * bursts[:, None]
    )


def _wrong(rng: np.random.Generator, frames: Frames, sensor: SensorProfile, p: Parameters) -> Floats:
    """Bias that changes with time (N, 10): drift that settles, bad light, jumps."""
    settling = p.drift_settles_s / 60.0 * -np.expm1(-frames.times_s / p.drift_settles_s)
    wrong = sensor.drift_per_min * settling[:, None]
    wrong += frames.light[:, None] * rng.normal(0.0, [p.light_bias_sd[0]] * 3 + [p.light_bias_sd[1]] * 7)
    sd = np.array([sensor.jump_sd[0]] * 3 + [sensor.jump_sd[1]] * 7)
    for at in rng.uniform(0.0, frames.times_s[-1], rng.poisson(sensor.jumps_per_min * frames.times_s[-1] / 60.0)):
        wrong[frames.times_s >= at] += rng.normal(0.0, sd)
    return np.asarray(wrong)


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _quantised(values: Floats, quantum: float) -> Floats:
    return np.round(values / quantum) * quantum if quantum > 0.0 else values


def _read_heart(
    rng: np.random.Generator, heart: Floats, times_s: Floats, sensor: SensorProfile, p: Parameters
) -> Floats:
    """A wearable reports a smoothed rate once a second; now and then it loses the pulse and reads far off."""
    seconds = times_s.astype(np.int64)
    count = int(seconds[-1]) + 1
    every = round(1.0 / p.step_s)
    beating = heart[np.minimum(np.arange(count) * every, len(heart) - 1)]
    rate = np.full(count, p.heart_glitches_per_min / 60.0)
    wrong = pulses(rng, rate, p.heart_glitch_s, (1.0, 1.0), 1.0) * rng.normal(0.0, p.heart_glitch_sd * sensor.noise)
    read = beating + wrong + rng.normal(0.0, p.heart_noise * sensor.noise, count)
    smooth = follow(read[:, None], np.array([p.heart_smoothing_s]), 1.0)[:, 0]
    return np.asarray(np.clip(np.round(smooth), 35.0, 200.0)[seconds])


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


def _arrive(rng: np.random.Generator, samples: Samples, sensor: SensorProfile) -> Samples:
    """Duplicates repeat their sample; a late sample changes places with its successor."""
    n = len(samples.ts_ms)
    order = np.repeat(np.arange(n), 1 + (rng.random(n) < sensor.duplicate_share))
    late = np.flatnonzero(rng.random(max(len(order) - 1, 0)) < sensor.disorder_share)
    late = late[np.diff(late, prepend=-2) > 1]
    order[late], order[late + 1] = order[late + 1], order[late].copy()
    return Samples(samples.ts_ms[order], samples.values[order], samples.face_present[order], samples.quality[order])
