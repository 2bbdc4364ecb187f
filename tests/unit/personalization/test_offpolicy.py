"""What logs tell of other ways of deciding: unbiased, honest about doubt, and silent where there is too little."""

from dataclasses import replace

import numpy as np
import pytest

from emdr_stream.personalization.arms import INDEX, Arm
from emdr_stream.personalization.logged import DecisionsError, decisions_of, log_of, reward_after
from emdr_stream.personalization.offpolicy import FEWEST_ESS, Log, Target, effective, target_shares, value_of
from emdr_stream.personalization.outcomes import SetOutcome
from emdr_stream.personalization.setting import Setting

ARMS = 3
BRINGS = np.array([0.2, 0.8, -0.4])


def drawn_log(seed: int, clients: int = 40, decisions: int = 30) -> Log:
    """Arm k brings BRINGS[k] and what the context and the client's own luck add; the log favours what is better."""
    rng = np.random.default_rng(seed)
    n = clients * decisions
    unit = np.repeat(np.arange(clients), decisions)
    sud = rng.normal(0.0, 0.2, n)
    propensity = np.where((sud > 0.0)[:, None], (0.1, 0.8, 0.1), (0.6, 0.2, 0.2))
    action = (propensity.cumsum(axis=1) <= rng.random(n)[:, None]).sum(axis=1)
    mean = BRINGS[action] + 2.0 * sud + rng.normal(0.0, 0.4, clients)[unit]
    return Log(
        propensity=propensity,
        action=action,
        reward=mean + rng.normal(0.0, 1.0, n),
        context=sud[:, None],
        unit=unit,
        reference=np.zeros(n, dtype=np.int64),
        expected=np.broadcast_to(np.array([0.0, 0.3, -0.1]), (n, ARMS)).copy(),
    )


TRUTHS = {Target.REFERENCE: 0.2, Target.BEST: 0.8, Target.UNIFORM: 0.2}


@pytest.mark.parametrize("target", TRUTHS)
def test_nineteen_of_twenty_intervals_hold_the_truth(target: Target) -> None:
    rng = np.random.default_rng(1)
    covered = robust = snips = 0.0
    for seed in range(100):
        value = value_of(drawn_log(seed), target, rng)
        assert value.doubly_robust is not None and value.snips is not None
        low, high = value.doubly_robust.low, value.doubly_robust.high
        assert low is not None and high is not None
        covered += low <= TRUTHS[target] <= high
        robust += (value.doubly_robust.value or 0.0) / 100
        snips += (value.snips.value or 0.0) / 100
    assert covered / 100 >= 0.90
    assert robust == pytest.approx(TRUTHS[target], abs=0.03)
    assert snips == pytest.approx(TRUTHS[target], abs=0.04)


def test_the_naive_mean_of_an_arm_would_have_been_wrong_where_these_are_right() -> None:
    naive = np.mean([(log := drawn_log(seed)).reward[log.action == 1].mean() for seed in range(50)])
    assert naive > TRUTHS[Target.BEST] + 0.1


def test_the_log_itself_is_valued_at_its_mean() -> None:
    log = drawn_log(3)
    value = value_of(log, Target.LOGGED, np.random.default_rng(1))
    assert value.snips is not None and value.snips.value == pytest.approx(float(log.reward.mean()))
    assert value.ess == pytest.approx(len(log.action))


def test_effective_decisions_are_those_of_kish() -> None:
    assert effective(np.array([2.0, 1.0, 1.0])) == pytest.approx(16.0 / 6.0)
    assert effective(np.zeros(4)) == 0.0


@pytest.mark.parametrize(("clients", "decisions", "why"), [(3, 5, "worth"), (4, 200, "clients")])
def test_too_little_is_refused_with_its_reason(clients: int, decisions: int, why: str) -> None:
    value = value_of(drawn_log(1, clients, decisions), Target.REFERENCE, np.random.default_rng(1))
    assert value.doubly_robust is None and value.snips is None
    assert value.refused is not None and why in value.refused
    assert why != "worth" or value.ess < FEWEST_ESS


def test_decisions_without_a_reward_or_a_reference_are_left_out() -> None:
    log = drawn_log(2)
    reward, reference = log.reward.copy(), log.reference.copy()
    reward[:100], reference[100:300] = np.nan, -1
    log = replace(log, reward=reward, reference=reference)
    assert value_of(log, Target.REFERENCE, np.random.default_rng(1)).decisions == len(log.action) - 300
    assert value_of(log, Target.UNIFORM, np.random.default_rng(1)).decisions == len(log.action) - 100


def test_a_log_without_any_reward_is_refused() -> None:
    log = drawn_log(2)
    silent = replace(log, reward=np.full(len(log.action), np.nan))
    refused = value_of(silent, Target.LOGGED, np.random.default_rng(1)).refused
    assert refused is not None and "no decision has a reward" in refused


def test_the_best_arm_is_one_that_was_listed() -> None:
    log = drawn_log(2)
    propensity = log.propensity.copy()
    propensity[:, 1], propensity[:, 0] = 0.0, 0.9
    shares, _ = target_shares(replace(log, propensity=propensity, action=np.zeros_like(log.action)), Target.BEST)
    assert shares[:, 0].all()


LINE = (
    '{"policy": "p", "client": "c", "session": "s", "number": 0, "action": "faster",'
    ' "propensities": {"default": 0.6, "faster": 0.4}, "reward": 0.5, "reference": "default"}'
)


def test_a_decision_becomes_a_row() -> None:
    log, by = log_of(decisions_of([LINE, "", LINE]))
    assert by == "sessions"
    assert log.propensity[0, INDEX[Arm.FASTER]] == 0.4
    assert (log.action[1], log.reference[1], log.reward[1]) == (INDEX[Arm.FASTER], INDEX[Arm.DEFAULT], 0.5)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 1"),
        (LINE.replace("0.6", "0.7"), "add up to 1.1"),
        (LINE.replace('"action": "faster"', '"action": "longer"'), "has no propensity"),
        (LINE.replace('"faster", "prop', '"quicker", "prop').replace('"action": "faster"', '"action": "up"'), "action"),
        (LINE.replace('"number": 0', '"number": 0, "colour": 1'), "colour"),
        (LINE.replace('"number": 0', '"number": 0, "masked": ["faster"]'), "masked and has a propensity"),
        (LINE.replace("0.4}", "1.4}"), "<= 1"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(line: str, why: str) -> None:
    with pytest.raises(DecisionsError, match="line 1") as caught:
        decisions_of([line])
    assert why in str(caught.value)


def test_a_decision_is_rewarded_by_the_first_set_after_it() -> None:
    def a_set(at_ms: int, after: float) -> SetOutcome:
        return SetOutcome(session="s", set_no=1, at_ms=at_ms, setting=Setting(), sud_before=6.0, sud_after=after)

    sets = [a_set(1_000, 5.0), a_set(60_000, 3.0)]
    assert reward_after(2_000, sets) == (3.0, sets[1])
    assert reward_after(61_000, sets) == (None, None)
