"""The hard mask: what is proposed never leaves the ranges, changes what is locked, or strengthens at WATCH."""

import numpy as np
import pytest

from emdr_stream.domain import Phase
from emdr_stream.personalization.arms import (
    ARMS,
    GENTLER,
    INDEX,
    N_ARMS,
    PARTS,
    Arm,
    Part,
    Points,
    hard_mask,
    reached,
    reference_arm,
)
from emdr_stream.personalization.learner import settings_of
from emdr_stream.personalization.setting import RESOURCING, Setting, bounds_of, config_of, setting_of
from emdr_stream.wire.values import AudioConfig, SessionConfig
from tests.unit.personalization.points import drawn_points
from training.personalization.checking import rules_broken


def one_point(
    present: Setting,
    reference: Setting | None = None,
    *,
    careful: bool = False,
    locked: tuple[Part, ...] = (),
    refused: tuple[Arm, ...] = (),
) -> Points:
    return Points(
        present=settings_of([present]),
        reference=settings_of([reference or present]),
        speeds=np.array([(0.3, 1.5)]),
        lengths=np.array([(12.0, 40.0)]),
        careful=np.array([careful]),
        locked=np.array([[part in locked for part in PARTS]]),
        refused=np.array([[arm in refused for arm in ARMS]]),
    )


def allowed(points: Points) -> set[Arm]:
    mask = hard_mask(points, reached(points))[0]
    return {arm for number, arm in enumerate(ARMS) if mask[number]}


def test_no_allowed_arm_breaks_a_rule_of_an_independent_checker_at_a_hundred_thousand_points() -> None:
    points = drawn_points(np.random.default_rng(1), 100_000)
    mask = hard_mask(points, reached(points))
    for number in range(N_ARMS):
        broken = rules_broken(points, np.full(100_000, number)) & mask[:, number]
        assert not broken.any(), ARMS[number]


def test_the_independent_checker_finds_every_kind_of_broken_rule() -> None:
    rules = {
        Arm.FASTER: one_point(Setting(), careful=True),
        Arm.KEEP: one_point(Setting(), careful=True),
        Arm.FASTER_SMALL: one_point(Setting(speed=1.5)),
        Arm.LONGER: one_point(Setting(length=40.0)),
        Arm.SHORTER: one_point(Setting(length=12.0)),
        Arm.SLOWER: one_point(Setting(speed=0.4)),
        Arm.VERTICAL: one_point(Setting(), locked=(Part.PATH,)),
        Arm.SOUND: one_point(Setting(), refused=(Arm.SOUND,)),
        Arm.DEFAULT: one_point(Setting(), Setting(speed=1.2), locked=(Part.SPEED,)),
    }
    for arm, points in rules.items():
        assert rules_broken(points, np.array([INDEX[arm]]))[0], arm
        assert arm not in allowed(points), arm


def test_something_is_always_left_to_propose() -> None:
    points = drawn_points(np.random.default_rng(2), 100_000)
    assert hard_mask(points, reached(points)).any(axis=1).all()


def test_in_the_middle_of_the_ranges_everything_but_talk_is_allowed() -> None:
    assert allowed(one_point(Setting())) == set(ARMS) - {Arm.KEEP, Arm.HORIZONTAL, Arm.PAUSE, Arm.GROUNDING}


def test_at_watch_only_gentler_things_are_left() -> None:
    assert allowed(one_point(Setting(), careful=True)) == set(GENTLER)
    assert allowed(one_point(Setting(speed=0.3, length=12.0), careful=True)) == {Arm.PAUSE, Arm.GROUNDING}


def test_when_all_was_rejected_at_watch_a_pause_can_still_be_proposed() -> None:
    assert allowed(one_point(Setting(), careful=True, refused=ARMS)) == {Arm.PAUSE}


def test_a_setting_beyond_the_bounds_may_come_back_and_go_no_further() -> None:
    found = allowed(one_point(Setting(speed=1.8, length=60.0)))
    assert {Arm.SLOWER, Arm.SHORTER} <= found
    assert not {Arm.FASTER, Arm.FASTER_SMALL, Arm.LONGER} & found


def test_all_locked_leaves_the_therapists_setting_or_where_that_differs_what_is_in_force() -> None:
    points = one_point(Setting(), locked=PARTS)
    assert allowed(points) == {Arm.DEFAULT}
    assert reference_arm(hard_mask(points, reached(points)))[0] == INDEX[Arm.DEFAULT]
    points = one_point(Setting(), Setting(speed=1.3), locked=PARTS)
    assert allowed(points) == {Arm.KEEP}
    assert reference_arm(hard_mask(points, reached(points)))[0] == INDEX[Arm.KEEP]


def test_at_watch_there_is_no_arm_to_hold_others_against() -> None:
    points = one_point(Setting(), careful=True)
    assert reference_arm(hard_mask(points, reached(points)))[0] == -1


@pytest.mark.parametrize("phase", [Phase.PREPARATION, Phase.CLOSURE])
def test_resourcing_has_slow_short_sets(phase: Phase) -> None:
    assert bounds_of(phase) is RESOURCING


def test_a_configuration_goes_to_a_setting_and_back_and_keeps_what_is_not_proposed() -> None:
    present = SessionConfig(
        pattern_type="butterfly", speed=0.9, intensity=0.4, duration=28.0, audio_config=AudioConfig(volume=0.6)
    )
    setting = setting_of(present)
    assert setting == Setting("butterfly", 0.9, 28.0, True)
    assert config_of(setting, present, None) == present
    quiet = config_of(Setting("vertical", 1.0, 28.0, False), present, 0.5)
    assert (quiet.pattern_type, quiet.speed, quiet.intensity) == ("vertical", 1.0, 0.4)
    assert quiet.audio_config == AudioConfig(volume=0.0)
    assert quiet.predicted_effectiveness == 0.5
    assert setting_of(quiet) == Setting("vertical", 1.0, 28.0, False)
