"""In: decision points and what was decided. Out: which decisions break a rule, found otherwise than by the mask.

The mask says what may be drawn; this says what must never have been drawn, from the names of the arms and the settings
before and after. It shares no rule with `emdr_stream/personalization/arms.py`: else 0 broken rules would mean nothing.
"""

from typing import Final

import numpy as np

from emdr_stream.personalization.arms import ARMS, PARTS, Part, Points, Settings, reached
from emdr_stream.personalization.setting import Bools, Floats, Whole

_GENTLE_NAMES: Final = np.array(
    [arm.value in {"slower_small", "slower", "shorter", "pause", "grounding"} for arm in ARMS]
)
_NEVER_REJECTED: Final = np.array([arm.value in {"default", "keep", "pause"} for arm in ARMS])
"""Something must be left to say when all was rejected."""
_EPSILON: Final = 1e-6


def rules_broken(points: Points, arm: Whole) -> Bools:
    """Whether each decision (N,) breaks a rule."""
    after = picked(reached(points), arm)
    before = points.present
    broken = points.careful & ~_GENTLE_NAMES[arm]
    broken |= points.careful & ((after.speed > before.speed + _EPSILON) | (after.length > before.length + _EPSILON))
    broken |= (after.speed < 0.2 - _EPSILON) | (after.speed > 2.0 + _EPSILON)
    broken |= (after.length < 8.0 - _EPSILON) | (after.length > 90.0 + _EPSILON)
    one_step = ~np.array([name.value == "default" for name in ARMS])[arm]
    broken |= one_step & (_outside(after.speed, points.speeds) > _outside(before.speed, points.speeds) + _EPSILON)
    broken |= one_step & (_outside(after.length, points.lengths) > _outside(before.length, points.lengths) + _EPSILON)
    broken |= one_step & (np.abs(after.speed - before.speed) > 0.2 + _EPSILON)
    broken |= one_step & (np.abs(after.length - before.length) > 4.0 + _EPSILON)
    moved = {
        Part.SPEED: np.abs(after.speed - before.speed) > _EPSILON,
        Part.LENGTH: np.abs(after.length - before.length) > _EPSILON,
        Part.PATH: after.path != before.path,
        Part.SOUND: after.sound != before.sound,
    }
    for number, part in enumerate(PARTS):
        broken |= moved[part] & points.locked[:, number]
    broken |= one_step & (sum(each.astype(int) for each in moved.values()) > 1)
    rows = np.arange(len(arm))
    found: Bools = broken | (points.refused[rows, arm] & ~_NEVER_REJECTED[arm])
    return found


def picked(found: Settings, arm: Whole) -> Settings:
    """The setting (N,) of each one's arm out of settings (N, N_ARMS)."""
    rows = np.arange(len(arm))
    return Settings(found.speed[rows, arm], found.length[rows, arm], found.path[rows, arm], found.sound[rows, arm])


def _outside(value: Floats, bounds: Floats) -> Floats:
    """How far beyond its bounds."""
    return np.maximum(np.maximum(bounds[:, 0] - value, value - bounds[:, 1]), 0.0)
