"""In: the courses of many recordings. Out: every figure of their evaluation."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from emdr_stream.domain import MODEL_STATES
from emdr_stream.evaluation import probabilities
from emdr_stream.evaluation.bootstrap import Interval, Persons, precision_at
from emdr_stream.evaluation.course import MODEL_CAUSES, Course
from emdr_stream.evaluation.events import Found, Tally, explained, merged_events, tally
from emdr_stream.evaluation.figures import Figures, Gap, Missed, Part, Rare
from emdr_stream.evaluation.sweep import sweep

RARE: Final = 1 / 20
"""Events a session, where crises are as rare as in practice."""
PROVOKING: Final = frozenset({"abreaction", "laughing"})
"""Strong feeling inside the window, and laughter: a pause for these is the harm that a monitor can do."""
PROVOKED_SHARE: Final = 0.05
"""Of the scored time: from here on a recording is about these."""
LEAST_EVENTS: Final = 10
"""A subgroup with fewer events is shown, but takes no part in a gap."""
_HOUR_S: Final = 3_600.0


class _Scored:
    """Courses with both of their tallies, and the persons among them."""

    def __init__(self, courses: Sequence[Course]) -> None:
        self.courses = list(courses)
        self.alarms = [tally(course) for course in courses]
        self.pauses = [tally(course, course.pauses_ms) for course in courses]
        self.names = [course.truth.person for course in courses]
        self.persons = Persons(self.names)

    def where(self, wanted: Callable[[Course], bool]) -> "_Scored":
        return _Scored([course for course in self.courses if wanted(course)])

    def sensitivity(self, tallies: Sequence[Tally]) -> Interval:
        found = self.persons.sums(self.names, [float(item.found) for item in tallies])
        events = self.persons.sums(self.names, [float(len(item.counted)) for item in tallies])
        return self.persons.share(found, events)

    def false_per_hour(self, tallies: Sequence[Tally]) -> Interval:
        counts = self.persons.sums(self.names, [float(len(item.false_ms)) for item in tallies])
        hours = self.persons.sums(self.names, [item.monitored_s / _HOUR_S for item in tallies])
        return self.persons.rate(counts, hours)

    def delay(self, tallies: Sequence[Tally], level: float) -> Interval:
        delays = [(item.person, each.delay_s) for item in tallies for each in item.counted if each.delay_s is not None]
        return self.persons.quantile([person for person, _ in delays], [delay for _, delay in delays], level)

    def total(self, read: Callable[[Tally], float]) -> float:
        return float(sum(read(item) for item in self.alarms))


def figures_of(courses: Sequence[Course], name: str) -> Figures:
    """Every figure of these recordings; with none of them, everything is empty or null."""
    scored = _Scored(courses)
    said, true = probabilities.said_and_true(courses)
    seen = probabilities.confusion(courses)
    calm = scored.where(is_calm)
    hard = scored.where(is_provoking)
    groups = _groups(scored)
    apart = [each for item in scored.alarms for each in item.apart]
    hard_counts = _hard_negatives(courses)
    return Figures(
        name=name,
        recordings=len(courses),
        persons=len(scored.persons),
        **_times(scored),
        events=sum(len(item.counted) for item in scored.alarms),
        sensitivity=scored.sensitivity(scored.alarms),
        pause_sensitivity=scored.sensitivity(scored.pauses),
        events_apart=_counted(each.why_apart for each in apart),
        alarms_on_events_apart=_counted(each.why_apart for each in apart if each.alarm_ms is not None),
        precision=_precision(scored),
        false_alarms_per_hour=scored.false_per_hour(scored.alarms),
        false_pauses_per_hour=scored.false_per_hour(scored.pauses),
        false_alarms_without_event_per_hour=_eventless(scored),
        rare=_rare(scored),
        sweep=sweep(courses),
        median_time_to_alarm_s=scored.delay(scored.alarms, 0.5),
        p95_time_to_alarm_s=scored.delay(scored.alarms, 0.95),
        median_time_to_pause_s=scored.delay(scored.pauses, 0.5),
        calm_recordings=len(calm.courses),
        calm_pauses_per_hour=calm.false_per_hour(calm.pauses),
        hard_negative_recordings=len(hard.courses),
        hard_negative_pauses_per_hour=hard.false_per_hour(hard.pauses),
        hard_negatives=hard_counts[0],
        hard_negatives_paused=hard_counts[1],
        crisis_brier=probabilities.brier(said, true),
        crisis_ece=probabilities.calibration_error(said, true),
        crisis_auc=probabilities.area_under_curve(said, true),
        state_accuracy=_accuracy(seen),
        state_accuracy_all=_accuracy(probabilities.confusion(courses, observable_only=False)),
        state_majority=float(seen.sum(axis=1).max() / seen.sum()) if seen.any() else None,
        state_confusion=seen.tolist(),
        other_pauses=_counted(p.cause for c in courses for p in c.pauses if p.cause not in MODEL_CAUSES),
        other_alerts=_counted(kind for course in courses for kind in course.other_alerts),
        families=_parts(scored, lambda course: course.truth.family),
        sensors=_parts(scored, lambda course: course.truth.sensor),
        groups=groups,
        gaps=_gaps(groups),
        missed=[
            _missed(course, item)
            for course, own in zip(courses, scored.alarms, strict=True)
            for item in own.counted
            if item.alarm_ms is None
        ],
    )


def is_provoking(course: Course) -> bool:
    """Whether abreaction and laughter take up a good part of a recording: a smile now and then is in every one."""
    own = [each for each in course.truth.hard_negatives if each.kind in PROVOKING]
    scored_ms = course.to_ms - course.from_ms
    return sum(each.end_ms - each.onset_ms for each in own) >= PROVOKED_SHARE * scored_ms > 0


def is_calm(course: Course) -> bool:
    """Whether a recording holds no event of any sort, and hardly any abreaction or laughter."""
    return not course.truth.events and not is_provoking(course)


def state_names() -> list[str]:
    """Rows and columns of `state_confusion`: true, then said."""
    return [state.value for state in MODEL_STATES]


def _times(scored: _Scored) -> dict[str, Any]:
    total = scored.total(lambda item: item.scored_s)
    monitored = scored.total(lambda item: item.monitored_s)
    heard = total - scored.total(lambda item: item.blind_s)

    def share(part: float, whole: float = total) -> float | None:
        return part / whole if whole > 0.0 else None

    return {
        "hours_scored": total / _HOUR_S,
        "hours_monitored": monitored / _HOUR_S,
        "coverage": share(monitored),
        "paused_share": share(scored.total(lambda item: item.paused_s)),
        "abstained_share": share(scored.total(lambda item: item.blind_s)),
        "prevalence": share(scored.total(lambda item: item.event_s)),
        "false_pause_share": share(scored.total(lambda item: item.false_pause_s), heard),
    }


def _precision(scored: _Scored) -> float | None:
    right = sum(item.found for item in scored.alarms)
    wrong = sum(len(item.false_ms) for item in scored.alarms)
    return right / (right + wrong) if right + wrong else None


def _eventless(scored: _Scored) -> Interval:
    """False alarms an hour of recordings that hold no event at all."""
    without = scored.where(lambda course: not course.truth.events)
    return without.false_per_hour(without.alarms)


def _rare(scored: _Scored) -> Rare:
    """Recordings with and without events, mixed anew so that one in 20 has one."""
    mixed = 0.0
    hours = 0.0
    for share, wanted in ((RARE, True), (1.0 - RARE, False)):
        own = [t for c, t in zip(scored.courses, scored.alarms, strict=True) if bool(c.truth.events) is wanted]
        if not own:
            return Rare(events_per_session=RARE, false_alarms_per_hour=None, precision=None)
        mixed += share * sum(len(item.false_ms) for item in own) / len(own)
        hours += share * sum(item.monitored_s for item in own) / len(own) / _HOUR_S
    sensitivity = scored.sensitivity(scored.alarms).value
    return Rare(
        events_per_session=RARE,
        false_alarms_per_hour=mixed / hours if hours > 0.0 else None,
        precision=precision_at(sensitivity, mixed, RARE),
    )


def _parts(scored: _Scored, key: Callable[[Course], str]) -> list[Part]:
    """One part for each value of the key, in order."""
    by_name: dict[str, list[Course]] = {}
    for course in scored.courses:
        by_name.setdefault(key(course), []).append(course)
    return [_part(name, _Scored(own)) for name, own in sorted(by_name.items())]


def _part(name: str, own: _Scored) -> Part:
    return Part(
        name=name,
        recordings=len(own.courses),
        persons=len(own.persons),
        hours=own.total(lambda item: item.monitored_s) / _HOUR_S,
        events=sum(len(item.counted) for item in own.alarms),
        sensitivity=own.sensitivity(own.alarms),
        pause_sensitivity=own.sensitivity(own.pauses),
        false_alarms_per_hour=own.false_per_hour(own.alarms),
        false_pauses_per_hour=own.false_per_hour(own.pauses),
        median_time_to_alarm_s=own.delay(own.alarms, 0.5).value,
    )


def _groups(scored: _Scored) -> dict[str, list[Part]]:
    found = {}
    for name in sorted({name for course in scored.courses for name in course.truth.groups}):
        grouped = scored.where(lambda course, name=name: name in course.truth.groups)  # type: ignore[misc]
        found[name] = _parts(grouped, lambda course, name=name: course.truth.groups[name])  # type: ignore[misc]
    return found


def _gaps(groups: dict[str, list[Part]]) -> list[Gap]:
    gaps = []
    for group, parts in groups.items():
        told = [(p.sensitivity.value, p.name) for p in parts if p.events >= LEAST_EVENTS]
        known = sorted((value, name) for value, name in told if value is not None)
        if len(known) > 1:
            (low, worst), (high, best) = known[0], known[-1]
            gaps.append(Gap(group=group, best=best, worst=worst, sensitivity_gap=high - low))
    return gaps


def _hard_negatives(courses: Sequence[Course]) -> tuple[int, int]:
    """How many stretches of abreaction or laughter there are, and in how many of them the models paused falsely."""
    count = paused = 0
    for course in courses:
        events = merged_events(course.truth.events)
        wrong = [at for at in course.pauses_ms if not explained(at, events)]
        own = [each for each in course.truth.hard_negatives if each.kind in PROVOKING and course.counts(each.onset_ms)]
        count += len(own)
        paused += sum(any(each.onset_ms <= at <= each.end_ms for at in wrong) for each in own)
    return count, paused


def _missed(course: Course, item: Found) -> Missed:
    truth, event = course.truth, item.event
    first, last = event.onset_ms // 1_000, -(-event.end_ms // 1_000)
    judged = course.watched.judged[first:last]
    pauses = [p.cause for p in course.pauses if p.start_ms < event.end_ms and p.end_ms > event.onset_ms]
    why = []
    if not judged.all():
        why.append(f"{int((~judged).sum())} of its {last - first} s were not monitored")
    if pauses:
        why.append(f"paused already: {', '.join(sorted(set(pauses)))}")
    if judged.any():
        why.append(f"crisis said to be {float(np.nanmax(course.watched.crisis[first:last])):.2f} at most")
    return Missed(
        recording=truth.recording,
        person=truth.person,
        family=truth.family,
        sensor=truth.sensor,
        kind=event.kind,
        onset_ms=event.onset_ms,
        end_ms=event.end_ms,
        why="; ".join(why),
    )


def _accuracy(matrix: probabilities.Matrix) -> float | None:
    total = int(matrix.sum())
    return int(np.trace(matrix)) / total if total else None


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
