"""Sums of sessions are kept up to date behind everything else, and a store that is away delays them at most."""

import asyncio
import contextlib

import pytest

from emdr_stream.store.archive import Span
from emdr_stream.store.archive_memory import MemoryArchive
from emdr_stream.store.memory import MemoryRecords, MemoryStore
from emdr_stream.store.roll_up_keeper import RollUpKeeper
from tests.contract.waiting import until
from tests.kept_sessions import DAY0, session

pytestmark = pytest.mark.anyio

ALL = Span(None, 0, 2 * DAY0)


async def test_sessions_are_summed_up_as_they_come_and_after_an_outage() -> None:
    records = MemoryRecords()
    store, archive = MemoryStore(records), MemoryArchive(records)
    keeper = asyncio.get_running_loop().create_task(RollUpKeeper(archive, 0.0, 0.01).run())
    for number in range(25):
        await store.write(session(f"s{number:02d}", "anna", DAY0 + number, seconds=2))

    async def counted(sessions: int) -> bool:
        return (await archive.sums(ALL)).sessions == sessions

    await until(lambda: len(archive._rolled) == 25)
    assert await counted(25)
    records.available = False
    await asyncio.sleep(0.05)
    records.available = True
    await store.write(session("late", "anna", DAY0, seconds=2))
    await until(lambda: len(archive._rolled) == 26)
    assert not keeper.done()
    keeper.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeper
