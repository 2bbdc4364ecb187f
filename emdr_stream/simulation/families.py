"""In: the bare course of a session. Out: the same, filled in by the families that the models are trained on."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final

import numpy as np

from emdr_stream.simulation.dynamics import trapezoid
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import Person
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
    set_coupling,
    topic_shift,
)

CLEARANCE: Final = 0.18
"""Waves of normal processing are planned to stay this far below the edge, of which noise takes some."""


class Family(StrEnum):
    """The kinds of session that the simulator knows; those held out of training are not among them."""

    CALM = "calm"
    PROCESSING = "processing"
    ABREACTION = "abreaction"
    PANIC = "panic"
    SHUTDOWN = "shutdown"
    DROWSY = "drowsy"
    FACE_LOST = "face_lost"
    NOISY_SENSOR = "noisy_sensor"
    TALK_LAUGH = "talk_laugh"
    FLAT_CALM = "flat_calm"


def calm(cast: Casting, scenario: Scenario) -> Scenario:
    """Sets on something neutral: the sets' own coupling and a touch of the topic."""
    drive = set_coupling(cast, scenario, strength=0.5) + topic_shift(cast, scenario, strength=0.3)
    return replace(scenario, drive=drive, inside=True)


def processing(cast: Casting, scenario: Scenario) -> Scenario:
    """A wave of activation and grief in every set, lower from set to set, gone in the breaks."""
    p = cast.parameters
    drive = set_coupling(cast, scenario, strength=0.7) + topic_shift(cast, scenario, strength=1.0)
    peak, valence = cast.topic.load * cast.between(p.wave_peak), cast.between(p.wave_valence)
    for index, (start, end) in enumerate(scenario.sets):
        fade = cast.person.set_fade**index * cast.between((0.7, 1.2))
        rise = cast.between((0.3, 0.7)) * (end - start)
        shape = trapezoid(scenario.time_s, start + 2.0, rise, end - start - rise, cast.between((6.0, 15.0)))
        drive[:, ACTIVATION] += fade * peak * shape
        drive[:, VALENCE] += fade * valence * shape
    drive[:, ACTIVATION] = np.minimum(drive[:, ACTIVATION], cast.person.window_edge - CLEARANCE)
    crying = _tears(cast, scenario, p.tears_share[0], scenario.sets)
    return replace(scenario, drive=drive, tears=crying, inside=True)


def abreaction(cast: Casting, scenario: Scenario) -> Scenario:
    """One to three sets of a strong feeling that stays inside the window and comes down after the set."""
    p = cast.parameters
    scenario = processing(cast, scenario)
    drive, strong = scenario.drive, []
    chosen = np.sort(cast.rng.permutation(len(scenario.sets))[: cast.rng.integers(1, 4)])
    for start, end in (scenario.sets[index] for index in chosen):
        peak = cast.person.window_edge * cast.between(p.abreaction_share_of_edge)
        rise, fall = cast.between((4.0, 12.0)), cast.between((8.0, 20.0))
        shape = trapezoid(scenario.time_s, start + 3.0, rise, end - start - rise, fall)
        drive[:, ACTIVATION] = np.maximum(drive[:, ACTIVATION], peak * shape)
        drive[:, VALENCE] = np.minimum(drive[:, VALENCE], cast.between(p.abreaction_valence) * shape)
        strong.append((start + 3.0, end + fall))
    crying = _tears(cast, scenario, p.tears_share[1], tuple(strong))
    return replace(scenario, strong=tuple(strong), tears=crying)


def panic(cast: Casting, scenario: Scenario) -> Scenario:
    """Activation rises within 5 s to 5 min, leaves the window and does not come down with the set."""
    p = cast.parameters
    scenario = processing(cast, scenario)
    drive = scenario.drive
    first = scenario.first_set_s
    latest = max(scenario.duration_s - 70.0, first + 10.0)
    rise = cast.log_between(p.panic_rise_s[0], min(p.panic_rise_s[1], max(latest - first, p.panic_rise_s[0])))
    top_at = cast.between((min(first + rise, latest), latest))
    hold, fall = cast.between(p.panic_hold_s), cast.between(p.panic_fall_s)
    shape = trapezoid(scenario.time_s, top_at - rise, rise, hold, fall)
    level = cast.person.window_edge + cast.between(p.panic_above_edge)
    drive[:, ACTIVATION] = np.maximum(drive[:, ACTIVATION], level * shape)
    drive[:, VALENCE] = np.minimum(drive[:, VALENCE], cast.between(p.panic_valence) * shape)
    drive[:, ENGAGEMENT] -= cast.between((0.0, 0.3)) * shape
    drive[:, DISSOCIATION] += cast.between((0.0, 0.15)) * shape
    crying = _tears(cast, scenario, p.tears_share[2], ((top_at, top_at + hold),))
    return replace(scenario, tears=crying, inside=False)


