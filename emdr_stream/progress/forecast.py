"""In: a course and the prior of its measure. Out: the forecast, or the reason why there is none.

For the therapist alone: a forecast can discourage the person it is about (docs/safety.md, H11).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.progress.course import Course
from emdr_stream.progress.growth import belief_of
from emdr_stream.progress.measures import Bools, Floats, Scale
from emdr_stream.progress.paths import PATHS, Paths, paths_of
from emdr_stream.progress.prior import GrowthPrior
from emdr_stream.progress.signs import Sign, signs_of

Steps = NDArray[np.int64]

FEWEST_POINTS: Final = 2
HORIZON: Final = 12
"""Sessions ahead: as many as a usual course has (NICE NG116: 8 to 12)."""
MOST_HORIZON: Final = 40
_LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_EXPECTED_BAND: Final = (0.1, 0.9)


class Track(StrEnum):
    """Where the last rating lies against the 80 % of courses that begin as this one did."""

    AHEAD = "ahead"
    ON_TRACK = "on_track"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class NotEnoughData:
    """No forecast: `reason` names why, `have` and `need` in sessions with a rating."""

    measure: str
    target: str
    have: int
    need: int = FEWEST_POINTS
    reason: str = "fewer_than_two_points"
    detail: str = "not enough data: a forecast needs ratings of two sessions"


@dataclass(frozen=True, slots=True)
class Ahead:
    """One session to come: the median rating, half of the ratings between `low50` and `high50`, nine tenths between
    `low90` and `high90`. `reliable_change`: probability that its rating is better than the first by a reliable change,
    None where none is known. `attends`: probability that the person still comes."""

    session: int
    median: float
    low50: float
    high50: float
    low90: float
    high90: float
    reliable_change: float | None
    attends: float


@dataclass(frozen=True, slots=True)
class Reached:
    """When the level, ratings' noise left out, first meets a goal: `session` the median, `low50` to `high90` the
    interval; None is later than the horizon. `within_horizon`: probability, dropout left out; `attended`: with it."""

    goal: str
    session: int | None
    low50: int | None
    high50: int | None
    low90: int | None
    high90: int | None
    within_horizon: float
    attended: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What may be expected. `slope`, `slope_sd`: on the model's scale, per unit of log(1 + sessions).

    `expected_low`, `expected_high`: where the last rating of 80 % of those lies who began with the same value; `track`:
    where this one lies against it. `next_milestone`: None when all are reached. `completion`: all goals at once.
    `completed`: the last rating meets all goals.
    """

    measure: str
    target: str
    sessions: tuple[int, ...]
    values: tuple[float, ...]
    slope: float
    slope_sd: float
    trajectory: tuple[Ahead, ...]
    track: Track
    expected_low: float
    expected_high: float
    next_milestone: Reached | None
    completion: Reached
    completed: bool
    signs: tuple[Sign, ...]


def forecast(course: Course, scale: Scale, prior: GrowthPrior, horizon: int = HORIZON) -> Forecast | NotEnoughData:
    """The forecast for the next `horizon` sessions (1 to MOST_HORIZON). Below two points there is none."""
    if not 1 <= horizon <= MOST_HORIZON:
        raise ValueError(f"horizon is {horizon}: choose between 1 and {MOST_HORIZON} sessions")
    if len(course.values) < FEWEST_POINTS:
        return NotEnoughData(course.measure.value, course.target, len(course.values))
    belief = belief_of(prior, course.elapsed, scale.to_model(np.array(course.values)))
    paths = paths_of(belief, prior, scale, horizon)
    low, high = expected_band(course, scale, prior)
    slope, slope_sd = belief.slope
    jumped = float(belief.weights @ (belief.jumps > 0))
    return Forecast(
        measure=course.measure.value,
        target=course.target,
        sessions=course.sessions,
        values=course.values,
        slope=slope,
        slope_sd=slope_sd,
        trajectory=_trajectory(course, scale, prior, paths),
        track=_track(course.values[-1], scale, low, high),
        expected_low=low,
        expected_high=high,
        next_milestone=_next_milestone(course, scale, prior, paths),
        completion=_reached(course, prior, "all goals", _all_goals(course, scale, paths.levels)),
        completed=bool(_all_goals(course, scale, np.array(course.values[-1:]))[0]),
        signs=tuple(signs_of(scale, course.sessions, course.values, jumped)),
    )


def expected_band(course: Course, scale: Scale, prior: GrowthPrior) -> tuple[float, float]:
    """The 80 % expected response: where the rating of the course's last session lies, by its first rating alone."""
    began = belief_of(prior, [0.0], scale.to_model(np.array(course.values[:1])))
    paths = paths_of(began, prior, scale, int(course.elapsed[-1]))
    low, high = np.quantile(paths.ratings[:, -1], _EXPECTED_BAND)
    return float(low), float(high)


def _track(value: float, scale: Scale, low: float, high: float) -> Track:
    if low <= value <= high:
        return Track.ON_TRACK
    return Track.AHEAD if (value > high) == (scale.better > 0) else Track.BEHIND


def _trajectory(course: Course, scale: Scale, prior: GrowthPrior, paths: Paths) -> tuple[Ahead, ...]:
    bands = np.quantile(paths.ratings, _LEVELS, axis=0)
    found = []
    for step, (low90, low50, median, high50, high90) in enumerate(bands.T.tolist()):
        session = course.sessions[-1] + step + 1
        change = reliable_change(scale, course.values[0], paths.ratings[:, step])
        attends = (1.0 - prior.dropout) ** (step + 1)
        found.append(Ahead(session, median, low50, high50, low90, high90, change, attends))
    return tuple(found)


def reliable_change(scale: Scale, first: float, ratings: Floats) -> float | None:
    """Share of the ratings that are better than the first by a reliable change."""
    if scale.reliable_change is None:
        return None
    return float(np.mean(scale.improvement(first, ratings) >= scale.reliable_change))


def _next_milestone(course: Course, scale: Scale, prior: GrowthPrior, paths: Paths) -> Reached | None:
    first, last = course.values[0], np.array(course.values[-1:])
    for goal in scale.goals:
        if not scale.met(goal, first, last)[0]:
            return _reached(course, prior, goal.name, scale.met(goal, first, paths.levels))
    return None


def _all_goals(course: Course, scale: Scale, values: Floats) -> Bools:
    first = course.values[0]
    met: Bools = np.logical_and.reduce([scale.met(goal, first, values) for goal in scale.goals])
    return met


def _reached(course: Course, prior: GrowthPrior, goal: str, met: Bools) -> Reached:
    """When each path first meets a goal; `met` (PATHS, H)."""
    horizon = met.shape[1]
    steps = np.where(met.any(axis=1), met.argmax(axis=1) + 1, horizon + 1)
    low90, low50, median, high50, high90 = (_session(course, steps, level, horizon) for level in _LEVELS)
    counts = np.bincount(steps, minlength=horizon + 2)[1 : horizon + 1] / PATHS
    attends = (1.0 - prior.dropout) ** np.arange(1, horizon + 1)
    return Reached(goal, median, low50, high50, low90, high90, float(counts.sum()), float(counts @ attends))


def _session(course: Course, steps: Steps, level: float, horizon: int) -> int | None:
    step = int(np.quantile(steps, level, method="inverted_cdf"))
    return None if step > horizon else course.sessions[-1] + step
