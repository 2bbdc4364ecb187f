"""Peers that send as fast as they can, within limits as shipped: an honest session beside them feels little."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.hostile.storm import STORMS
from tests.system.honest import attack, complaints, honest, is_undisturbed, resident_bytes
from tests.system.service import Service, service

pytestmark = [pytest.mark.alone, pytest.mark.system, pytest.mark.anyio]

QUIET_S = 2.0
STORM_S = 1.5
MOST_GROWTH_BYTES = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def shipped_limits() -> Iterator[Service]:
    """As it is shipped, but that one user may open session after session: or they would soon be kept out."""
    with service(max_sessions_per_user="0", grace_ms="5000") as running:
        yield running


async def test_storms_of_one_peer_disturb_nobody_and_take_no_memory(shipped_limits: Service) -> None:
    # Each connection had its whole read in one turn of the loop, and after its close it was read on at full speed: the
    # honest session waited for up to 0.5 s beside pings, stops or samples, and 1.7 s beside malformed messages.
    running, since = shipped_limits, len(shipped_limits.log)
    disturbed, growth = {}, {}
    async with honest(running) as someone:
        # What is taken once: pages of code, pools.
        await attack(running, "tests.hostile.storm", "--kind", "largest messages", "--seconds", "0.5")
        alone = await someone.latencies(QUIET_S)
        for kind in STORMS:
            before = resident_bytes(running)
            async with asyncio.TaskGroup() as group:
                storm = attack(running, "tests.hostile.storm", "--kind", kind, "--seconds", str(STORM_S))
                beside_it = await someone.latencies(0.0, group.create_task(storm))
            growth[kind] = resident_bytes(running) - before
            print(f"{kind}: memory grew by {growth[kind] / 2**20:.1f} MiB")
            if not is_undisturbed(alone, beside_it):
                disturbed[kind] = beside_it
    assert not disturbed
    assert max(growth.values()) <= MOST_GROWTH_BYTES
    assert complaints(running, since) == []
