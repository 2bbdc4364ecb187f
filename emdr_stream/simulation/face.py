"""In: latents and scenario of a person. Out: what face and body show of them, before any sensor looks."""

from dataclasses import dataclass

import numpy as np

from emdr_stream.simulation.body import Body, Occasion, frozenness, show_body
from emdr_stream.simulation.dynamics import Floats, pulses, trailing_mean, wander
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import FACE_CHANNELS, Person
from emdr_stream.simulation.scenario import ACTIVATION, DISSOCIATION, VALENCE, Intervals, Scenario, mask_of

ATTENTION, JOY, SADNESS, SURPRISE, NEUTRAL = 2, 3, 4, 7, 9
SOFT_EDGE_STEPS = 5
TALKING_GLANCES, SET_GLANCES = 2.0, 0.3


@dataclass(frozen=True, slots=True)
class Display:
    """What can be seen on the scenario's grid.

    `face` (n, 10): three dimensions, then emotion logits. `typical` (n, 10): what of it an ordinary face (gain 1) would
    show of the latents alone; this person shows `typical` times `gain` (10,). `idle_sd` (10,): the spread of what means
    nothing. `stir`, `veil`, `light` (n,): 0..1, whether it talks or laughs, which makes its readings noisier; how much
    a hand hides it; how far the light is off.
    """

    face: Floats
    typical: Floats
    gain: Floats
    idle_sd: Floats
    body: Body
    stir: Floats
    veil: Floats
    light: Floats


def smooth_mask(time_s: Floats, intervals: Intervals, width: int = SOFT_EDGE_STEPS) -> Floats:
    """Intervals as a path (n,) of 0..1 with soft edges of `width` steps."""
    return trailing_mean(mask_of(time_s, intervals).astype(np.float64), width)


def show(
    rng: np.random.Generator, person: Person, scenario: Scenario, latents: Floats, parameters: Parameters
) -> Display:
    """The visible face and body of `person` along `latents` (n, 5)."""
    p, time_s = parameters, scenario.time_s
    occasion = Occasion(
        talk=smooth_mask(time_s, scenario.talk),
        laugh=smooth_mask(time_s, scenario.laughs),
        tears=smooth_mask(time_s, scenario.tears, 30),
        in_set=mask_of(time_s, scenario.sets).astype(np.float64),
    )
    numbness = np.clip(latents[:, DISSOCIATION], 0.0, 1.0)
    frozen = frozenness(latents)
    alive = 1.0 + (p.flat_liveliness - 1.0) * (numbness - frozen) + (p.frozen_liveliness - 1.0) * frozen
    typical = typical_face(latents, p)
    gain, idle_sd = person.channel_gain * person.mask, _idle_sd(person, p)
    face = person.rest + typical * gain + _idle(rng, idle_sd, alive, occasion.talk, p)
    face += _artefacts(person, occasion, np.minimum(alive, 1.0), p)
    face[:, ATTENTION] -= _glances(rng, person, occasion, numbness, p)
    return Display(
        face=face,
        typical=typical,
        gain=gain,
        idle_sd=idle_sd,
        body=show_body(rng, person, occasion, latents, p),
        stir=np.maximum(occasion.talk, occasion.laugh),
        veil=smooth_mask(time_s, scenario.occlusions),
        light=smooth_mask(time_s, scenario.lights),
    )


def typical_face(latents: Floats, p: Parameters) -> Floats:
    """What a face of gain 1 shows of `latents` (n, 5) and nothing else: (n, 10).

    A numb face stops showing the activation and feeling inside, not the numbness itself; a frozen one shows some.
    """
    numbness, frozen = np.clip(latents[:, DISSOCIATION], 0.0, 1.0), frozenness(latents)
    shown = latents.copy()
    kept = 1.0 + (p.flat_liveliness - 1.0) * (numbness - frozen) + (p.frozen_expression - 1.0) * frozen
    shown[:, (ACTIVATION, VALENCE)] *= kept[:, None]
    return np.asarray(shown @ np.asarray(p.loadings).T)


def _idle_sd(person: Person, p: Parameters) -> Floats:
    sd = np.full(FACE_CHANNELS, p.wander_logit_sd)
    sd[:3] = p.wander_dimension_sd
    return np.asarray(sd * person.liveliness * person.mask)


def _idle(rng: np.random.Generator, sd: Floats, alive: Floats, talk: Floats, p: Parameters) -> Floats:
    path = wander(rng, len(alive), sd, np.full(FACE_CHANNELS, p.wander_tau_s), p.step_s)
    return np.asarray(path * (alive * (1.0 + 0.6 * talk))[:, None])


def _artefacts(person: Person, on: Occasion, alive: Floats, p: Parameters) -> Floats:
    """What talk, laughter and tears do to the reading of a face: (n, 10)."""
    face = np.zeros((len(on.talk), FACE_CHANNELS))
    talk = on.talk * alive
    face[:, 0] = p.laugh_valence * on.laugh
    face[:, 1] = p.talk_arousal * np.maximum(talk, on.laugh)
    face[:, JOY] = p.laugh_joy_logit * on.laugh + person.grimace * person.mask * on.tears
    face[:, SADNESS] = p.tears_sadness_logit * person.mask * on.tears
    face[:, SURPRISE] = p.talk_surprise_logit * talk
    face[:, NEUTRAL] = -person.mask * on.tears
    return face


def _glances(rng: np.random.Generator, person: Person, on: Occasion, numbness: Floats, p: Parameters) -> Floats:
    """Looks away lower the attention (n,): more in talk, few in sets, none in a stare."""
    usual = (1.0 + (TALKING_GLANCES - 1.0) * on.talk) * (1.0 + (SET_GLANCES - 1.0) * on.in_set)
    rate = person.glances_per_min / 60.0 * usual * (1.0 - numbness)
    return trailing_mean(pulses(rng, rate, p.glance_s, p.glance_depth, p.step_s), 3)
