"""In: a seed and the name of a test set. Out: its sessions: families, persons or sensors that training never saw.

Nobody presses stop, and crises are about 5 % of the time, as in the default mixture. Score them once a release.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Final

import numpy as np

from emdr_stream.simulation import (
    COURSES,
    TEST_DURATION_S,
    TEST_MIXTURE,
    Course,
    Family,
    Parameters,
    SimulatedSession,
    draw_person,
    draw_sensor,
    simulate_session,
)
from training.heldout.families import OBSERVABLE, UNOBSERVABLE
from training.heldout.shift import shifted_person, shifted_sensor


class HeldOut(StrEnum):
    """The test sets."""

    SHIFTED = "shifted"  # trained families; persons and sensors shifted
    UNSEEN = "unseen"  # families held out; persons and sensors as in training
    UNSEEN_SHIFTED = "unseen_shifted"  # both
    UNOBSERVABLE = "unobservable"  # panics that do not show; reported, never a target


SESSIONS_PER_PERSON: Final = 2
CRISIS_SHARE: Final = 0.42
"""Of the sessions of a test set with families held out: some of them have more than one event."""
_STREAM: Final = 7_001
"""Set apart from every cohort of training, whose generators begin with another number."""
_BACKGROUND: Final = (Family.CALM, Family.PROCESSING, Family.ABREACTION, Family.TALK_LAUGH, Family.FLAT_CALM)


def heldout_cohort(
    seed: int,
    n_sessions: int,
    test_set: HeldOut,
    *,
    parameters: Parameters | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[SimulatedSession]:
    """Sessions of a test set, two of each person in a row; each depends on the seed, the set and its number alone."""
    p = parameters or Parameters()
    courses = _courses(test_set)
    weights = np.array(list(courses.values()))
    place = list(HeldOut).index(test_set)
    shifted = test_set in {HeldOut.SHIFTED, HeldOut.UNSEEN_SHIFTED}
    for index in range(n_sessions):
        who = index // SESSIONS_PER_PERSON
        cast = np.random.default_rng([_STREAM, seed, place, 0, who])
        person = draw_person(cast, f"{test_set}-{seed}-{who}", p)
        rng = np.random.default_rng([_STREAM, seed, place, 1, index])
        course = list(courses)[int(rng.choice(len(courses), p=weights / weights.sum()))]
        sensor = draw_sensor(rng, p, noisy=course.noisy_sensor)
        if shifted:
            person, sensor = shifted_person(cast, person, p), shifted_sensor(rng, sensor, p)
        yield simulate_session(
            rng,
            course,
            person=person,
            sensor=sensor,
            duration_s=float(rng.uniform(*TEST_DURATION_S)),
            stop_presses=False,
            parameters=p,
        )
        if progress is not None:
            progress(index + 1)


def _courses(test_set: HeldOut) -> Mapping[Course, float]:
    if test_set is HeldOut.SHIFTED:
        return {COURSES[family]: weight for family, weight in TEST_MIXTURE.items()}
    held = UNOBSERVABLE if test_set is HeldOut.UNOBSERVABLE else OBSERVABLE
    crises = {course: CRISIS_SHARE / len(held) for course in held.values()}
    return crises | {COURSES[family]: (1.0 - CRISIS_SHARE) / len(_BACKGROUND) for family in _BACKGROUND}
