"""Rows of many sessions in, scores out: one graph over a batch of one fixed shape, for all sessions of a worker.

The shape never changes, and features are derived with exact operations only, so a row's scores do not depend on its
neighbours, to the bit. A run costs nearly the same for one row as for a full batch. A worker with little to do scores
a row when the loop turns; a busy one lets a batch gather company for three milliseconds. A full batch never waits.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from time import perf_counter
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from emdr_stream.domain import MEMORY_UNITS, Scores
from emdr_stream.errors import ModelFailed
from emdr_stream.pipeline.classify import Scored
from emdr_stream.pipeline.features import (
    MEMORY_AT,
    N_FEATURES,
    ROW_LENGTH,
    STEP_AT,
    Array,
    Deriver,
)

BATCH_ROWS: Final = 16
"""Rows a run; more sessions than that take several runs, so that no step of the loop grows long."""
LINGER_S: Final = 0.003
"""How long a busy worker's batch gathers rows."""
_BUSY_S: Final = 0.005
"""A worker is busy when its last run is no longer ago than this: 200 rows a second, twenty sessions."""

_LOG: Final = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]


class Said(NamedTuple):
    """What a model says of B rows: `states` [B, 5], `risk`, `crisis` [B], `change` [B, 3], and what is remembered
    after them, `memory` [B, MEMORY_UNITS]; None of a model without one."""

    states: Floats
    risk: Floats
    crisis: Floats
    change: Floats
    memory: Floats | None = None


class Model(Protocol):
    """What is needed of a loaded model."""

    def run(self, features: Floats, memory: Floats) -> Said:
        """What it says of features [B, N_FEATURES] and memory [B, MEMORY_UNITS]; raises ModelFailed."""


class Batch:
    """BATCH_ROWS rows as models take them."""

    __slots__ = ("features", "memory", "steps")

    def __init__(self) -> None:
        self.features: Floats = np.zeros((BATCH_ROWS, N_FEATURES), dtype=np.float32)
        self.memory: Floats = np.zeros((BATCH_ROWS, MEMORY_UNITS), dtype=np.float32)
        self.steps: list[float] = []
        """What each row is to the memory: what is remembered after a row BETWEEN is not kept."""


class Onlooker(Protocol):
    """Sees what was scored, after everybody has their answer."""

    def see(self, batch: Batch, askers: Sequence[tuple[Scored, int]], scores: Sequence[Scores]) -> None:
        """`batch` is valid within the call; its first rows are the askers'."""


class RowScorer:
    """Scores up to BATCH_ROWS rows at once, in the same shape; the only way from rows to scores, live and replayed."""

    __slots__ = ("_derive", "_model", "batch")

    def __init__(self, model: Model) -> None:
        self._model = model
        self._derive = Deriver(BATCH_ROWS)
        self.batch = Batch()

    def score(self, rows: Array) -> list[Scores]:
        """Scores of rows, float64 (n, ROW_LENGTH) with n <= BATCH_ROWS. Raises ModelFailed."""
        count, batch = len(rows), self.batch
        batch.features[:count] = self._derive(rows)
        batch.memory[:count] = rows[:, MEMORY_AT:]
        batch.steps = rows[:, STEP_AT].tolist()
        return said_of(batch, self._model.run(batch.features, batch.memory))


def said_of(batch: Batch, said: Said) -> list[Scores]:
    """Scores of the rows that count, with what is remembered after those where that is to be kept."""
    steps, memory = batch.steps, said.memory
    rows = slice(len(steps))
    kept: Iterable[bytes] = repeat(b"")
    if memory is not None and any(steps):
        kept = [after.tobytes() if step else b"" for step, after in zip(steps, memory[rows], strict=True)]
    states, risk, crisis, change = (each[rows].tolist() for each in said[:4])
    return list(map(Scores, map(tuple, states), risk, crisis, map(tuple, change), kept))


class _Page:
    """Rows that will be run together, and who asked for them."""

    __slots__ = ("askers", "rows", "since")

    def __init__(self) -> None:
        self.rows: Array = np.zeros((BATCH_ROWS, ROW_LENGTH))
        self.askers: list[tuple[Scored, int]] = []
        self.since = 0.0


class Loop(Protocol):
    """What is needed of the event loop; tests hand in their own."""

    def call_soon(self, work: Callable[[], None], /) -> asyncio.Handle: ...

    def call_later(self, delay_s: float, work: Callable[[], None], /) -> asyncio.Handle: ...


