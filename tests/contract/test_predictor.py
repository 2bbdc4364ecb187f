"""Whatever model is shipped: a row's scores depend on the row alone, and a failure is told to every asker."""

import asyncio
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from emdr_stream.domain import MEMORY_UNITS, Scores
from emdr_stream.errors import ModelFailed
from emdr_stream.inference.batch import BATCH_ROWS, LINGER_S, BatchPredictor, Floats, RowScorer, Said
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.inference.models import BoundModel, OnnxModel, load_current
from emdr_stream.pipeline.features import FEATURE_NAMES, MEMORY_AT, STEP_AT, Array, Row
from emdr_stream.pipeline.moments import Moments


class Turn:
    """Work that waits for a time of the loop."""

    def __init__(self, at_s: float, work: Callable[[], None]) -> None:
        self.at_s = at_s
        self.work = work
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Turns:
    """A loop whose turns and time the test makes."""

    def __init__(self) -> None:
        self.now = 5.0
        self._waiting: list[Turn] = []

    def call_soon(self, work: Callable[[], None], /) -> asyncio.Handle:
        return self.call_later(0.0, work)

    def call_later(self, delay_s: float, work: Callable[[], None], /) -> asyncio.Handle:
        turn = Turn(self.now + delay_s, work)
        self._waiting.append(turn)
        return cast("asyncio.Handle", turn)

    def turn(self) -> None:
        due = [turn for turn in self._waiting if turn.at_s <= self.now]
        self._waiting = [turn for turn in self._waiting if turn.at_s > self.now]
        for turn in due:
            if not turn.cancelled:
                turn.work()

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        self.turn()

    @property
    def waiting(self) -> bool:
        return any(not turn.cancelled for turn in self._waiting)


class Asker:
    def __init__(self) -> None:
        self.answers: dict[int, Scores | None] = {}

    def scores_ready(self, ticket: int, scores: Scores | None, queue_ms: float, infer_ms: float) -> None:
        assert queue_ms >= 0 and infer_ms >= 0
        self.answers[ticket] = scores


@pytest.fixture(scope="module")
def unbound() -> OnnxModel:
    return load_current(default_models_dir(), feature_names=FEATURE_NAMES, batch_rows=BATCH_ROWS).graph


@pytest.fixture(scope="module")
def model(unbound: OnnxModel) -> BoundModel:
    return unbound.bound(BATCH_ROWS)


@pytest.fixture(scope="module")
def rows() -> Array:
    """Rows of plausible sessions: noisy signals with gaps, and baselines of their own."""
    rng = np.random.default_rng(7)
    made = []
    for person in range(40):
        moments, row = Moments(), Row()
        center = rng.uniform(-0.3, 0.5, 14)
        for tick in range(0, 3_000, 10):
            values = center + rng.normal(0, 0.1, 14) + (person % 5) * 0.1 * (tick > 2_000)
            values[rng.random(14) < 0.1] = np.nan
            moments.add(tick, tuple(values.tolist()), 0.1, 0.1)
        row.set_baseline(center, np.full(14, 0.1))
        vector = row.fill(moments.sums, (float(person % 2), 0.3, 1.0)).copy()
        vector[STEP_AT] = person % 3 == 0
        vector[MEMORY_AT:] = rng.uniform(-1.0, 1.0, MEMORY_UNITS).astype(np.float32)
        made.append(vector)
    return np.array(made)


def test_scores_do_not_depend_on_neighbours_or_on_the_place_in_the_batch(model: BoundModel, rows: Array) -> None:
    scorer = RowScorer(model)
    alone = [scorer.score(row[None])[0] for row in rows]
    rng = np.random.default_rng(11)
    for _ in range(60):
        count = int(rng.integers(1, BATCH_ROWS + 1))
        chosen = rng.choice(len(rows), count, replace=False)
        together = scorer.score(rows[chosen])
        for index, scores in zip(chosen, together, strict=True):
            assert scores == alone[index]


