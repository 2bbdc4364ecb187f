"""Samples of one person in, what the real pipeline and the model in use make of them out; nothing of it is kept.

A session's own core hears them at the times at which they were taken, as in replay. It runs on the loop in slices of a
millisecond and rests as long after each, so that no live session waits for it; one analysis at a time on each worker.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from emdr_stream.domain import Source
from emdr_stream.errors import ErrorCode, ModelFailed
from emdr_stream.inference.batch import BATCH_ROWS, RowScorer
from emdr_stream.inference.models import LoadedModel
from emdr_stream.pipeline.baseline import BaselinePrior
from emdr_stream.rest.problems import Problem, ProblemCode, refuse
from emdr_stream.session.core import SessionCore
from emdr_stream.session.effects import Analyse, Effect, Send
from emdr_stream.session.facts import SessionFacts
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.stream import ErrorMessage, InterventionMessage, Morphcast, Result, Sample
from emdr_stream.wire.values import Intervention, ModelRef

LONGEST_MS: Final = 7_200_000
_SLICE_S: Final = 0.001
_WAITING: Final = 8
"""Analyses that may wait for their turn; more are told to come back."""

Taken = Sample | Morphcast


class InUse(Protocol):
    """What is asked of the models in use."""

    @property
    def current(self) -> LoadedModel:
        """The version that decides now."""


@dataclass(slots=True)
class Reading:
    """What was made of the samples. `result`: for the newest that had one; None when none showed a person.

    `interventions`: what a session would have said, oldest first; `pauses`: whether it would be paused now.
    """

    model: ModelRef
    result: Result | None = None
    interventions: list[Intervention] = field(default_factory=list)


class Analyst:
    """Reads for one worker. `clock` in seconds, monotonic."""

    def __init__(self, models: InUse, settings: SessionSettings, clock: Callable[[], float]) -> None:
        self._models = models
        self._settings = settings
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._scorer: RowScorer | None = None
        self._scores_for: LoadedModel | None = None

    async def read(self, source: Source, taken: Sequence[Taken], place: str) -> Reading:
        """`place`: the field in which they were given. Raises Problem: invalid_field with its index, or busy."""
        if self._waiting >= _WAITING:
            raise Problem(ProblemCode.BUSY, "other analyses are under way: ask again")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._read(source, taken, place)
        finally:
            self._waiting -= 1

    async def _read(self, source: Source, taken: Sequence[Taken], place: str) -> Reading:
        model, scorer = self._in_use()
        first_ms = taken[0].ts
        facts = SessionFacts(
            session_id="analysis",
            user="nobody",
            source=source,
            started_ts=int(first_ms),
            thresholds=self._settings.safety.thresholds,
            models=(model.reference,),
            prior=BaselinePrior(),
        )
        session = _Listening(SessionCore(facts, self._settings), scorer, Reading(model.reference))
        at_ms, began = 0, self._clock()
        for index, message in enumerate(taken):
            at_ms = max(at_ms, _session_ms(message.ts, first_ms, f"{place}[{index}]"))
            session.hear(message, at_ms, f"{place}[{index}]")
            if (spent := self._clock() - began) >= _SLICE_S:
                await asyncio.sleep(spent)
                began = self._clock()
        return session.reading

    def _in_use(self) -> tuple[LoadedModel, RowScorer]:
        model = self._models.current
        if self._scorer is None or self._scores_for is not model:
            self._scorer, self._scores_for = RowScorer(model.graph.bound(BATCH_ROWS)), model
        return model, self._scorer


class _Listening:
    """One core that hears samples, with the model at its side."""

    def __init__(self, core: SessionCore, scorer: RowScorer, reading: Reading) -> None:
        self._core = core
        self._scorer = scorer
        self.reading = reading
        core.connected(0, epoch=1, resume_token="")

    def hear(self, message: Taken, at_ms: int, place: str) -> None:
        """Raises Problem(invalid_field) for what a session refuses."""
        for effect in self._take(self._core.client(message, at_ms), place):
            if isinstance(effect, Analyse):
                self._take(self._scored(effect, at_ms), place)

    def _scored(self, asked: Analyse, at_ms: int) -> list[Effect]:
        try:
            (scores,) = self._scorer.score(asked.row[None])
        except ModelFailed:
            return self._core.model_failed(asked.ticket, at_ms)
        return self._core.scored(asked.ticket, scores, at_ms)

    def _take(self, effects: Iterable[Effect], place: str) -> list[Effect]:
        """Note what is said; gives the effects."""
        noted = list(effects)
        for effect in noted:
            message = effect.message if isinstance(effect, Send) else None
            if isinstance(message, Result):
                self.reading.result = message
            elif isinstance(message, InterventionMessage):
                self.reading.interventions.append(message.intervention)
            elif isinstance(message, ErrorMessage) and message.code == ErrorCode.INVALID_FIELD:
                param = message.param if isinstance(message.param, str) else ""
                raise refuse(message.message, f"{place}.{param}" if param else place)
        return noted


def _session_ms(ts: float, first_ms: float, place: str) -> int:
    """Session time of a sample. Raises Problem for one that lies too far from the first."""
    since_ms = ts - first_ms
    if not -LONGEST_MS <= since_ms <= LONGEST_MS:
        raise refuse(f"`ts` must lie within {LONGEST_MS // 60_000} minutes of the first", f"{place}.ts")
    return max(0, int(since_ms))
