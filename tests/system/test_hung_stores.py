"""Stores that hang, which is worse than stores that died: no safety message waits for them, and everybody is told."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.contract.waiting import until
from tests.system.faces import camera
from tests.system.hanging import hung
from tests.system.scenes import ask_to_resume
from tests.system.service import Service
from tests.system.sockets import Message, SocketClient, of_type, stream, watch

pytestmark = [pytest.mark.alone, pytest.mark.system, pytest.mark.anyio]

STORES = {"valkey": "redis", "postgres": "postgres"}
PAUSE_WITHIN_S = 0.1
TRIES = 5


async def time_to_pause(client: SocketClient) -> float:
    """Seconds from a `stop` to its pause; the session is resumed afterwards."""
    after, began = len(client.messages), time.monotonic()
    await client.send("stop")
    pause = await client.wait_for("control.pause", after=after)
    took_s = client.time_of(pause) - began
    resumed = await ask_to_resume(client)
    assert resumed["type"] == "control.resume"
    return took_s


def ready(service: Service, part: str) -> bool:
    told: Message = json.loads(service.get("/readyz")[2])["parts"]
    return bool(told[part]["ok"])


async def until_ready(service: Service, part: str, ok: bool) -> None:
    async def as_wished() -> bool:
        return await asyncio.to_thread(ready, service, part) is ok

    await until(as_wished, within_s=15.0)


@pytest.mark.parametrize("store", STORES)
async def test_a_hung_store_holds_up_no_pause_and_is_told(plain: Service, store: str) -> None:
    user = f"hung-{store}"
    async with watch(plain, user) as console, stream(plain, user) as client:
        async with hung(plain, store):
            times_s = [await time_to_pause(client) for _ in range(TRIES)]
            told = await console.wait_for(of_type("alert", kind="degraded", state="raised"))
            await until_ready(plain, STORES[store], ok=False)
            times_s += [await time_to_pause(client) for _ in range(TRIES)]
            stops = await all_stops(console, 2 * TRIES)
            async with stream(plain, f"new-while-{store}") as other:
                times_s.append(await time_to_pause(other))
        healed = await console.wait_for(of_type("alert", kind="degraded", state="resolved"), within_s=20.0)
        await until_ready(plain, STORES[store], ok=True)
        times_s.append(await time_to_pause(client))
    assert max(times_s) < PAUSE_WITHIN_S
    assert told["severity"] == "medium" and told["evidence"]
    assert healed["alert_id"] == told["alert_id"]
    assert len(stops) == 2 * TRIES


async def all_stops(console: SocketClient, count: int) -> set[str]:
    """The ids of the alerts of `count` stops."""

    def ids() -> set[str]:
        return {m["alert_id"] for m in console.of("alert") if m["kind"] == "client_stop" and m["state"] == "raised"}

    await console.wait_for(lambda _: len(ids()) >= count)
    return ids()


@pytest.mark.parametrize("store", STORES)
async def test_a_store_that_dies_is_started_again(plain: Service, store: str) -> None:
    user = f"died-{store}"
    async with watch(plain, user) as console, stream(plain, user) as client:
        before = plain.store_pid(store)
        os.kill(before, signal.SIGKILL)
        assert await time_to_pause(client) < PAUSE_WITHIN_S
        await until(lambda: plain.store_pid(store) != before, within_s=20.0)
        await until_ready(plain, STORES[store], ok=True)
        await console.wait_for(of_type("alert", kind="client_stop", state="resolved"))
    async with watch(plain, user) as later, stream(plain, user) as again:
        await again.send("stop")
        await later.wait_for(of_type("alert", kind="client_stop", state="raised"))


def metric(service: Service, name: str) -> float:
    """The sum of a metric's values over its labels."""
    lines = service.get("/metrics")[2].decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)


async def test_records_lie_on_the_disk_while_the_database_hangs_and_come_back(plain: Service) -> None:
    async def holds(condition: Callable[[], bool]) -> bool:
        return await asyncio.to_thread(condition)

    async with stream(plain, "spilled") as client, camera(client):
        before = metric(plain, "emdr_store_lost_total")
        spilled = metric(plain, "emdr_store_spilled_total")
        async with hung(plain, "postgres"):
            await until(lambda: holds(lambda: metric(plain, "emdr_store_spilled_total") > spilled), within_s=20.0)
            assert metric(plain, "emdr_store_spill_bytes") > 0
        await until(lambda: holds(lambda: metric(plain, "emdr_store_spill_bytes") == 0), within_s=20.0)
        assert metric(plain, "emdr_store_read_back_total") == metric(plain, "emdr_store_spilled_total")
        assert metric(plain, "emdr_store_lost_total") == before
