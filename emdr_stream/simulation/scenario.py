"""In: a person and a generator. Out: the bare course of a session, which families fill in: sets, talk, looks, topic."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from emdr_stream.simulation.dynamics import Floats
from emdr_stream.simulation.parameters import Parameters, Range
from emdr_stream.simulation.person import Person

ACTIVATION, VALENCE, ENGAGEMENT, DISSOCIATION, DROWSINESS = range(5)
LATENTS = ("activation", "valence", "engagement", "dissociation", "drowsiness")
Interval = tuple[float, float]
Intervals = tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One session's course on a grid of `time_s` (n,). Intervals are (start, end) in seconds.

    `inside`: the latents are kept within the window, whatever the noise does. `strong`: feelings near its edge.
    """

    time_s: Floats
    drive: Floats  # (n, 5): mean of each latent, 0 = the person's rest
    sets: Intervals
    talk: Intervals
    laughs: Intervals
    absences: Intervals = ()
    tears: Intervals = ()
    occlusions: Intervals = ()
    lights: Intervals = ()
    strong: Intervals = ()
    inside: bool = False

    @property
    def duration_s(self) -> float:
        return float(self.time_s[-1])

    @property
    def first_set_s(self) -> float:
        return self.sets[0][0]


@dataclass(frozen=True, slots=True)
class Topic:
    """What a person brings to one session: how heavy it is (times the peaks), and how it shifts mood and activation."""

    load: float
    valence: float
    activation: float


@dataclass(frozen=True, slots=True)
class Casting:
    """What the family builders draw from."""

    rng: np.random.Generator
    person: Person
    parameters: Parameters
    topic: Topic = field(default_factory=lambda: Topic(1.0, 0.0, 0.0))

    def between(self, bounds: Range) -> float:
        return float(self.rng.uniform(*bounds))

    def log_between(self, low: float, high: float) -> float:
        return float(np.exp(self.rng.uniform(np.log(low), np.log(max(high, low)))))


Builder = Callable[[Casting, Scenario], Scenario]
Recasting = Callable[[np.random.Generator, Person, Parameters], Person]


@dataclass(frozen=True, slots=True)
class Course:
    """A family of sessions: its name, what happens in it, who it happens to (None: anybody), and how it is seen."""

    name: str
    build: Builder
    recast: Recasting | None = None
    noisy_sensor: bool = False


def mask_of(time_s: Floats, intervals: Intervals) -> NDArray[np.bool_]:
    """Which steps (n,) lie inside one of the intervals."""
    inside = np.zeros(len(time_s), dtype=np.bool_)
    for start, end in intervals:
        inside |= (time_s >= start) & (time_s < end)
    return inside


def plan_sets(cast: Casting, duration_s: float) -> Intervals:
    """The calm baseline, then sets and breaks until the session is over."""
    sets: list[Interval] = []
    start = cast.between(cast.parameters.baseline_s)
    while True:
        end = start + cast.between(cast.parameters.set_length_s)
        if end > duration_s - 3.0:
            return tuple(sets)
        sets.append((round(start, 1), round(end, 1)))
        start = end + cast.between(cast.parameters.break_s)


def plan_talk(cast: Casting, sets: Intervals, duration_s: float, share: float) -> Intervals:
    """Bouts of talk: about `share` of the time outside sets, hardly any inside them."""
    bouts: list[Interval] = []
    start = cast.between((0.0, 8.0))
    while start < duration_s:
        length = cast.between((3.0, 14.0))
        in_set = any(low <= start < high for low, high in sets)
        if cast.rng.random() < (0.05 if in_set else 1.0):
            bouts.append((start, start + (min(length, 4.0) if in_set else length)))
        start += length + cast.rng.exponential(length * (1.0 - share) / share)
    return tuple(bouts)


