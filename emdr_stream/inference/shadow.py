"""Batches that were just scored in, what another version says of the same rows out: after all have their answer."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from emdr_stream.domain import Scores
from emdr_stream.errors import ModelFailed
from emdr_stream.inference.batch import Floats, Model
from emdr_stream.pipeline.classify import Scored, to_scores

Tell: TypeAlias = Callable[[Scored, Scores, Scores | None], None]
"""Is told who asked, what was answered, and what the shadow says; None where it failed."""


class ShadowScorer:
    """Runs the shadow over the batch as it lies there, in the same shape: features are derived once."""

    __slots__ = ("_model", "_tell", "failures")

    def __init__(self, model: Model, tell: Tell) -> None:
        self._model = model
        self._tell = tell
        self.failures = 0

    def see(self, batch: Floats, askers: Sequence[tuple[Scored, int]], scores: Sequence[Scores]) -> None:
        """`batch`: features [BATCH_ROWS, N_FEATURES], of which the first rows are the askers'."""
        count = len(askers)
        others: Sequence[Scores | None]
        try:
            others = [_sound(each) for each in to_scores(*[out[:count].tolist() for out in self._model.run(batch)])]
        except ModelFailed:
            others = [None] * count
        for (asker, _), live, other in zip(askers, scores, others, strict=True):
            self.failures += other is None
            self._tell(asker, live, other)


def _sound(scores: Scores) -> Scores | None:
    """None where a number is none, or no probability: a failure."""
    total = sum(scores.states, sum(scores.change))
    sound = 0.0 <= scores.risk <= 1.0 and 0.0 <= scores.crisis <= 1.0 and total - total == 0.0
    return scores if sound else None
