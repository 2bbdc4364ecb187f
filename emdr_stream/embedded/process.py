"""Takes a command, an account and a lock, gives a running store: its end is noticed and it dies with us."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emdr_stream.embedded.account import Account
from emdr_stream.embedded.folder import write_pid

CHILD_SCRIPT: Path = Path(__file__).with_name("child.py")

_LOG_ROTATE_BYTES: Final = 4 * 1024 * 1024
_TAIL_BYTES: Final = 4096
_TAIL_LINES: Final = 12
_REAP_S: Final = 2.0
# Nothing else of our environment: it may hold secrets, and an account can read the environment of its processes.
_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")

StopStep = tuple[signal.Signals, float]
"""A signal and how many seconds to wait for its effect."""


@dataclass(frozen=True, slots=True)
class StoreExit:
    """The end of a store: `exit_code` as in `subprocess` (negative: the signal that killed it), and its last lines."""

    name: str
    exit_code: int
    log_tail: str


@dataclass(frozen=True, slots=True)
class Launch:
    """What a process of a store is started with; the same for its first start and every restart."""

    name: str
    log: Path
    account: Account | None
    lock_fd: int
    death_signal: signal.Signals


class StoreProcess:
    """One process of a store, from its start to its end.

    Start it from a thread that lives as long as the store shall: the kernel sends the parent-death signal when the
    *thread* that started the process ends. The end is seen on a pipe that the store and all its children hold open, so
    `exit` is set when the last of them has gone, and the folder is free.
    """

    def __init__(self, launch: Launch, command: Sequence[str], on_exit: Callable[[], None]) -> None:
        self.exit: StoreExit | None = None
        self._launch = launch
        self._on_exit = on_exit
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        log_fd = _open_log(launch.log)
        self._log_start = os.fstat(log_fd).st_size
        self._pipe_fd, held_by_store = os.pipe()
        try:
            self._popen = _spawn(launch, command, log_fd, held_by_store)
        except BaseException:
            os.close(self._pipe_fd)
            raise
        finally:
            os.close(held_by_store)
            os.close(log_fd)
        self._loop.add_reader(self._pipe_fd, self._has_ended)
        try:
            write_pid(launch.lock_fd, self._popen.pid)
        except OSError:
            self.kill()
            raise

    async def wait(self) -> StoreExit:
        """Wait for the end."""
        await self._ended.wait()
        assert self.exit is not None  # noqa: S101 - set together with the event
        return self.exit

    async def stop(self, steps: Sequence[StopStep]) -> None:
        """Send each signal in turn until the process has gone; one that survives all of them is left to `kill`."""
        for signal_to_send, patience_s in steps:
            if self.exit is not None:
                return
            self._popen.send_signal(signal_to_send)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._ended.wait()

    def kill(self) -> None:
        """Kill the process if it still runs and let go of it; does not wait for its children. Safe to call twice."""
        if self.exit is None:
            self._popen.kill()
            self._has_ended()

    def log_tail(self) -> str:
        """The last lines this process wrote."""
        try:
            with self._launch.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, size - _TAIL_BYTES))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError as error:
            return f"({self._launch.log}: {error.strerror})"
        return "\n".join(lines[-_TAIL_LINES:])

    def _has_ended(self) -> None:
        self._loop.remove_reader(self._pipe_fd)
        os.close(self._pipe_fd)
        try:
            exit_code = self._popen.wait(_REAP_S)
        except subprocess.TimeoutExpired:
            # The pipe is closed but the process lives: whatever it is doing, it is no longer one of ours.
            self._popen.kill()
            exit_code = self._popen.wait()
        self.exit = StoreExit(self._launch.name, exit_code, self.log_tail())
        self._ended.set()
        self._on_exit()


def _spawn(launch: Launch, command: Sequence[str], log_fd: int, held_by_store: int) -> subprocess.Popen[bytes]:
    uid, gid = (launch.account.uid, launch.account.gid) if launch.account else (-1, -1)
    child = [str(CHILD_SCRIPT), str(os.getpid()), str(int(launch.death_signal)), str(uid), str(gid)]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", *child, *command],
        stdin=subprocess.DEVNULL,
        stdout=log_fd,
        stderr=log_fd,
        cwd="/",
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"LC_ALL": "C"},
        pass_fds=(launch.lock_fd, held_by_store),
        # Ctrl-C in the terminal is for the service alone: it stops the stores when it has written its last records.
        start_new_session=True,
    )


def _open_log(path: Path) -> int:
    """Open for appending; a log that grew past its limit becomes `.1` (only we may enter the folder of the logs)."""
    if path.exists() and path.stat().st_size > _LOG_ROTATE_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
