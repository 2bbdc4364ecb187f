"""Hostile peers against the live service: refusals have names, memory stays, and an honest session feels nothing."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hostile.bombs import whole_messages
from tests.hostile.valid import BY_PATH
from tests.system.honest import attack, complaints, honest, is_undisturbed, resident_bytes
from tests.system.service import Service, service
from tests.system.sockets import JSON, MSGPACK, stream, watch

pytestmark = [pytest.mark.alone, pytest.mark.system, pytest.mark.anyio]

SEED = 20_261_124
PEERS = 4
MOST_GROWTH_PER_PEER_BYTES = 8 * 1024 * 1024
QUIET_S = 4.0


@pytest.fixture(scope="module")
def hard() -> Iterator[Service]:
    """A service that bears much before it closes, so that mutants reach what lies behind the limits."""
    with service(
        rate_hz="240", max_malformed_per_minute="1000", bytes_per_s="268435456", grace_ms="5000", baseline_s="5"
    ) as running:
        yield running


async def survive(running: Service, mutants: int, seed: int) -> None:
    """Measure an honest session alone, then beside hostile peers, and hold the service to everything at once."""
    print(f"seed {seed}, {mutants} mutants")
    # The first attack takes what is taken once: pages of code, caches, pools.
    await mutants_of(running, 400, seed + 1)
    since = len(running.log)
    async with honest(running) as someone:
        alone = await someone.latencies(QUIET_S)
        before = resident_bytes(running)
        async with asyncio.TaskGroup() as group:
            attacking = group.create_task(mutants_of(running, mutants, seed))
            beside_them = await someone.latencies(0.0, attacking)
        report = attacking.result()
    growth = resident_bytes(running) - before
    show(report, growth)
    assert not [fault for peer in report.values() for fault in peer["faults"]]
    assert sum(peer["sent"] for peer in report.values()) >= mutants
    assert complaints(running, since) == []
    assert growth <= PEERS * MOST_GROWTH_PER_PEER_BYTES
    assert is_undisturbed(alone, beside_them)
    assert running.get("/readyz")[0] == 200


async def mutants_of(running: Service, mutants: int, seed: int) -> dict[str, Any]:
    """The reports of four peers, one for each socket and subprotocol."""
    report: dict[str, Any] = await attack(running, "tests.hostile", "--seed", str(seed), "--mutants", str(mutants))
    return report


def show(report: dict[str, Any], growth: int) -> None:
    for name in ("told", "closed", "statuses"):
        print(name, dict(sum((Counter(peer[name]) for peer in report.values()), Counter())))
    print("sent", sum(peer["sent"] for peer in report.values()), "on", sum(p["connections"] for p in report.values()))
    print(f"memory grew by {growth / 2**20:.1f} MiB")


async def test_a_few_thousand_mutants_are_refused_by_name_and_disturb_nobody(hard: Service) -> None:
    await survive(hard, 15_000, SEED)


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
