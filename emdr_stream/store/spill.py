"""Takes records that the store cannot take now, keeps them on the disk through a thread of its own, gives them back.

The event loop never waits for the disk: who calls here is a task beside the sessions, and a disk that hangs holds up
that task alone.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from emdr_stream.clock import wall_ms
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.spill_files import SpilledBatch, SpillFiles

_LOG: Final = logging.getLogger(__name__)
_HANGING_S: Final = 5.0
_CLOSE_S: Final = 0.5

Result = TypeVar("Result")


class Spill:
    """The spill of one worker. `ok`: whether the disk took the last batch; `failures`: how often it began not to.

    Counters: `spilled` rows written, `read_back` rows that the store has got from here, `lost_to_room` rows that had to
    go for newer or weightier ones, `corrupt` lines that could not be read.
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._files = SpillFiles(directory, limit_bytes)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spill")
        self._opened = False
        self.some = asyncio.Event()
        """Set while there may be something to read back."""
        self.ok = True
        self.failures = 0
        self.spilled = 0
        self.read_back = 0
        self.rows = 0
        self.bytes = 0

    @property
    def lost_to_room(self) -> int:
        return self._files.lost

    @property
    def corrupt(self) -> int:
        return self._files.corrupt

    async def open(self) -> None:
        """Adopt what earlier processes left. A folder that cannot be used is told, and tried again with each batch."""
        with contextlib.suppress(OSError):
            await self._call(self._open)
        if self.rows:
            self.some.set()

    async def put(self, records: Sequence[Record]) -> list[Record]:
        """Write records; gives those that the disk did not take, in their order. They are the caller's again."""
        left: list[Record] = []
        for lane in _lanes(records):
            lost_before = self._files.lost
            try:
                self.spilled += await self._call(self._append, lane)
            except OSError:
                left += lane
            else:
                if self._files.lost > lost_before:
                    _LOG.warning("the spill is full: the oldest records went", extra={"rows": self._files.lost})
        if self.rows:
            self.some.set()
        return left

    async def next(self, most: int) -> SpilledBatch | None:
        """The oldest rows, at most `most`; None when there are none (`some` is cleared), or when the disk fails."""
        try:
            batch = await self._call(self._read, most)
        except OSError:
            return None
        if batch is None:
            self.some.clear()
        return batch

    async def done(self, batch: SpilledBatch) -> None:
        """The store has the batch."""
        self.read_back += len(batch.records)
        with contextlib.suppress(OSError):
            await self._call(self._files.mark_done, batch)

    async def aclose(self) -> None:
        """Close the files behind what is still being written; a hanging disk is waited for `_CLOSE_S` at most."""
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._files.close)
        await asyncio.wait({closing}, timeout=_CLOSE_S)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Run something in the thread; tell when it takes too long, or fails with OSError, which is raised on."""
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._thread, self._counted, function, *arguments)
        finished, _ = await asyncio.wait({call}, timeout=_HANGING_S)
        if not finished:
            self._failed("it hangs")
        try:
            result, self.rows, self.bytes = await call
        except OSError as problem:
            self._failed(problem.strerror or type(problem).__name__)
            raise
        self.ok = True
        return result

    def _failed(self, problem: str) -> None:
        if self.ok:
            self.failures += 1
            _LOG.error(
                "the spill cannot be written: records wait in memory, and go with the process; free disk space or mend "
                "the rights of the data folder",
                extra={"problem": problem},
            )
        self.ok = False

    # in the thread ------------------------------------------------------------------------------------------------
    def _counted(self, function: Callable[..., Result], *arguments: object) -> tuple[Result, int, int]:
        result = function(*arguments)
        return result, self._files.rows, self._files.size

    def _open(self) -> None:
        self._files.open(wall_ms())
        self._opened = True

    def _append(self, records: Sequence[Record]) -> int:
        if not self._opened:
            self._open()
        return self._files.append(records)

    def _read(self, most: int) -> SpilledBatch | None:
        return self._files.read(most)


def _lanes(records: Iterable[Record]) -> list[list[Record]]:
    """What must not be lost first, rows of seconds behind; without empty ones."""
    others: list[Record] = []
    seconds: list[Record] = []
    for record in records:
        (seconds if record.kind is RecordKind.SECOND else others).append(record)
    return [lane for lane in (others, seconds) if lane]
