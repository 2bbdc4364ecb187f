"""A file's name and the service's own command line in, the same service out, which writes there what held its loop.

Every entry from the loop into the service's code is timed: the bytes of a client,
a batch, a slot of timers, each step of a task. What lies between two of them (the loop's own work, the stores' clients,
waiting) is an entry of its own. `benchmarks.stalls` reads the file.
"""

import asyncio
import gc
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from types import coroutine
from typing import Any, Final

import msgspec

from benchmarks.stall import LIMIT_S, Log, Mark, Stall, waited_s
from emdr_stream import __main__ as command_line
from emdr_stream import serving
from emdr_stream.cli import serve
from emdr_stream.endpoints.lane import LaneProtocol
from emdr_stream.inference.batch import BatchPredictor
from emdr_stream.session.wheel import Wheel

_MARK_EVERY_S: Final = 1.0


class Watch:
    """Times entries of one thread; `log` is what came of it."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._calls: Counter[str] = Counter()
        self._log = Log()
        self._ended = time.perf_counter()
        self._cpu = time.thread_time()
        self._waited = waited_s()
        self._last = "start"
        self._gc_began = 0.0
        self._next_mark = 0.0

    def timed(self, what: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def entry(*arguments: Any) -> Any:
            began = self.enter(what)
            try:
                return work(*arguments)
            finally:
                self.leave(what, began)

        return entry

    def enter(self, what: str) -> float:
        began = time.perf_counter()
        if began - self._ended > LIMIT_S:
            self._note(f"between {self._last} and {what}", self._ended, began)
        self._spent["between"] += began - self._ended
        return began

    def leave(self, what: str, began: float) -> None:
        ended = time.perf_counter()
        if ended - began > LIMIT_S:
            self._note(what, began, ended)
        self._spent[what] += ended - began
        self._calls[what] += 1
        self._ended, self._last = ended, what
        self._cpu = time.thread_time()
        if ended >= self._next_mark:
            self._next_mark = ended + _MARK_EVERY_S
            self._log.marks.append(Mark(ended, dict(self._calls), dict(self._spent)))

    def collected(self, phase: str, info: dict[str, int]) -> None:
        """What the garbage collector calls before and behind each of its rounds."""
        now = time.perf_counter()
        if phase == "start":
            self._gc_began = now
            return
        what = f"gc {info['generation']}"
        self._spent[what] += now - self._gc_began
        self._calls[what] += 1
        if now - self._gc_began > LIMIT_S:
            self._note(what, self._gc_began, now)

    def _note(self, what: str, began: float, ended: float) -> None:
        cpu, waited = time.thread_time(), waited_s()
        self._log.stalls.append(Stall(what, began, ended - began, cpu - self._cpu, waited - self._waited))
        self._waited = waited

    def write(self, file: Path) -> None:
        """Everything so far, as JSON."""
        file.write_bytes(msgspec.json.encode(self._log))


def watch_tasks(watch: Watch) -> None:
    """Time each step of each task that the running loop makes from now on."""

    @coroutine
    def stepped(inner: Coroutine[Any, Any, Any], what: str) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = lambda: inner.send(None)  # noqa: E731 - made anew with each answer
        while True:
            began = watch.enter(what)
            try:
                awaited = step()
            except StopIteration as end:
                return end.value
            finally:
                watch.leave(what, began)
            try:
                answer = yield awaited
            except BaseException as error:
                step = _throwing(inner, error)
            else:
                step = _sending(inner, answer)

    def make(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(
            stepped(work, "task " + getattr(work, "__qualname__", type(work).__name__)), loop=loop, **options
        )

    asyncio.get_running_loop().set_task_factory(make)


def _throwing(inner: Coroutine[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: inner.throw(error)


def _sending(inner: Coroutine[Any, Any, Any], answer: Any) -> Callable[[], Any]:
    return lambda: inner.send(answer)


def main() -> int:
    watch, file = Watch(), Path(sys.argv[1])

    async def watched(work: Coroutine[Any, Any, None]) -> None:
        watch_tasks(watch)
        await work

    shut_down = serving.DrainingServer.shutdown

    async def write_and_shut_down(*arguments: Any, **options: Any) -> None:
        # Before the end: uvicorn ends the process by the very signal that it was asked with.
        watch.write(file)
        await shut_down(*arguments, **options)

    entries: tuple[tuple[type, str, str], ...] = (
        (LaneProtocol, "data_received", "a client's bytes"),
        (BatchPredictor, "_turn", "a batch"),
        (Wheel, "_turn", "timers"),
    )
    vars(serving)["DrainingServer"].shutdown = write_and_shut_down
    for owner, name, what in entries:
        setattr(owner, name, watch.timed(what, getattr(owner, name)))
    vars(serve)["run_loop"] = lambda work: serving.run_loop(watched(work))
    gc.callbacks.append(watch.collected)
    return command_line.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
