"""Stores that answer and take no writes: told as away, nothing lost, and well again when there is room."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from emdr_stream.alerts.log import AlertLog
from emdr_stream.broker.base import AlertEntry, Notice
from emdr_stream.broker.redis import RedisBroker
from emdr_stream.errors import StoreUnavailable, WritesRefused
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.memory import MemoryStore
from emdr_stream.store.postgres import PostgresStore
from emdr_stream.store.spill import Spill
from emdr_stream.store.writer import RecordWriter, WriterLimits
from tests.contract.own_postgres import own_postgres
from tests.contract.own_valkey import OwnValkey
from tests.contract.small_disk import SmallDisk, small_disk
from tests.contract.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

NOW_MS = 1_795_000_000_123


def alert(seq: int) -> AlertEntry:
    return AlertEntry("s1", "anna", seq, 1, NOW_MS + seq, b"{}")


def record(number: int, kind: RecordKind = RecordKind.SECOND, pad: int = 0) -> Record:
    return Record(kind, "s1", "anna", 1, NOW_MS + 1_000 * number, {"number": number, "pad": os.urandom(pad).hex()})


async def refuses(call: Any) -> bool:
    try:
        await call()
    except WritesRefused:
        return True
    except StoreUnavailable:
        return False
    return False


async def answers(call: Any) -> bool:
    with contextlib.suppress(StoreUnavailable):
        await call()
        return True
    return False


async def limit_memory(valkey: OwnValkey, limit: str) -> None:
    client = Redis.from_url(valkey.url)
    await client.config_set("maxmemory-policy", "noeviction")
    await client.config_set("maxmemory", limit)
    await client.aclose()


@contextlib.asynccontextmanager
async def broker(valkey: OwnValkey, instance: str) -> AsyncIterator[RedisBroker]:
    made = RedisBroker(valkey.url, instance=instance)
    await made.start()
    try:
        yield made
    finally:
        await made.aclose()


async def test_a_redis_without_memory_is_told_as_away_and_live_states_go_on() -> None:
    with OwnValkey() as valkey:
        async with broker(valkey, "a") as here, broker(valkey, "b") as there:
            epoch = await here.claim("s1", "a")
            await limit_memory(valkey, "1")
            calls = (
                here.ping,
                lambda: here.append_alert(alert(1)),
                lambda: here.put_snapshot("s1", "a", epoch, b"x" * 1_000, 60_000),
                lambda: here.claim("s2", "a"),
            )
            assert [await refuses(call) for call in calls] == [True] * 4
            seen = await there.subscribe({"anna"})
            await until(lambda: there.listener.connected)
            here.publish(Notice("s1", "anna", b"live"))
            assert (await anext(aiter(seen))).payload == b"live"
            await limit_memory(valkey, "0")
            for call in calls:
                await call()


async def test_alerts_wait_for_a_redis_without_memory_and_get_there_once(tmp_path: Path) -> None:
    with OwnValkey() as valkey:
        async with broker(valkey, "a") as here:
            await limit_memory(valkey, "1")
            log = AlertLog(tmp_path, here, MemoryStore())
            await log.start()
            feed = log.feed({"*"})
            for seq in range(1, 6):
                log.append(alert(seq))
            assert [(await anext(aiter(feed))).alert_seq for _ in range(5)] == [1, 2, 3, 4, 5]
            await limit_memory(valkey, "0")

            async def are_there() -> bool:
                # An alert is told before it is written down and shipped: until then there is nothing to wait for.
                return len(await here.alerts_since(NOW_MS)) >= 5

            await until(are_there, 10.0)
            await until(lambda: log.shippers[0].idle, 10.0)
            assert [entry.alert_seq for entry in await here.alerts_since(NOW_MS)] == [1, 2, 3, 4, 5]
            await log.aclose()


@contextlib.asynccontextmanager
async def small_database() -> AsyncIterator[tuple[str, SmallDisk]]:
    """A database whose tables, though not its log, lie on a disk of 24 MB."""
    async with own_postgres() as server:
        with small_disk(server.folder / "small", "24m") as disk:
            place = disk.path / "space"
            place.mkdir(mode=0o700)
            os.chown(place, server.uid, -1)
            connection = await asyncpg.connect(server.url)
            await connection.execute(f"create tablespace small location '{place}'")
            await connection.execute("create database small tablespace small")
            await connection.close()
            try:
                yield server.url.replace("/postgres?", "/small?"), disk
            finally:
                disk.free()
                connection = await asyncpg.connect(server.url)
                await connection.execute("drop database small with (force)")
                await connection.execute("drop tablespace small")
                await connection.close()


async def test_records_wait_for_a_database_without_disk_and_get_there_once(tmp_path: Path) -> None:
    async with small_database() as (url, disk):
        store = PostgresStore(url)
        await store.start()
        limits = WriterLimits(spill_after_s=0.1, spill_every_s=0.05)
        writer = RecordWriter(store, limits=limits, spill=Spill(tmp_path, 100_000_000))
        await writer.start()
        writer.offer(record(0))
        assert await writer.drain(10.0)
        await store.ping()
        disk.fill()
        for number in range(1, 1_001):
            writer.offer(record(number, pad=1_000))
        writer.offer(record(1_001, RecordKind.AUDIT, pad=8_000))
        await until(lambda: refuses(store.ping), 10.0)
        spill = writer.spill
        assert spill is not None
        await until(lambda: spill.rows > 0, 10.0)
        with pytest.raises(WritesRefused, match="disk is full"):
            await store.ping()
        disk.free()
        await until(lambda: writer.backlog == 0, 30.0)
        await until(lambda: answers(store.ping), 10.0)
        assert (writer.counts.refused, writer.counts.dropped, spill.lost_to_room) == ({}, {}, 0)
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("select count(*) from seconds") == 1_001
        assert await connection.fetchval("select count(*) from audit_log") == 1
        await connection.close()
        await writer.aclose()
        await store.aclose()


async def test_a_full_database_delays_no_call_beyond_its_timeout() -> None:
    async with small_database() as (url, disk):
        store = PostgresStore(url)
        await store.start()
        disk.fill()
        batch = [record(number, pad=2_000) for number in range(200)]
        entries = [AlertEntry("s1", "anna", seq, 1, NOW_MS, os.urandom(40_000)) for seq in range(1, 20)]
        for call in (lambda: store.write(batch), lambda: store.append_alerts(entries)):
            began = time.monotonic()
            assert await refuses(call)
            assert time.monotonic() - began < 1.5
        async with asyncio.timeout(5.0):
            assert await refuses(store.ping)
        disk.free()
        await store.write(batch)
        await store.append_alerts(entries)
        await until(lambda: answers(store.ping), 10.0)
        await store.aclose()
