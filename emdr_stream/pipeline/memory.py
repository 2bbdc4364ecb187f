"""What a model remembered of a session in, the same for its next row out: kept step by step, on the session's time.

A model with a memory is told with each row what it remembered, and says with each answer what it now would. Rows come
ten times a second or three, as the client sends; what it remembers is kept every two seconds only, as it was trained.
Rows in between see the memory of the last step. The session has it, not the model: it moves with the session's
snapshot, and a replay that scores anew comes to the same.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from emdr_stream.domain import ANEW, BETWEEN, MEMORY_UNITS, STEP

Put: TypeAlias = Callable[[npt.NDArray[np.float64]], None]
"""Is given what is remembered, shape (MEMORY_UNITS,), for the rows to come."""

STEP_MS: Final = 2_000
"""Between two steps, at least: the pace at which the memory was trained."""
FORGOTTEN_MS: Final = 180_000
"""Without a step for as long as the longest window, what was remembered is as old as what no window holds any more."""
LARGEST: Final = 1.0 + 1e-6
"""Of each number, without its sign: what gates keep lies within 1. What is larger can blind a model, or make it cry."""
_NOTHING: Final = bytes(4 * MEMORY_UNITS)


class MemoryState(msgspec.Struct):
    """`values`: float32, MEMORY_UNITS of them, or empty for none. `stepped_ms`: session time of the last step."""

    values: bytes = b""
    stepped_ms: int | None = None


class Memory:
    """One session's."""

    __slots__ = ("_put", "state")

    def __init__(self, put: Put, state: MemoryState | None = None) -> None:
        self._put = put
        self.state = state or MemoryState()
        values, self.state.values = self.state.values, b""
        self._keep(values)

    def mark(self, at_ms: int) -> float:
        """What a row of this time is: BETWEEN, STEP or ANEW. Forgets what has become too old."""
        stepped_ms = self.state.stepped_ms
        if stepped_ms is None:
            return ANEW
        since_ms = at_ms - stepped_ms
        if 0 <= since_ms < STEP_MS:
            return BETWEEN
        if 0 <= since_ms < FORGOTTEN_MS:
            return STEP
        self.forget()
        return ANEW

    def step(self, values: bytes, at_ms: int) -> None:
        """Keep what a model remembered after the row of `at_ms`, which was no row between; empty where it has no
        memory."""
        self.state.stepped_ms = at_ms
        self._keep(values)

    def forget(self) -> None:
        """As at the beginning: what another model remembered is of no use."""
        if self.state.values:
            self._keep(_NOTHING)
        self.state.values, self.state.stepped_ms = b"", None

    def _keep(self, values: bytes) -> None:
        """What is no memory leaves the one before."""
        if is_memory(values):
            self.state.values = values
            self._put(np.frombuffer(values, dtype="<f4").astype(np.float64))


def is_memory(values: bytes) -> bool:
    """Whether it has the length of one, and all of it lies within LARGEST."""
    return len(values) == len(_NOTHING) and bool(np.abs(np.frombuffer(values, dtype="<f4")).max() <= LARGEST)