class BatchPredictor:
    """The predictor of a worker. Pages are run one a turn of the loop: a crowd of sessions never holds it for long."""

    __slots__ = (
        "_clock",
        "_due",
        "_free",
        "_last_run",
        "_loop",
        "_on_answered",
        "_on_run",
        "_onlookers",
        "_open",
        "_pages",
        "_scorer",
    )

    def __init__(
        self,
        model: Model,
        loop: Loop,
        clock: Callable[[], float] = perf_counter,
        on_run: Callable[[int, float, float], None] = lambda rows, queued_s, infer_s: None,
        on_answered: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_run` is told of each run: its rows, how long the first of them waited, and how long the run took.

        `on_answered` is called when all who asked for it have their answer.
        """
        self._scorer = RowScorer(model)
        self._pages: deque[_Page] = deque()
        self._open: _Page | None = None
        """The last of them, as long as there is room in it."""
        self._free: list[_Page] = [_Page()]
        self._loop = loop
        self._clock = clock
        self._on_run = on_run
        self._on_answered = on_answered
        self._last_run = float("-inf")
        self._due: asyncio.Handle | None = None
        self._onlookers: tuple[Onlooker, ...] = ()

    def use(self, model: Model | None = None, onlookers: Sequence[Onlooker] = ()) -> None:
        """From the next run on, have this model score (None: the present one), and these look on."""
        if model is not None:
            self._scorer = RowScorer(model)
        self._onlookers = tuple(onlookers)

    def finish(self) -> None:
        """Run all that waits, in this turn of the loop: who asked is answered before anything else happens."""
        while self._pages:
            if self._due is not None:
                self._due.cancel()
            self._turn()

    def submit(self, row: Array, ticket: int, asker: Scored) -> None:
        page = self._open or self._begin_page()
        askers = page.askers
        page.rows[len(askers)] = row
        askers.append((asker, ticket))
        if len(askers) == BATCH_ROWS:
            self._open = None
            if len(self._pages) == 1 and self._due is not None:
                self._due.cancel()
                self._due = self._loop.call_soon(self._turn)

    @property
    def depth(self) -> int:
        """Rows waiting for their run."""
        return sum(len(page.askers) for page in self._pages)

    def _begin_page(self) -> _Page:
        page = self._open = self._free.pop() if self._free else _Page()
        page.since = self._clock()
        self._pages.append(page)
        if len(self._pages) == 1:
            busy = page.since - self._last_run < _BUSY_S
            self._due = self._loop.call_later(LINGER_S, self._turn) if busy else self._loop.call_soon(self._turn)
        return page

    def _turn(self) -> None:
        """Run the first page, and let the loop turn before the next."""
        page = self._pages.popleft()
        if page is self._open:
            self._open = None
        self._due = self._next_turn() if self._pages else None
        self._run(page)

    def _next_turn(self) -> asyncio.Handle:
        """A full page is next at once; one with room is what came with a full one, and gathers for as long as any."""
        page = self._pages[0]
        left_s = 0.0 if page is not self._open else page.since + LINGER_S - self._clock()
        return self._loop.call_later(left_s, self._turn) if left_s > 0.0 else self._loop.call_soon(self._turn)

    def _run(self, page: _Page) -> None:
        askers, page.askers = page.askers, []
        started = self._clock()
        scores: list[Scores] | list[None]
        try:
            scores = self._scorer.score(page.rows[: len(askers)])
        except ModelFailed:
            scores = [None] * len(askers)
        self._last_run = self._clock()
        took, queued = self._last_run - started, started - page.since
        self._on_run(len(askers), queued, took)
        # To the microsecond; `round` takes four times as long.
        queue_ms, infer_ms = int(queued * 1_000_000) / 1_000, int(took * 1_000_000) / 1_000
        self._free.append(page)
        for (asker, ticket), answer in zip(askers, scores, strict=True):
            try:
                asker.scores_ready(ticket, answer, queue_ms, infer_ms)
            except Exception:
                # A fault of one session must not cost the others their answers.
                _LOG.exception("a session failed on its scores")
        self._on_answered()
        if self._onlookers and scores[0] is not None:
            self._show(askers, scores)

    def _show(self, askers: Sequence[tuple[Scored, int]], scores: Sequence[Any]) -> None:
        """Whoever fails here is not asked again: nothing that only looks on may cost the sessions anything."""
        for onlooker in self._onlookers:
            try:
                onlooker.see(self._scorer.batch, askers, scores)
            except Exception:
                _LOG.exception("what looks on at the models failed and is switched off")
                self._onlookers = tuple(other for other in self._onlookers if other is not onlooker)
