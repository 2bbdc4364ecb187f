"""In: how one client is between two sets, and what is known of them. Out: one proposal, with all that led to it.

Nothing is applied here or by anybody but a therapist. A proposal names every arm with what became of it: refused by the
mask, left out by the conservative constraint, or with its probability.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np

from emdr_stream.domain import Phase, SafetyLevel
from emdr_stream.personalization.arms import (
    ARMS,
    IN_WORDS,
    INDEX,
    N_ARMS,
    PARTS,
    Arm,
    Part,
    Points,
    Settings,
    hard_mask,
    reached,
    reference_arm,
)
from emdr_stream.personalization.effectiveness import Effectiveness, effectiveness
from emdr_stream.personalization.features import (
    N_ACTION,
    Conditions,
    action_rows,
    context_rows,
    strain,
    whole_rows,
)
from emdr_stream.personalization.learner import Known, settings_of
from emdr_stream.personalization.policy import Rules, best_shares, chosen, conservative, propensities
from emdr_stream.personalization.setting import PATHS, Bools, Floats, Setting, bounds_of
from emdr_stream.personalization.shrinkage import Z90

DRAWS: Final = 4_096
"""Draws from the belief behind one proposal."""
POLICY: Final = "conservative-thompson-1"
"""Name of the way in which proposals are made, kept with each: figures of two ways are not mixed."""

_ANOTHER_UNKNOWN_PATH: Final = -2
"""A therapist's path that is not among PATHS, while another one such, -1, is in force: they are not the same."""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """One client between two sets. `present`: in force; `reference`: the therapist's own setting. `level`: of the
    safety monitor; `seen`: the signal is ok. `sud` 0..10, `recovery` and `attention` 0..1 of the last set, None where
    unknown.
    `locked`: parts that stay as they are; `rejected`: arms that the therapist has rejected in this session."""

    present: Setting
    reference: Setting
    set_no: int
    level: SafetyLevel
    seen: bool
    phase: Phase | None = None
    sud: float | None = None
    recovery: float | None = None
    attention: float | None = None
    locked: frozenset[Part] = frozenset()
    rejected: frozenset[Arm] = frozenset()


class Fate(StrEnum):
    """What became of an arm."""

    MASKED = "masked"
    UNSURE = "unsure"
    UNLISTED = "unlisted"
    LISTED = "listed"


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """One arm: where it leads, what became of it, its probability, and its benefit against the reference in points of
    SUD (the therapist's own setting where there is no reference) with a 90 % interval."""

    arm: Arm
    setting: Setting
    fate: Fate
    propensity: float
    benefit: float
    low: float
    high: float


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What is proposed, out of what and why. `propensity`: with which probability `arm` was drawn. `reference`: the arm
    that others are held against, None at WATCH or above. `context`: the numbers that it was decided on."""

    policy: str
    arm: Arm
    setting: Setting
    reference: Arm | None
    propensity: float
    weighed: tuple[Weighed, ...]
    context: dict[str, float | str | bool | None]
    effectiveness: Effectiveness
    reasons: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether there is anything to apply."""
        present = next(each.setting for each in self.weighed if each.arm is Arm.KEEP)
        return self.setting != present


def propose(known: Known, situation: Situation, rng: np.random.Generator, rules: Rules | None = None) -> Proposal:
    """One proposal. The same generator state, situation and knowledge give the same one."""
    rules = rules or Rules()
    points, conditions = points_of(situation), conditions_of(situation)
    found = reached(points)
    mask = hard_mask(points, found)
    action = action_rows(found, points.reference, strain(conditions))
    reference = reference_arm(mask)
    allowed = conservative(known.benefit, known.leaving, action, mask, reference, rules)
    shares = best_shares(known.benefit, action, allowed, rng.standard_normal((DRAWS, N_ACTION + N_ARMS)))
    drawn_from = propensities(shares, allowed, reference, rules)
    arm = ARMS[int(chosen(drawn_from, rng.random(1))[0])]
    rows = whole_rows(action, context_rows(conditions))[0]
    held = None if reference[0] < 0 else ARMS[int(reference[0])]
    own = INDEX[held or Arm.DEFAULT]
    weighed = _weighed(known, situation, found, rows, own, (mask[0], allowed[0], drawn_from[0]))
    this = weighed[INDEX[arm]]
    return Proposal(
        policy=POLICY,
        arm=arm,
        setting=this.setting,
        reference=held,
        propensity=this.propensity,
        weighed=weighed,
        context=context_of(situation),
        effectiveness=effectiveness(known, rows[INDEX[arm]], rows[own]),
        reasons=_reasons(situation, arm, this),
    )


def points_of(situation: Situation) -> Points:
    """The decision point as columns of length 1."""
    bounds = bounds_of(situation.phase)
    reference = settings_of([situation.reference])
    if situation.reference.path not in PATHS and situation.reference.path != situation.present.path:
        reference = replace(reference, path=np.array([_ANOTHER_UNKNOWN_PATH]))
    return Points(
        present=settings_of([situation.present]),
        reference=reference,
        speeds=np.array([bounds.speed]),
        lengths=np.array([bounds.length]),
        careful=np.array([careful(situation)]),
        locked=np.array([[part in situation.locked for part in PARTS]]),
        refused=np.array([[arm in situation.rejected for arm in ARMS]]),
    )


def careful(situation: Situation) -> bool:
    """Whether only gentler things may be proposed: blindness is not calm."""
    return situation.level is not SafetyLevel.NORMAL or not situation.seen


def conditions_of(situation: Situation) -> Conditions:
    def column(value: float | None) -> Floats:
        return np.array([np.nan if value is None else float(value)])

    return Conditions(
        column(situation.sud),
        np.array([float(situation.set_no)]),
        column(situation.recovery),
        column(situation.attention),
    )


def context_of(situation: Situation) -> dict[str, float | str | bool | None]:
    """What a decision is logged with."""
    return {
        "sud": situation.sud,
        "set_no": float(situation.set_no),
        "recovery": situation.recovery,
        "attention": situation.attention,
        "level": situation.level.value,
        "seen": situation.seen,
        "phase": None if situation.phase is None else situation.phase.value,
    }


def _weighed(
    known: Known, situation: Situation, found: Settings, rows: Floats, own: int, fates: tuple[Bools, Bools, Floats]
) -> tuple[Weighed, ...]:
    difference = rows - rows[own]
    mean, deviation = known.benefit.of_rows(difference[None])
    mask, allowed, drawn_from = fates
    weighed = []
    for number, arm in enumerate(ARMS):
        value, reach = float(mean[0, number]), Z90 * float(deviation[0, number])
        weighed.append(
            Weighed(
                arm=arm,
                setting=_setting(situation, found, number),
                fate=_fate(bool(mask[number]), bool(allowed[number]), float(drawn_from[number])),
                propensity=float(drawn_from[number]),
                benefit=value,
                low=value - reach,
                high=value + reach,
            )
        )
    return tuple(weighed)


def _setting(situation: Situation, found: Settings, number: int) -> Setting:
    """The arm's setting; a path that is not among PATHS keeps its name."""
    path = int(found.path[0, number])
    same = situation.reference.path if ARMS[number] is Arm.DEFAULT else situation.present.path
    return Setting(
        path=PATHS[path] if path >= 0 else same,
        speed=float(found.speed[0, number]),
        length=float(found.length[0, number]),
        sound=bool(found.sound[0, number]),
    )


def _fate(masked_in: bool, allowed: bool, propensity: float) -> Fate:
    if not masked_in:
        return Fate.MASKED
    if not allowed:
        return Fate.UNSURE
    return Fate.LISTED if propensity > 0.0 else Fate.UNLISTED


def _reasons(situation: Situation, arm: Arm, this: Weighed) -> tuple[str, ...]:
    found = [f"{IN_WORDS[arm]}: drawn with probability {this.propensity:.2f} from what is allowed now"]
    if situation.level is not SafetyLevel.NORMAL:
        found.append(f"the safety level is {situation.level.value}: only gentler things are proposed")
    elif not situation.seen:
        found.append("the client is not seen well: only gentler things are proposed")
    if situation.locked:
        found.append(f"locked by the therapist: {', '.join(sorted(part.value for part in situation.locked))}")
    return tuple(found)


def fates_of(proposal: Proposal) -> Mapping[Arm, Weighed]:
    return {each.arm: each for each in proposal.weighed}
