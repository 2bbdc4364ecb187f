"""A seed in, faults out: what is broken, for how long and with which pause before the next; and how each is done."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from emdr_stream.embedded import StoreName
from tests.chaos.client import Client
from tests.chaos.console import Console
from tests.chaos.history import Fault, History
from tests.chaos.link import now_s
from tests.chaos.signals import signal_process
from tests.chaos.world import Node, World


class Kind(StrEnum):
    """The faults, in the words of the report."""

    KILL_OWNER = "kill -9 of a session's worker"
    KILL_WORKER = "kill -9 of another worker"
    KILL_REDIS = "kill -9 of Redis"
    KILL_POSTGRES = "kill -9 of PostgreSQL"
    KILL_ALL = "kill -9 of everything"
    STOP_REDIS = "SIGSTOP of Redis"
    STOP_POSTGRES = "SIGSTOP of PostgreSQL"
    STOP_BOTH = "SIGSTOP of both stores"
    STOP_WORKER = "SIGSTOP of a worker"
    STOP_OWNER = "SIGSTOP of an owner beyond its lease"
    CLOCK = "wall clock jumps"
    FULL_DISK = "full journal disk"
    TERM = "SIGTERM of a node"
    DROP_CONSOLE = "console loses its connection"


SHORT: Final = (
    Kind.KILL_OWNER,
    Kind.STOP_REDIS,
    Kind.DROP_CONSOLE,
    Kind.KILL_REDIS,
    Kind.KILL_POSTGRES,
    Kind.STOP_POSTGRES,
    Kind.TERM,
)
_HOLD_S: Final[dict[Kind, tuple[float, float]]] = {
    Kind.STOP_OWNER: (4.5, 7.0),
    Kind.STOP_WORKER: (0.5, 2.0),
    Kind.CLOCK: (3.0, 5.0),
    Kind.FULL_DISK: (2.0, 4.0),
    Kind.DROP_CONSOLE: (0.0, 0.0),
}
_USUAL_HOLD_S: Final = (0.3, 2.5)


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault to come: after `wait_s` of health it is held for `hold_s`."""

    kind: Kind
    wait_s: float
    hold_s: float


def plan(rng: random.Random, kinds: Sequence[Kind], count: int, wait_s: tuple[float, float]) -> list[Planned]:
    """`count` faults: all kinds in a drawn order, then all again in another."""
    drawn: list[Planned] = []
    while len(drawn) < count:
        for kind in rng.sample(kinds, len(kinds)):
            hold_s = rng.uniform(*_HOLD_S.get(kind, _USUAL_HOLD_S))
            drawn.append(Planned(kind, rng.uniform(*wait_s), hold_s))
    return drawn[:count]


def possible(world: World) -> tuple[list[Kind], list[str]]:
    """What can be done on this machine, and why the rest cannot."""
    kinds, reasons = list(Kind), []
    if world.nodes[-1].clock is None:
        kinds.remove(Kind.CLOCK)
        reasons.append(f"{Kind.CLOCK}: libfaketime is not installed")
    if world.nodes[0].disk is None:
        kinds.remove(Kind.FULL_DISK)
        reasons.append(f"{Kind.FULL_DISK}: no right to mount a file system")
    return kinds, reasons


