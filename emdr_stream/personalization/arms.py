"""In: where many clients stand between two sets. Out: what may be proposed to each, and what each proposal leads to.

The hard mask comes first, before any model: what it refuses has no probability. Everything is computed for N decision
points at once; the service asks with N = 1, through the same code as the simulated course with its 10^6 decisions.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from emdr_stream.personalization.setting import HARD_LENGTH, HARD_SPEED, PATHS, Bools, Floats, Whole


class Arm(StrEnum):
    """What can be proposed: the therapist's own setting, or one step from the present one."""

    DEFAULT = "default"
    KEEP = "keep"
    SLOWER_SMALL = "slower_small"
    SLOWER = "slower"
    FASTER_SMALL = "faster_small"
    FASTER = "faster"
    SHORTER = "shorter"
    LONGER = "longer"
    HORIZONTAL = "horizontal"
    VERTICAL = "vertical"
    DIAGONAL_UP = "diagonal_up"
    INFINITY = "infinity"
    SOUND = "sound"
    PAUSE = "pause"
    GROUNDING = "grounding"


class Part(StrEnum):
    """What a therapist can lock: proposals then leave it as it is."""

    SPEED = "speed"
    LENGTH = "length"
    PATH = "path"
    SOUND = "sound"


ARMS: Final = tuple(Arm)
PARTS: Final = tuple(Part)
N_ARMS: Final = len(ARMS)
INDEX: Final = {arm: number for number, arm in enumerate(ARMS)}
GENTLER: Final = (Arm.SLOWER_SMALL, Arm.SLOWER, Arm.SHORTER, Arm.PAUSE, Arm.GROUNDING)
"""All that is left at WATCH or above, or while the client is not seen (domain notes, section 6)."""
IN_WORDS: Final = {
    Arm.DEFAULT: "the therapist's own setting",
    Arm.KEEP: "leave it as it is",
    Arm.SLOWER_SMALL: "0.1 Hz slower",
    Arm.SLOWER: "0.2 Hz slower",
    Arm.FASTER_SMALL: "0.1 Hz faster",
    Arm.FASTER: "0.2 Hz faster",
    Arm.SHORTER: "sets 4 s shorter",
    Arm.LONGER: "sets 4 s longer",
    Arm.HORIZONTAL: "a horizontal path",
    Arm.VERTICAL: "a vertical path",
    Arm.DIAGONAL_UP: "a diagonal path",
    Arm.INFINITY: "a path like a lying eight",
    Arm.SOUND: "with sound, or without it",
    Arm.PAUSE: "a pause",
    Arm.GROUNDING: "grounding",
}

_SPEED_STEP: Final = {Arm.SLOWER_SMALL: -0.1, Arm.SLOWER: -0.2, Arm.FASTER_SMALL: 0.1, Arm.FASTER: 0.2}
_LENGTH_STEP: Final = {Arm.SHORTER: -4.0, Arm.LONGER: 4.0}
_SPEED_STEPS: Final = np.array([_SPEED_STEP.get(arm, 0.0) for arm in ARMS])
_LENGTH_STEPS: Final = np.array([_LENGTH_STEP.get(arm, 0.0) for arm in ARMS])
_PATH_OF: Final = np.array([PATHS.index(arm.value) if arm.value in PATHS else -1 for arm in ARMS])
_TURNS_SOUND: Final = np.array([arm is Arm.SOUND for arm in ARMS])
_GENTLE: Final = np.array([arm in GENTLER for arm in ARMS])
_WORDS: Final = np.array([arm in {Arm.PAUSE, Arm.GROUNDING} for arm in ARMS])
_DEFAULT, _KEEP = INDEX[Arm.DEFAULT], INDEX[Arm.KEEP]
_SLACK: Final = 1e-6
"""Steps of 0.1 do not add up exactly."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of any shape: `speed` Hz, `length` s, `path` an index of PATHS or -1 for another one, `sound` or
    none."""

    speed: Floats
    length: Floats
    path: Whole
    sound: Bools


