"""In: a person and a sensor. Out: the same pair, shifted out of their distribution (domain randomisation).

Real people belong to no scenario family. Masked or contrary faces, bias, drift, frame rate and smoothing are what
differs most between a simulator and a camera, so training widens exactly these, apart from the scenarios.
"""

from dataclasses import replace

import numpy as np

from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import FACE_CHANNELS, Person
from emdr_stream.simulation.sensor import SensorProfile, smoothness_of


def randomise_person(rng: np.random.Generator, person: Person, parameters: Parameters) -> Person:
    """Mask the expression, turn the sign of some face channels, move the edge of the window."""
    p = parameters
    flips = np.where(rng.random(FACE_CHANNELS) < p.shift_flip_share, -1.0, 1.0)
    return replace(
        person,
        mask=person.mask * float(rng.uniform(*p.shift_mask)),
        channel_gain=person.channel_gain * flips,
        window_edge=person.window_edge * float(rng.uniform(*p.shift_edge)),
        shifted=True,
    )


def randomise_sensor(rng: np.random.Generator, sensor: SensorProfile, parameters: Parameters) -> SensorProfile:
    """Redraw bias, drift, frame rate, smoothing and scale from wide ranges."""
    p = parameters
    bias_sd = np.array([p.shift_bias_sd] * 3 + [p.shift_logit_bias_sd] * 7)
    drift_sd = np.array([p.shift_drift_per_min] * 3 + [5.0 * p.shift_drift_per_min] * 7)
    return replace(
        sensor,
        name=f"shifted_{sensor.name}",
        rate_hz=float(np.exp(rng.uniform(*np.log(p.shift_rate_hz)))),
        smoothness=smoothness_of(*rng.uniform(*p.shift_smoothness, 3)),
        scale=float(rng.uniform(*p.shift_scale)),
        bias=sensor.bias + rng.normal(0.0, bias_sd),
        drift_per_min=sensor.drift_per_min + rng.normal(0.0, drift_sd),
        noise=sensor.noise * float(np.exp(rng.normal(0.0, 0.3))),
        shifted=True,
    )