def test_the_bound_model_says_the_same_as_the_unbound_one_to_the_bit(
    model: BoundModel, unbound: OnnxModel, rows: Array
) -> None:
    live, replayed = RowScorer(model), RowScorer(unbound)
    for first in range(0, len(rows), BATCH_ROWS):
        some = rows[first : first + BATCH_ROWS]
        assert live.score(some) == replayed.score(some)


def test_the_bound_model_refuses_a_batch_of_another_shape(model: BoundModel, unbound: OnnxModel) -> None:
    for shape in ((1, unbound.width), (BATCH_ROWS, 1), (BATCH_ROWS + 1, unbound.width)):
        with pytest.raises(ModelFailed, match="shape"):
            model.run(np.zeros(shape, np.float32), np.zeros((BATCH_ROWS, MEMORY_UNITS), np.float32))


def test_rows_of_different_people_get_different_scores(model: BoundModel, rows: Array) -> None:
    """Guards the test above against a model that says the same to everyone."""
    scorer = RowScorer(model)
    assert len({scorer.score(row[None])[0] for row in rows}) > len(rows) / 2


def test_a_crowd_is_served_one_page_a_turn_and_everybody_gets_their_own_answer(model: BoundModel, rows: Array) -> None:
    turns, asker = Turns(), Asker()
    told: list[int] = []
    predictor = BatchPredictor(model, turns, lambda: turns.now, lambda count, _queued_s, _took_s: told.append(count))
    alone = RowScorer(model)
    for ticket, row in enumerate(rows):
        predictor.submit(row, ticket, asker)
    assert predictor.depth == len(rows)
    assert asker.answers == {}
    turns.turn()
    assert len(asker.answers) == BATCH_ROWS
    while turns.waiting:
        turns.pass_s(LINGER_S)
    assert predictor.depth == 0
    assert sum(told) == len(rows)
    assert asker.answers == {ticket: alone.score(row[None])[0] for ticket, row in enumerate(rows)}


def test_an_asker_may_ask_again_from_within_its_answer(model: BoundModel, rows: Array) -> None:
    turns, asker = Turns(), Asker()
    predictor = BatchPredictor(model, turns, lambda: turns.now)

    class Eager(Asker):
        def scores_ready(self, ticket: int, scores: Scores | None, queue_ms: float, infer_ms: float) -> None:
            super().scores_ready(ticket, scores, queue_ms, infer_ms)
            if ticket < 3:
                predictor.submit(rows[ticket + 1], ticket + 1, self)

    eager = Eager()
    predictor.submit(rows[0], 0, eager)
    for _ in range(8):
        turns.pass_s(LINGER_S)
    assert set(eager.answers) == {0, 1, 2, 3}
    assert asker.answers == {}


def test_a_failing_model_is_told_to_everybody_who_asked_and_the_next_batch_is_tried(
    model: BoundModel, rows: Array
) -> None:
    class Failing:
        broken = True

        def run(self, features: Floats, memory: Floats) -> Said:
            if self.broken:
                raise ModelFailed("planted")
            return model.run(features, memory)

    turns, asker, failing = Turns(), Asker(), Failing()
    predictor = BatchPredictor(failing, turns, lambda: turns.now)
    predictor.submit(rows[0], 1, asker)
    predictor.submit(rows[1], 2, asker)
    turns.turn()
    assert asker.answers == {1: None, 2: None}
    failing.broken = False
    predictor.submit(rows[0], 3, asker)
    turns.pass_s(LINGER_S)
    assert asker.answers[3] is not None


def test_who_waits_is_answered_before_another_model_is_used(model: BoundModel, rows: Array) -> None:
    class Silent:
        def run(self, features: Floats, memory: Floats) -> Said:
            raise ModelFailed("planted")

    turns, asker = Turns(), Asker()
    predictor = BatchPredictor(model, turns, lambda: turns.now)
    for ticket, row in enumerate(rows):
        predictor.submit(row, ticket, asker)
    predictor.finish()
    predictor.use(Silent())
    alone = RowScorer(model)
    assert asker.answers == {ticket: alone.score(row[None])[0] for ticket, row in enumerate(rows)}
    assert predictor.depth == 0
    predictor.submit(rows[0], -1, asker)
    while turns.waiting:
        turns.pass_s(LINGER_S)
    assert asker.answers[-1] is None, "it is asked again as ever, and nobody twice"
    predictor.finish()


