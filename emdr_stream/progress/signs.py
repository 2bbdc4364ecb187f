"""In: a course. Out: signs of a stall or of a worsening, each with the numbers behind it.

Only what lasts is a sign: one worse session is common and tells nothing of the outcome (Foa et al. 2002), and ratings
within a session are not looked at here at all.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from emdr_stream.progress.measures import Scale

STALL_RATINGS: Final = 3
"""Ratings in a row without change that make a stall."""
WORSE_RATINGS: Final = 2
"""Ratings in a row worse than the first by more than chance that make a deterioration."""


class SignKind(StrEnum):
    STALL = "stall"
    DETERIORATION = "deterioration"
    ONE_WORSE = "one_worse_session"
    SUDDEN_GAIN = "sudden_gain"


@dataclass(frozen=True, slots=True)
class Sign:
    """Something a therapist may want to look at; `detail` says it in words with its numbers."""

    kind: SignKind
    detail: str


def signs_of(scale: Scale, sessions: tuple[int, ...], values: tuple[float, ...], jump_chance: float) -> list[Sign]:
    """What the course shows now. `jump_chance`: probability that a jump came before the last rating."""
    worse = _worse(scale, values)
    stalled = [] if worse or not _stalled(scale, values) else [_stall(scale, sessions, values)]
    return worse + stalled + _gain(scale, values, jump_chance)


def _worse(scale: Scale, values: tuple[float, ...]) -> list[Sign]:
    limit = scale.noise if scale.reliable_change is None else scale.reliable_change
    late = values[1:][-WORSE_RATINGS:]
    beyond = [value for value in late if scale.gained(values[0], value) <= -limit]
    if len(beyond) == WORSE_RATINGS:
        detail = f"the last {WORSE_RATINGS} ratings are worse than the first by {limit:g} points or more"
        return [Sign(SignKind.DETERIORATION, detail)]
    if beyond and beyond[-1] == late[-1] and scale.gained(values[0], late[-1]) <= -limit:
        detail = f"the last rating is worse than the first by {limit:g} points or more; one alone is common"
        return [Sign(SignKind.ONE_WORSE, detail)]
    return []


def _stalled(scale: Scale, values: tuple[float, ...]) -> bool:
    """No improvement beyond noise over the last ratings, and the last goal not reached."""
    if len(values) < STALL_RATINGS or _at_goal(scale, values):
        return False
    recent = values[-STALL_RATINGS:]
    return max(scale.gained(recent[0], value) for value in recent[1:]) < scale.noise


def _at_goal(scale: Scale, values: tuple[float, ...]) -> bool:
    levels = [goal.points for goal in scale.goals if goal.level]
    return all(scale.gained(level, values[-1]) >= 0.0 for level in levels)


def _stall(scale: Scale, sessions: tuple[int, ...], values: tuple[float, ...]) -> Sign:
    begin, end = values[-STALL_RATINGS], values[-1]
    return Sign(
        SignKind.STALL,
        f"sessions {sessions[-STALL_RATINGS]} to {sessions[-1]}: {begin:g} to {end:g}, never better by the "
        f"{scale.noise:g} points that a rating moves by itself",
    )


def _gain(scale: Scale, values: tuple[float, ...], jump_chance: float) -> list[Sign]:
    gained = scale.gained(values[-2], values[-1])
    if jump_chance <= 0.5 or gained <= scale.noise:
        return []
    detail = f"better by {gained:g} points since the rating before, more than the course let expect"
    return [Sign(SignKind.SUDDEN_GAIN, detail)]
