"""Stores that are full: no safety message waits for them, everybody is told, and all is well when there is room."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.contract.small_disk import SmallDisk, small_disk
from tests.contract.waiting import until
from tests.system.faces import camera
from tests.system.service import Service, environment, free_port, readable_folder
from tests.system.sockets import of_type, stream, watch
from tests.system.test_hung_stores import PAUSE_WITHIN_S, TRIES, all_stops, ready, time_to_pause, until_ready

BETWEEN_S = 0.25
"""Beyond ten messages of a person in a second the service takes no resume."""

pytestmark = [pytest.mark.alone, pytest.mark.system, pytest.mark.anyio]


@contextlib.asynccontextmanager
async def without_memory(service: Service) -> AsyncIterator[None]:
    """The embedded Valkey has no byte left."""
    client = Redis(unix_socket_path=str(service.data_dir / "run" / "valkey.sock"))
    await client.config_set("maxmemory", "1")
    try:
        yield
    finally:
        await client.config_set("maxmemory", "0")
        await client.aclose()


def why(service: Service, part: str) -> str:
    return str(json.loads(service.get("/readyz")[2])["parts"][part]["why"])


async def test_a_redis_without_memory_holds_up_no_pause_and_is_told(plain: Service) -> None:
    async with watch(plain, "full-redis") as console, stream(plain, "full-redis") as client:
        async with without_memory(plain):
            times_s = [await time_to_pause(client) for _ in range(TRIES)]
            told = await console.wait_for(of_type("alert", kind="degraded", state="raised"))
            await until_ready(plain, "redis", ok=False)
            assert "full" in await asyncio.to_thread(why, plain, "redis")
            times_s += [await time_to_pause(client) for _ in range(TRIES)]
            stops = await all_stops(console, 2 * TRIES)
            async with stream(plain, "new-while-full") as other:
                times_s.append(await time_to_pause(other))
        healed = await console.wait_for(of_type("alert", kind="degraded", state="resolved"), within_s=20.0)
        await until_ready(plain, "redis", ok=True)
    assert max(times_s) < PAUSE_WITHIN_S
    assert healed["alert_id"] == told["alert_id"] and len(stops) == 2 * TRIES


@pytest.fixture
def cramped(plain_models: Path) -> Iterator[tuple[Service, SmallDisk]]:
    """A service all of whose data lies on a disk of 96 MB."""
    with readable_folder() as around, small_disk(around / "small", "96m") as disk:
        variables = environment(model_dir=str(plain_models), baseline_s="5", grace_ms="60000")
        service = Service(disk.path, variables, free_port())
        try:
            service.start()
            yield service, disk
        finally:
            disk.free()
            if service.process is not None and service.process.poll() is None:
                service.terminate()
                service.wait()


async def test_a_full_disk_under_everything_holds_up_no_pause_and_loses_no_alert(
    cramped: tuple[Service, SmallDisk],
) -> None:
    # Journal, spill, both stores and the log lie on it: only memory and the sockets are left.
    service, disk = cramped
    async with watch(service, "cramped") as console, stream(service, "cramped") as client, camera(client):
        times_s = [await time_to_pause(client)]
        await asyncio.to_thread(disk.fill)
        # Pages that are begun take some more alerts.
        while await asyncio.to_thread(ready, service, "journal"):
            times_s.append(await time_to_pause(client))
            await asyncio.sleep(BETWEEN_S)
        for _ in range(TRIES):
            times_s.append(await time_to_pause(client))
            await asyncio.sleep(BETWEEN_S)
        await all_stops(console, len(times_s))
        await asyncio.to_thread(disk.free)
        times_s.append(await time_to_pause(client))
        for part in ("redis", "postgres"):
            await until_ready(service, part, ok=True)
        times_s.append(await time_to_pause(client))
        await until_ready(service, "journal", ok=True)
        stops = await all_stops(console, len(times_s))
        database = await asyncpg.connect(service.database_url)

        async def all_stored() -> bool:
            found = await database.fetch(
                "select alert_id from alerts where state = 'raised' and alert_id = any($1)", list(stops)
            )
            return len(found) == len(stops)

        await until(all_stored, within_s=20.0)
        await database.close()
    assert max(times_s) < PAUSE_WITHIN_S
