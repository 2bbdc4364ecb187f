"""Takes alert entries with their journal numbers, brings them to one store in order, retried for ever."""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from emdr_stream.alerts.scribe import Item, Scribe
from emdr_stream.broker.base import AlertEntry
from emdr_stream.errors import EmdrError, StoreUnavailable

_BATCH: Final = 200
_IN_MEMORY: Final = 5_000
_RELOAD_S: Final = 1.0
_FROM_JOURNAL: Final = 1_000
_RETRY_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class Shipper:
    """The way to one store. What does not fit into memory is read from the journal again (`backlog`: memory alone).

    Counters: `shipped`, `lost` (overflow of entries that the journal does not have either), `refused` (entries that
    the store will never take).
    """

    def __init__(
        self,
        sink: str,
        send: Callable[[Sequence[AlertEntry]], Awaitable[None]],
        scribe: Scribe,
        on_problem: Callable[[str], None],
    ) -> None:
        self._sink = sink
        self._send = send
        self._scribe = scribe
        self._on_problem = on_problem
        self._waiting: deque[Item] = deque()
        self._wake = asyncio.Event()
        # After a start the journal may hold what the last process did not ship.
        self._behind = True
        self._skipped = False
        self._read_to = 0
        self._unread_from: int | None = 0
        """From this number on the journal may hold what passed memory by; None when nothing did."""
        self.shipped = 0
        self.lost = 0
        self.refused = 0

    @property
    def backlog(self) -> int:
        """Entries in memory that the store has not got."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether the store has everything."""
        return not self._waiting and not self._behind

    def put(self, item: Item) -> None:
        """Take an entry; never blocks."""
        if item.number is not None and item.number <= self._read_to:
            return  # a read of the journal was quicker
        if item.number is not None and (self._behind or len(self._waiting) >= _IN_MEMORY):
            self._behind = self._skipped = True
            if self._unread_from is None:
                self._unread_from = item.number
        elif len(self._waiting) >= 2 * _IN_MEMORY:
            self.lost += 1
            self._on_problem(f"{self._sink} and the journal are both away for long: an alert was lost to {self._sink}")
        else:
            self._waiting.append(item)
        self._wake.set()

    async def run(self) -> None:
        """Ship until cancelled."""
        failures, most = 0, _BATCH
        while True:
            await self._next_batch()
            batch = list(itertools.islice(self._waiting, most))
            try:
                await self._send([item.entry for item in batch])
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1
                continue
            except EmdrError as error:
                if len(batch) > 1:
                    most = 1  # find the one that is refused
                    continue
                self._refused(error)
            failures, most = 0, _BATCH
            for _ in batch:
                self._waiting.popleft()
            self.shipped += len(batch)
            self._mark(batch)

    def _mark(self, batch: Sequence[Item]) -> None:
        """Tell the journal up to where everything has been shipped.

        An entry that the journal was slow to write got its number when it was in memory, while others passed memory by:
        it is no sign that those were shipped.
        """
        unread_from = self._unread_from
        numbers = [item.number for item in batch if item.number is not None]
        shipped = [number for number in numbers if unread_from is None or number < unread_from]
        if shipped:
            self._scribe.mark_shipped(self._sink, max(shipped))

    def _refused(self, error: EmdrError) -> None:
        """An entry that the store will never take must not hold up those behind it."""
        self.refused += 1
        self._on_problem(f"an alert cannot be stored in {self._sink} and was passed over: {error}")

    async def _next_batch(self) -> None:
        while not self._waiting:
            if self._behind:
                # A hanging disk must not keep what is only in memory from being shipped.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RELOAD_S):
                        await self._reload()
                continue
            self._wake.clear()
            await self._wake.wait()

    async def _reload(self) -> None:
        """Read on in the journal. New entries pass memory by until a read has come to the journal's end."""
        self._skipped = False
        found = await self._scribe.call(self._scribe.read_unshipped, self._sink, _FROM_JOURNAL)
        self._waiting.extend(Item(numbered.entry, numbered.number) for numbered in found)
        self._read_to = max((numbered.number or 0 for numbered in found), default=self._read_to)
        self._behind = self._skipped or len(found) >= _FROM_JOURNAL
        self._unread_from = self._read_to + 1 if self._behind else None
