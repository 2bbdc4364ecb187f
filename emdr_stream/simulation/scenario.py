"""In: a family, a person, a generator. Out: what happens when: sets, talk, laughs, absences, drive of the latents."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from emdr_stream.simulation.dynamics import Floats, trapezoid
from emdr_stream.simulation.parameters import Parameters, Range
from emdr_stream.simulation.person import Person

ACTIVATION, VALENCE, ENGAGEMENT, DISSOCIATION, DROWSINESS = range(5)
LATENTS = ("activation", "valence", "engagement", "dissociation", "drowsiness")
Interval = tuple[float, float]


class Family(StrEnum):
    """The kinds of session that the simulator knows."""

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


@dataclass(frozen=True, slots=True)
class Scenario:
    """One session's course on a grid of `time_s` (n,). Intervals are (start, end) in seconds."""

    time_s: Floats
    drive: Floats  # (n, 5): mean of each latent, 0 = the person's rest
    sets: tuple[Interval, ...]
    talk: tuple[Interval, ...]
    laughs: tuple[Interval, ...]
    absences: tuple[Interval, ...] = ()


@dataclass(frozen=True, slots=True)
class Casting:
    """What the family builders draw from."""

    rng: np.random.Generator
    person: Person
    parameters: Parameters

    def between(self, bounds: Range) -> float:
        return float(self.rng.uniform(*bounds))

    def log_between(self, low: float, high: float) -> float:
        return float(np.exp(self.rng.uniform(np.log(low), np.log(max(high, low)))))


def mask_of(time_s: Floats, intervals: tuple[Interval, ...]) -> NDArray[np.bool_]:
    """Which steps (n,) lie inside one of the intervals."""
    inside = np.zeros(len(time_s), dtype=np.bool_)
    for start, end in intervals:
        inside |= (time_s >= start) & (time_s < end)
    return inside


def plan_sets(cast: Casting, duration_s: float) -> tuple[Interval, ...]:
    """The calm baseline, then sets and breaks until the session is over."""
    sets: list[Interval] = []
    start = cast.between(cast.parameters.baseline_s)
    while True:
        end = start + cast.between(cast.parameters.set_length_s)
        if end > duration_s - 3.0:
            return tuple(sets)
        sets.append((round(start, 1), round(end, 1)))
        start = end + cast.between(cast.parameters.break_s)


def plan_talk(cast: Casting, sets: tuple[Interval, ...], duration_s: float, share: float) -> tuple[Interval, ...]:
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


def plan_laughs(cast: Casting, duration_s: float, per_minute: float) -> tuple[Interval, ...]:
    """Laughs and smiles of 1.5-6 s at random times."""
    starts = cast.rng.uniform(0.0, duration_s, cast.rng.poisson(per_minute * duration_s / 60.0))
    return tuple((float(start), float(start) + cast.between((1.5, 6.0))) for start in np.sort(starts))


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


def _calm(cast: Casting, scenario: Scenario) -> Scenario:
    return replace(scenario, drive=set_coupling(cast, scenario, strength=0.5))


def _processing(cast: Casting, scenario: Scenario) -> Scenario:
    p = cast.parameters
    drive = set_coupling(cast, scenario, strength=0.7)
    peak, valence = cast.between(p.wave_peak), cast.between(p.wave_valence)
    for index, (start, end) in enumerate(scenario.sets):
        fade = cast.person.set_fade**index * cast.between((0.7, 1.2))
        rise = cast.between((0.3, 0.7)) * (end - start)
        shape = trapezoid(scenario.time_s, start + 2.0, rise, end - start - rise, cast.between((6.0, 15.0)))
        drive[:, ACTIVATION] += fade * peak * shape
        drive[:, VALENCE] += fade * valence * shape
    drive[:, ACTIVATION] = np.minimum(drive[:, ACTIVATION], cast.person.window_edge - 0.18)
    return replace(scenario, drive=drive)


def _abreaction(cast: Casting, scenario: Scenario) -> Scenario:
    p = cast.parameters
    scenario = _processing(cast, scenario)
    drive = scenario.drive
    chosen = cast.rng.permutation(len(scenario.sets))[: cast.rng.integers(1, 3)]
    for start, end in (scenario.sets[index] for index in chosen):
        peak = cast.person.window_edge * cast.between(p.abreaction_share_of_edge)
        rise = cast.between((4.0, 12.0))
        shape = trapezoid(scenario.time_s, start + 3.0, rise, end - start - rise, cast.between((8.0, 20.0)))
        drive[:, ACTIVATION] = np.maximum(drive[:, ACTIVATION], peak * shape)
        drive[:, VALENCE] = np.minimum(drive[:, VALENCE], cast.between(p.abreaction_valence) * shape)
    return scenario


def _panic(cast: Casting, scenario: Scenario) -> Scenario:
    p = cast.parameters
    scenario = _processing(cast, scenario)
    drive = scenario.drive
    first, duration_s = _first_set(scenario), float(scenario.time_s[-1])
    latest = max(duration_s - 70.0, first + 10.0)
    rise = cast.log_between(p.panic_rise_s[0], min(p.panic_rise_s[1], max(latest - first, p.panic_rise_s[0])))
    top_at = cast.between((min(first + rise, latest), latest))
    hold, fall = cast.between(p.panic_hold_s), cast.between(p.panic_fall_s)
    shape = trapezoid(scenario.time_s, top_at - rise, rise, hold, fall)
    level = cast.person.window_edge + cast.between(p.panic_above_edge)
    drive[:, ACTIVATION] = np.maximum(drive[:, ACTIVATION], level * shape)
    drive[:, VALENCE] = np.minimum(drive[:, VALENCE], cast.between(p.panic_valence) * shape)
    drive[:, ENGAGEMENT] -= cast.between((0.0, 0.3)) * shape
    drive[:, DISSOCIATION] += cast.between((0.0, 0.15)) * shape
    return scenario


