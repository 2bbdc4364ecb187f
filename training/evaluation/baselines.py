"""In: courses. Out: what a detector that knows nothing would make of them: silence, and truths that are shuffled."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from emdr_stream.domain import DIMENSIONS, MODEL_STATES, Scores, StateLabel
from emdr_stream.evaluation.course import Course
from emdr_stream.evaluation.events import tally
from emdr_stream.evaluation.probabilities import crisis_truth
from emdr_stream.pipeline.features import Array
from training.rows import levels

SHIFTS: Final = 20
_CALM: Final = MODEL_STATES.index(StateLabel.CALM)
_VALENCE, _AROUSAL = DIMENSIONS.index("valence"), DIMENSIONS.index("arousal")


class AbsoluteRule:
    """The brief's way without a model of the person: arousal as it is read is the probability, as long as valence is
    negative. Under the service's own monitor and its thresholds of 0.6, 0.7 and 0.8; a Scorer."""

    def score(self, rows: Array) -> list[Scores]:
        """Scores of rows, float64 (n, ROW_LENGTH), by the raw means of the last five seconds."""
        return [self._scores(*row) for row in levels(rows)[:, [_VALENCE, _AROUSAL]].tolist()]

    def _scores(self, valence: float, arousal: float) -> Scores:
        crisis = min(max(arousal, 0.0), 1.0) if valence < 0.0 and arousal == arousal else 0.0
        states = [0.0] * len(MODEL_STATES)
        states[_CALM] = 1.0
        return Scores(tuple(states), crisis, crisis, (0.0, 0.0, 0.0))


def absolute_rule() -> AbsoluteRule:
    """Makes one, in the process that needs it."""
    return AbsoluteRule()


def silent(courses: Sequence[Course]) -> list[Course]:
    """The same recordings, and never an alarm."""
    return [replace(course, alarms_ms=(), pauses_ms=(), pauses=()) for course in courses]


def silent_accuracy(courses: Sequence[Course]) -> float | None:
    """In which share of the judged seconds whose truth is known silence would be right: the trap of accuracy."""
    crisis = known = 0
    for course in courses:
        truth, sure = crisis_truth(course)
        counted = sure & course.watched.judged
        crisis, known = crisis + int((truth & counted).sum()), known + int(counted.sum())
    return 1.0 - crisis / known if known else None


def shuffled_sensitivity(courses: Sequence[Course], shifts: int = SHIFTS) -> float | None:
    """Share of events found when each recording is scored by another person's truth: what chance finds.

    Truths go round by a number of recordings, drawn anew `shifts` times.
    """
    if len({course.truth.person for course in courses}) < 2:
        return None
    rng = np.random.default_rng(0)
    found = events = 0
    for _ in range(shifts):
        by = int(rng.integers(1, len(courses)))
        for number, course in enumerate(courses):
            other = courses[(number + by) % len(courses)].truth
            if other.person == course.truth.person:
                continue
            swapped = replace(course, truth=msgspec.structs.replace(course.truth, events=other.events))
            scored = tally(swapped)
            found, events = found + scored.found, events + len(scored.counted)
    return found / events if events else None