class Breaker:
    """Breaks what is planned, mends it, and writes both into the history."""

    def __init__(
        self, world: World, history: History, clients: Sequence[Client], consoles: Sequence[Console], rng: random.Random
    ) -> None:
        self._world = world
        self._history = history
        self._clients = clients
        self._consoles = consoles
        self._rng = rng
        self._ways: dict[Kind, Callable[[float], Awaitable[Fault]]] = {
            Kind.KILL_OWNER: self._kill_owner,
            Kind.KILL_WORKER: self._kill_worker,
            Kind.KILL_REDIS: lambda hold_s: self._kill_stores(Kind.KILL_REDIS, hold_s, StoreName.VALKEY),
            Kind.KILL_POSTGRES: lambda hold_s: self._kill_stores(Kind.KILL_POSTGRES, hold_s, StoreName.POSTGRES),
            Kind.KILL_ALL: self._kill_all,
            Kind.STOP_REDIS: lambda hold_s: self._stop_stores(Kind.STOP_REDIS, hold_s, StoreName.VALKEY),
            Kind.STOP_POSTGRES: lambda hold_s: self._stop_stores(Kind.STOP_POSTGRES, hold_s, StoreName.POSTGRES),
            Kind.STOP_BOTH: lambda hold_s: self._stop_stores(Kind.STOP_BOTH, hold_s, *StoreName),
            Kind.STOP_WORKER: self._stop_worker,
            Kind.STOP_OWNER: self._stop_owner,
            Kind.CLOCK: self._move_clock,
            Kind.FULL_DISK: self._fill_disk,
            Kind.TERM: self._terminate,
            Kind.DROP_CONSOLE: self._drop_console,
        }

    async def run(self, planned: Sequence[Planned]) -> None:
        """One fault after the other."""
        for each in planned:
            await asyncio.sleep(each.wait_s)
            self._history.faults.append(await self._ways[each.kind](each.hold_s))

    # workers ------------------------------------------------------------------------------------------------------

    async def _owner(self) -> tuple[Node, int]:
        """The worker of a session whose client was drawn; any worker when nobody is known to own one."""
        for client in self._rng.sample(self._clients, len(self._clients)):
            found = await self._world.owner(client.session_id)
            if found is not None:
                return found
        return self._any_worker()

    def _any_worker(self) -> tuple[Node, int]:
        node = self._rng.choice([node for node in self._world.nodes if node.worker_pids()])
        return node, self._rng.choice(node.worker_pids())

    async def _kill_owner(self, hold_s: float) -> Fault:
        return await self._killed(Kind.KILL_OWNER, hold_s, *await self._owner())

    async def _kill_worker(self, hold_s: float) -> Fault:
        return await self._killed(Kind.KILL_WORKER, hold_s, *self._any_worker())

    async def _killed(self, kind: Kind, hold_s: float, node: Node, pid: int) -> Fault:
        began_s, count = now_s(), len(node.worker_pids())
        node.kill(pid)
        await asyncio.sleep(hold_s)
        await self._world.whole_again(node, count)
        return Fault(kind, node.name, began_s, now_s(), sudden=True)

    async def _stop_worker(self, hold_s: float) -> Fault:
        return await self._stopped(Kind.STOP_WORKER, hold_s, *self._any_worker())

    async def _stop_owner(self, hold_s: float) -> Fault:
        return await self._stopped(Kind.STOP_OWNER, hold_s, *await self._owner())

    async def _stopped(self, kind: Kind, hold_s: float, node: Node, pid: int) -> Fault:
        began_s = now_s()
        signal_process(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(hold_s)
        finally:
            signal_process(pid, signal.SIGCONT)
        return Fault(kind, node.name, began_s, now_s(), sudden=True)

    async def _terminate(self, hold_s: float) -> Fault:
        node, began_s = self._rng.choice(self._world.nodes), now_s()
        status = await node.stop()
        assert status in (0, -signal.SIGTERM), f"{node.name} ended with {status} on SIGTERM: {node.service.log[-2000:]}"
        stopped_s = now_s()
        await asyncio.sleep(hold_s)
        await asyncio.to_thread(node.service.start)
        # Others are there: what was broken is only the time until the goodbye was said.
        return Fault(Kind.TERM, node.name, began_s, stopped_s)

    # stores and everything ----------------------------------------------------------------------------------------

    async def _kill_stores(self, kind: Kind, hold_s: float, *names: StoreName) -> Fault:
        began_s = now_s()
        for name in names:
            self._world.signal_store(name, signal.SIGKILL)
        await asyncio.sleep(hold_s)
        for name in names:
            await self._world.stores.restart(name)
        return Fault(kind, ", ".join(names), began_s, now_s())

    async def _stop_stores(self, kind: Kind, hold_s: float, *names: StoreName) -> Fault:
        began_s = now_s()
        for name in names:
            self._world.signal_store(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(hold_s)
        finally:
            for name in names:
                self._world.signal_store(name, signal.SIGCONT)
        return Fault(kind, ", ".join(names), began_s, now_s())

    async def _kill_all(self, hold_s: float) -> Fault:
        began_s, nodes = now_s(), self._world.nodes
        counts = [len(node.worker_pids()) for node in nodes]
        for node in nodes:
            for pid in node.every_pid():
                node.kill(pid)
        await self._kill_stores(Kind.KILL_ALL, hold_s, *StoreName)
        async with asyncio.TaskGroup() as group:
            for node, count in zip(nodes, counts, strict=True):
                group.create_task(self._world.whole_again(node, count))
        return Fault(Kind.KILL_ALL, "all", began_s, now_s(), sudden=True)

    # surroundings -------------------------------------------------------------------------------------------------

    async def _move_clock(self, hold_s: float) -> Fault:
        node, began_s = self._world.nodes[-1], now_s()
        assert node.clock is not None
        node.clock.move(self._rng.choice((-45, -5, 5, 45)))
        await asyncio.sleep(hold_s)
        node.clock.move(0)
        # A wrong clock excuses nothing: the fault has no length.
        return Fault(Kind.CLOCK, node.name, began_s, began_s)

    async def _fill_disk(self, hold_s: float) -> Fault:
        node, began_s = self._world.nodes[0], now_s()
        assert node.disk is not None
        await asyncio.to_thread(node.disk.fill)
        await asyncio.sleep(hold_s)
        node.disk.free()
        return Fault(Kind.FULL_DISK, node.name, began_s, began_s)

    async def _drop_console(self, hold_s: float) -> Fault:
        console, began_s = self._rng.choice(self._consoles), now_s()
        console.drop()
        with suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                while not console.follows_since(began_s):  # noqa: ASYNC110 - the console's own pace
                    await asyncio.sleep(0.05)
        return Fault(Kind.DROP_CONSOLE, console.name, began_s, now_s(), console=console.name)