def test_a_worker_with_little_to_do_scores_a_row_when_the_loop_turns(model: BoundModel, rows: Array) -> None:
    turns, asker = Turns(), Asker()
    predictor = BatchPredictor(model, turns, lambda: turns.now)
    for ticket in range(3):
        predictor.submit(rows[ticket], ticket, asker)
        assert ticket not in asker.answers
        turns.turn()
        assert ticket in asker.answers
        turns.pass_s(0.1)
    assert not turns.waiting


def test_a_busy_worker_lets_a_batch_gather_company_for_two_milliseconds(model: BoundModel, rows: Array) -> None:
    turns, asker = Turns(), Asker()
    predictor = BatchPredictor(model, turns, lambda: turns.now)
    predictor.submit(rows[0], 0, asker)
    turns.turn()
    turns.pass_s(0.001)
    for ticket in (1, 2, 3):
        predictor.submit(rows[ticket], ticket, asker)
        turns.pass_s(0.0005)
    assert set(asker.answers) == {0}
    turns.pass_s(LINGER_S)
    assert set(asker.answers) == {0, 1, 2, 3}


def test_a_full_batch_does_not_wait(model: BoundModel, rows: Array) -> None:
    turns, asker = Turns(), Asker()
    predictor = BatchPredictor(model, turns, lambda: turns.now)
    predictor.submit(rows[0], 0, asker)
    turns.turn()
    for ticket in range(1, BATCH_ROWS + 1):
        predictor.submit(rows[ticket], ticket, asker)
    turns.turn()
    assert len(asker.answers) == BATCH_ROWS + 1
    turns.pass_s(1.0)
    assert len(asker.answers) == BATCH_ROWS + 1


def test_what_a_full_batch_leaves_over_gathers_company_as_any_batch_does(model: BoundModel, rows: Array) -> None:
    turns, asker = Turns(), Asker()
    told: list[int] = []
    predictor = BatchPredictor(model, turns, lambda: turns.now, lambda count, _queued_s, _took_s: told.append(count))
    for ticket in range(BATCH_ROWS + 1):
        predictor.submit(rows[ticket % len(rows)], ticket, asker)
    turns.turn()
    turns.turn()
    assert told == [BATCH_ROWS]
    turns.pass_s(LINGER_S / 2)
    predictor.submit(rows[0], BATCH_ROWS + 1, asker)
    turns.pass_s(LINGER_S / 4)
    assert told == [BATCH_ROWS]
    turns.pass_s(LINGER_S / 4 + 1e-6)
    assert told == [BATCH_ROWS, 2]
    assert not turns.waiting


def test_a_session_that_fails_on_its_scores_costs_no_other_session_its_answer(model: BoundModel, rows: Array) -> None:
    class Broken(Asker):
        def scores_ready(self, ticket: int, scores: Scores | None, queue_ms: float, infer_ms: float) -> None:
            raise RuntimeError("planted")

    turns, asker = Turns(), Asker()
    predictor = BatchPredictor(model, turns, lambda: turns.now)
    predictor.submit(rows[0], 0, Broken())
    predictor.submit(rows[1], 1, asker)
    turns.turn()
    assert set(asker.answers) == {1}


def test_a_pages_end_is_told_when_everybody_has_an_answer(model: BoundModel, rows: Array) -> None:
    turns, asker = Turns(), Asker()
    told: list[int] = []
    predictor = BatchPredictor(model, turns, lambda: turns.now, on_answered=lambda: told.append(len(asker.answers)))
    for ticket in range(3):
        predictor.submit(rows[ticket], ticket, asker)
    turns.turn()
    assert told == [3]
