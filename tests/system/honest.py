"""A running service in, what an honest client of it feels out, alone or beside hostile peers of another process."""

import asyncio
import contextlib
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.system.faces import Mood, sample
from tests.system.service import Service
from tests.system.sockets import SocketClient, beside, stream, wall_ms

LATENCY_FLOOR_S = 0.05
"""An undisturbed p99 below this counts as this: with some dozens of answers the p99 is the machine's worst moment."""
WORST_SLOWDOWN = 2.0
_ROOT = Path(__file__).resolve().parents[2]


class Honest:
    """A client that streams at 10 Hz and keeps how long each answer took."""

    def __init__(self, client: SocketClient) -> None:
        self._client = client
        self._sent: dict[int, float] = {}

    async def run(self) -> None:
        due = time.monotonic()
        while True:
            number = len(self._sent)
            self._sent[number] = time.monotonic()
            await self._client.send("sample", id=number, **sample(Mood.CALM, wall_ms()))
            due += 0.1
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def latencies(self, at_least_s: float, until: asyncio.Future[Any] | None = None) -> list[float]:
        """From sending to the answer, for the samples from now until `until`, and for at least so long."""
        after = len(self._client.messages)
        ends = time.monotonic() + at_least_s
        while time.monotonic() < ends or (until is not None and not until.done()):
            seen = len(self._client.messages)
            await self._client.wait_for("result", after=seen)
        answers = [m for m in self._client.messages[after:] if m["type"] == "result"]
        return [self._client.time_of(answer) - self._sent[answer["re"]] for answer in answers]


@contextlib.asynccontextmanager
async def honest(running: Service) -> AsyncIterator[Honest]:
    """An honest client, to whom nothing may happen."""
    async with stream(running, "honest", result_rate_hz=60.0) as client:
        someone = Honest(client)
        async with beside(someone.run()):
            await client.wait_for("result")
            yield someone
        assert client.closed_with is None
        assert client.of("error") == [] and client.of("control.pause") == []
        await client.send("bye")
        await client.wait_for("ended")


async def attack(running: Service, module: str, *options: str) -> Any:
    """What hostile peers, in a process of their own, report when they are done."""
    tokens = {
        "/v1/stream": running.token("client", "hostile"),
        "/v1/watch": running.token("therapist", "hostile", clients=["hostile"]),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, "--port", str(running.port), *options),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        told, _ = await process.communicate(json.dumps(tokens).encode())
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    return json.loads(told)


def resident_bytes(running: Service) -> int:
    """Memory of the service's process; its stores have their own."""
    assert running.process is not None
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{running.process.pid}/status").read_text())
    assert found is not None
    return int(found.group(1)) * 1024


def p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


def is_undisturbed(alone: list[float], beside_them: list[float]) -> bool:
    """Whether the p99 stayed within twice what it was, or within twice the floor; prints both."""
    print(f"p99 alone {p99(alone) * 1e3:.1f} ms of {len(alone)}")
    print(f"p99 beside them {p99(beside_them) * 1e3:.1f} ms of {len(beside_them)}")
    return p99(beside_them) <= WORST_SLOWDOWN * max(p99(alone), LATENCY_FLOOR_S)


def complaints(running: Service, since: int) -> list[str]:
    """Lines of the log that tell of a fault of ours."""
    lines = running.log[since:].splitlines()
    return [line for line in lines if "Traceback" in line or '"level":"ERROR"' in line.replace(" ", "")]
