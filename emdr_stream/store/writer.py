"""Takes records without blocking, writes them to the store in batches behind the session's back, retried for ever.

While the store is away, or slower than the records come, they go to the disk (`spill.py`) and come back from there.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from emdr_stream.errors import StoreUnavailable
from emdr_stream.store.base import Record, RecordKind, Store
from emdr_stream.store.catch_up import RETRY_S, CatchUp
from emdr_stream.store.queue import RecordQueue
from emdr_stream.store.spill import Spill

_LOG: Final = logging.getLogger(__name__)
_SPILL_CHUNK: Final = 512
_DISK_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """Bounds of the queue, in records, and the rhythm of the batches. A record takes about 1 kB.

    Packing rows holds the event loop: the batches are small, so that no sample waits for a large one; rows of seconds
    cost a fraction of the others. `seconds` and `others` bound what waits in memory where there is no disk either.
    Records are spilled above `spill_at`, or when the store has been away for `spill_after_s`; then each
    `spill_every_s`, which is what a crash may cost.
    """

    seconds: int = 50_000
    others: int = 100_000
    batch: int = 64
    seconds_batch: int = 256
    interval_s: float = 0.1
    spill_at: int = 4_000
    spill_after_s: float = 2.0
    spill_every_s: float = 0.5


@dataclass(slots=True)
class WriterCounts:
    """`dropped`: by kind, lost to a full queue. `refused`: rows that the store never takes."""

    written: int = 0
    dropped: Counter[RecordKind] = field(default_factory=Counter)
    refused: Counter[RecordKind] = field(default_factory=Counter)


class RecordWriter:
    """One worker's write-behind queue. Without a `spill` everything waits in memory."""

    def __init__(self, store: Store, *, limits: WriterLimits | None = None, spill: Spill | None = None) -> None:
        self._store = store
        self._limits = limits or WriterLimits()
        self.spill = spill
        self._queue = RecordQueue(self._limits.seconds, self._limits.others)
        self._under_way = 0
        self._failing_since_s: float | None = None
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()
        self._pressure = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = contextlib.AsyncExitStack()
        self.counts = WriterCounts(dropped=self._queue.dropped)

    @property
    def backlog(self) -> int:
        """Records that the store has not got."""
        return self._in_memory + (self.spill.rows if self.spill else 0)

    @property
    def _in_memory(self) -> int:
        return len(self._queue) + self._under_way

    async def start(self) -> None:
        """Begin to write; what an earlier process left on the disk too."""
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        # The second begins when batches are full: while the database writes one, the next is packed.
        work = [self._run(self._some), self._run(self._hurry)]
        if self.spill is not None:
            catch_up = CatchUp(self.spill, self._bring, self._is_pressed, self._limits.batch)
            work += [self._keep_spilling(self.spill), catch_up.run()]
        self._tasks = [group.create_task(each) for each in work]

    async def aclose(self) -> None:
        """Stop at once; call `drain` first for what is still waiting."""
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()
        if self.spill is not None:
            await self.spill.aclose()

    def offer(self, record: Record) -> None:
        """Take a record; never blocks, never raises."""
        self._queue.put(record)
        self._signal()

    async def drain(self, deadline_s: float) -> bool:
        """Write what is in memory now; to the disk what the store does not take in time.

        False when something is left in neither (`backlog` tells what the store has not got).
        """
        is_away = self.spill is not None and self._failing_since_s is not None
        if not is_away and await self._until_empty(deadline_s, self._hurry):
            return True
        if self.spill is None:
            return False
        # Whatever waits goes to the disk at once: the next start brings it to the store.
        self._failing_since_s = -self._limits.spill_after_s
        return await self._until_empty(deadline_s, self._pressure)

    async def _until_empty(self, deadline_s: float, spur: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(deadline_s):
                # Watched for the last moments of a process; the queue needs no event for it.
                while self._in_memory:
                    spur.set()
                    await asyncio.sleep(0.005)
        except TimeoutError:
            return False
        return True

    def _signal(self) -> None:
        """Wake whom the queue's length concerns."""
        waiting = len(self._queue)
        (self._some.set if waiting else self._some.clear)()
        (self._hurry.set if waiting >= self._limits.batch else self._hurry.clear)()
        if self._failing_since_s is not None or waiting >= self._limits.spill_at:
            self._pressure.set()

    # to the store -------------------------------------------------------------------------------------------------
    async def _run(self, spur: asyncio.Event) -> None:
        failures = 0
        while True:
            await spur.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.interval_s):
                    await self._hurry.wait()
            try:
                await self._write_next()
                failures = 0
            except StoreUnavailable:
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1

    async def _write_next(self) -> None:
        """One batch. One that failed may be stored all the same: it is written again, which is harmless."""
        batch = self._queue.take(self._limits.batch, self._limits.seconds_batch)
        self._signal()
        if not batch:
            return
        self._under_way += len(batch)
        try:
            await self._bring(batch)
        except BaseException:
            self._queue.put_back(batch)
            self._signal()
            raise
        finally:
            self._under_way -= len(batch)

    async def _bring(self, records: list[Record]) -> None:
        """Write, and note whether the store is to be had."""
        try:
            await self._write(records)
        except StoreUnavailable:
            if self._failing_since_s is None:
                self._failing_since_s = asyncio.get_running_loop().time()
            raise
        self._failing_since_s = None

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

    def _is_pressed(self) -> bool:
        """Whether live records wait for the store, so that what was spilled must wait for them."""
        return self._failing_since_s is None and len(self._queue) >= self._limits.batch

    # to the disk --------------------------------------------------------------------------------------------------
    async def _keep_spilling(self, spill: Spill) -> None:
        await spill.open()
        while True:
            await self._pressure.wait()
            while self._must_spill() and (chunk := self._queue.take(_SPILL_CHUNK, _SPILL_CHUNK)):
                if not await self._spill_chunk(spill, chunk):
                    await asyncio.sleep(_DISK_RETRY_S)
            self._pressure.clear()
            self._signal()
            await asyncio.sleep(self._limits.spill_every_s)

    async def _spill_chunk(self, spill: Spill, chunk: list[Record]) -> bool:
        """Whether the disk took all of it; what it did not take waits in memory again."""
        left = chunk
        self._under_way += len(chunk)
        try:
            left = await spill.put(chunk)
        finally:
            self._under_way -= len(chunk)
            self._queue.put_back(left)
            self._signal()
        return not left

    def _must_spill(self) -> bool:
        if len(self._queue) >= self._limits.spill_at:
            return True
        since_s = self._failing_since_s
        return since_s is not None and asyncio.get_running_loop().time() - since_s >= self._limits.spill_after_s
