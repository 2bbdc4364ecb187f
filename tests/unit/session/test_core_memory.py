"""What the model remembers of a session: the session keeps it, step by step, for the model that said it."""

import msgspec
import numpy as np
import pytest

from emdr_stream.domain import ANEW, BETWEEN, MEMORY_UNITS, STEP, Scores
from emdr_stream.pipeline.features import MEMORY_AT, STEP_AT, Array
from emdr_stream.session.effects import Analyse
from emdr_stream.wire.values import ModelRef
from tests.unit.session.live import CALM, CLIENT_CLOCK, Live, neutral_sample

ONE, OTHER, EYES = (
    ModelRef(name=name, version=version, sha256="0" * 64)
    for name, version in (("emotion_safety", "1"), ("emotion_safety", "2"), ("face_expression", "1"))
)


def remembering(value: float) -> bytes:
    return np.full(MEMORY_UNITS, value, "<f4").tobytes()


def ask(live: Live, later_ms: int = 100) -> Analyse:
    """The row of the next sample."""
    live.now += later_ms
    effects = live.core.client(neutral_sample(CLIENT_CLOCK + live.now), live.now)
    [asked] = [effect for effect in effects if isinstance(effect, Analyse)]
    return asked


def answer(live: Live, asked: Analyse, value: float) -> None:
    live.core.scored(asked.ticket, msgspec.structs.replace(CALM, memory=remembering(value)), live.now)


def memory_of(row: Array) -> float:
    [value] = set(row[MEMORY_AT:].tolist())
    return float(value)


def opened() -> Live:
    live = Live()
    live.settle()
    live.core.models_changed((ONE,), live.now)
    return live


def test_what_a_step_remembered_is_in_every_row_until_the_next_step() -> None:
    live = opened()
    first = ask(live)
    assert first.row[STEP_AT] == ANEW and memory_of(first.row) == 0.0
    answer(live, first, 0.25)
    seen = []
    for number in range(1, 25):
        asked = ask(live)
        seen.append((asked.row[STEP_AT], memory_of(asked.row)))
        answer(live, asked, number / 100)
    assert seen[:19] == [(BETWEEN, 0.25)] * 19
    assert seen[19] == (STEP, 0.25), "two seconds after the first"
    assert seen[20:] == [(BETWEEN, float(np.float32(0.2)))] * 4


def test_a_failure_of_the_model_is_no_step() -> None:
    live = opened()
    answer(live, ask(live), 0.5)
    asked = ask(live, 2_000)
    live.core.model_failed(asked.ticket, live.now)
    again = ask(live)
    assert again.row[STEP_AT] == STEP and memory_of(again.row) == 0.5


@pytest.mark.parametrize(
    "broken",
    [
        msgspec.structs.replace(CALM, risk=float("nan"), memory=remembering(0.75)),
        msgspec.structs.replace(CALM, memory=remembering(float("inf"))),
        msgspec.structs.replace(CALM, memory=remembering(1.5)),
    ],
)
def test_what_was_remembered_when_an_answer_was_no_number_is_forgotten(broken: Scores) -> None:
    """A memory that a model cannot read would fail the session with every row, until it was too old."""
    live = opened()
    answer(live, ask(live), 0.5)
    asked = ask(live)
    live.core.scored(asked.ticket, broken, live.now)
    down = [live.core._state.model_down]
    again = ask(live)
    assert again.row[STEP_AT] == ANEW and memory_of(again.row) == 0.0
    answer(live, again, 0.25)
    down.append(live.core._state.model_down)
    assert down == [True, False]
    assert memory_of(ask(live).row) == 0.25


def test_a_late_answer_is_not_remembered() -> None:
    live = opened()
    answer(live, ask(live), 0.5)
    asked = ask(live, 2_000)
    live.now += 5_000
    live.core.advance(live.now)  # its deadline is over
    answer(live, asked, 0.75)
    assert memory_of(ask(live).row) == 0.5


def test_another_version_begins_with_nothing_and_another_reader_of_pictures_changes_nothing() -> None:
    live = opened()
    answer(live, ask(live), 0.5)
    live.core.models_changed((ONE, EYES), live.now)
    assert memory_of(ask(live).row) == 0.5
    live.core.scored(live.core._view.ticket, CALM, live.now)
    live.core.models_changed((OTHER, EYES), live.now)
    asked = ask(live)
    assert (memory_of(asked.row), asked.row[STEP_AT]) == (0.0, ANEW)


def test_another_worker_goes_on_with_it() -> None:
    live = opened()
    answer(live, ask(live), 0.5)
    moved = live.restored()
    asked = ask(moved)
    assert (memory_of(asked.row), asked.row[STEP_AT]) == (0.5, BETWEEN)


def test_a_snapshot_has_it_once_and_no_more_when_it_is_forgotten() -> None:
    live = opened()
    answer(live, ask(live), 0.5)
    assert msgspec.msgpack.encode(live.core.snapshot(live.now)).count(remembering(0.5)) == 1
    live.core.models_changed((OTHER,), live.now)
    assert remembering(0.5) not in msgspec.msgpack.encode(live.core.snapshot(live.now))


def test_a_client_who_was_away_for_long_is_met_anew() -> None:
    live = opened()
    answer(live, ask(live), 0.5)
    live.disconnect()
    live.now += 100_000
    live.reconnect()
    assert memory_of(ask(live).row) == 0.5
    live.core.scored(live.core._view.ticket, CALM, live.now)
    live.disconnect()
    live.now += 181_000
    live.reconnect()
    assert memory_of(ask(live).row) == 0.0
