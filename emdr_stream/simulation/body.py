"""In: latents and a person. Out: what the body shows of them: blinks, lids, the head's motion, the heart."""

from dataclasses import dataclass

import numpy as np

from emdr_stream.simulation.dynamics import Floats, follow, trailing_mean, wander
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import Person
from emdr_stream.simulation.scenario import ACTIVATION, DISSOCIATION, DROWSINESS, VALENCE

MOST_BLINKS_PER_MIN = 120.0
STILLNESS = 0.75  # share of the head's motion that full dissociation takes: assumed
STARE = 0.02  # how much further a dissociated person's eyes are open: assumed
MOTION_LOG_SD = 0.45  # of the head, over seconds: assumed
LID_SD = 0.015  # of the share of time with closed eyes: assumed
SLEEPY_FROM = 0.15  # drowsiness below this does not yet close the lids: assumed


@dataclass(frozen=True, slots=True)
class Occasion:
    """What goes on besides the latents, as paths (n,) of 0..1."""

    talk: Floats
    laugh: Floats
    tears: Floats
    in_set: Floats


@dataclass(frozen=True, slots=True)
class Body:
    """`shown` (n, 4): blinks per minute, eye closure 0..1, head motion 0..1, heart beats per minute.

    `evident` (n, 4) is what of it stems from the latents: logarithms of the ratio to rest for blinks and motion,
    differences from rest for lids and heart. `noise` (4,) is the momentary standard deviation of each, so expressed.
    """

    shown: Floats
    evident: Floats
    noise: Floats


def show_body(
    rng: np.random.Generator, person: Person, occasion: Occasion, latents: Floats, parameters: Parameters
) -> Body:
    """The body of `person` along `latents` (n, 5)."""
    p = parameters
    evident = body_evident(person, latents, p)
    restless = wander(rng, len(latents), np.array([MOTION_LOG_SD]), np.array([2.0]), p.step_s)[:, 0]
    shown = np.column_stack(
        [
            _blink_rate(rng, person, np.exp(evident[:, 0]), occasion, p),
            _eye_closure(rng, person, evident[:, 1], occasion, p),
            np.clip(
                person.head_motion * np.exp(evident[:, 2] + restless) * (1.0 + 0.8 * occasion.talk)
                + 0.2 * occasion.laugh,
                0.0,
                1.0,
            ),
            _heart_rate(rng, person, evident[:, 3], occasion, p),
        ]
    )
    blinks_seen = max(person.blink_per_min * p.blink_window_s / 60.0, 0.5)
    noise = np.array([1.0 / np.sqrt(blinks_seen), LID_SD, MOTION_LOG_SD, p.heart_sd])
    return Body(shown, evident, noise)


def body_evident(person: Person, latents: Floats, p: Parameters) -> Floats:
    """What the latents alone do to the body (n, 4), as in `Body`."""
    numbness = np.clip(latents[:, DISSOCIATION], 0.0, 1.0)
    aroused = np.clip(latents[:, ACTIVATION], -0.5, 1.5)
    blinks = np.log1p(0.4 * np.clip(aroused, 0.0, None)) + np.log(1.0 - (1.0 - p.blink_dissociated) * numbness)
    sleepy = np.clip(latents[:, DROWSINESS] - SLEEPY_FROM, 0.0, None)
    crying = 0.12 * np.clip(-latents[:, VALENCE] - 0.4, 0.0, None)
    lids = p.eye_closure_drowsy * sleepy + crying - STARE * numbness
    motion = person.agitation * aroused + np.log(1.0 - STILLNESS * numbness)
    frozen = p.heart_freeze * frozenness(latents)
    beating = person.heart_gain * np.clip(latents[:, ACTIVATION], 0.0, None) + frozen
    heart = follow(beating[:, None], np.array([p.heart_lag_s]), p.step_s)[:, 0]
    return np.column_stack([blinks, lids, motion, heart])


def frozenness(latents: Floats) -> Floats:
    """How much of the dissociation is of the frozen form (n,), 0..1: outwardly still, inwardly activated."""
    awake = 1.0 / (1.0 + np.exp(-(latents[:, ACTIVATION] + 0.1) / 0.06))
    return np.clip(latents[:, DISSOCIATION], 0.0, 1.0) * awake


def _blink_rate(rng: np.random.Generator, person: Person, evident: Floats, on: Occasion, p: Parameters) -> Floats:
    usual = (1.0 + (p.blink_talk - 1.0) * on.talk) * (1.0 - (1.0 - p.blink_set) * on.in_set)
    blinks = rng.poisson(person.blink_per_min * evident * usual * p.step_s / 60.0).astype(np.float64)
    seen = trailing_mean(blinks, round(p.blink_window_s / p.step_s)) * 60.0 / p.step_s
    return np.minimum(seen, MOST_BLINKS_PER_MIN)


def _eye_closure(rng: np.random.Generator, person: Person, evident: Floats, on: Occasion, p: Parameters) -> Floats:
    idle = wander(rng, len(evident), np.array([LID_SD]), np.array([8.0]), p.step_s)[:, 0]
    closed = person.eye_closure + evident + person.tears_closure * on.tears + 0.15 * on.laugh + idle
    return np.clip(trailing_mean(closed, round(p.blink_window_s / p.step_s / 2)), 0.0, 1.0)


def _heart_rate(rng: np.random.Generator, person: Person, evident: Floats, on: Occasion, p: Parameters) -> Floats:
    idle = wander(rng, len(evident), np.array([p.heart_sd]), np.array([p.heart_tau_s]), p.step_s)[:, 0]
    settled = follow(p.heart_set * on.in_set[:, None], np.array([p.heart_lag_s]), p.step_s)[:, 0]
    return np.clip(person.heart_per_min + evident + settled + idle, 40.0, 190.0)
