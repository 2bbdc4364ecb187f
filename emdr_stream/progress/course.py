"""In: single ratings. Out: courses, one for each measure and target, checked and in order; errors name the field."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from emdr_stream.errors import EmdrError
from emdr_stream.progress.measures import SCALES, Floats, Measure

MOST_SESSIONS: Final = 200
LONGEST_TARGET: Final = 80


class RatingsError(EmdrError):
    """Ratings that cannot be used; the message names the place, the field and the mend."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One rating. `session`: 0 before treatment, then 1, 2, ...; `target`: the memory, empty for PCL-5."""

    measure: Measure
    session: int
    value: float
    target: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """A person's ratings of one thing, one a session, oldest first; sessions may be missing."""

    measure: Measure
    target: str
    sessions: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def elapsed(self) -> Floats:
        """Sessions since the first rating (n,)."""
        return np.array(self.sessions, dtype=np.float64) - self.sessions[0]


def rating(measure: object, session: object, value: object, target: object = "", where: str = "rating") -> Rating:
    """A checked rating. Raises RatingsError, which names the field and what it may be."""
    kind = _measure(measure, where)
    scale = SCALES[kind]
    number = _number(session, "session", where)
    if number != int(number) or not 0 <= number <= MOST_SESSIONS:
        raise RatingsError(f"{where}: `session` is {session!r}: write a whole number from 0 to {MOST_SESSIONS}")
    given = _number(value, "value", where)
    if not scale.low <= given <= scale.high:
        raise RatingsError(
            f"{where}: `value` is {value!r}: {scale.name} goes from {scale.low:g} to {scale.high:g}; correct the value"
        )
    return Rating(kind, int(number), given, _target(target, kind, where))


def courses_of(ratings: Sequence[Rating]) -> list[Course]:
    """One course for each measure and target, in order of appearance.

    Several ratings of SUD or VoC in one session are that session's own course: the last of them counts, so that a rise
    within a session, which is common, is no rise of the course. Raises RatingsError for two PCL-5 of one session.
    """
    kept: dict[tuple[Measure, str], dict[int, float]] = {}
    for each in ratings:
        by_session = kept.setdefault((each.measure, each.target), {})
        if each.measure is Measure.PCL5 and each.session in by_session:
            raise RatingsError(f"`session` {each.session} has two PCL-5 values: keep the one that counts")
        by_session[each.session] = each.value
    return [_course(measure, target, by_session) for (measure, target), by_session in kept.items()]


def _course(measure: Measure, target: str, by_session: dict[int, float]) -> Course:
    sessions = tuple(sorted(by_session))
    return Course(measure, target, sessions, tuple(by_session[session] for session in sessions))


def _measure(given: object, where: str) -> Measure:
    try:
        return Measure(str(given).strip().lower().replace("-", ""))
    except ValueError:
        known = ", ".join(Measure)
        raise RatingsError(f"{where}: `measure` is {given!r}: write one of {known}") from None


def _target(given: object, measure: Measure, where: str) -> str:
    target = "" if given is None else str(given).strip()
    if len(target) > LONGEST_TARGET:
        raise RatingsError(f"{where}: `target` is longer than {LONGEST_TARGET} characters: give it a shorter name")
    if measure is Measure.PCL5 and target:
        raise RatingsError(f"{where}: `target` is {target!r}: PCL-5 is of the person, leave it empty")
    return target


def _number(given: object, field: str, where: str) -> float:
    try:
        number = float("nan") if isinstance(given, bool) or given is None else float(str(given))
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise RatingsError(f"{where}: `{field}` is {given!r}: write a number; leave the row out if there is none")
    return number
