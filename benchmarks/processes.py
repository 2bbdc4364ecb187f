"""Servers and load clients as processes of their own: a module and a core in, a running process or its report out."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.plan import LoadPlan, LoadReport

_START_TIMEOUT_S = 30.0
_AHEAD = ("chrt", "--rr", "1")
"""Of servers and load clients alike, where we are root. A neighbour's turn of the core lasts 4 ms or more, which would
be the p99 of both, and a niceness does not help: Linux weighs it only within a terminal session (`sched_autogroup`)."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server under test, listening on 127.0.0.1."""

    pid: int
    port: int


def pinned(core: int | None, command: list[str], ahead: bool = True) -> list[str]:
    """Prefix a command so that it runs on one core, `ahead` of other work on the machine, as far as both can be had."""
    if ahead and os.geteuid() == 0 and shutil.which(_AHEAD[0]) is not None:
        command = [*_AHEAD, *command]
    if core is None or shutil.which("taskset") is None or core >= (os.cpu_count() or 1):
        return command
    return ["taskset", "-c", str(core), *command]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(module: str, *arguments: str, core: int | None = 0) -> Iterator[RunningServer]:
    """Run `python -m module --port PORT arguments` until the block ends; entered when the port answers.

    Raises:
        RuntimeError: If the server ends or does not listen within 30 s.
    """
    port = free_port()
    command = [sys.executable, "-m", module, "--port", str(port), *arguments]
    process = subprocess.Popen(pinned(core, command), cwd=Path(__file__).parent.parent)
    with stopped(process):
        wait_until_listening(process, module, port)
        yield RunningServer(process.pid, port)


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process with the block: politely at first."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_listening(
    process: subprocess.Popen[bytes], name: str, port: int, timeout_s: float = _START_TIMEOUT_S
) -> None:
    """Return when the process answers on its port. Raises RuntimeError if it ends before, or takes too long."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with status {process.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{name} did not listen on port {port} within {timeout_s:.0f} s")


def load(plan: LoadPlan, core: int | None = 1) -> LoadReport:
    """Run `benchmarks.load` with this plan in a process of its own.

    Raises:
        RuntimeError: If the load client failed; its own error is on stderr.
    """
    process = subprocess.run(
        pinned(core, [sys.executable, "-m", "benchmarks.load"]),
        input=msgspec.json.encode(plan),
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    if process.returncode != 0:
        raise RuntimeError(f"the load client ended with status {process.returncode}: see stderr")
    return msgspec.json.decode(process.stdout, type=LoadReport)
