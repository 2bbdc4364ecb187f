"""In: the bare course of a session. Out: crises whose course is unlike any that the models are trained on.

OBSERVABLE: they show in an ordinary face. UNOBSERVABLE: a panic behind a face that hides it or says the contrary; how
often it is found is reported and serves nothing else.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from emdr_stream.simulation.dynamics import Floats, trapezoid
from emdr_stream.simulation.families import panic, processing
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import FACE_CHANNELS, Person
from emdr_stream.simulation.scenario import ACTIVATION, DISSOCIATION, ENGAGEMENT, VALENCE, Casting, Course, Scenario


def slow_burn(cast: Casting, scenario: Scenario) -> Scenario:
    """Activation swings ever higher over minutes, sets and pauses alike, until its crests leave the window."""
    scenario, drive = _background(cast, scenario)
    period, above = cast.between((45.0, 120.0)), cast.between((0.12, 0.40))
    start, full = _start(cast, scenario, 150.0), cast.between((120.0, 200.0))
    growing = np.interp(scenario.time_s, (start, start + full), (0.0, 1.0))
    swing = 0.72 + 0.28 * np.sin(2.0 * np.pi * (scenario.time_s - start) / period)
    _at_least(drive, ACTIVATION, (cast.person.window_edge + above) * growing * swing)
    drive[:, VALENCE] -= cast.between((0.1, 0.4)) * growing
    return scenario


def freeze_then_flood(cast: Casting, scenario: Scenario) -> Scenario:
    """Frozen for half a minute, then within seconds far above the window."""
    scenario, drive = _background(cast, scenario)
    start, frozen = _start(cast, scenario, 100.0), cast.between((15.0, 40.0))
    freeze = trapezoid(scenario.time_s, start, cast.between((2.0, 6.0)), frozen, cast.between((1.0, 3.0)))
    drive[:, DISSOCIATION] += cast.between((0.65, 0.95)) * freeze
    _blend(drive, ACTIVATION, cast.between((0.15, 0.40)), freeze)
    flood_at = start + frozen + cast.between((2.0, 5.0))
    flood = trapezoid(scenario.time_s, flood_at, cast.between((1.5, 5.0)), cast.between((20.0, 45.0)), 25.0)
    _at_least(drive, ACTIVATION, (cast.person.window_edge + cast.between((0.15, 0.50))) * flood)
    _at_most(drive, VALENCE, cast.between((-0.9, -0.4)) * flood)
    return scenario


def silent_crying(cast: Casting, scenario: Scenario) -> Scenario:
    """Tears without a word: grief first, then an overwhelm that creeps out of the window and stays."""
    scenario, drive = _background(cast, scenario)
    start, rise, hold = _start(cast, scenario, 140.0), cast.between((30.0, 80.0)), cast.between((30.0, 60.0))
    shape = trapezoid(scenario.time_s, start, rise, hold, cast.between((30.0, 60.0)))
    grief = trapezoid(scenario.time_s, start - 10.0, 15.0, rise + hold, 60.0)
    _at_least(drive, ACTIVATION, (cast.person.window_edge + cast.between((0.05, 0.30))) * shape)
    _at_most(drive, VALENCE, cast.between((-1.0, -0.7)) * grief)
    drive[:, ENGAGEMENT] -= cast.between((0.1, 0.4)) * shape
    quiet = tuple(bout for bout in scenario.talk if bout[1] < start - 10.0 or bout[0] > start + rise + hold + 60.0)
    return replace(scenario, talk=quiet, laughs=(), tears=((start, start + rise + hold + 40.0),))


def startle_bursts(cast: Casting, scenario: Scenario) -> Scenario:
    """One jolt after another, each over in seconds and none quite recovered from, until there is no way down."""
    scenario, drive = _background(cast, scenario)
    at, level, edge = _start(cast, scenario, 150.0), 0.0, cast.person.window_edge
    path = np.zeros(len(scenario.time_s))
    for _ in range(int(cast.rng.integers(5, 10))):
        level = min(level + cast.between((0.10, 0.22)), edge + 0.25)
        since = scenario.time_s - at
        jolt = np.where(since >= 0.0, np.exp(-np.maximum(since, 0.0) / cast.between((4.0, 10.0))), 0.0)
        settled = np.interp(since, (0.0, 1.0, 45.0, 120.0), (0.0, 1.0, 0.85, 0.0))
        path = np.maximum(path, level * settled + cast.between((0.25, 0.5)) * jolt)
        at += cast.between((8.0, 22.0))
    _at_least(drive, ACTIVATION, path)
    drive[:, VALENCE] -= 0.3 * np.minimum(path, 1.0)
    return scenario


def late_collapse(cast: Casting, scenario: Scenario) -> Scenario:
    """A long abreaction inside the window over several sets, then all at once nothing: flat, low and gone."""
    scenario, drive = _background(cast, scenario)
    start, long = _start(cast, scenario, 200.0), cast.between((80.0, 140.0))
    strong = trapezoid(scenario.time_s, start, cast.between((8.0, 20.0)), long, cast.between((3.0, 10.0)))
    _at_least(drive, ACTIVATION, cast.person.window_edge * cast.between((0.70, 0.85)) * strong)
    _at_most(drive, VALENCE, cast.between((-0.9, -0.5)) * strong)
    gone = trapezoid(scenario.time_s, start + long + 8.0, cast.between((3.0, 12.0)), cast.between((25.0, 60.0)), 30.0)
    _blend(drive, ACTIVATION, cast.between((-0.85, -0.6)), gone)
    _blend(drive, VALENCE, 0.0, gone)
    drive[:, DISSOCIATION] += cast.between((0.65, 0.95)) * gone
    drive[:, ENGAGEMENT] -= cast.between((0.4, 0.8)) * gone
    return replace(scenario, strong=((start, start + long),))


def masked(rng: np.random.Generator, person: Person, _: Parameters) -> Person:
    """Somebody who shows next to nothing, in the face, the body or the pulse."""
    return replace(
        person,
        mask=person.mask * float(rng.uniform(0.0, 0.05)),
        agitation=float(rng.uniform(0.0, 0.1)),
        heart_gain=0.0,
        shifted=True,
    )


def contrary(rng: np.random.Generator, person: Person, _: Parameters) -> Person:
    """Somebody who smiles and sits still the more, the worse it is."""
    return replace(
        person,
        channel_gain=-person.expressivity * rng.uniform(0.3, 0.9, FACE_CHANNELS),
        agitation=-float(rng.uniform(0.0, 0.4)),
        heart_gain=0.0,
        shifted=True,
    )


OBSERVABLE: Final[Mapping[str, Course]] = {
    course.name: course
    for course in (
        Course("slow_burn", slow_burn),
        Course("freeze_then_flood", freeze_then_flood),
        Course("silent_crying", silent_crying),
        Course("startle_bursts", startle_bursts),
        Course("late_collapse", late_collapse),
    )
}
UNOBSERVABLE: Final[Mapping[str, Course]] = {
    course.name: course
    for course in (
        Course("masked_panic", panic, recast=masked),
        Course("contrary_panic", panic, recast=contrary),
    )
}


def _background(cast: Casting, scenario: Scenario) -> tuple[Scenario, Floats]:
    """Normal processing, which the crisis then breaks out of."""
    scenario = replace(processing(cast, scenario), inside=False)
    return scenario, scenario.drive


def _start(cast: Casting, scenario: Scenario, needs_s: float) -> float:
    """When it begins: after the first set's start, and so that `needs_s` seconds are left, if there are as many."""
    earliest = scenario.first_set_s + 5.0
    return cast.between((earliest, max(scenario.duration_s - needs_s - 60.0, earliest + 1.0)))


def _at_least(drive: Floats, latent: int, path: Floats) -> None:
    drive[:, latent] = np.maximum(drive[:, latent], path)


def _at_most(drive: Floats, latent: int, path: Floats) -> None:
    drive[:, latent] = np.minimum(drive[:, latent], path)


def _blend(drive: Floats, latent: int, level: float, share: Floats) -> None:
    drive[:, latent] = drive[:, latent] * (1.0 - share) + level * share
