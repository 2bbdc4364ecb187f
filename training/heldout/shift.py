"""In: a person, a sensor. Out: the same, moved out of what training draws, and out of how training randomises it too.

Training masks faces, turns signs, redraws bias, rate and smoothing. Here the channels themselves are drawn anew from
another mixture, the window is narrower, emotions are mixed up with one another and the bias jumps.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from emdr_stream.domain import EMOTIONS
from emdr_stream.simulation.dynamics import Floats
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import FACE_CHANNELS, Person
from emdr_stream.simulation.sensor import SensorProfile, smoothness_of

CLEAR, CONTRARY = 0.40, 0.20
"""Shares of face channels; training has 0.40 and 0.15, the rest is weak."""
CONFUSED: Final = (("fear", "surprise"), ("anger", "disgust"), ("sadness", "neutral"), ("disgust", "sadness"))
"""Pairs that readers of faces mix up most, in the confusion matrices of public systems."""


def shifted_person(rng: np.random.Generator, person: Person, parameters: Parameters) -> Person:
    """Fewer clear channels and more contrary ones, slower, with a narrower window, more glances and another pulse."""
    kind = rng.random(FACE_CHANNELS)
    links = rng.uniform(0.0, 0.5, FACE_CHANNELS)
    links = np.where(kind < CLEAR, rng.uniform(0.6, 1.3, FACE_CHANNELS), links)
    links = np.where(kind > 1.0 - CONTRARY, rng.uniform(-1.0, -0.2, FACE_CHANNELS), links)
    expressivity = float(np.clip(person.expressivity * np.exp(rng.normal(0.0, 0.4)), 0.2, 3.5))
    return replace(
        person,
        expressivity=expressivity,
        channel_gain=expressivity * links,
        liveliness=person.liveliness * float(np.exp(rng.normal(0.2, 0.3))),
        window_edge=person.window_edge * float(rng.uniform(0.75, 1.05)),
        tau_s=np.clip(person.tau_s * rng.uniform(0.7, 1.8), 1.0, 15.0),
        rest=person.rest + rng.normal(0.0, [0.1] * 3 + [0.5] * 7),
        blink_per_min=person.blink_per_min * float(np.exp(rng.normal(0.0, 0.5))),
        eye_closure=person.eye_closure + float(rng.uniform(0.0, 0.08)),
        agitation=person.agitation * float(rng.uniform(0.4, 1.2)),
        glances_per_min=float(rng.uniform(2.0, 12.0)),
        heart_per_min=person.heart_per_min + float(rng.normal(0.0, 8.0)),
        heart_gain=person.heart_gain * float(rng.uniform(0.2, 1.0)),
        shifted=True,
    )


def shifted_sensor(rng: np.random.Generator, sensor: SensorProfile, parameters: Parameters) -> SensorProfile:
    """Another engine before a worse camera: heavier smoothing, emotions mixed up, jumps, losses, coarse numbers."""
    return replace(
        sensor,
        name=f"heldout_{sensor.name}",
        rate_hz=float(np.exp(rng.uniform(np.log(4.0), np.log(25.0)))),
        jitter=float(rng.uniform(0.2, 0.6)),
        smoothness=smoothness_of(*rng.uniform(0.2, 0.9, 3)),
        scale=float(rng.uniform(0.3, 1.1)),
        bias=sensor.bias + rng.normal(0.0, [0.12] * 3 + [0.6] * 7),
        noise=sensor.noise * float(rng.uniform(0.9, 1.6)),
        quantum=float(rng.choice([0.0, 0.001, 0.02])),
        drop_share=float(rng.uniform(0.0, 0.10)),
        gaps_per_min=float(rng.uniform(0.0, 0.6)),
        missing_share=float(rng.uniform(0.0, 0.05)),
        jumps_per_min=float(rng.uniform(0.0, 0.4)),
        jump_sd=(0.05, 0.4),
        confusion=confusion(rng),
        shifted=True,
    )


def confusion(rng: np.random.Generator) -> Floats:
    """How emotion logits are mixed (7, 7): rows sum to 1, up to a third of one goes to its neighbour."""
    mixed = np.eye(len(EMOTIONS))
    for one, other in CONFUSED:
        lost = float(rng.uniform(0.0, 0.35))
        row = EMOTIONS.index(one)
        mixed[row] *= 1.0 - lost
        mixed[row, EMOTIONS.index(other)] += lost
    return mixed
