"""Takes records without blocking, writes them to the store in batches behind the session's back, retried for ever."""

import asyncio
import contextlib
import itertools
import logging
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from emdr_stream.errors import StoreUnavailable
from emdr_stream.store.base import Record, RecordKind, Store

_LOG: Final = logging.getLogger(__name__)

DROPPABLE: Final = frozenset({RecordKind.SECOND})
"""Kinds of which the oldest go when the store is away for long. The others wait up to the larger bound."""
_RETRY_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """Bounds of the queue, in records, and the rhythm of the batches. A record takes about 1 kB.

    Packing rows holds the event loop: the batches are small, so that no sample waits for a large one.
    """

    seconds: int = 50_000
    others: int = 100_000
    batch: int = 64
    interval_s: float = 0.1


@dataclass(slots=True)
class WriterCounts:
    """`dropped`: by kind, lost to a full queue. `refused`: rows that the store never takes."""

    written: int = 0
    dropped: Counter[RecordKind] = field(default_factory=Counter)
    refused: Counter[RecordKind] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        return self.dropped.total() + self.refused.total()


class RecordWriter:
    """One worker's write-behind queue."""

    def __init__(self, store: Store, *, limits: WriterLimits | None = None) -> None:
        self._store = store
        self._limits = limits or WriterLimits()
        self._seconds: deque[Record] = deque()
        self._others: deque[Record] = deque()
        self._in_flight: list[Record] = []
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = contextlib.AsyncExitStack()
        self.counts = WriterCounts()

    @property
    def backlog(self) -> int:
        """Records that the store has not got."""
        return len(self._seconds) + len(self._others) + len(self._in_flight)

    async def start(self) -> None:
        """Begin to write."""
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._tasks = [group.create_task(self._run())]

    async def aclose(self) -> None:
        """Stop at once; call `drain` first for what is still waiting."""
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()

    def offer(self, record: Record) -> None:
        """Take a record; never blocks, never raises."""
        droppable = record.kind in DROPPABLE
        queue = self._seconds if droppable else self._others
        if len(queue) >= (self._limits.seconds if droppable else self._limits.others):
            self.counts.dropped[queue.popleft().kind] += 1
        queue.append(record)
        self._some.set()
        if self.backlog >= self._limits.batch:
            self._hurry.set()

    async def drain(self, deadline_s: float) -> bool:
        """Write everything now; False when that took longer than `deadline_s` (`backlog` tells what is left)."""
        try:
            async with asyncio.timeout(deadline_s):
                # Watched for the last moments of a process; the queue needs no event for it.
                while self.backlog:
                    self._hurry.set()
                    await asyncio.sleep(0.005)
        except TimeoutError:
            return False
        return True

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._some.wait()
            if not self._in_flight:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._limits.interval_s):
                        await self._hurry.wait()
            try:
                await self._write_batch()
                failures = 0
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1

    async def _write_batch(self) -> None:
        """Write the batch in flight, or a new one. One that failed is tried again as it was: it may be stored."""
        if not self._in_flight:
            self._in_flight = self._take()
        await self._write(self._in_flight)
        self._in_flight = []
        if not self.backlog:
            self._some.clear()
        if self.backlog < self._limits.batch:
            self._hurry.clear()

    async def _write(self, records: list[Record]) -> None:
        """Write, and find the rows that the store refuses by halving."""
        try:
            await self._store.write(records)
            self.counts.written += len(records)
        except StoreUnavailable:
            raise
        except Exception as problem:
            # Also what nobody thought of: one bad row must not hold up the others for ever.
            if len(records) == 1:
                self.counts.refused[records[0].kind] += 1
                _LOG.error("a record was refused", extra={"kind": records[0].kind, "problem": type(problem).__name__})
                return
            middle = len(records) // 2
            await self._write(records[:middle])
            await self._write(records[middle:])

    def _take(self) -> list[Record]:
        """The next batch: what must not be lost first."""
        others = list(itertools.islice(self._others, self._limits.batch))
        seconds = list(itertools.islice(self._seconds, self._limits.batch - len(others)))
        for queue, taken in ((self._others, others), (self._seconds, seconds)):
            for _ in taken:
                queue.popleft()
        return others + seconds
