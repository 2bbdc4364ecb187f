"""In: the bare course of a session. Out: the same with excursions of any form, which no family of the tests has.

Whoever is trained on a few families learns their shapes: a panic that climbs and stays, a shutdown that comes in a set.
Real people belong to no family. A wandering session leaves rest in any direction of the latents, at any time, at any
pace, in any number of turns, to any height on either side of the window's edge; so what is left to learn is how far a
person has gone, whatever the way. It is for training alone: tests and validation do not know it.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from emdr_stream.simulation.dynamics import Floats
from emdr_stream.simulation.families import abreaction, calm, processing
from emdr_stream.simulation.scenario import (
    ACTIVATION,
    DISSOCIATION,
    DROWSINESS,
    ENGAGEMENT,
    VALENCE,
    Casting,
    Course,
    Interval,
    Scenario,
    plan_laughs,
    plan_talk,
)

HEIGHT: Final = (0.55, 1.60)
"""Of an excursion, as a share of the way to the edge: from well inside to far beyond."""
TURN_S: Final = (3.0, 240.0)
"""Between two turns of an excursion, log-uniform."""
TURNS: Final = (3, 7)
PULSE_S: Final = (4.0, 45.0)
"""Period of what comes in waves."""


def wander(cast: Casting, scenario: Scenario) -> Scenario:
    """One to three excursions over an ordinary session, each with its own way of showing."""
    base = (calm, processing, processing, abreaction)[int(cast.rng.integers(4))](cast, scenario)
    spells = []
    for _ in range(int(cast.rng.integers(1, 4))):
        shape = excursion(cast, base)
        _lead(cast, base.drive, shape)
        spells.append(_spell(base.time_s, shape))
    return _with_artefacts(cast, replace(base, inside=False, strong=()), spells)


def excursion(cast: Casting, scenario: Scenario) -> Floats:
    """A path (n,) of 0..1: from 0 through random levels back to 0, in waves or not; its highest point is 1."""
    turns = int(cast.rng.integers(*TURNS))
    lengths = [cast.log_between(*TURN_S) for _ in range(turns)]
    start = cast.between((min(scenario.first_set_s, scenario.duration_s / 2.0), scenario.duration_s - 20.0))
    corners = start + np.concatenate([[0.0], np.cumsum(lengths)])
    levels = cast.rng.uniform(0.0, 1.0, len(corners)) ** 0.7
    levels[0] = levels[-1] = 0.0
    shape = np.interp(scenario.time_s, corners, levels)
    if cast.rng.random() < 0.3:
        phase, period = cast.rng.uniform(0.0, 2.0 * np.pi), cast.log_between(*PULSE_S)
        depth = cast.between((0.2, 0.8))
        shape = shape * (1.0 - depth * 0.5 * (1.0 + np.sin(2.0 * np.pi * scenario.time_s / period + phase)))
    return np.asarray(shape / max(float(shape.max()), 1e-6))


def _lead(cast: Casting, drive: Floats, shape: Floats) -> None:
    """Move the latents along the excursion: over the upper edge, under the lower one, away, or anything at once."""
    p, person = cast.parameters, cast.person
    edges = {
        ACTIVATION: person.window_edge if cast.rng.random() < 0.65 else -person.low_edge,
        DISSOCIATION: p.dissociation_edge,
    }
    which = cast.rng.random()
    chosen = [ACTIVATION] if which < 0.5 else [DISSOCIATION] if which < 0.85 else [ACTIVATION, DISSOCIATION]
    for latent in chosen:
        level = edges[latent] * cast.between(HEIGHT)
        drive[:, latent] = drive[:, latent] * (1.0 - shape) + level * shape
    if ACTIVATION not in chosen:
        drive[:, ACTIVATION] += cast.between((-0.9, 0.6)) * person.low_edge * shape
    drive[:, VALENCE] += cast.between((-0.8, 0.25)) * shape
    drive[:, ENGAGEMENT] += cast.between((-0.7, 0.25)) * shape
    drive[:, DROWSINESS] += max(cast.between((-0.5, 0.4)), 0.0) * shape


def _spell(time_s: Floats, shape: Floats) -> Interval:
    """Where the excursion is felt."""
    felt = time_s[shape > 0.3]
    return (float(felt[0]), float(felt[-1])) if len(felt) else (float(time_s[-1]), float(time_s[-1]))


def _with_artefacts(cast: Casting, scenario: Scenario, spells: list[Interval]) -> Scenario:
    """Tears, talk, laughter and absence come with an excursion as often as not: none of them tells it."""
    tears = tuple(spell for spell in spells if cast.rng.random() < 0.3)
    talk, laughs, absences = scenario.talk, scenario.laughs, scenario.absences
    if cast.rng.random() < 0.3:
        talk = plan_talk(cast, (), scenario.duration_s, share=cast.between((0.3, 0.8)))
    if cast.rng.random() < 0.2:
        laughs = plan_laughs(cast, scenario.duration_s, cast.between((0.3, 3.0)))
    if cast.rng.random() < 0.15:
        at = cast.between((30.0, scenario.duration_s - 10.0))
        absences = (*absences, (at, at + cast.log_between(*cast.parameters.absence_s)))
    return replace(scenario, tears=(*scenario.tears, *tears), talk=talk, laughs=laughs, absences=absences)


WANDERING: Final = Course("wandering", wander)
