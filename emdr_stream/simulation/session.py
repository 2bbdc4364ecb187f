"""In: a generator (or a seed) and a family. Out: simulated sessions: the client's samples and the truth behind them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emdr_stream.simulation.dynamics import Floats, follow, wander
from emdr_stream.simulation.face import show
from emdr_stream.simulation.labels import CRISES, Event, Labels, label
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import Person, draw_person
from emdr_stream.simulation.randomisation import randomise_person, randomise_sensor
from emdr_stream.simulation.scenario import Family, Interval, Scenario, build_scenario, mask_of
from emdr_stream.simulation.sensor import Bools, SensorProfile, draw_sensor, sense

SHORTEST_S = 180.0


@dataclass(frozen=True, slots=True)
class SimulatedSession:
    """One session. Samples are in arrival order, truth is per whole second; times count from the session's start.

    `values` is (N, 14) in the order of `emdr_stream.domain.SIGNALS`, NaN = missing; `ts_ms` (N,) is the client's clock
    and may step back where a sample arrives late; `sets` are (start_ms, end_ms); `talk`, `laugh` (S,) mark artefacts.
    """

    family: Family
    person: Person
    sensor_profile: SensorProfile
    duration_s: float
    ts_ms: NDArray[np.int64]
    values: Floats
    face_present: Bools
    sets: tuple[tuple[int, int], ...]
    labels: Labels
    talk: Bools
    laugh: Bools
    sud: tuple[int, ...]  # after each set, 0..10
    stop_press_ms: int | None

    @property
    def person_id(self) -> str:
        return self.person.person_id

    @property
    def events(self) -> tuple[Event, ...]:
        return self.labels.events


def simulate_session(
    rng: np.random.Generator,
    family: Family,
    *,
    person: Person | None = None,
    sensor: SensorProfile | None = None,
    duration_s: float = 360.0,
    randomise: bool = False,
    parameters: Parameters | None = None,
) -> SimulatedSession:
    """Simulate one session of `duration_s` (at least 180) seconds.

    Person and sensor are drawn where not given; `randomise` shifts both out of their distribution. The latents depend
    on the generator, person and family only, so that two sensors can watch the same session. Raises ValueError for
    a duration that leaves no room for a set.
    """
    if not duration_s >= SHORTEST_S:
        raise ValueError(f"duration_s must be at least {SHORTEST_S:.0f} (a baseline and a set), got {duration_s}")
    p = parameters or Parameters()
    cast_rng, course_rng, face_rng, sensor_rng, shift_rng = rng.spawn(5)
    person = person or draw_person(cast_rng, f"person-{cast_rng.integers(2**32):08x}", p)
    sensor = sensor or draw_sensor(sensor_rng, p, noisy=family is Family.NOISY_SENSOR)
    if family is Family.FLAT_CALM:
        person = replace(person, mask=person.mask * 0.3, liveliness=person.liveliness * 0.3)
    if randomise:
        person, sensor = randomise_person(shift_rng, person, p), randomise_sensor(shift_rng, sensor, p)
    duration_s = float(int(duration_s))
    scenario = build_scenario(course_rng, family, person, duration_s, p)
    latents = follow(scenario.drive, person.tau_s, p.step_s)
    latents += wander(course_rng, len(latents), np.asarray(p.latent_sd), person.tau_s, p.step_s)
    display = show(face_rng, person, scenario, latents, p)
    absent = mask_of(scenario.time_s, scenario.absences)
    samples = sense(sensor_rng, display, absent, person.has_heart_rate, sensor, p)
    labels = label(person, latents, display, absent, sensor.sends_body, p)
    stop_s = _stop_press(course_rng, labels, duration_s, p)
    sets = _sets_until(scenario.sets, stop_s)
    seconds = np.arange(int(duration_s), dtype=np.float64) + 0.5
    return SimulatedSession(
        family=family,
        person=person,
        sensor_profile=sensor,
        duration_s=duration_s,
        ts_ms=samples.ts_ms,
        values=samples.values,
        face_present=samples.face_present,
        sets=tuple((round(start * 1000), round(end * 1000)) for start, end in sets),
        labels=labels,
        talk=mask_of(seconds, scenario.talk),
        laugh=mask_of(seconds, scenario.laughs),
        sud=_suds(course_rng, scenario, labels, p)[: len(sets)],
        stop_press_ms=None if stop_s is None else round(stop_s * 1000),
    )


def simulate_cohort(
    seed: int,
    n_sessions: int,
    families: Sequence[Family] | Mapping[Family, float] = tuple(Family),
    *,
    progress: Callable[[int], None] | None = None,
    sessions_per_person: int = 2,
    randomised_share: float = 0.0,
    duration_s: tuple[float, float] = (240.0, 480.0),
    parameters: Parameters | None = None,
) -> Iterator[SimulatedSession]:
    """Sessions of a cohort, one at a time; each depends on the seed and its number alone.

    Each `sessions_per_person` sessions in a row are the same person's.
    `families` is a choice of families, or their weights; `randomised_share` of the sessions are domain-randomised;
    `progress` is called with the number of sessions done.
    """
    p = parameters or Parameters()
    chosen = tuple(families)
    weights = np.array([families[family] if isinstance(families, Mapping) else 1.0 for family in chosen])
    if len(chosen) == 0 or not weights.sum() > 0.0:
        raise ValueError("families must name at least one family with a positive weight")
    for index in range(n_sessions):
        number = index // sessions_per_person
        person = draw_person(np.random.default_rng([seed, 0, number]), f"person-{seed}-{number}", p)
        rng = np.random.default_rng([seed, 1, index])
        family = chosen[int(rng.choice(len(chosen), p=weights / weights.sum()))]
        length_s, randomise = float(rng.uniform(*duration_s)), bool(rng.random() < randomised_share)
        yield simulate_session(rng, family, person=person, duration_s=length_s, randomise=randomise, parameters=p)
        if progress is not None:
            progress(index + 1)


def _stop_press(rng: np.random.Generator, labels: Labels, duration_s: float, p: Parameters) -> float | None:
    """When the client presses stop: in most crises, some time after the onset, if the session lasts that long."""
    presses, delay_s = rng.random() < p.stop_share, float(rng.uniform(*p.stop_delay_s))
    onsets = [event.onset_s for event in labels.events if event.kind in CRISES]
    if not presses or not onsets or onsets[0] + delay_s >= duration_s:
        return None
    return onsets[0] + delay_s


def _sets_until(sets: tuple[Interval, ...], stop_s: float | None) -> tuple[Interval, ...]:
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
