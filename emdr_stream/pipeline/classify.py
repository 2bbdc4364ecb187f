"""A feature row in, scores out: the ports between the sessions and the models, and what counts as an answer."""

from typing import Protocol

from emdr_stream.domain import Scores
from emdr_stream.pipeline.features import Array
from emdr_stream.pipeline.memory import is_memory


class Scored(Protocol):
    """Who asked for scores."""

    def scores_ready(self, ticket: int, scores: Scores | None, queue_ms: float, infer_ms: float) -> None:
        """Take the answer to `ticket`; None when the model failed. Milliseconds: until the batch ran, and its run."""


class Predictor(Protocol):
    """Scores rows for all sessions of a worker."""

    def submit(self, row: Array, ticket: int, asker: Scored) -> None:
        """Copy `row` (float64, shape (ROW_LENGTH,)) and answer soon, never within this call."""


def is_sound(scores: Scores) -> bool:
    """False when any number is NaN or infinite, or no probability: a model failure, never a reading."""
    total = sum(scores.states, sum(scores.change))
    numbers = 0.0 <= scores.risk <= 1.0 and 0.0 <= scores.crisis <= 1.0 and total - total == 0.0
    return numbers and (not scores.memory or is_memory(scores.memory))