@dataclass(frozen=True, slots=True)
class Points:
    """N decision points. `present`, `reference` (N,): in force, and the therapist's own. `speeds`, `lengths` (N, 2):
    the bounds. `careful` (N,): WATCH or above, or the client is not seen. `locked` (N, 4) in the order of PARTS.
    `refused` (N, N_ARMS): what the therapist has rejected in this session."""

    present: Settings
    reference: Settings
    speeds: Floats
    lengths: Floats
    careful: Bools
    locked: Bools
    refused: Bools


def reached(points: Points) -> Settings:
    """The settings (N, N_ARMS) to which each arm leads. PAUSE and GROUNDING leave the stimulation as it is."""
    now = points.present
    speed = np.round(now.speed[:, None] + _SPEED_STEPS, 3)
    length = np.round(now.length[:, None] + _LENGTH_STEPS, 3)
    path = np.where(_PATH_OF >= 0, _PATH_OF, now.path[:, None])
    sound = now.sound[:, None] ^ _TURNS_SOUND
    own = points.reference
    speed[:, _DEFAULT], length[:, _DEFAULT] = own.speed, own.length
    path[:, _DEFAULT], sound[:, _DEFAULT] = own.path, own.sound
    return Settings(speed, length, path, sound)


def hard_mask(points: Points, found: Settings) -> Bools:
    """Which arms may be proposed (N, N_ARMS). `found`: what `reached` gave.

    An arm is refused when it leaves the ranges, changes what is locked, was rejected in this session, or changes
    nothing beside KEEP; at a careful point all but GENTLER are. KEEP is left where the therapist's own setting is not
    the present one or may not be gone back to. At least one arm is always left.
    """
    changed = _changes(points, found)
    differs: Bools = np.any(changed, axis=2)
    locked: Bools = np.any(changed & points.locked[:, None, :], axis=2)
    allowed: Bools = _in_range(points, found, changed) & ~points.refused & ~locked
    allowed &= differs | _WORDS
    # The therapist's own setting and leaving all as it is are never rejected for good: one of them is always there.
    own = _in_hard_range(found)[:, _DEFAULT] & ~locked[:, _DEFAULT]
    allowed[:, _DEFAULT] = own
    allowed[:, _KEEP] = differs[:, _DEFAULT] | ~own
    allowed &= np.where(points.careful[:, None], _GENTLE, ~_WORDS)
    lost = points.careful & ~allowed.any(axis=1)
    allowed[:, INDEX[Arm.PAUSE]] |= lost
    return allowed


def reference_arm(mask: Bools) -> Whole:
    """The arm (N,) that others are held against: the therapist's own setting, KEEP where that is locked away, and -1
    at a careful point, where there is none."""
    return np.where(mask[:, _DEFAULT], _DEFAULT, np.where(mask[:, _KEEP], _KEEP, -1))


def _changes(points: Points, found: Settings) -> Bools:
    """Which parts each arm changes (N, N_ARMS, 4)."""
    now = points.present
    return np.stack(
        [
            np.abs(found.speed - now.speed[:, None]) > _SLACK,
            np.abs(found.length - now.length[:, None]) > _SLACK,
            found.path != now.path[:, None],
            found.sound != now.sound[:, None],
        ],
        axis=2,
    )


def _in_range(points: Points, found: Settings, changed: Bools) -> Bools:
    """What is changed stays within the bounds, or comes nearer to them: a therapist's setting may lie beyond."""
    now = points.present
    speed = _no_further(found.speed, now.speed, points.speeds)
    length = _no_further(found.length, now.length, points.lengths)
    fine: Bools = (speed | ~changed[:, :, 0]) & (length | ~changed[:, :, 1]) & _in_hard_range(found)
    return fine


def _no_further(value: Floats, present: Floats, bounds: Floats) -> Bools:
    low, high = bounds[:, :1] - _SLACK, bounds[:, 1:] + _SLACK
    up = value > present[:, None]
    return np.where(up, value <= high, value >= low)


def _in_hard_range(found: Settings) -> Bools:
    speed = (found.speed >= HARD_SPEED[0] - _SLACK) & (found.speed <= HARD_SPEED[1] + _SLACK)
    length = (found.length >= HARD_LENGTH[0] - _SLACK) & (found.length <= HARD_LENGTH[1] + _SLACK)
    fine: Bools = speed & length
    return fine
