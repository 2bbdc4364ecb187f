"""A store of a service that is there and does not answer, for as long as a test wants."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator

from tests.system.service import Service


@contextlib.asynccontextmanager
async def hung(service: Service, store: str) -> AsyncIterator[None]:
    """A store that is there and does not answer. PostgreSQL's own processes hang with it."""
    pids = family(service.store_pid(store))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/task/{pid}/children") as file:
        for child in file.read().split():
            found += family(int(child))
    return found
