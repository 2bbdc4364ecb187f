"""What a model remembers is kept at a pace of its own, never as anything that is no memory, and not for ever."""

import numpy as np
import pytest

from emdr_stream.domain import ANEW, BETWEEN, MEMORY_UNITS, STEP
from emdr_stream.pipeline.memory import FORGOTTEN_MS, STEP_MS, Memory, MemoryState
from emdr_stream.pipeline.moments import WINDOWS_S


class Room:
    """Where the rows are told what is remembered."""

    def __init__(self) -> None:
        self.values = np.zeros(MEMORY_UNITS)

    def put(self, values: np.ndarray) -> None:
        assert values.shape == (MEMORY_UNITS,)
        self.values = values


def remembered(value: float) -> bytes:
    return np.full(MEMORY_UNITS, value, "<f4").tobytes()


def test_steps_are_two_seconds_apart_at_least() -> None:
    room = Room()
    memory = Memory(room.put)
    assert memory.mark(700) == ANEW, "the first row is a step"
    memory.step(remembered(0.25), 700)
    assert [memory.mark(at) for at in (700, 701, 700 + STEP_MS - 1)] == [BETWEEN] * 3
    assert memory.mark(700 + STEP_MS) == STEP
    assert room.values[0] == 0.25
    memory.step(remembered(0.5), 700 + STEP_MS)
    assert room.values[-1] == 0.5


def test_what_is_older_than_every_window_is_forgotten() -> None:
    assert WINDOWS_S[-1] * 1_000 == FORGOTTEN_MS
    room = Room()
    memory = Memory(room.put)
    memory.step(remembered(0.5), 0)
    assert memory.mark(FORGOTTEN_MS - 1) == STEP and room.values.all()
    assert memory.mark(FORGOTTEN_MS) == ANEW
    assert not room.values.any() and memory.state == MemoryState()


@pytest.mark.parametrize(
    "bad", [remembered(float("nan")), remembered(float("inf")), remembered(1.01), remembered(1.0)[:-4], b"x"]
)
def test_what_is_no_memory_leaves_the_one_before(bad: bytes) -> None:
    room = Room()
    memory = Memory(room.put)
    memory.step(remembered(0.5), 0)
    memory.step(bad, STEP_MS)
    assert room.values.all() and memory.state.values == remembered(0.5)
    assert memory.mark(STEP_MS + 1) == BETWEEN, "its time has passed all the same"
    assert Memory(room.put, MemoryState(values=bad, stepped_ms=0)).state.values == b""


def test_a_time_that_cannot_be_begins_anew() -> None:
    """Of a snapshot that somebody spoilt: else no step would ever come again."""
    room = Room()
    memory = Memory(room.put, MemoryState(values=remembered(0.5), stepped_ms=10**15))
    assert memory.mark(5_000) == ANEW and not room.values.any()


def test_a_model_without_memory_keeps_the_pace_for_one_that_looks_on() -> None:
    room = Room()
    memory = Memory(room.put)
    memory.step(b"", 0)
    assert (memory.mark(1_000), memory.mark(STEP_MS)) == (BETWEEN, STEP)
    assert memory.state.values == b""
