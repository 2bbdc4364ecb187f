"""A client's sessions, ratings and questionnaires in, courses as `progress` has them, with their signs, out."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdr_stream.analytics.figures import Outcome, SessionFigures
from emdr_stream.progress.course import MOST_SESSIONS, Course
from emdr_stream.progress.measures import SCALES, Measure
from emdr_stream.progress.signs import SignKind, signs_of


@dataclass(frozen=True, slots=True)
class CourseFigures:
    """A course so far. `gained`: points by which the last rating is better than the first; `reliable`: whether that is
    a reliable change, None where none is known; `goals`: those that the last rating meets; `signs`: what a therapist
    may want to look at. `target`: the memory; empty for PCL-5, and for what was rated within sessions."""

    measure: Measure
    target: str
    sessions: tuple[int, ...]
    values: tuple[float, ...]
    gained: float
    reliable: bool | None
    goals: tuple[str, ...]
    signs: tuple[SignKind, ...]


def courses(sessions: Sequence[SessionFigures], outcomes: Sequence[Outcome]) -> list[CourseFigures]:
    """One for each measure and target. Sessions count from 1 in the order in which they began; what was rated before
    the first of them is of session 0. Of several ratings in one session the last one counts."""
    ordered = sorted(sessions, key=lambda session: (session.began_ms, session.session_id))[-MOST_SESSIONS:]
    begun = [session.began_ms for session in ordered]
    found: dict[tuple[Measure, str], dict[int, float]] = {}
    for number, session in enumerate(ordered, 1):
        for measure, value in ((Measure.SUD, session.sud_last), (Measure.VOC, session.voc_last)):
            if value is not None:
                found.setdefault((measure, ""), {})[number] = value
    for outcome in sorted(outcomes, key=lambda outcome: outcome.ts_ms):
        number = bisect_right(begun, outcome.ts_ms)
        found.setdefault((outcome.measure, outcome.target), {})[number] = outcome.value
    return [_figures(measure, target, rated) for (measure, target), rated in sorted(found.items())]


def course_of(figures: CourseFigures) -> Course:
    """As forecasts take it."""
    return Course(figures.measure, figures.target, figures.sessions, figures.values)


def _figures(measure: Measure, target: str, rated: dict[int, float]) -> CourseFigures:
    scale = SCALES[measure]
    numbers = tuple(sorted(rated))
    values = tuple(rated[number] for number in numbers)
    gained = scale.gained(values[0], values[-1])
    last = np.array(values[-1:])
    met = tuple(goal.name for goal in scale.goals if scale.met(goal, values[0], last)[0])
    # A sudden gain is the forecast's to find: it needs the chance of a jump.
    signs = signs_of(scale, numbers, values, jump_chance=0.0) if len(values) > 1 else []
    reliable = None if scale.reliable_change is None else gained >= scale.reliable_change
    return CourseFigures(measure, target, numbers, values, gained, reliable, met, tuple(sign.kind for sign in signs))