def plan_spells(cast: Casting, duration_s: float, per_minute: float, length_s: Range) -> Intervals:
    """Spells at random times: laughs, hands before the face, changes of the light."""
    starts = cast.rng.uniform(0.0, duration_s, cast.rng.poisson(per_minute * duration_s / 60.0))
    return tuple((float(start), float(start) + cast.between(length_s)) for start in np.sort(starts))


def plan_laughs(cast: Casting, duration_s: float, per_minute: float) -> Intervals:
    """Laughs and smiles of 1.5-6 s at random times."""
    return plan_spells(cast, duration_s, per_minute, (1.5, 6.0))


def set_coupling(cast: Casting, scenario: Scenario, strength: float) -> Floats:
    """What a set does to everybody (n, 5): a dip of activation at its start, then a creep that fades over sets."""
    p, time_s = cast.parameters, scenario.time_s
    drive = np.zeros((len(time_s), len(LATENTS)))
    for index, (start, end) in enumerate(scenario.sets):
        inside = (time_s >= start) & (time_s < end)
        onset = start + cast.between(p.set_onset_s)
        creep = np.interp(time_s[inside], (start, onset, end), (p.set_onset_dip, 0.0, p.set_creep))
        drive[inside, ACTIVATION] = strength * cast.person.set_fade**index * creep
        drive[inside, ENGAGEMENT] = 0.08
    return drive


def topic_shift(cast: Casting, scenario: Scenario, strength: float) -> Floats:
    """The mood that the topic brings (n, 5), from when it is named, shortly before the first set."""
    first = scenario.first_set_s
    shape = strength * np.interp(scenario.time_s, (first - 10.0, first + 20.0), (0.0, 1.0))
    drive = np.zeros((len(shape), len(LATENTS)))
    drive[:, VALENCE] = cast.topic.valence * shape
    drive[:, ACTIVATION] = cast.topic.activation * shape
    return drive


def draw_topic(rng: np.random.Generator, parameters: Parameters) -> Topic:
    valence_sd, activation_sd = parameters.topic_offset_sd
    return Topic(
        load=float(np.exp(np.clip(rng.normal(0.0, parameters.topic_load_log_sd), -0.7, 0.7))),
        valence=float(np.clip(rng.normal(0.0, valence_sd), -0.6, 0.6)),
        activation=float(np.clip(rng.normal(0.0, activation_sd), -0.2, 0.2)),
    )


def plain_course(cast: Casting, duration_s: float) -> Scenario:
    """A session in which nothing happens yet: sets, talk, laughs, hands before the face, changes of the light."""
    p = cast.parameters
    time_s = np.arange(round(duration_s / p.step_s), dtype=np.float64) * p.step_s
    sets = plan_sets(cast, duration_s)
    return Scenario(
        time_s=time_s,
        drive=np.zeros((len(time_s), len(LATENTS))),
        sets=sets,
        talk=plan_talk(cast, sets, duration_s, share=cast.between((0.3, 0.7))),
        laughs=plan_laughs(cast, duration_s, per_minute=0.15),
        occlusions=plan_spells(cast, duration_s, cast.between(p.occlusions_per_min), p.occlusion_s),
        lights=plan_spells(cast, duration_s, cast.between(p.lights_per_min), p.light_s),
    )


def build_scenario(
    rng: np.random.Generator, course: Course, person: Person, duration_s: float, parameters: Parameters
) -> Scenario:
    """Draw the course of one session of `duration_s` seconds."""
    cast = Casting(rng, person, parameters, draw_topic(rng, parameters))
    return with_tissues(cast, course.build(cast, plain_course(cast, duration_s)))


def with_tissues(cast: Casting, scenario: Scenario) -> Scenario:
    """Who cries covers the face more often."""
    p, more = cast.parameters, []
    for start, end in scenario.tears:
        for _ in range(cast.rng.poisson(4.0 * cast.between(p.occlusions_per_min) * (end - start) / 60.0)):
            at = cast.between((start, end))
            more.append((at, at + cast.between(p.occlusion_s)))
    return replace(scenario, occlusions=(*scenario.occlusions, *more)) if more else scenario
