"""In: latents and scenario of a person. Out: what face and body show of them, before any sensor looks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdr_stream.simulation.dynamics import Floats, follow, trailing_mean, wander
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import FACE_CHANNELS, Person
from emdr_stream.simulation.scenario import (
    ACTIVATION,
    DISSOCIATION,
    DROWSINESS,
    VALENCE,
    Scenario,
    mask_of,
)

JOY, SURPRISE = 3, 7


@dataclass(frozen=True, slots=True)
class Display:
    """What can be seen on the scenario's grid: `face` (n, 10) three dimensions then emotion logits, `body` (n, 4)
    blinks per minute, eye closure 0..1, head motion 0..1, heart beats per minute; `evident` (n, 10) is the part of
    `face` that stems from the latents alone."""

    face: Floats
    evident: Floats
    body: Floats
    motion_evident: Floats  # (n,): head motion due to the latents, relative to the person's rest
    blinks_evident: Floats  # (n,): blink rate due to the latents, relative to the person's rest


def smooth_mask(time_s: Floats, intervals: tuple[tuple[float, float], ...], width: int) -> Floats:
    """Intervals as a path (n,) of 0..1 with soft edges of `width` steps."""
    inside: NDArray[np.bool_] = mask_of(time_s, intervals)
    return trailing_mean(inside.astype(np.float64), width)


def show(
    rng: np.random.Generator, person: Person, scenario: Scenario, latents: Floats, parameters: Parameters
) -> Display:
    """The visible face and body of `person` along `latents` (n, 5)."""
    talk = smooth_mask(scenario.time_s, scenario.talk, 5)
    laugh = smooth_mask(scenario.time_s, scenario.laughs, 5)
    numbness = np.clip(latents[:, DISSOCIATION], 0.0, 1.0)
    alive = 1.0 - (1.0 - parameters.dissociated_liveliness) * numbness
    evident = _evident(person, latents, alive, parameters)
    face = (
        person.rest
        + evident
        + _idle(rng, person, alive, talk, parameters)
        + _artefacts(talk * alive, laugh, parameters)
    )
    in_set = mask_of(scenario.time_s, scenario.sets).astype(np.float64)
    aroused = np.clip(latents[:, ACTIVATION], -0.5, 1.5)
    motion_evident = np.exp(person.agitation * aroused) * (1.0 - 0.75 * numbness)
    blinks_evident = (1.0 + 0.4 * np.clip(aroused, 0.0, None)) * (1.0 - (1.0 - parameters.blink_dissociated) * numbness)
    blink = _blink_rate(rng, person, blinks_evident, talk, in_set, parameters)
    closure = _eye_closure(rng, person, latents, laugh, parameters)
    motion = _head_motion(rng, person, motion_evident, talk, laugh, parameters)
    heart = _heart_rate(rng, person, latents, in_set, parameters)
    return Display(face, evident, np.column_stack([blink, closure, motion, heart]), motion_evident, blinks_evident)


def _evident(person: Person, latents: Floats, alive: Floats, p: Parameters) -> Floats:
    shown = latents.copy()
    # A numb face stops showing the activation and feeling inside, not the numbness itself.
    shown[:, (ACTIVATION, VALENCE)] *= alive[:, None]
    return np.asarray((shown @ np.asarray(p.loadings).T) * (person.channel_gain * person.mask))


def _idle(rng: np.random.Generator, person: Person, alive: Floats, talk: Floats, p: Parameters) -> Floats:
    sd = np.full(FACE_CHANNELS, p.wander_logit_sd)
    sd[:3] = p.wander_dimension_sd
    path = wander(
        rng, len(alive), sd * person.liveliness * person.mask, np.full(FACE_CHANNELS, p.wander_tau_s), p.step_s
    )
    return np.asarray(path * (alive * (1.0 + 0.6 * talk))[:, None])


def _artefacts(talk: Floats, laugh: Floats, p: Parameters) -> Floats:
    face = np.zeros((len(talk), FACE_CHANNELS))
    face[:, 0] = p.laugh_valence * laugh
    face[:, 1] = p.talk_arousal * np.maximum(talk, laugh)
    face[:, JOY] = p.laugh_joy_logit * laugh
    face[:, SURPRISE] = p.talk_surprise_logit * talk
    return face


def _blink_rate(
    rng: np.random.Generator, person: Person, evident: Floats, talk: Floats, in_set: Floats, p: Parameters
) -> Floats:
    rate = person.blink_per_min * evident * (1.0 + (p.blink_talk - 1.0) * talk) * (1.0 - (1.0 - p.blink_set) * in_set)
    blinks = rng.poisson(rate * p.step_s / 60.0).astype(np.float64)
    return np.minimum(trailing_mean(blinks, round(p.blink_window_s / p.step_s)) * 60.0 / p.step_s, 120.0)


def _eye_closure(rng: np.random.Generator, person: Person, latents: Floats, laugh: Floats, p: Parameters) -> Floats:
    sleepy = np.clip(latents[:, DROWSINESS] - 0.15, 0.0, None)
    idle = wander(rng, len(laugh), np.array([0.015]), np.array([8.0]), p.step_s)[:, 0]
    crying = 0.12 * np.clip(-latents[:, VALENCE] - 0.4, 0.0, None)
    closed = person.eye_closure + p.eye_closure_drowsy * sleepy + crying + 0.15 * laugh + idle
    return np.clip(trailing_mean(closed, round(p.blink_window_s / p.step_s / 2)), 0.0, 1.0)


def _head_motion(
    rng: np.random.Generator, person: Person, evident: Floats, talk: Floats, laugh: Floats, p: Parameters
) -> Floats:
    restless = np.exp(wander(rng, len(talk), np.array([0.45]), np.array([2.0]), p.step_s)[:, 0])
    return np.clip(person.head_motion * evident * restless * (1.0 + 0.8 * talk) + 0.2 * laugh, 0.0, 1.0)


def _heart_rate(rng: np.random.Generator, person: Person, latents: Floats, in_set: Floats, p: Parameters) -> Floats:
    lagged = follow(np.clip(latents[:, :1], 0.0, None), np.array([p.heart_lag_s]), p.step_s)[:, 0]
    idle = wander(rng, len(in_set), np.array([p.heart_sd]), np.array([p.heart_tau_s]), p.step_s)[:, 0]
    frozen = p.heart_freeze * np.clip(latents[:, DISSOCIATION], 0.0, 1.0) * (latents[:, ACTIVATION] > 0.0)
    settled = follow((p.heart_set * in_set + frozen)[:, None], np.array([p.heart_lag_s]), p.step_s)[:, 0]
    return np.clip(person.heart_per_min + person.heart_gain * lagged + settled + idle, 40.0, 190.0)