def shutdown(cast: Casting, scenario: Scenario) -> Scenario:
    """Dissociation: half of them flat and low, half frozen, inwardly activated with an open stare."""
    p = cast.parameters
    scenario = processing(cast, scenario)
    flat = cast.rng.random() < p.shutdown_flat_share
    rise = cast.log_between(*p.shutdown_rise_s)
    earliest = scenario.first_set_s + 5.0
    start = cast.between((earliest, max(scenario.duration_s - rise - 45.0, earliest)))
    shape = trapezoid(scenario.time_s, start, rise, cast.between(p.shutdown_hold_s), cast.between((10.0, 40.0)))
    activation = cast.between(p.shutdown_flat_activation if flat else p.shutdown_freeze_activation)
    drive = scenario.drive
    drive[:, ACTIVATION] = drive[:, ACTIVATION] * (1.0 - shape) + activation * shape
    drive[:, VALENCE] = drive[:, VALENCE] * (1.0 - shape) + cast.between((-0.2, 0.05)) * shape
    drive[:, ENGAGEMENT] += cast.between(p.shutdown_engagement) * shape
    drive[:, DISSOCIATION] += cast.between(p.shutdown_level) * shape
    return replace(scenario, inside=False)


def drowsy(cast: Casting, scenario: Scenario) -> Scenario:
    """Sleepiness with closing lids: inside the window, and no dissociation."""
    p = cast.parameters
    scenario = calm(cast, scenario)
    drive = scenario.drive
    rise = cast.between(p.drowsy_rise_s)
    start = cast.between((60.0, max(scenario.duration_s - rise - 60.0, 61.0)))
    shape = trapezoid(scenario.time_s, start, rise, cast.between((40.0, 150.0)), cast.between((3.0, 20.0)))
    drive[:, DROWSINESS] += cast.between(p.drowsy_level) * shape
    drive[:, ACTIVATION] += cast.between(p.drowsy_activation) * shape
    drive[:, ENGAGEMENT] -= cast.between((0.2, 0.5)) * shape
    return scenario


def face_lost(cast: Casting, scenario: Scenario) -> Scenario:
    """The client leaves the picture, one to four times; a third of these sessions have a panic."""
    base = (calm, processing, panic)[int(cast.rng.integers(3))](cast, scenario)
    starts = np.sort(cast.rng.uniform(30.0, base.duration_s - 10.0, cast.rng.integers(1, 5)))
    absences = tuple((float(start), float(start) + cast.log_between(*cast.parameters.absence_s)) for start in starts)
    return replace(base, absences=absences)


def noisy_sensor(cast: Casting, scenario: Scenario) -> Scenario:
    """Anything may happen before a bad camera."""
    return (calm, processing, abreaction, panic, shutdown)[int(cast.rng.integers(5))](cast, scenario)


def talk_laugh(cast: Casting, scenario: Scenario) -> Scenario:
    """Somebody who talks through the sets and laughs a lot."""
    base = (calm, processing)[int(cast.rng.integers(2))](cast, scenario)
    talk = plan_talk(cast, (), base.duration_s, share=cast.between((0.4, 0.8)))
    return replace(base, talk=talk, laughs=plan_laughs(cast, base.duration_s, cast.between((1.0, 4.0))))


def flat_calm(cast: Casting, scenario: Scenario) -> Scenario:
    """A still, unexpressive person who is well: what shutdown must not be confused with."""
    scenario = calm(cast, scenario)
    relaxing = np.interp(scenario.time_s, (60.0, cast.between((120.0, 300.0))), (0.0, cast.between((-0.22, 0.0))))
    scenario.drive[:, ACTIVATION] += relaxing
    return replace(scenario, laughs=())


def still_person(_: np.random.Generator, person: Person, __: Parameters) -> Person:
    return replace(person, mask=person.mask * 0.3, liveliness=person.liveliness * 0.3)


COURSES: Final[Mapping[Family, Course]] = {
    Family.CALM: Course("calm", calm),
    Family.PROCESSING: Course("processing", processing),
    Family.ABREACTION: Course("abreaction", abreaction),
    Family.PANIC: Course("panic", panic),
    Family.SHUTDOWN: Course("shutdown", shutdown),
    Family.DROWSY: Course("drowsy", drowsy),
    Family.FACE_LOST: Course("face_lost", face_lost),
    Family.NOISY_SENSOR: Course("noisy_sensor", noisy_sensor, noisy_sensor=True),
    Family.TALK_LAUGH: Course("talk_laugh", talk_laugh),
    Family.FLAT_CALM: Course("flat_calm", flat_calm, recast=still_person),
}

TEST_MIXTURE: Final[Mapping[Family, float]] = {
    Family.CALM: 0.10,
    Family.PROCESSING: 0.12,
    Family.ABREACTION: 0.10,
    Family.PANIC: 0.25,
    Family.SHUTDOWN: 0.21,
    Family.DROWSY: 0.04,
    Family.FACE_LOST: 0.05,
    Family.NOISY_SENSOR: 0.05,
    Family.TALK_LAUGH: 0.05,
    Family.FLAT_CALM: 0.03,
}
"""How often each family comes in test sets: about one crisis in two sessions of ten minutes, 5 % of the time."""
TEST_DURATION_S: Final = (540.0, 660.0)


def _tears(cast: Casting, scenario: Scenario, share: float, spells: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """Tears in some of the spells of feeling, or none in this session; from a third into each, and a while beyond."""
    if cast.rng.random() >= share or not spells:
        return scenario.tears
    some = [spell for spell in spells if cast.rng.random() < 0.7] or [spells[0]]
    return tuple((start + (end - start) / 3.0, end + cast.between((5.0, 30.0))) for start, end in some)
