"""Models made anew are held against the shipped ones: the same, nearly the same, another one."""

import copy
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from training.reproduced import Compared, Shipped, compared, print_comparison, shipped_in

MODELS = Path(__file__).parents[3] / "models"


@pytest.fixture
def shipped() -> dict[str, Shipped]:
    return shipped_in(MODELS)


def changed(model: Shipped, **parts: Any) -> Shipped:
    return Shipped(model.version, parts.get("manifest", model.manifest), parts.get("vectors", model.vectors))


def failing(lines: list[Compared]) -> list[tuple[str, str]]:
    return [(line.model, line.what) for line in lines if not line.same]


def test_the_shipped_models_are_the_same_as_themselves(shipped: dict[str, Shipped]) -> None:
    lines = compared(shipped, shipped)
    assert {line.model for line in lines} == set(shipped) and not failing(lines)
    assert print_comparison(Console(quiet=True), lines)


def test_one_answer_that_differs_is_seen_and_rounding_is_not(shipped: dict[str, Shipped]) -> None:
    vectors: Any = copy.deepcopy(shipped["emotion_safety"].vectors)
    vectors["outputs"]["safety_crisis"][3] = shipped["emotion_safety"].vectors["outputs"]["safety_crisis"][3] + 1e-6
    assert not failing(compared(shipped, {"emotion_safety": changed(shipped["emotion_safety"], vectors=vectors)}))
    vectors["outputs"]["safety_crisis"][3] += 0.01
    lines = compared(shipped, {"emotion_safety": changed(shipped["emotion_safety"], vectors=vectors)})
    assert failing(lines) == [("emotion_safety", "stored answers")]


def test_a_validation_that_came_out_otherwise_or_is_missing_is_seen(shipped: dict[str, Shipped]) -> None:
    manifest: Any = copy.deepcopy(shipped["emotion_safety"].manifest)
    manifest["validation"]["thresholds"]["sensitivity"] -= 0.03
    lines = compared(shipped, {"emotion_safety": changed(shipped["emotion_safety"], manifest=manifest)})
    assert failing(lines) == [("emotion_safety", "validation")]
    del manifest["validation"]
    lines = compared(shipped, {"emotion_safety": changed(shipped["emotion_safety"], manifest=manifest)})
    assert failing(lines) == [("emotion_safety", "validation")]


def test_test_figures_may_differ_as_far_as_their_intervals_meet(shipped: dict[str, Shipped]) -> None:
    manifest: Any = copy.deepcopy(shipped["emotion_safety"].manifest)
    sensitivity = manifest["metrics"]["iid"]["sensitivity"]
    sensitivity |= {"value": sensitivity["low"], "low": sensitivity["low"] - 0.1, "high": sensitivity["low"] + 0.01}
    made = {"emotion_safety": changed(shipped["emotion_safety"], manifest=manifest)}
    assert not failing(compared(shipped, made))
    allowed = next(line for line in compared(shipped, made) if line.what.startswith("test")).allowed
    apart = 0
    for figures in (manifest["metrics"]["iid"], manifest["metrics"]["shifted"]):
        for figure in figures.values():
            if isinstance(figure, dict) and "low" in figure:
                apart += figure is not manifest["metrics"]["iid"].get("p95_time_to_alarm_s")
                figure |= {"low": figure["high"] + 1.0, "high": figure["high"] + 2.0}
    assert apart > allowed > 0
    assert failing(compared(shipped, made)) == [("emotion_safety", "test, intervals that do not meet")]
    assert not print_comparison(Console(quiet=True), compared(shipped, made))
