"""In: crisis probabilities along sessions. Out: what a detector finds at a given cost in false alarms, how soon."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.evaluation.bootstrap import Interval, Persons
from emdr_stream.evaluation.course import Course
from emdr_stream.evaluation.events import Tally, tally
from emdr_stream.evaluation.labels import Event
from emdr_stream.evaluation.sweep import Sweep, alarms_at, sweep

Floats = NDArray[np.float64]

AT_RATE: Final = 1.0
"""False alarms an hour at which detectors are compared event by event."""
SHOWN: Final = ("shows 2-2.5", "shows 2.5-4", "shows 4-7", "shows 7 or more")
"""How far an event stands out, in momentary standard deviations; below 2 it does not count."""
_SHOWN_FROM: Final = (2.5, 4.0, 7.0)
_NOTED: Final = re.compile(r"shows (-?[\d.]+) momentary SD")
_STEP_ODDS: Final = 0.2
_LOWEST_ODDS: Final = -5.0
_RESAMPLES: Final = 2_000
_TAILS: Final = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one detector comes to. All but the sweep is at one false alarm an hour, with the lowest threshold that
    finds most: `found` with its interval, seconds from the onset to the alarm, and what became of each session's
    events, for the comparison with another detector."""

    name: str
    sweep: Sweep
    found: Interval
    median_s: float
    p95_s: float
    by_group: dict[str, tuple[int, int]]
    """Events found and events, by a group and its value (`expressivity low`, `family panic`), and by `SHOWN`."""
    counts: NDArray[np.int64]
    """Events found and events of each session (sessions, 2)."""

    @property
    def events(self) -> int:
        return int(self.counts[:, 1].sum())


def outcome(name: str, courses: Sequence[Course]) -> Outcome:
    """Raises ValueError where no session holds an event, or no threshold keeps the rate."""
    swept = sweep(courses)
    threshold = next((each.threshold for each in swept.at if each.false_alarms_per_hour == AT_RATE), None)
    if threshold is None:
        raise ValueError("no event that counts in these sessions: ask for more of them")
    tallies = _soonest(courses, threshold)
    counts = np.array([(each.found, len(each.counted)) for each in tallies])
    delays = [found.delay_s for each in tallies for found in each.counted if found.delay_s is not None]
    names = [each.person for each in tallies]
    persons = Persons(names)
    found, events = (persons.sums(names, counts[:, at].tolist()) for at in (0, 1))
    median, p95 = np.quantile(delays, (0.5, 0.95)) if delays else (np.nan, np.nan)
    by_group = _by_group(courses, tallies)
    return Outcome(name, swept, persons.share(found, events), float(median), float(p95), by_group, counts)


def _soonest(courses: Sequence[Course], threshold: float) -> list[Tally]:
    """Tallies at the lowest threshold that finds as many at no more than the rate: of equal ones it warns first."""
    best = _tallies(courses, threshold)
    odds = log(threshold / (1.0 - threshold))
    while odds > _LOWEST_ODDS:
        odds -= _STEP_ODDS
        lower = _tallies(courses, 1.0 / (1.0 + exp(-odds)))
        if _rate(lower) > AT_RATE or sum(each.found for each in lower) < sum(each.found for each in best):
            break
        best = lower
    return best


def _tallies(courses: Sequence[Course], threshold: float) -> list[Tally]:
    return [tally(course, alarms_at(course.watched.crisis, threshold)) for course in courses]


def _rate(tallies: Sequence[Tally]) -> float:
    hours = sum(each.monitored_s + each.paused_s for each in tallies) / 3_600.0
    return sum(len(each.false_ms) for each in tallies) / max(hours, 1e-9)


def _by_group(courses: Sequence[Course], tallies: Sequence[Tally]) -> dict[str, tuple[int, int]]:
    groups: dict[str, tuple[int, int]] = {}
    for course, each in zip(courses, tallies, strict=True):
        persons = [f"{name} {value}" for name, value in course.truth.groups.items()]
        for one in each.counted:
            for group in (*persons, f"family {course.truth.family}", shown(one.event)):
                found, events = groups.get(group, (0, 0))
                groups[group] = found + (one.alarm_ms is not None), events + 1
    return groups


def shown(event: Event) -> str:
    """Which of `SHOWN` an event belongs to, by what the simulator noted of it; the first where it noted nothing."""
    noted = _NOTED.search(event.note)
    size = float(noted.group(1)) if noted else 0.0
    return SHOWN[sum(size >= edge for edge in _SHOWN_FROM)]


def gain(less: Outcome, more: Outcome) -> Interval:
    """By how much more of the same events the second finds, over persons: each session is another one's."""
    events = less.counts[:, 1]
    draws = np.random.default_rng(0).multinomial(len(events), np.full(len(events), 1.0 / len(events)), _RESAMPLES)
    wholes = draws @ events
    gains = (draws @ (more.counts[:, 0] - less.counts[:, 0]))[wholes > 0] / wholes[wholes > 0]
    low, high = np.percentile(gains, _TAILS)
    value = float((more.counts[:, 0] - less.counts[:, 0]).sum() / events.sum())
    return Interval(value, float(low), float(high))
