"""In: a generator. Out: the sensor profile of one client: what senses, how fast, how smooth, how well, what it sends.

MorphCast on desktop or mobile, our own camera client (fast or slow), or samples that another engine made.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import N_SIGNALS, SIGNALS
from emdr_stream.simulation.dynamics import Floats
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import FACE_CHANNELS

Bools = NDArray[np.bool_]

PROFILES: Final = {
    "morphcast_desktop": 0.25,
    "morphcast_mobile": 0.20,
    "camera_fast": 0.20,
    "camera_slow": 0.20,
    "third_party": 0.15,
}
"""How often each is drawn: assumed."""
_CAMERA_HALVES_HZ: Final = 12.0
_DIMENSIONS, _EMOTIONS, _BODY = slice(0, 3), slice(3, FACE_CHANNELS), slice(FACE_CHANNELS, N_SIGNALS - 1)
_ATTENTION, _HEART = SIGNALS.index("attention"), N_SIGNALS - 1


@dataclass(frozen=True, slots=True)
class SensorProfile:
    """How one client senses and sends. Arrays of 10 follow the face channels (emotions as logits)."""

    name: str
    rate_hz: float
    jitter: float  # SD of a frame interval, as a share of it
    smoothness: Floats  # (10,): per-frame exponential smoothing, 0 = raw
    scale: float  # of valence and arousal: some engines report small numbers
    bias: Floats  # (10,)
    drift_per_min: Floats  # (10,): at first; it settles within minutes
    noise: float  # times the measured noise
    white_gain: float  # uncorrelated noise bursts, times the noise, in `burst_share` of the time
    burst_share: float
    quantum: float  # step of the sent numbers, 0 = not rounded
    drop_share: float  # single samples lost
    gaps_per_min: float  # network gaps of 0.3-4 s
    duplicate_share: float
    disorder_share: float  # samples that arrive after their successor
    missing_share: float  # samples that lack the dimensions or the emotions
    sent: Bools  # (14,): which signals it sends at all, in the order of SIGNALS
    reports_absence: bool  # sends `face_present: false`; otherwise it falls silent
    quality: float = 0.9  # how far it trusts its own reading in good light, 0..1
    jumps_per_min: float = 0.0  # sudden changes of the bias, as by a camera that sets itself anew
    jump_sd: tuple[float, float] = (0.0, 0.0)  # of dimensions and logits
    confusion: Floats = field(default_factory=lambda: np.eye(FACE_CHANNELS - 3))  # (7, 7): emotion logits mixed up
    shifted: bool = False  # moved out of the distribution it was drawn from

    @property
    def sends_body(self) -> bool:
        return bool(self.sent[_BODY].all())

    @property
    def sends_heart(self) -> bool:
        return bool(self.sent[_HEART])

    def noise_sd(self, parameters: Parameters) -> Floats:
        """Momentary noise of the channels of a talking face (10,), before smoothing."""
        p = parameters
        return np.array([*p.noise_sd, *([p.noise_logit_sd] * (FACE_CHANNELS - 3))]) * self.noise


def stirred(stir: Floats, parameters: Parameters) -> Floats:
    """Noise as a share of that of a talking face (n,), where `stir` (n,) is 0 silent to 1 talking."""
    still = parameters.noise_still_share
    return np.asarray(still + (1.0 - still) * stir)


def smoothness_of(dimensions: float, attention: float, emotions: float) -> Floats:
    """Per-channel smoothing (10,) from the three that engines let one set."""
    return np.array([dimensions, dimensions, attention, *([emotions] * 7)])


def draw_sensor(rng: np.random.Generator, parameters: Parameters, *, noisy: bool = False) -> SensorProfile:
    """Draw a client; `noisy` makes it a bad one."""
    p = parameters
    name = list(PROFILES)[int(rng.choice(len(PROFILES), p=list(PROFILES.values())))]
    engine = name.startswith("morphcast")
    own = float(rng.uniform(0.0, 0.5))
    badness = float(rng.uniform(*p.noisy_factor)) if noisy else 1.0
    bias = np.concatenate(
        [rng.normal(0.0, p.sensor_bias_sd, 3), rng.normal(0.0, rng.uniform(*p.emotion_bias_sd) / 2, 7)]
    )
    drift = rng.normal(0.0, [p.sensor_drift_per_min[0]] * 3 + [p.sensor_drift_per_min[1]] * 7)
    return SensorProfile(
        name=f"noisy_{name}" if noisy else name,
        rate_hz=float(rng.uniform(*_rate_hz(name, p))),
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
        sent=_sent(rng, name),
        reports_absence=bool(rng.random() < p.reports_absence_share),
        quality=float(rng.uniform(*p.quality_rest)) / badness,
    )


def _rate_hz(name: str, p: Parameters) -> tuple[float, float]:
    slowest, fastest = p.camera_rate_hz
    return {
        "morphcast_desktop": p.desktop_rate_hz,
        "morphcast_mobile": p.mobile_rate_hz,
        "camera_fast": (_CAMERA_HALVES_HZ, fastest),
        "camera_slow": (slowest, _CAMERA_HALVES_HZ),
        "third_party": p.third_party_rate_hz,
    }[name]


def _sent(rng: np.random.Generator, name: str) -> Bools:
    """Which of the 14 signals the client sends: cameras all, MorphCast no body, a third party at least the emotions."""
    sent = np.ones(N_SIGNALS, dtype=np.bool_)
    if not name.startswith("camera"):
        sent[FACE_CHANNELS:] = False
    if name == "third_party":
        sent[_ATTENTION] = bool(rng.random() < 0.5)
        sent[:_ATTENTION] = bool(rng.random() < 0.7)
    return sent
