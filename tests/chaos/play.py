"""A seed in, a whole run out: the world is started, people come, things break and are mended, the stores are read."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from redis.exceptions import RedisError

from tests.chaos.client import Client
from tests.chaos.console import Console
from tests.chaos.faults import Breaker, Kind, plan, possible
from tests.chaos.history import History
from tests.chaos.link import now_s
from tests.chaos.world import World, world

_READ_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """How large a run is. `kinds`: the faults, None for all that can be done here."""

    seed: str
    faults: int
    kinds: Sequence[Kind] | None = None
    nodes: int = 3
    workers: int = 2
    clients: int = 10
    consoles: int = 3
    roams: bool = True
    """Whether clients change nodes also when nothing is broken."""
    wait_s: tuple[float, float] = (1.0, 3.0)
    settle_s: float = 20.0
    """How long what was raised last may take to reach everybody."""
    watch_s: float = 0.0
    """How long the run goes on after the last fault, so that what must escalate does."""


@dataclass(frozen=True, slots=True)
class Played:
    """A run that is over, with what the services logged last."""

    scenario: Scenario
    history: History
    left_out: list[str]
    logs: str


async def play(scenario: Scenario, models: Path) -> Played:
    """Play a scenario to its end."""
    history, waiting = History(), set[str]()
    async with world(scenario.nodes, models, workers=scenario.workers, rigged=scenario.kinds is None) as made:
        rng = random.Random(scenario.seed)
        clients = [
            Client(f"c{number}", made.nodes, history, waiting, f"{scenario.seed}/c{number}")
            for number in range(scenario.clients)
        ]
        for client in clients:
            client.roams = scenario.roams
        consoles = [
            Console(
                f"t{number}",
                made.nodes[number % len(made.nodes)],
                made.nodes,
                history,
                waiting,
                f"{scenario.seed}/t{number}",
            )
            for number in range(scenario.consoles)
        ]
        history.watchers = [console.name for console in consoles]
        kinds, left_out = possible(made) if scenario.kinds is None else (list(scenario.kinds), [])
        planned = plan(rng, kinds, scenario.faults, scenario.wait_s)
        async with running(console.run() for console in consoles):
            await _until_followed(consoles)
            async with running(client.run() for client in clients):
                await Breaker(made, history, clients, consoles, rng).run(planned)
                _calm(clients, consoles)
                await asyncio.sleep(scenario.watch_s)
                await _settled(made, history, consoles, scenario.settle_s)
                history.ended_s = now_s()
        logs = "\n".join(node.service.log[-3_000:] for node in made.nodes)
    return Played(scenario, history, left_out, logs)


@contextlib.asynccontextmanager
async def running(people: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """All of them at once, until the body ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(person) for person in people]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def _calm(clients: Sequence[Client], consoles: Sequence[Console]) -> None:
    for client in clients:
        client.calm = True
    for console in consoles:
        console.calm = True


async def _until_followed(consoles: Sequence[Console]) -> None:
    async with asyncio.timeout(_READ_S):
        while not all(console.follows_since(0.0) for console in consoles):  # noqa: ASYNC110 - their own pace
            await asyncio.sleep(0.05)


async def _settled(made: World, history: History, consoles: Sequence[Console], within_s: float) -> None:
    """Wait until the stores agree and every watcher was told all of it, or the time is over."""
    deadline_s = now_s() + within_s
    while True:
        with contextlib.suppress(RedisError, OSError, asyncpg.PostgresError):
            history.table, history.stream = await made.table(), await made.stream()
            keys = {step.key for step in history.table}
            everybody = all(keys <= console.told for console in consoles)
            if everybody and keys == {step.key for step in history.stream}:
                return
        if now_s() > deadline_s:
            return
        await asyncio.sleep(0.5)
