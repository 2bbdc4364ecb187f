"""Takes alert entries without blocking, writes them to the journal in its own thread, hands them on numbered."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar

from emdr_stream.alerts.journal import Journal, Numbered, Recovered
from emdr_stream.broker.base import AlertEntry

_PATIENCE_S: Final = 0.25
"""How long an alert waits for the disk before it is told without it: a hanging disk must not silence an alert."""
_CLOSE_S: Final = 0.5
_LIMIT: Final = 50_000

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Item:
    """An entry on its way; `number` is its place in the journal, None as long as, or because, it is not written."""

    entry: AlertEntry
    number: int | None = None


class Scribe:
    """The journal's thread and queue. Counters: `unwritten` entries that never reached the disk, `lost` overflows."""

    def __init__(
        self,
        journal: Journal,
        deliver: Callable[[Sequence[Item]], None],
        on_problem: Callable[[str], None],
        *,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._journal = journal
        self._deliver = deliver
        self._on_problem = on_problem
        self._patience_s = patience_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alert-journal")
        self._opened = False
        self._incoming: deque[Item] = deque()
        self._to_write: list[Item] = []
        self._in_write: list[Item] = []
        self._writing: asyncio.Future[int] | None = None
        self._marks: dict[str, int] = {}
        self._marking: Future[None] | None = None
        self._wake = asyncio.Event()
        self.ok = True
        self.unwritten = 0
        self.lost = 0

    @property
    def idle(self) -> bool:
        """Whether everything taken has been handed on and written, or given up."""
        return not self._incoming and not self._to_write and self._writing is None

    def append(self, entry: AlertEntry) -> None:
        """Take an entry; never blocks, never raises."""
        if len(self._incoming) >= _LIMIT:
            self._incoming.popleft()
            self.lost += 1
            self._on_problem("alerts are raised faster than they can be handed on: the oldest were lost")
        self._incoming.append(Item(entry))
        self._wake.set()

    async def open(self) -> Recovered | None:
        """Open the journal; None (and the problem told) when the folder cannot be used. ConfigurationError: in use."""
        try:
            return await self.call(self._open)
        except OSError as error:
            self._failed(error)
            return None

    async def call(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run something of the journal in its thread, and wait for it."""
        return await self.submit(function, *args, **kwargs)

    def submit(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> "asyncio.Future[Result]":
        """Run something of the journal in its thread."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))

    async def run(self) -> None:
        """Write and hand on until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            fresh = list(self._incoming)
            self._incoming.clear()
            self._to_write += fresh
            self._collect()
            begun = self._begin_write()
            if begun is not None:
                await asyncio.wait({begun}, timeout=self._patience_s)
                self._collect()
            if fresh:
                self._deliver(fresh)

    async def aclose(self) -> None:
        """Close the files behind whatever is still being written; a hanging disk is waited for `_CLOSE_S` at most."""
        self._thread.submit(self._write_marks)
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._journal.close)
        await asyncio.wait({closing}, timeout=_CLOSE_S)
        self._thread.shutdown(wait=False)

    def _begin_write(self) -> "asyncio.Future[int] | None":
        """Begin to write what waits; None when there is nothing, or a hanging disk still has the write before."""
        if self._writing is not None or not self._to_write:
            self.unwritten += len(self._to_write[:-_LIMIT])
            del self._to_write[:-_LIMIT]
            return None
        self._in_write, self._to_write = self._to_write, []
        entries = [item.entry for item in self._in_write]
        self._writing = asyncio.get_running_loop().run_in_executor(self._thread, self._write, entries)
        self._writing.add_done_callback(lambda _: self._wake.set())
        return self._writing

    def _collect(self) -> None:
        """Take the result of a write that has ended."""
        if self._writing is None or not self._writing.done():
            return
        error = self._writing.exception()
        if error is None:
            first = self._writing.result()
            for number, item in enumerate(self._in_write, first):
                item.number = number
            self.ok = True
        else:
            self.unwritten += len(self._in_write)
            self._failed(error)
        self._writing, self._in_write = None, []

    def _failed(self, error: BaseException) -> None:
        if self.ok:
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            self._on_problem(
                f"the alert journal cannot be written ({reason}): alerts still go to the consoles and the stores, but "
                "a crash could lose the newest; free disk space or mend the rights of the data folder"
            )
        self.ok = False

    def _open(self) -> Recovered:
        recovered = self._journal.open()
        self._opened = True
        return recovered

    def _write(self, entries: Sequence[AlertEntry]) -> int:
        if not self._opened:
            self._open()
        return self._journal.append(entries)

    def read_unshipped(self, sink: str, most: int) -> list[Numbered]:
        """In the journal's thread: what the sink has not got; nothing when the journal cannot be read."""
        self._write_marks()
        try:
            return self._journal.unshipped(sink, most) if self._opened else []
        except OSError:
            return []

    def sessions_waiting(self) -> dict[str, str]:
        """In the journal's thread: the sessions of which a sink has not got all, each with its user."""
        try:
            return self._journal.sessions_waiting() if self._opened else {}
        except OSError:
            return {}

    async def renew(self) -> bool:
        """Have the journal forget what both sinks have; False while something waits, or the disk fails."""
        if not self.idle:
            return False
        return await self.call(self._renew)

    def _renew(self) -> bool:
        self._write_marks()
        try:
            return self._opened and self._journal.renew()
        except OSError:
            return False

    def mark_shipped(self, sink: str, number: int) -> None:
        """The sink has everything up to `number`; not awaited: a failure costs a repeat after a restart."""
        self._marks[sink] = number
        if self._marking is None or self._marking.done():
            self._marking = self._thread.submit(self._write_marks)

    def _write_marks(self) -> None:
        with contextlib.suppress(OSError):
            for sink, number in tuple(self._marks.items()):
                self._journal.mark_shipped(sink, number)
