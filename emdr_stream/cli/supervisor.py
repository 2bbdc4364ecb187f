"""Settings, stores and a listening socket in; a number of worker processes kept alive on that socket until a signal.

The supervisor listens and accepts nothing: the workers share its socket, so that what one of them does not accept
(stopped, dead, starting) another one does. A worker that dies is started again in its slot, with the same journal.
SIGHUP restarts them one after the other, SIGUSR1 has them take up the models in use; SIGTERM and SIGINT stop them all.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emdr_stream.app import Addresses
from emdr_stream.errors import ConfigurationError, EmdrError
from emdr_stream.settings import ServiceSettings

_LOG: Final = logging.getLogger(__name__)
_STOP_S: Final = 20.0
"""How long a worker may take to say goodbye, save and ship; then it is killed."""
_AGAIN_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0)
_STABLE_S: Final = 10.0
"""A worker that lived for this long did not die of its start."""
_WRONG_SETTINGS: Final = 2


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What the command line said, to be said to each worker again."""

    given: Mapping[str, Any]
    env_file: Path | None

    def as_json(self) -> str:
        told = {name: str(value) if isinstance(value, Path) else value for name, value in self.given.items()}
        return json.dumps({"given": told, "env_file": None if self.env_file is None else str(self.env_file)})


class Supervisor:
    """The parent of the workers of one service; `run` it from the main thread of a process that stays."""

    def __init__(
        self, settings: ServiceSettings, addresses: Addresses, listening: socket.socket, options: WorkerOptions
    ) -> None:
        self._count = settings.server.workers
        self._listening = listening
        self._options = options.as_json()
        # The addresses may hold passwords: not for the command line, which everybody can read.
        self._environment = {
            **os.environ,
            "EMDR_REDIS_URL": addresses.redis_url,
            "EMDR_DATABASE_URL": addresses.database_url,
        }
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._up: dict[int, asyncio.Event] = {slot: asyncio.Event() for slot in range(self._count)}
        self._ever_up = False
        """Whether any worker ever came up: after that, none is the reason to stop the others."""
        self._stopping = asyncio.Event()
        self._rolling = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        """Until a signal. `ready` is called once all workers listen. Raises EmdrError when they cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._rolling.set)
        loop.add_signal_handler(signal.SIGUSR1, self._pass_on, signal.SIGUSR1)
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(work) for work in (self._announce(ready), self._restart_in_turn())]
                slots = [group.create_task(self._keep(slot)) for slot in range(self._count)]
                await self._stopping.wait()
                for helper in helpers:
                    helper.cancel()
                await self._stop(slots)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _announce(self, ready: Callable[[], None]) -> None:
        for up in self._up.values():
            await up.wait()
        ready()

    async def _keep(self, slot: int) -> None:
        """Have a worker in this slot, for as long as the service runs."""
        loop, quick_ends = asyncio.get_running_loop(), 0
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._run_once(slot)
            self._up[slot].clear()
            if self._stopping.is_set():
                return
            if code == _WRONG_SETTINGS and not self._ever_up:
                self._stopping.set()
                raise ConfigurationError("a worker could not start: what it said stands above")
            quick_ends = 0 if loop.time() - began >= _STABLE_S else quick_ends + 1
            _LOG.error("a worker ended: starting it again", extra={"worker": slot, "exit_code": code})
            await self._pause(_AGAIN_S[min(quick_ends, len(_AGAIN_S)) - 1] if quick_ends else 0.0)

    async def _run_once(self, slot: int) -> int:
        """Start a worker, note when it is up, wait for its end; gives its exit code."""
        told, heard = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "emdr_stream.cli.worker",
                *map(str, (os.getpid(), slot, self._listening.fileno(), heard)),
                self._options,
                env=self._environment,
                pass_fds=(self._listening.fileno(), heard),
                # Signals of the terminal are for the supervisor, which passes them on in order.
                start_new_session=True,
            )
        except OSError as problem:
            os.close(told)
            raise EmdrError(f"a worker could not be started: {problem.strerror}") from problem
        finally:
            os.close(heard)
        self._processes[slot] = process
        if self._stopping.is_set():
            self._signal(slot, signal.SIGTERM)
        loop = asyncio.get_running_loop()
        loop.add_reader(told, self._hear, slot, told)
        try:
            return await process.wait()
        finally:
            loop.remove_reader(told)
            os.close(told)
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()

    def _hear(self, slot: int, told: int) -> None:
        if os.read(told, 1):
            self._up[slot].set()
            self._ever_up = True
        asyncio.get_running_loop().remove_reader(told)

    async def _restart_in_turn(self) -> None:
        """On SIGHUP: one worker after the other stops and comes back, while the others take its clients."""
        while True:
            await self._rolling.wait()
            self._rolling.clear()
            for slot, up in self._up.items():
                await up.wait()
                up.clear()
                self._signal(slot, signal.SIGTERM)
                await up.wait()
            _LOG.info("all workers were restarted")

    async def _stop(self, slots: list[asyncio.Task[None]]) -> None:
        for slot in self._processes:
            self._signal(slot, signal.SIGTERM)
        _, late = await asyncio.wait(slots, timeout=_STOP_S)
        if late:
            _LOG.error("workers did not stop in time and are killed", extra={"count": len(late)})
            for slot in self._processes:
                self._signal(slot, signal.SIGKILL)

    def _pass_on(self, number: signal.Signals) -> None:
        """Have every worker that is up do it; one that starts now does it anyway."""
        for slot, up in self._up.items():
            if up.is_set():
                self._signal(slot, number)

    def _signal(self, slot: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._processes[slot].send_signal(number)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
