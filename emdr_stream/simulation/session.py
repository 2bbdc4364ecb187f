"""In: a generator (or a seed) and a family. Out: simulated sessions: the client's samples and the truth behind them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdr_stream.simulation.dynamics import Floats, follow, wander
from emdr_stream.simulation.face import show
from emdr_stream.simulation.families import COURSES, TEST_DURATION_S, TEST_MIXTURE, Family
from emdr_stream.simulation.labels import CRISES, Bools, Event, Labels, label
from emdr_stream.simulation.observability import shown_deviation
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import Person, draw_person
from emdr_stream.simulation.randomisation import randomise_person, randomise_sensor
from emdr_stream.simulation.scenario import (
    ACTIVATION,
    DISSOCIATION,
    Course,
    Intervals,
    Scenario,
    build_scenario,
    mask_of,
)
from emdr_stream.simulation.sensing import sense
from emdr_stream.simulation.sensor import SensorProfile, draw_sensor

SHORTEST_S = 180.0


@dataclass(frozen=True, slots=True)
class SimulatedSession:
    """One session. Samples are in arrival order, truth is per whole second; times count from the session's start.

    `values` is (N, 14) in the order of `emdr_stream.domain.SIGNALS`, NaN = missing; `ts_ms` (N,) is the client's clock
    and may step back where a sample arrives late; `quality` (N,) is a camera's own; `sets` are (start_ms, end_ms);
    `talk`, `laugh`, `tears` (S,) mark artefacts, `strong` spells of feeling near the edge, in seconds.
    """

    family: str
    person: Person
    sensor_profile: SensorProfile
    duration_s: float
    ts_ms: NDArray[np.int64]
    values: Floats
    face_present: Bools
    quality: Floats
    sets: tuple[tuple[int, int], ...]
    labels: Labels
    talk: Bools
    laugh: Bools
    tears: Bools
    strong: Intervals
    sud: tuple[int, ...]  # after each set, 0..10
    stop_press_ms: int | None

    @property
    def person_id(self) -> str:
        return self.person.person_id

    @property
    def events(self) -> tuple[Event, ...]:
        return self.labels.events

    @property
    def crises(self) -> tuple[Event, ...]:
        return tuple(event for event in self.labels.events if event.kind in CRISES)


def simulate_session(
    rng: np.random.Generator,
    family: Family | Course,
    *,
    person: Person | None = None,
    sensor: SensorProfile | None = None,
    duration_s: float = 360.0,
    randomise: bool = False,
    stop_presses: bool = True,
    parameters: Parameters | None = None,
) -> SimulatedSession:
    """Simulate one session of `duration_s` (at least 180) seconds.

    Person and sensor are drawn where not given; `randomise` shifts both out of their distribution. Without
    `stop_presses` the client never presses stop: an alarm by the button is none of a model's. The latents depend on the
    generator, person and family only, so that two sensors can watch the same session. Raises ValueError for a duration
    that leaves no room for a set.
    """
    if not duration_s >= SHORTEST_S:
        raise ValueError(f"duration_s must be at least {SHORTEST_S:.0f} (a baseline and a set), got {duration_s}")
    p = parameters or Parameters()
    course = family if isinstance(family, Course) else COURSES[family]
    cast_rng, course_rng, face_rng, sensor_rng, shift_rng, end_rng = rng.spawn(6)
    person = person or draw_person(cast_rng, f"person-{cast_rng.integers(2**32):08x}", p)
    sensor = sensor or draw_sensor(sensor_rng, p, noisy=course.noisy_sensor)
    if randomise:
        person, sensor = randomise_person(shift_rng, person, p), randomise_sensor(shift_rng, sensor, p)
    if course.recast is not None:
        person = course.recast(cast_rng, person, p)
    duration_s = float(int(duration_s))
    scenario = build_scenario(course_rng, course, person, duration_s, p)
    latents = _latents(course_rng, person, scenario, p)
    display = show(face_rng, person, scenario, latents, p)
    absent = mask_of(scenario.time_s, scenario.absences)
    absent |= _hidden(end_rng, scenario, p)
    samples = sense(sensor_rng, display, absent, person.has_heart_rate, sensor, p)
    labels = label(person, latents, shown_deviation(person, latents, display, sensor, p), absent, p)
    stop_s = _stop_press(end_rng, labels, duration_s, p) if stop_presses else None
    sets = _sets_until(scenario.sets, stop_s)
    seconds = np.arange(int(duration_s), dtype=np.float64) + 0.5
    return SimulatedSession(
        family=course.name,
        person=person,
        sensor_profile=sensor,
        duration_s=duration_s,
        ts_ms=samples.ts_ms,
        values=samples.values,
        face_present=samples.face_present,
        quality=samples.quality,
        sets=tuple((round(start * 1000), round(end * 1000)) for start, end in sets),
        labels=labels,
        talk=mask_of(seconds, scenario.talk),
        laugh=mask_of(seconds, scenario.laughs),
        tears=mask_of(seconds, scenario.tears),
        strong=scenario.strong,
        sud=_suds(end_rng, scenario, labels, p)[: len(sets)],
        stop_press_ms=None if stop_s is None else round(stop_s * 1000),
    )


def simulate_cohort(
    seed: int,
    n_sessions: int,
    families: Sequence[Family | Course] | Mapping[Family, float] = tuple(Family),
    *,
    progress: Callable[[int], None] | None = None,
    sessions_per_person: int = 2,
    randomised_share: float = 0.0,
    duration_s: tuple[float, float] = (240.0, 480.0),
    stop_presses: bool = True,
    parameters: Parameters | None = None,
) -> Iterator[SimulatedSession]:
    """Sessions of a cohort, one at a time; each depends on the seed and its number alone.

    Each `sessions_per_person` sessions in a row are the same person's.
    `families` is a choice of families, or their weights; `randomised_share` of the sessions are domain-randomised;
    `progress` is called with the number of sessions done.
    """
    p = parameters or Parameters()
    chosen: tuple[Family | Course, ...] = tuple(families)
    weights = np.array(list(families.values()) if isinstance(families, Mapping) else [1.0] * len(chosen))
    if len(chosen) == 0 or not weights.sum() > 0.0:
        raise ValueError("families must name at least one family with a positive weight")
    for index in range(n_sessions):
        number = index // sessions_per_person
        person = draw_person(np.random.default_rng([seed, 0, number]), f"person-{seed}-{number}", p)
        rng = np.random.default_rng([seed, 1, index])
        family = chosen[int(rng.choice(len(chosen), p=weights / weights.sum()))]
        length_s, randomise = float(rng.uniform(*duration_s)), bool(rng.random() < randomised_share)
        yield simulate_session(
            rng,
            family,
            person=person,
            duration_s=length_s,
            randomise=randomise,
            stop_presses=stop_presses,
            parameters=p,
        )
        if progress is not None:
            progress(index + 1)


def mixed_cohort(
    seed: int,
    n_sessions: int,
    *,
    stop_presses: bool = False,
    progress: Callable[[int], None] | None = None,
    parameters: Parameters | None = None,
) -> Iterator[SimulatedSession]:
    """A cohort as detectors are tested on: the default mixture of families, ten minutes each, nobody presses stop."""
    return simulate_cohort(
        seed,
        n_sessions,
        TEST_MIXTURE,
        progress=progress,
        duration_s=TEST_DURATION_S,
        stop_presses=stop_presses,
        parameters=parameters,
    )


def _latents(rng: np.random.Generator, person: Person, scenario: Scenario, p: Parameters) -> Floats:
    """The latents (n, 5): the drive seen through each one's lag, and their own wandering."""
    latents = follow(scenario.drive, person.tau_s, p.step_s)
    latents += wander(rng, len(latents), np.asarray(p.latent_sd), person.tau_s, p.step_s)
    if scenario.inside:
        low, high = -p.inside_share * person.low_edge, p.inside_share * person.window_edge
        latents[:, ACTIVATION] = np.clip(latents[:, ACTIVATION], low, high)
        latents[:, DISSOCIATION] = np.minimum(latents[:, DISSOCIATION], p.inside_share * p.dissociation_edge)
    return latents


