"""Gates: a model that reaches all targets passes, each miss is named with its reason, and what is not known fails."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.evaluation.gates import GATES, Gate, figure, gates, missed, regressions


def metrics_at(values: dict[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in values.items():
        place, key = name.split(".")
        nested.setdefault(place, {})[key] = value
    return nested


PERFECT = {gate.name: gate.must for gate in GATES}


def test_a_model_that_reaches_every_target_exactly_misses_none() -> None:
    assert missed(metrics_at(PERFECT)) == []


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_each_target_refuses_a_model_that_misses_it_alone_and_says_why(gate: Gate) -> None:
    off = gate.must - 0.01 if gate.at_least else gate.must + 0.01
    [result] = missed(metrics_at({**PERFECT, gate.name: {"value": off, "low": off, "high": off}}))
    assert result.name == gate.name and result.ci == (off, off)
    assert gate.what in result.why and "asked" in result.why


@pytest.mark.parametrize("nothing", [None, float("nan"), "0.9", True, {}, {"value": None}])
def test_what_was_not_measured_fails(nothing: Any) -> None:
    [result] = missed(metrics_at({**PERFECT, "iid.sensitivity": nothing}))
    assert result.reached is None and "not measured" in result.why


def test_an_empty_report_fails_every_target() -> None:
    assert len(missed({})) == len(GATES)


@given(st.dictionaries(st.sampled_from([g.name for g in GATES]), st.floats(0, 100)), st.sampled_from(GATES))
def test_a_better_figure_never_makes_a_target_fail(values: dict[str, float], gate: Gate) -> None:
    before = {result.name: result.passed for result in gates(metrics_at(values))}
    value = values.get(gate.name, gate.must)
    better = metrics_at({**values, gate.name: value + 1 if gate.at_least else value - 1})
    after = {result.name: result.passed for result in gates(better)}
    assert all(after[name] for name, passed in before.items() if passed)


def test_a_model_is_no_regression_of_itself() -> None:
    assert regressions(metrics_at(PERFECT), metrics_at(PERFECT)) == []


def test_a_target_lost_is_a_regression_and_so_is_what_is_worse_beyond_doubt() -> None:
    current = metrics_at({**PERFECT, "held_out.sensitivity": 0.5})
    lost = metrics_at({**PERFECT, "held_out.sensitivity": 0.5, "iid.sensitivity": 0.89})
    assert [result.name for result in regressions(lost, current)] == ["iid.sensitivity"]
    doubtful = metrics_at({**PERFECT, "held_out.sensitivity": {"value": 0.45, "low": 0.4, "high": 0.52}})
    assert regressions(doubtful, current) == []
    sure = metrics_at({**PERFECT, "held_out.sensitivity": {"value": 0.35, "low": 0.3, "high": 0.42}})
    assert [result.name for result in regressions(sure, current)] == ["held_out.sensitivity"]


def test_a_figure_may_be_a_number_or_have_an_interval() -> None:
    assert figure({"iid": {"a": 1}}, "iid.a") == (1.0, None)
    assert figure({"iid": {"a": {"value": 1, "low": 0, "high": 2}}}, "iid.a") == (1.0, (0.0, 2.0))
    assert figure({"iid": 3}, "iid.a") == (None, None)
