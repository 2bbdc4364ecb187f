"""In: settings, the therapist's own one and how the client is. Out: rows of numbers that the benefit is linear in.

What an arm adds is counted from the therapist's own setting, which is all zeros: what helps or harms whatever is done
stands in the context's part (action-centred, HeartSteps V2: arXiv 1909.03539).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from emdr_stream.personalization.arms import Settings
from emdr_stream.personalization.setting import PATHS, Floats

ACTION_FEATURES: Final = (
    "speed",
    "speed_squared",
    "length",
    "length_squared",
    *(f"path_{path}" for path in PATHS),
    "sound",
    "speed_strain",
    "length_strain",
)
CONTEXT_FEATURES: Final = ("always", "sud", "set_no", "recovery", "attention")
N_ACTION: Final = len(ACTION_FEATURES)
N_CONTEXT: Final = len(CONTEXT_FEATURES)
N_FEATURES: Final = N_ACTION + N_CONTEXT

SPEED_UNIT_HZ: Final = 0.2
LENGTH_UNIT_S: Final = 4.0
_FURTHEST: Final = 3.0
"""Units beyond which a setting counts no further: the straight line is not trusted there."""
_USUAL_SUD: Final = 5.0
_USUAL_RECOVERY: Final = 0.7
_USUAL_ATTENTION: Final = 0.7


@dataclass(frozen=True, slots=True)
class Conditions:
    """How N clients are between two sets (N,), NaN where unknown: `sud` 0..10, `set_no` of the session from 1,
    `recovery` after the last set 0..1, `attention` during it 0..1."""

    sud: Floats
    set_no: Floats
    recovery: Floats
    attention: Floats


def strain(conditions: Conditions) -> Floats:
    """How little the client came down after the last set (N,), 0..1; where it is unknown, as usual."""
    return 1.0 - _or_usual(conditions.recovery, _USUAL_RECOVERY)


def context_rows(conditions: Conditions) -> Floats:
    """(N, N_CONTEXT); what is unknown counts as usual."""
    return np.stack(
        [
            np.ones_like(conditions.sud),
            (_or_usual(conditions.sud, _USUAL_SUD) - _USUAL_SUD) / 10.0,
            np.log1p(np.maximum(conditions.set_no, 0.0)) / 3.0,
            _or_usual(conditions.recovery, _USUAL_RECOVERY) - _USUAL_RECOVERY,
            _or_usual(conditions.attention, _USUAL_ATTENTION) - _USUAL_ATTENTION,
        ],
        axis=-1,
    )


def action_rows(found: Settings, reference: Settings, strained: Floats) -> Floats:
    """(N, K, N_ACTION) for settings (N, K) against the therapist's own (N,). `strained` (N,) from `strain`."""
    speed = _units(found.speed - reference.speed[:, None], SPEED_UNIT_HZ)
    length = _units(found.length - reference.length[:, None], LENGTH_UNIT_S)
    paths = [(found.path == k).astype(float) - (reference.path[:, None] == k) for k in range(len(PATHS))]
    sound = found.sound.astype(float) - reference.sound[:, None]
    more = strained[:, None]
    return np.stack(
        [speed, speed**2, length, length**2, *paths, sound, speed * more, length * more],
        axis=-1,
    )


def whole_rows(action: Floats, context: Floats) -> Floats:
    """(N, K, N_FEATURES): the action's part, then the context's, which is the same for all arms."""
    again = np.broadcast_to(context[:, None, :], (*action.shape[:2], N_CONTEXT))
    return np.concatenate([action, again], axis=-1)


def _units(difference: Floats, unit: float) -> Floats:
    found: Floats = np.clip(difference / unit, -_FURTHEST, _FURTHEST)
    return found


def _or_usual(values: Floats, usual: float) -> Floats:
    return np.where(np.isfinite(values), values, usual)