def _hidden(rng: np.random.Generator, scenario: Scenario, p: Parameters) -> Bools:
    """Steps (n,) in which a hand before the face makes the sensor lose it."""
    lost = tuple(spell for spell in scenario.occlusions if rng.random() < p.occlusion_loses_face)
    return mask_of(scenario.time_s, lost)


def _stop_press(rng: np.random.Generator, labels: Labels, duration_s: float, p: Parameters) -> float | None:
    """When the client presses stop: in most crises, some time after the onset, if the session lasts that long."""
    presses, delay_s = rng.random() < p.stop_share, float(rng.uniform(*p.stop_delay_s))
    onsets = [event.onset_s for event in labels.events if event.kind in CRISES]
    if not presses or not onsets or onsets[0] + delay_s >= duration_s:
        return None
    return float(onsets[0] + delay_s)


def _sets_until(sets: Intervals, stop_s: float | None) -> Intervals:
    """The sets up to the stop signal, which ends the one in progress: the client has stopped locally."""
    if stop_s is None:
        return sets
    return tuple((start, min(end, stop_s)) for start, end in sets if start < stop_s)


def _suds(rng: np.random.Generator, scenario: Scenario, labels: Labels, p: Parameters) -> tuple[int, ...]:
    """The client's rating after each set: decaying, noisy, perhaps rising at first, and high after a crisis."""
    level, decay = rng.normal(*p.sud_start), max(rng.normal(*p.sud_decay), -0.1)
    suds: list[int] = []
    for index, (_, end) in enumerate(scenario.sets):
        rises = index == 0 and rng.random() < p.sud_first_rise_share
        level = level + 1.0 if rises else level * np.exp(-decay)
        shaken = any(event.kind in CRISES and event.onset_s < end < event.offset_s + 30.0 for event in labels.events)
        told = max(level, 8.0) if shaken else level
        suds.append(int(np.clip(round(told + rng.normal(0.0, p.sud_noise)), 0, 10)))
    return tuple(suds)
