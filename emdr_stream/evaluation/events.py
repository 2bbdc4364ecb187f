"""In: the alarms and true events of one recording. Out: which events were found, and which alarms were false.

The rules, in the manner of SzCORE:
- Events of one kind less than 20 s apart are one event. One that is shorter than 10 s, marginal, or does not show is
  reported apart: an alarm for it is neither a hit nor false.
- An event is found by an alarm from 30 s before to 60 s after its onset. One alarm is credited to one event, and the
  other way round. The time to the alarm counts from the onset; an early alarm took none.
- An alarm is false when it lies outside all events: before the 30 s, or after the event's end (and the 60 s).
- False alarms are counted at most once in 20 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from emdr_stream.evaluation.course import MODEL_CAUSES, Course
from emdr_stream.evaluation.labels import Event

BEFORE_MS: Final = 30_000
AFTER_MS: Final = 60_000
MERGE_MS: Final = 20_000
LEAST_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """One event after scoring: `alarm_ms` None when it was missed; `why_apart` empty when it counts."""

    event: Event
    alarm_ms: int | None
    why_apart: str = ""

    @property
    def delay_s(self) -> float | None:
        """Seconds from the onset to the alarm, 0 for an early one."""
        return None if self.alarm_ms is None else max(self.alarm_ms - self.event.onset_ms, 0) / 1_000


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one recording. `false_ms`: each false alarm; the seconds add up to those that are scored.

    `monitored_s`: the models were heard and the session ran. `paused_s`: they were heard, but it was paused.
    `blind_s`: nobody was heard: no baseline yet, no face, no model. `event_s`: seconds of true events, for the
    prevalence. `false_pause_s`: time within pauses that began with a false alarm.
    """

    person: str
    counted: tuple[Found, ...]
    apart: tuple[Found, ...]
    false_ms: tuple[int, ...]
    monitored_s: float
    paused_s: float
    blind_s: float
    event_s: float
    false_pause_s: float

    @property
    def found(self) -> int:
        return sum(item.alarm_ms is not None for item in self.counted)

    @property
    def scored_s(self) -> float:
        return self.monitored_s + self.paused_s + self.blind_s


def tally(course: Course, alarms_ms: Sequence[int] | None = None) -> Tally:
    """Score one recording by all the models' alarms, or by those given (its pauses)."""
    alarms = sorted(at for at in (course.alarms_ms if alarms_ms is None else alarms_ms) if course.counts(at))
    events = merged_events(course.truth.events)
    scored = [event for event in events if course.counts(event.onset_ms)]
    counted = [event for event in scored if not why_apart(event)]
    aside = [event for event in scored if why_apart(event)]
    false_ms = false_alarms(alarms, events)
    judged, paused = course.watched.judged[course.window], course.watched.paused[course.window]
    return Tally(
        person=course.truth.person,
        counted=tuple(match(counted, alarms)),
        apart=tuple(Found(item.event, item.alarm_ms, why_apart(item.event)) for item in match(aside, alarms)),
        false_ms=tuple(false_ms),
        monitored_s=float((judged & ~paused).sum()),
        paused_s=float((judged & paused).sum()),
        blind_s=float((~judged).sum()),
        event_s=sum(_inside_s(course, event.onset_ms, event.end_ms) for event in scored),
        false_pause_s=_false_pause_s(course, events),
    )


def merged_events(events: Sequence[Event]) -> list[Event]:
    """In order of onset, those of one kind that are less than 20 s apart made one.

    What is merged is observable when a part of it is, and marginal when all of it is.
    """
    merged: list[Event] = []
    open_events: dict[str, int] = {}
    for event in sorted(events, key=lambda each: each.onset_ms):
        at = open_events.get(event.kind)
        if at is not None and event.onset_ms - merged[at].end_ms < MERGE_MS:
            before = merged[at]
            merged[at] = msgspec.structs.replace(
                before,
                end_ms=max(before.end_ms, event.end_ms),
                observable=before.observable or event.observable,
                marginal=before.marginal and event.marginal,
            )
            continue
        open_events[event.kind] = len(merged)
        merged.append(event)
    return merged


def why_apart(event: Event) -> str:
    """Why an event does not count towards the sensitivity; empty when it does."""
    if event.marginal:
        return "marginal"
    if not event.observable:
        return "unobservable"
    return "short" if event.end_ms - event.onset_ms < LEAST_MS else ""


def match(events: Sequence[Event], alarms_ms: Sequence[int]) -> list[Found]:
    """Credit alarms, in order, to events in order of onset: each event takes the first one that nobody has.

    As all windows are of one length, no other way to credit them finds more events.
    """
    free = list(alarms_ms)
    found = []
    for event in events:
        fits = (at for at in free if event.onset_ms - BEFORE_MS <= at <= event.onset_ms + AFTER_MS)
        taken = next(fits, None)
        if taken is not None:
            free.remove(taken)
        found.append(Found(event, taken))
    return found


def false_alarms(alarms_ms: Sequence[int], events: Sequence[Event]) -> list[int]:
    """The alarms outside all events, counted at most once in 20 s, however long a storm of them lasts."""
    kept: list[int] = []
    for at in alarms_ms:
        if not explained(at, events) and (not kept or at - kept[-1] >= MERGE_MS):
            kept.append(at)
    return kept


def explained(at_ms: int, events: Sequence[Event]) -> bool:
    """Whether an alarm at this time belongs to an event, of whatever sort: it is not false then."""
    return any(e.onset_ms - BEFORE_MS <= at_ms <= max(e.end_ms, e.onset_ms + AFTER_MS) for e in events)


def _false_pause_s(course: Course, events: Sequence[Event]) -> float:
    wrong = [p for p in course.pauses if p.cause in MODEL_CAUSES and not explained(p.start_ms, events)]
    return sum(_inside_s(course, pause.start_ms, pause.end_ms) for pause in wrong)


def _inside_s(course: Course, start_ms: int, end_ms: int) -> float:
    """Seconds of a stretch that are scored."""
    return float(np.clip(min(end_ms, course.to_ms) - max(start_ms, course.from_ms), 0, None)) / 1_000
