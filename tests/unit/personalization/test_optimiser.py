"""One proposal for one client: what leads to it, what it never is, and that it can be drawn again."""

import msgspec
import numpy as np
import pytest

from emdr_stream.domain import SafetyLevel
from emdr_stream.personalization.arms import GENTLER, Arm, Part
from emdr_stream.personalization.effectiveness import FEWEST_SETS
from emdr_stream.personalization.learner import Known, Priors, known_of, priors_of
from emdr_stream.personalization.optimiser import Fate, Proposal, Situation, fates_of, propose
from emdr_stream.personalization.outcomes import SetOutcome
from emdr_stream.personalization.setting import Setting

CALM = Situation(
    present=Setting(), reference=Setting(), set_no=4, level=SafetyLevel.NORMAL, seen=True, sud=6.0, recovery=0.8
)


def a_set(number: int, speed: float, change: float, left: bool = False) -> SetOutcome:
    return SetOutcome(
        session="s",
        set_no=number % 15 + 1,
        at_ms=number,
        setting=Setting(speed=speed),
        reference=Setting(),
        sud_before=6.0,
        sud_after=6.0 + change,
        recovery=0.8,
        left=left,
        recovery_before=0.8,
    )


def nobody() -> Known:
    return known_of([], Priors())


def somebody(faster_by: float, left_when_faster: bool = False) -> Known:
    """200 sets, half of them 0.2 Hz faster, which bring so much more."""
    sets = [a_set(n, 1.0, -1.0) for n in range(100)]
    sets += [a_set(n, 1.2, -1.0 - faster_by, left_when_faster and n % 3 == 0) for n in range(100)]
    return known_of(sets, Priors())


def proposals(known: Known, situation: Situation = CALM, draws: int = 60) -> list[Proposal]:
    rng = np.random.default_rng(5)
    return [propose(known, situation, rng) for _ in range(draws)]


def test_the_same_generator_gives_the_same_proposal() -> None:
    first, second = (propose(nobody(), CALM, np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_every_arm_is_told_with_what_became_of_it_and_probabilities_add_up() -> None:
    found = propose(nobody(), CALM, np.random.default_rng(1))
    fates = fates_of(found)
    assert set(fates) == set(Arm)
    assert sum(each.propensity for each in found.weighed) == pytest.approx(1.0)
    assert all((each.fate is Fate.LISTED) == (each.propensity > 0.0) for each in found.weighed)
    assert fates[Arm.PAUSE].fate is Fate.MASKED
    assert fates[found.arm].propensity == found.propensity
    assert fates[Arm.DEFAULT].propensity >= 0.1
    assert msgspec.json.decode(msgspec.json.encode(found), type=Proposal) == found


def test_what_has_helped_this_client_is_proposed_more_often() -> None:
    known = somebody(faster_by=1.5)
    faster = [each for each in proposals(known) if each.arm in {Arm.FASTER, Arm.FASTER_SMALL}]
    assert len(faster) > 40
    assert fates_of(faster[0])[Arm.FASTER].low > 0.0


def test_what_has_harmed_this_client_is_not_proposed() -> None:
    for known in (somebody(faster_by=-1.5), somebody(faster_by=0.3, left_when_faster=True)):
        found = proposals(known)
        assert not {each.arm for each in found} & {Arm.FASTER, Arm.FASTER_SMALL}
        assert fates_of(found[0])[Arm.FASTER].fate is Fate.UNSURE


@pytest.mark.parametrize("level", [level for level in SafetyLevel if level is not SafetyLevel.NORMAL])
def test_at_watch_or_above_only_gentler_things_are_proposed_whatever_was_learnt(level: SafetyLevel) -> None:
    situation = msgspec.structs.replace(CALM, level=level)
    for each in proposals(somebody(faster_by=3.0), situation):
        assert each.arm in GENTLER
        assert each.reference is None
        assert each.setting.speed <= CALM.present.speed and each.setting.length <= CALM.present.length


def test_a_client_who_is_not_seen_is_not_taken_for_calm() -> None:
    unseen = msgspec.structs.replace(CALM, seen=False)
    assert {each.arm for each in proposals(nobody(), unseen)} <= set(GENTLER)
    assert "not seen" in proposals(nobody(), unseen, 1)[0].reasons[1]


def test_what_is_locked_stays_and_what_was_rejected_does_not_come_again() -> None:
    situation = msgspec.structs.replace(
        CALM, locked=frozenset({Part.SPEED, Part.PATH}), rejected=frozenset({Arm.LONGER})
    )
    for each in proposals(somebody(faster_by=3.0), situation):
        assert (each.setting.speed, each.setting.path) == (1.0, "horizontal")
        assert each.arm is not Arm.LONGER


def test_a_path_of_the_therapists_own_keeps_its_name_and_a_lock_keeps_it_apart_from_another() -> None:
    situation = msgspec.structs.replace(
        CALM, present=Setting("butterfly"), reference=Setting("circle"), locked=frozenset({Part.PATH})
    )
    found = propose(nobody(), situation, np.random.default_rng(1))
    fates = fates_of(found)
    assert fates[Arm.DEFAULT].setting.path == "circle"
    assert fates[Arm.DEFAULT].fate is Fate.MASKED
    assert fates[Arm.FASTER].setting.path == "butterfly"
    assert found.reference is Arm.KEEP


def test_nothing_is_said_of_effectiveness_below_eight_rated_sets() -> None:
    sets = [a_set(n, 1.0, -1.0) for n in range(FEWEST_SETS)]
    few, enough = (
        propose(known_of(sets[:n], Priors()), CALM, np.random.default_rng(1)).effectiveness
        for n in (FEWEST_SETS - 1, FEWEST_SETS)
    )
    assert few.effect is None and "not enough data" in few.detail
    assert enough.effect is not None
    assert enough.effect.low < enough.effect.benefit < enough.effect.high
    assert 0.0 <= enough.effect.chance_low < enough.effect.chance < enough.effect.chance_high <= 1.0


def test_the_expected_benefit_is_what_the_clients_sets_have_brought() -> None:
    known = known_of([a_set(n, 1.0, -1.5) for n in range(400)], Priors())
    situation = msgspec.structs.replace(CALM, set_no=8, locked=frozenset(Part))
    effect = propose(known, situation, np.random.default_rng(1)).effectiveness.effect
    assert effect is not None
    assert effect.benefit == pytest.approx(1.5 + 0.3 * 0.8, abs=0.12)
    assert effect.against_default == 0.0


def test_a_difference_is_told_only_where_there_is_one() -> None:
    better = next(p for p in proposals(somebody(faster_by=1.5)) if p.arm is Arm.FASTER)
    assert "probably more" in better.effectiveness.detail
    same = next(p for p in proposals(somebody(faster_by=0.0)) if p.arm is not Arm.DEFAULT)
    assert "not distinguishable" in same.effectiveness.detail


def test_other_clients_move_what_is_expected_of_a_new_one_and_less_than_their_own_sets_would() -> None:
    others = [[a_set(n, 1.0, -1.0) for n in range(30)] + [a_set(n, 1.2, -2.5) for n in range(30)] for _ in range(30)]
    priors = priors_of(others)
    assert priors.clients == 30
    new, own = known_of([], priors), known_of(others[0], priors)
    stated = fates_of(propose(nobody(), CALM, np.random.default_rng(1)))[Arm.FASTER]
    expected, surer = (fates_of(propose(k, CALM, np.random.default_rng(1)))[Arm.FASTER] for k in (new, own))
    assert stated.benefit < expected.benefit < 1.6
    assert surer.high - surer.low < expected.high - expected.low < stated.high - stated.low
