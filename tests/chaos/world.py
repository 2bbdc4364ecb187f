"""Real stores and several real services, each of which can be killed, stopped, continued and started again."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from emdr_stream.embedded import EmbeddedStores, StoreName
from tests.chaos.clock import ClockFile
from tests.chaos.disk import SmallDisk
from tests.chaos.history import Step
from tests.chaos.steps import step_of
from tests.system.service import Service, environment, free_port, readable_folder

SETTINGS: Final = {"baseline_s": "5", "max_sessions_per_user": "0", "log_level": "WARNING"}
_RESTART_S: Final = 30.0


@dataclass(slots=True)
class Node:
    """One `emdr-stream serve`, and the processes in it that hold sessions."""

    name: str
    service: Service
    clock: ClockFile | None = None
    disk: SmallDisk | None = None

    @property
    def port(self) -> int:
        return self.service.port

    def worker_pids(self) -> list[int]:
        """The workers: the process itself, or its children where it supervises several."""
        process = self.service.process
        if process is None or process.poll() is not None:
            return []
        if "--workers" not in self.service.arguments:
            return [process.pid]
        return [pid for pid in children(process.pid) if is_worker(pid)]

    def every_pid(self) -> list[int]:
        """The workers and who supervises them."""
        process = self.service.process
        return [] if process is None else [process.pid, *self.worker_pids()]

    def kill(self, pid: int) -> None:
        """kill -9 of one worker."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    async def start_again(self) -> None:
        """A service that ended is started, as an init system would; one that supervises mends itself."""
        process = self.service.process
        assert process is not None
        if "--workers" not in self.service.arguments:
            await asyncio.to_thread(process.wait)
        if process.poll() is not None:
            await asyncio.to_thread(self.service.start)

    async def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.service.terminate()
        return await asyncio.to_thread(self.service.wait)

    def end(self) -> None:
        """Whatever state it is in."""
        process = self.service.process
        if process is not None and process.poll() is None:
            for pid in self.worker_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.service.terminate()
            with contextlib.suppress(Exception):
                self.service.wait()
        for part in (self.clock, self.disk):
            if part is not None:
                part.remove()


@dataclass(slots=True)
class World:
    """Everything that runs. `stores` belongs to the loop of the test."""

    nodes: list[Node]
    stores: EmbeddedStores
    redis_url: str
    database_url: str
    data_dir: Path
    _redis: Any = field(default=None, repr=False)

    def store_pids(self, name: StoreName) -> list[int]:
        return family(int((self.data_dir / f"{name.value}.lock").read_text()))

    def signal_store(self, name: StoreName, number: signal.Signals) -> None:
        """To the server and all that it started; a kill goes to the server alone, its children notice."""
        pids = self.store_pids(name)
        for pid in pids[:1] if number is signal.SIGKILL else pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def owner(self, session_id: str) -> tuple[Node, int] | None:
        """The node and the worker that own a session; None when nobody alive does, or Redis does not say."""
        try:
            async with asyncio.timeout(1.0):
                named = await self._redis.hget(f"emdr:session:{{{session_id}}}", "owner")
        except (RedisError, OSError, TimeoutError):
            return None
        return next((found for found in self._workers() if found[1] == pid_of((named or b"").decode())), None)

    def _workers(self) -> list[tuple[Node, int]]:
        return [(node, pid) for node in self.nodes for pid in node.worker_pids()]

    async def whole_again(self, node: Node, count: int) -> None:
        """Wait until a node has as many workers as before, and each of them was heard by the others."""
        await node.start_again()
        async with asyncio.timeout(_RESTART_S):
            while True:
                pids = node.worker_pids()
                if len(pids) >= count and await self._living() >= set(pids):
                    return
                await asyncio.sleep(0.05)

    async def _living(self) -> set[int]:
        """The processes whose place among the workers has not run out."""
        try:
            async with asyncio.timeout(1.0):
                seconds, micros = await self._redis.time()
                now_ms = seconds * 1_000 + micros // 1_000
                names = await self._redis.zrangebyscore("emdr:{workers}", f"({now_ms}", "+inf")
        except (RedisError, OSError, TimeoutError):
            return set()
        return {pid_of(name.decode()) for name in names}

    async def stream(self) -> list[Step]:
        """All steps in the Redis stream."""
        rows = await self._redis.xrange("emdr:alerts")
        return [
            step_of(fields[b"s"].decode(), int(fields[b"n"]), int(fields[b"e"]), int(fields[b"t"]), fields[b"p"])
            for _, fields in rows
        ]

    async def table(self) -> list[Step]:
        """All steps in the table of PostgreSQL."""
        connection = await asyncpg.connect(self.database_url)
        try:
            rows = await connection.fetch("select session_id, alert_seq, epoch, ts_ms, payload from alerts")
        finally:
            await connection.close()
        return [step_of(*row) for row in rows]


@contextlib.asynccontextmanager
async def world(count: int, models: Path, *, workers: int = 1, rigged: bool = True) -> AsyncIterator[World]:
    """`count` nodes on their own stores. `rigged`: the first has a small disk for its journal, the last a false clock.

    libfaketime slows a process down now and then: only for runs that move the clock.
    """
    with readable_folder() as folder:
        stores = EmbeddedStores(folder / "stores")
        async with stores as addresses:
            nodes = list(_nodes(count, folder, workers, rigged, models, addresses.redis_url, addresses.database_url))
            redis = Redis.from_url(addresses.redis_url)
            made = World(nodes, stores, addresses.redis_url, addresses.database_url, folder / "stores", redis)
            try:
                async with asyncio.TaskGroup() as group:
                    for node in nodes:
                        group.create_task(asyncio.to_thread(node.service.start))
                yield made
            finally:
                await redis.aclose()
                for name in StoreName:
                    made.signal_store(name, signal.SIGCONT)
                async with asyncio.TaskGroup() as group:
                    for node in nodes:
                        group.create_task(asyncio.to_thread(node.end))


def _nodes(
    count: int, folder: Path, workers: int, rigged: bool, models: Path, redis_url: str, database_url: str
) -> Iterator[Node]:
    for number in range(count):
        name = f"node{number}"
        place = folder / name
        (place / "data").mkdir(parents=True)
        # The one with the false clock is alone, so that its clock is nobody else's.
        arguments = ("--workers", str(workers)) if workers > 1 and number < count - 1 else ()
        clock = ClockFile.beside(place) if rigged and number == count - 1 else None
        disk = SmallDisk.at(place / "data" / "journal") if rigged and number == 0 else None
        variables = environment(redis_url=redis_url, database_url=database_url, model_dir=str(models), **SETTINGS) | (
            clock.variables() if clock else {}
        )
        yield Node(name, Service(place, variables, free_port(), arguments), clock, disk)


def pid_of(owner: str) -> int:
    """The process of an owner's name: host, process, perhaps something random."""
    parts = owner.removeprefix(f"{socket.gethostname()}:").split(":")
    return int(parts[0]) if parts[0].isdigit() else 0


def children(pid: int) -> list[int]:
    """The processes that all threads of a process started."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    return [pid, *(member for child in children(pid) for member in family(child))]


def is_worker(pid: int) -> bool:
    """Whether a child of a supervisor holds sessions: it is no helper of Python's own."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return bool(command) and b"resource_tracker" not in command and b"forkserver" not in command
    return False