def _shutdown(cast: Casting, scenario: Scenario) -> Scenario:
    p = cast.parameters
    scenario = _processing(cast, scenario)
    drive = scenario.drive
    flat = cast.rng.random() < p.shutdown_flat_share
    rise = cast.log_between(*p.shutdown_rise_s)
    earliest = _first_set(scenario) + 5.0
    start = cast.between((earliest, max(float(scenario.time_s[-1]) - rise - 45.0, earliest)))
    shape = trapezoid(scenario.time_s, start, rise, cast.between(p.shutdown_hold_s), cast.between((10.0, 40.0)))
    activation = cast.between(p.shutdown_flat_activation if flat else p.shutdown_freeze_activation)
    drive[:, ACTIVATION] = drive[:, ACTIVATION] * (1.0 - shape) + activation * shape
    drive[:, VALENCE] = drive[:, VALENCE] * (1.0 - shape) + cast.between((-0.2, 0.05)) * shape
    drive[:, ENGAGEMENT] += cast.between(p.shutdown_engagement) * shape
    drive[:, DISSOCIATION] += cast.between(p.shutdown_level) * shape
    return scenario


def _drowsy(cast: Casting, scenario: Scenario) -> Scenario:
    p = cast.parameters
    scenario = _calm(cast, scenario)
    drive = scenario.drive
    rise = cast.between(p.drowsy_rise_s)
    start = cast.between((60.0, max(float(scenario.time_s[-1]) - rise - 60.0, 61.0)))
    shape = trapezoid(scenario.time_s, start, rise, cast.between((40.0, 150.0)), cast.between((3.0, 20.0)))
    drive[:, DROWSINESS] += cast.between(p.drowsy_level) * shape
    drive[:, ACTIVATION] += cast.between(p.drowsy_activation) * shape
    drive[:, ENGAGEMENT] -= cast.between((0.2, 0.5)) * shape
    return scenario


def _face_lost(cast: Casting, scenario: Scenario) -> Scenario:
    base = (_calm, _processing, _panic)[int(cast.rng.integers(3))](cast, scenario)
    duration_s = float(scenario.time_s[-1])
    starts = np.sort(cast.rng.uniform(30.0, duration_s - 10.0, cast.rng.integers(1, 5)))
    absences = tuple((float(start), float(start) + cast.log_between(*cast.parameters.absence_s)) for start in starts)
    return replace(base, absences=absences)


def _noisy_sensor(cast: Casting, scenario: Scenario) -> Scenario:
    return (_calm, _processing, _abreaction, _panic, _shutdown)[int(cast.rng.integers(5))](cast, scenario)


def _talk_laugh(cast: Casting, scenario: Scenario) -> Scenario:
    base = (_calm, _processing)[int(cast.rng.integers(2))](cast, scenario)
    duration_s = float(scenario.time_s[-1])
    talk = plan_talk(cast, (), duration_s, share=cast.between((0.4, 0.8)))
    return replace(base, talk=talk, laughs=plan_laughs(cast, duration_s, cast.between((1.0, 4.0))))


def _flat_calm(cast: Casting, scenario: Scenario) -> Scenario:
    scenario = _calm(cast, scenario)
    relaxing = np.interp(scenario.time_s, (60.0, cast.between((120.0, 300.0))), (0.0, cast.between((-0.22, 0.0))))
    scenario.drive[:, ACTIVATION] += relaxing
    return replace(scenario, laughs=())


BUILDERS: dict[Family, Callable[[Casting, Scenario], Scenario]] = {
    Family.CALM: _calm,
    Family.PROCESSING: _processing,
    Family.ABREACTION: _abreaction,
    Family.PANIC: _panic,
    Family.SHUTDOWN: _shutdown,
    Family.DROWSY: _drowsy,
    Family.FACE_LOST: _face_lost,
    Family.NOISY_SENSOR: _noisy_sensor,
    Family.TALK_LAUGH: _talk_laugh,
    Family.FLAT_CALM: _flat_calm,
}


def build_scenario(
    rng: np.random.Generator, family: Family, person: Person, duration_s: float, parameters: Parameters
) -> Scenario:
    """Draw the course of one session of `family` lasting `duration_s` seconds."""
    cast = Casting(rng, person, parameters)
    time_s = np.arange(round(duration_s / parameters.step_s), dtype=np.float64) * parameters.step_s
    sets = plan_sets(cast, duration_s)
    plain = Scenario(
        time_s=time_s,
        drive=np.zeros((len(time_s), len(LATENTS))),
        sets=sets,
        talk=plan_talk(cast, sets, duration_s, share=cast.between((0.3, 0.7))),
        laughs=plan_laughs(cast, duration_s, per_minute=0.15),
    )
    return BUILDERS[family](cast, plain)


def _first_set(scenario: Scenario) -> float:
    return scenario.sets[0][0]
