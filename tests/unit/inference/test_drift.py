"""How drift is told: nothing from few sessions, nothing from the same people, something from others."""

from typing import Any, cast

import msgspec
import numpy as np
import pytest

from emdr_stream.domain import Scores
from emdr_stream.errors import ModelRefused
from emdr_stream.inference.batch import Batch
from emdr_stream.inference.drift import (
    EVERY,
    OUTPUTS,
    Bins,
    DriftWatch,
    Limits,
    Reference,
    bins_of,
    read_reference,
    said,
    stability_index,
)
from emdr_stream.pipeline.classify import Scored

NAMES = ("a", "b", "never used")
CALM = Scores((0.9, 0.04, 0.03, 0.02, 0.01), 0.1, 0.05, (0.0, 0.0, 0.0))
ASKER = cast(Scored, None)


def scores(rng: np.random.Generator, shift: float = 0.0) -> Scores:
    risk = float(1 / (1 + np.exp(-rng.normal(-2 + shift))))
    states = rng.dirichlet(np.ones(5))
    return Scores(tuple(states.tolist()), risk, risk / 2, tuple(rng.normal(0, 0.1, 3).tolist()))


def reference(sessions: int = 3) -> Reference:
    rng = np.random.default_rng(1)
    rows, outputs = rng.normal(size=(4_000, 2)), said([scores(rng) for _ in range(4_000)])
    return Reference(
        command="none: made for tests",
        data="normal",
        rows=4_000,
        sessions=20,
        limits=Limits(sessions=sessions, inputs=0.05, outputs=0.05),
        inputs={name: cast(Bins, bins_of(rows[:, i])) for i, name in enumerate(NAMES[:2])},
        outputs={name: cast(Bins, bins_of(outputs[:, i])) for i, name in enumerate(OUTPUTS)},
    )


def watched(shift: float, sessions: int = 4, rows: int = 400) -> DriftWatch:
    watch, rng = DriftWatch(reference(), NAMES), np.random.default_rng(2)
    for _ in range(sessions):
        for number in range(rows):
            batch = Batch()
            batch.features[0, :3] = rng.normal(shift, 1.0, 3)
            watch.see(batch, [(ASKER, EVERY * (number + 1))], [scores(rng, shift)])
            watch.count(1.0)
    return watch


def test_the_same_people_have_not_drifted() -> None:
    found = watched(0.0).drift()
    assert found.inputs is not None and found.outputs is not None
    assert found.inputs < 0.05 and found.outputs < 0.1
    assert found.inputs_limit == 0.25


def test_other_people_have_and_what_moved_most_is_named() -> None:
    found = watched(1.0).drift()
    assert found.inputs is not None and found.outputs is not None
    assert found.inputs > 0.25 and found.outputs > 0.25
    assert {name for name, _ in found.furthest} & {"a", "b", "risk", "crisis"}


def test_too_few_sessions_say_nothing() -> None:
    found = watched(1.0, sessions=2).drift()
    assert (found.inputs, found.outputs) == (None, None)
    assert found.sessions == pytest.approx(2.0, abs=0.1)


def test_a_row_a_second_counts_and_no_more_than_a_look_can_bear() -> None:
    watch, batch = DriftWatch(reference(), NAMES), Batch()
    for ticket in range(1, 101):
        watch.see(batch, [(ASKER, ticket)], [CALM])
    watch.count(1.0)
    assert watch.drift().rows == 10
    for _ in range(1_000):
        watch.see(batch, [(ASKER, EVERY)], [CALM])
    watch.count(1.0)
    assert watch.drift().rows == 74


def test_what_was_long_ago_counts_less() -> None:
    watch = watched(0.0)
    before = watch.drift()
    watch.count(6 * 3_600.0)
    assert watch.drift().sessions == pytest.approx(before.sessions / 2, abs=0.1)


def test_the_index_is_that_of_the_formula() -> None:
    then, counts = np.array([[0.5, 0.5]]), np.array([[30_000.0, 10_000.0]])
    wanted = (0.75 - 0.5) * np.log(0.75 / 0.5) + (0.25 - 0.5) * np.log(0.25 / 0.5)
    assert stability_index(then, counts)[0] == pytest.approx(wanted, rel=1e-3)


def test_a_figure_that_hardly_varies_has_no_bins_and_bins_hold_equal_shares() -> None:
    assert bins_of(np.zeros(100)) is None
    bins = bins_of(np.arange(1_000.0))
    assert bins is not None
    assert len(bins.shares) == 10 and max(bins.shares) < 0.102 and sum(bins.shares) == pytest.approx(1.0)
    rare = bins_of(np.r_[np.zeros(95), np.ones(5)])
    assert rare is None or len(rare.shares) == len(rare.edges) + 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda told: told["inputs"].update(z=told["inputs"]["a"]), "z"),
        (lambda told: told["inputs"]["a"].update(shares=[0.5, 0.5]), "a"),
        (lambda told: told["outputs"].clear(), "nothing"),
        (lambda told: told.pop("limits"), "malformed"),
    ],
)
def test_a_reference_of_something_else_is_refused(change: Any, named: str) -> None:
    told = msgspec.to_builtins(reference())
    change(told)
    with pytest.raises(ModelRefused, match=named):
        read_reference(msgspec.json.encode(told), NAMES)
