"""In: alarms and true events of many sessions. Out: sensitivity with intervals, false alarms an hour, time to alarm.

Event scoring in the manner of SzCORE: an event counts as found when an alarm falls from 30 s before to 60 s after its
onset; alarms from 30 s before an event to 60 s after its end are not false; alarms less than 20 s apart are one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

BEFORE_S: Final = 30.0
AFTER_S: Final = 60.0
MERGE_S: Final = 20.0
RESAMPLES: Final = 500
INTERVAL: Final = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """A crisis: seconds from the session's start."""

    onset_s: float
    offset_s: float
    observable: bool = True


@dataclass(frozen=True, slots=True)
class Course:
    """One session as it was scored: `alarms_s` rising times of alarms, `monitored_s` for how long models were heard."""

    person_id: str
    family: str
    alarms_s: tuple[float, ...]
    events: tuple[TrueEvent, ...]
    monitored_s: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one session: `delays_s` from onset to the alarm of each event found, negative when early."""

    person_id: str
    events: int
    delays_s: tuple[float, ...]
    false_alarms: int
    monitored_s: float


@dataclass(frozen=True, slots=True)
class Score:
    """Sensitivity with its 95 % interval over persons (NaN without events), false alarms an hour, delays in seconds."""

    events: int
    sensitivity: float
    low: float
    high: float
    false_alarms_per_hour: float
    median_delay_s: float
    p95_delay_s: float
    hours: float


def merged(alarms_s: Sequence[float], gap_s: float = MERGE_S) -> list[float]:
    """The first of each run of alarms less than `gap_s` apart."""
    alarms = sorted(alarms_s)
    return alarms[:1] + [late for early, late in pairwise(alarms) if late - early >= gap_s]


def tally(course: Course, *, observable_only: bool = False) -> Tally:
    """Match the alarms of one session to its events; an alarm near an event that does not show is never false."""
    delays = []
    events = [event for event in course.events if event.observable or not observable_only]
    for event in events:
        hits = [a for a in course.alarms_s if event.onset_s - BEFORE_S <= a <= event.onset_s + AFTER_S]
        if hits:
            delays.append(hits[0] - event.onset_s)
    false = [
        alarm
        for alarm in merged(course.alarms_s)
        if not any(event.onset_s - BEFORE_S <= alarm <= event.offset_s + AFTER_S for event in course.events)
    ]
    return Tally(course.person_id, len(events), tuple(delays), len(false), course.monitored_s)


def score(courses: Sequence[Course], *, observable_only: bool = False, seed: int = 0) -> Score:
    """Score sessions together; the interval resamples persons, not events."""
    tallies = [tally(course, observable_only=observable_only) for course in courses]
    persons = sorted({item.person_id for item in tallies})
    index = {person: number for number, person in enumerate(persons)}
    found, events = np.zeros(len(persons)), np.zeros(len(persons))
    for item in tallies:
        found[index[item.person_id]] += len(item.delays_s)
        events[index[item.person_id]] += item.events
    low, high = _interval(found, events, np.random.default_rng(seed))
    delays = [max(delay, 0.0) for item in tallies for delay in item.delays_s]
    hours = sum(item.monitored_s for item in tallies) / 3_600.0
    total = int(events.sum())
    return Score(
        events=total,
        sensitivity=float(found.sum() / total) if total else float("nan"),
        low=low,
        high=high,
        false_alarms_per_hour=sum(item.false_alarms for item in tallies) / hours if hours else float("nan"),
        median_delay_s=float(np.median(delays)) if delays else float("nan"),
        p95_delay_s=float(np.percentile(delays, 95)) if delays else float("nan"),
        hours=hours,
    )


def _interval(
    found: np.ndarray[tuple[int], np.dtype[np.float64]],
    events: np.ndarray[tuple[int], np.dtype[np.float64]],
    rng: np.random.Generator,
) -> tuple[float, float]:
    if not events.sum():
        return float("nan"), float("nan")
    chosen = rng.integers(0, len(events), (RESAMPLES, len(events)))
    totals = events[chosen].sum(axis=1)
    shares = found[chosen].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.percentile(shares, INTERVAL)
    return float(low), float(high)
