"""Hostile peers against the live service: refusals have names, memory stays, and an honest session feels nothing."""

import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.bombs import whole_messages
from tests.hostile.valid import BY_PATH
from tests.system.faces import Mood, sample
from tests.system.service import Service, service
from tests.system.sockets import JSON, MSGPACK, SocketClient, beside, stream, wall_ms, watch

pytestmark = [pytest.mark.system, pytest.mark.anyio]

SEED = 20_261_124
PEERS = 4
MOST_GROWTH_PER_PEER_BYTES = 8 * 1024 * 1024
QUIET_S = 4.0
_ROOT = Path(__file__).resolve().parents[2]
LATENCY_FLOOR_S = 0.05
"""An undisturbed p99 below this counts as this: with some dozens of answers the p99 is the machine's worst moment."""
WORST_SLOWDOWN = 2.0


@pytest.fixture(scope="module")
def hard() -> Iterator[Service]:
    """A service that bears much before it closes, so that mutants reach what lies behind the limits."""
    with service(
        rate_hz="240", max_malformed_per_minute="1000", bytes_per_s="268435456", grace_ms="5000", baseline_s="5"
    ) as running:
        yield running


class Honest:
    """A client that streams at 10 Hz and keeps how long each answer took."""

    def __init__(self, client: SocketClient) -> None:
        self._client = client
        self._sent: dict[int, float] = {}
        self._from = 0

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
    async with stream(running, "honest", result_rate_hz=60.0) as client:
        someone = Honest(client)
        async with beside(someone.run()):
            await client.wait_for("result")
            yield someone
        assert client.closed_with is None
        assert client.of("error") == [] and client.of("control.pause") == []


async def attack(running: Service, mutants: int, seed: int) -> dict[str, Any]:
    """The report of hostile peers that ran in a process of their own."""
    tokens = {
        "/v1/stream": running.token("client", "hostile"),
        "/v1/watch": running.token("therapist", "hostile", clients=["hostile"]),
    }
    command = ["-m", "tests.hostile", "--port", str(running.port), "--seed", str(seed), "--mutants", str(mutants)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
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
    report: dict[str, Any] = json.loads(told)
    return report


def resident_bytes(running: Service) -> int:
    assert running.process is not None
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) * 1024


def p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


def complaints(running: Service, since: int) -> list[str]:
    """Lines of the log that tell of a fault of ours."""
    lines = running.log[since:].splitlines()
    return [line for line in lines if "Traceback" in line or '"level":"ERROR"' in line.replace(" ", "")]


async def survive(running: Service, mutants: int, seed: int) -> None:
    """Measure an honest session alone, then beside hostile peers, and hold the service to everything at once."""
    print(f"seed {seed}, {mutants} mutants")
    # The first attack takes what is taken once: pages of code, caches, pools.
    await attack(running, 400, seed + 1)
    since = len(running.log)
    async with honest(running) as someone:
        alone = await someone.latencies(QUIET_S)
        before = resident_bytes(running)
        async with asyncio.TaskGroup() as group:
            attacking = group.create_task(attack(running, mutants, seed))
            beside_them = await someone.latencies(0.0, attacking)
        report = attacking.result()
    growth = resident_bytes(running) - before
    show(report, alone, beside_them, growth)
    assert not [fault for peer in report.values() for fault in peer["faults"]]
    assert sum(peer["sent"] for peer in report.values()) >= mutants
    assert complaints(running, since) == []
    assert growth <= PEERS * MOST_GROWTH_PER_PEER_BYTES
    assert p99(beside_them) <= WORST_SLOWDOWN * max(p99(alone), LATENCY_FLOOR_S)
    assert running.get("/readyz")[0] == 200


def show(report: dict[str, Any], alone: list[float], beside_them: list[float], growth: int) -> None:
    for name in ("told", "closed", "statuses"):
        print(name, dict(sum((Counter(peer[name]) for peer in report.values()), Counter())))
    print("sent", sum(peer["sent"] for peer in report.values()), "on", sum(p["connections"] for p in report.values()))
    print(f"p99 alone {p99(alone) * 1e3:.1f} ms of {len(alone)}")
    print(f"p99 beside them {p99(beside_them) * 1e3:.1f} ms of {len(beside_them)}")
    print(f"memory grew by {growth / 2**20:.1f} MiB")


async def test_a_few_thousand_mutants_are_refused_by_name_and_disturb_nobody(hard: Service) -> None:
    await survive(hard, 8_000, SEED)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_a_hundred_thousand_mutants_are_refused_by_name_and_disturb_nobody(hard: Service) -> None:
    await survive(hard, int(os.environ.get("EMDR_MUTATIONS", "100000")), int(time.time()))


@pytest.mark.parametrize("subprotocol", [MSGPACK, JSON])
@pytest.mark.parametrize("path", sorted(BY_PATH))
async def test_every_bomb_is_named_or_borne_and_takes_no_memory(hard: Service, path: str, subprotocol: str) -> None:
    since, before = len(hard.log), resident_bytes(hard)
    opened = stream if path == "/v1/stream" else watch
    bombs = whole_messages(is_text=subprotocol == JSON)
    async with opened(hard, "bombs", subprotocol=subprotocol) as peer:
        for how, bomb in bombs.items():
            after = len(peer.messages)
            await peer.send_raw(bomb.decode("latin-1") if subprotocol == JSON else bomb)
            await peer.send("ack" if path == "/v1/watch" else "ping", id=how, t0=0.0, alert_id="nobody's")
            await peer.wait_for(lambda heard, how=how: heard.get("re") == how, after=after)  # type: ignore[misc]
            assert peer.closed_with is None, how
        told = {error["code"] for error in peer.of("error")}
    assert told <= {"bad_message", "unknown_type", "invalid_field", "unknown_session", "rate_limited"}
    assert complaints(hard, since) == []
    assert resident_bytes(hard) - before <= MOST_GROWTH_PER_PEER_BYTES
