"""Batches that were just scored in, what another version says of the same rows out: after all have their answer."""

from collections.abc import Callable, MutableMapping, Sequence
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from emdr_stream.domain import ANEW, MEMORY_UNITS, Scores
from emdr_stream.errors import ModelFailed
from emdr_stream.inference.batch import BATCH_ROWS, Batch, Floats, Model, said_of
from emdr_stream.pipeline.classify import Scored, is_sound

Tell: TypeAlias = Callable[[Scored, Scores, Scores | None], None]
"""Is told who asked, what was answered, and what the shadow says; None where it failed."""


class ShadowScorer:
    """Runs the shadow over the batch as it lies there, in the same shape: features are derived once.

    What it remembers is its own, kept here at the session's own steps, and forgotten where the session begins anew; it
    begins when the shadow does, and again where a session is taken over.
    """

    __slots__ = ("_memories", "_memory", "_model", "_tell", "failures")

    def __init__(self, model: Model, tell: Tell) -> None:
        self._model = model
        self._tell = tell
        self._memory: Floats = np.zeros((BATCH_ROWS, MEMORY_UNITS), dtype=np.float32)
        self._memories: MutableMapping[Scored, bytes] = WeakKeyDictionary()
        self.failures = 0

    def see(self, batch: Batch, askers: Sequence[tuple[Scored, int]], scores: Sequence[Scores]) -> None:
        """`batch`: of whose rows the first are the askers'."""
        others: Sequence[Scores | None]
        try:
            said = said_of(batch, self._model.run(batch.features, self._remembered(batch, askers)))
            others = [self._taken(asker, each) for (asker, _), each in zip(askers, said, strict=True)]
        except ModelFailed:
            others = [None] * len(askers)
        for (asker, _), live, other in zip(askers, scores, others, strict=True):
            self.failures += other is None
            self._tell(asker, live, other)

    def _taken(self, asker: Scored, said: Scores) -> Scores | None:
        """As a session takes an answer: None where a number is none, and then what was remembered is forgotten."""
        if not is_sound(said):
            self._memories.pop(asker, None)
            return None
        if said.memory:
            self._memories[asker] = said.memory
        return said

    def _remembered(self, batch: Batch, askers: Sequence[tuple[Scored, int]]) -> Floats:
        """The shadow's own memories of these sessions; the batch has those of the version that decides."""
        memory = self._memory
        memory.fill(0.0)
        for row, step, (asker, _) in zip(memory, batch.steps, askers, strict=False):
            if step == ANEW:
                self._memories.pop(asker, None)
            elif (kept := self._memories.get(asker)) is not None:
                row[:] = np.frombuffer(kept, dtype="<f4")
        return memory
