"""Embedded stores in a process of their own: a data folder goes in, the addresses of both stores come out.

Run as `python -m tests.stores_process DIR` it prints the addresses as one line of JSON and stops the stores when its
standard input closes, so they end with the test run however that ends.
"""

import asyncio
import contextlib
import json
import os
import selectors
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

START_DEADLINE_S = 40.0
"""The first start takes 2-4 s; the rest is room for a machine that is busy."""
STOP_DEADLINE_S = 15.0
_REPOSITORY = Path(__file__).resolve().parent.parent


class StoresFailed(RuntimeError):
    """The stores did not start, or did not stop, in time; the message holds what they wrote."""


@dataclass(frozen=True, slots=True)
class RunningStores:
    """Where the two stores listen, as redis-py and asyncpg take it."""

    redis_url: str
    database_url: str


class StoresProcess:
    """Starts the stores on entry and stops them on exit.

    Raises:
        StoresFailed: on entry, when no address came within `START_DEADLINE_S`; on exit, when the process had to be
            killed or ended with an error.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "stores.log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> RunningStores:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.stores_process", str(self._folder / "data")],
                cwd=_REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self._first_line(self._process)
        if not line:
            self._kill()
            raise StoresFailed(f"the stores gave no address in {START_DEADLINE_S:.0f} s:\n{self._log.read_text()}")
        return RunningStores(**json.loads(line))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            code = process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._kill()
            code = None
        process.stdout.close()
        if code != 0 and error is None:
            raise StoresFailed(f"the stores did not stop cleanly (exit {code}):\n{self._log.read_text()}")

    def _kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @staticmethod
    def _first_line(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline() if selector.select(START_DEADLINE_S) else ""


async def _serve(data_dir: Path) -> None:
    from emdr_stream.embedded import EmbeddedStores

    async with EmbeddedStores(data_dir) as addresses:
        print(json.dumps({"redis_url": addresses.redis_url, "database_url": addresses.database_url}), flush=True)
        closed = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), closed.set)
        await closed.wait()


if __name__ == "__main__":
    os.umask(0o022)
    asyncio.run(_serve(Path(sys.argv[1])))
