"""A feature row in, scores out: the ports between the sessions and the models."""

from typing import Protocol

from emdr_stream.domain import Scores
from emdr_stream.pipeline.features import Array


class Scored(Protocol):
    """Who asked for scores."""

    def scores_ready(self, ticket: int, scores: Scores | None, queue_ms: float, infer_ms: float) -> None:
        """Take the answer to `ticket`; None when the model failed. Milliseconds: until the batch ran, and its run."""


class Predictor(Protocol):
    """Scores rows for all sessions of a worker."""

    def submit(self, row: Array, ticket: int, asker: Scored) -> None:
        """Copy `row` (float64, shape (ROW_LENGTH,)) and answer soon, never within this call."""
