"""An export over REST: what is not in it yet is said before its first byte."""

import asyncio

from emdr_stream.rest.routes.analytics_files import OPERATIONS
from emdr_stream.store.archive_memory import MemoryArchive
from emdr_stream.store.memory import MemoryRecords, MemoryStore
from tests.kept_sessions import DAY0, session
from tests.unit.rest.world import World


def test_sessions_that_are_not_summed_up_are_named_with_a_reason_in_a_header() -> None:
    records = MemoryRecords()
    archive = MemoryArchive(records)

    async def fill() -> None:
        store = MemoryStore(records)
        await store.write(session("s1", "u-1", DAY0))
        await archive.refresh(10, 0.0)
        await store.write(session("s2", "u-1", DAY0 + 200_000))
        await store.write(session("s3", "u-1", DAY0 + 400_000)[:-1])

    asyncio.run(fill())
    world = World(OPERATIONS, archive=archive)
    asked = {"user": "u-1", "format": "csv", "until": DAY0 + 9_000_000}
    answer = world.ask("POST", "/v1/analytics/export", json=asked)
    assert answer.status_code == 200 and answer.headers["sessions-missing"] == "s2;due, s3;running"
    assert b"s1" in answer.content and b"s2" not in answer.content
    answer = world.ask("POST", "/v1/analytics/export", json=asked | {"until": DAY0 + 100_000})
    assert "sessions-missing" not in answer.headers
