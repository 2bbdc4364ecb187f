"""Simulated courses of the pattern optimiser, small: rules kept, nobody harmed, and logs that tell the truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.personalization.arms import INDEX, Arm, Settings, hard_mask
from emdr_stream.personalization.policy import Rules
from training.__main__ import main
from training.personalization.course import Plan, Way, run_course
from training.personalization.measuring import TARGETS, Measurement, coverage_of, logs_of, measure
from training.personalization.world import WORLDS, Luck, State, World, draw_clients, expected_reward, run_set

PLAN = Plan(clients=100, sessions=4)
ASSUMED, NULL, COSTLY, CONTRARY, FRAGILE = WORLDS


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_no_rule_is_broken_and_time_outside_is_at_most_two_percent_more(world: World) -> None:
    learned, fixed = (run_course(world, way, PLAN, 5).totals for way in (Way.LEARNED, Way.FIXED))
    careful = run_course(world, Way.CAREFUL, PLAN, 5).totals
    assert learned.decisions.sum() > 3_000
    assert learned.forbidden.sum() == 0
    assert learned.outside_s.sum() <= 1.02 * min(fixed.outside_s.sum(), careful.outside_s.sum())


@pytest.mark.parametrize("world", [ASSUMED, CONTRARY], ids=lambda world: world.name)
def test_regret_is_below_that_of_drawing_evenly(world: World) -> None:
    learned, uniform = (run_course(world, way, PLAN, 6).totals for way in (Way.LEARNED, Way.UNIFORM))
    assert learned.regret.sum() / learned.free.sum() < uniform.regret.sum() / uniform.free.sum()


@pytest.mark.parametrize("world", [NULL, COSTLY], ids=lambda world: world.name)
def test_where_nothing_helps_it_is_not_worse_than_the_therapists_setting(world: World) -> None:
    learned, own = (run_course(world, way, PLAN, 7).totals for way in (Way.LEARNED, Way.CAREFUL))
    assert learned.sets.sum() == own.sets.sum()
    assert (learned.reward.sum() - own.reward.sum()) / own.sets.sum() >= -0.02


def test_without_the_constraint_it_would_leave_the_window_more() -> None:
    """The limit is kept by the constraint and not by the invented clients."""
    free = Rules(margin=99.0, leaving_margin=99.0)
    learned, bold = (
        run_course(CONTRARY, Way.LEARNED, replace(PLAN, rules=rules), 5).totals for rules in (Rules(), free)
    )
    assert bold.left.sum() > learned.left.sum()


def test_a_mask_that_lets_one_thing_through_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = hard_mask

    def leaky(points: object, found: Settings) -> object:
        mask = kept(points, found)  # type: ignore[arg-type]
        mask[:, INDEX[Arm.FASTER]] = True
        return mask

    monkeypatch.setattr("training.personalization.course.hard_mask", leaky)
    assert run_course(ASSUMED, Way.UNIFORM, replace(PLAN, sessions=1), 5).totals.forbidden.sum() > 0


def test_the_same_seed_gives_the_same_course() -> None:
    first, second = (run_course(ASSUMED, Way.LEARNED, replace(PLAN, sessions=2), 8).totals for _ in range(2))
    assert (first.reward == second.reward).all() and (first.proposed == second.proposed).all()


def test_in_a_world_without_effects_every_way_of_deciding_has_the_same_outcome() -> None:
    small = replace(PLAN, sessions=2)
    rewards = [run_course(NULL, way, small, 9).totals.reward for way in Way]
    assert all((each == rewards[0]).all() for each in rewards)


def test_the_expected_reward_is_the_mean_of_what_happens() -> None:
    rng = np.random.default_rng(1)
    clients = draw_clients(ASSUMED, 60, rng)
    state = State(np.full(60, 6.0), np.full(60, 0.05))
    found = Settings(np.full((60, 1), 1.2), np.full((60, 1), 28.0), np.ones((60, 1), np.int64), np.zeros((60, 1), bool))
    total = np.zeros(60)
    for _ in range(3_000):
        happened = run_set(ASSUMED, clients, state, found, Luck(*rng.standard_normal((3, 60))))
        total += (6.0 - happened.sud + 0.3 * happened.recovery - 2.0 * happened.left)[:, 0]
    assert total / 3_000 == pytest.approx(expected_reward(ASSUMED, clients, state, found)[:, 0], abs=0.06)


def test_intervals_of_logs_hold_the_truth_in_nine_of_ten() -> None:
    plan = Measurement(logged=30, logged_sessions=3, together=40)
    outcomes = logs_of(plan, 0)
    assert len(outcomes) == 40
    for target in TARGETS:
        found = coverage_of(outcomes, target, 1)
        assert found.refused == 0
        # Of 40 with a true 95 %, fewer than 34 happen once in a hundred times.
        assert found.covered_robust >= 0.85
        assert abs(found.bias_robust) < 0.1


def test_the_command_reports_every_world_and_writes_decisions(tmp_path: Path) -> None:
    report, decisions = tmp_path / "report", tmp_path / "decisions.jsonl"
    given = ["personalization", "--quick", "--report", str(report), "--decisions", str(decisions)]
    assert main(given) == 0
    page = (report / "report.md").read_text()
    assert all(world.name in page for world in WORLDS)
    assert "Simulated, all of it" in page
    assert decisions.read_text().count('"client":"simulated-') > 100


def test_progress_is_told_of_every_part() -> None:
    begun: list[tuple[str, int]] = []
    reached: list[int] = []
    plan = Measurement(
        course=Plan(clients=12, sessions=1, draws=16),
        cohorts=1,
        repetitions=2,
        logged=12,
        logged_sessions=1,
        together=1,
        worlds=(ASSUMED,),
    )
    measure(plan, lambda what, total: begun.append((what, total)), reached.append)
    assert [total for _, total in begun] == [4, 2]
    assert reached == [1, 2, 3, 4, 1, 2]
