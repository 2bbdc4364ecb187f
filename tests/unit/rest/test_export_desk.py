"""Exports beside live sessions: so many at a time, piece by piece, and a place that is free again whatever happens."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from emdr_stream.rest.export_desk import MOST_EXPORTS, ExportDesk
from emdr_stream.rest.problems import Problem, ProblemCode
from emdr_stream.rest.routes.analytics_files import OPERATIONS
from emdr_stream.store.archive_memory import MemoryArchive
from emdr_stream.store.memory import MemoryRecords
from tests.unit.rest.world import World

pytestmark = pytest.mark.anyio


async def numbers(most: int = 3) -> AsyncIterator[bytes]:
    for number in range(most):
        yield b"%d" % number


async def broken() -> AsyncIterator[bytes]:
    yield b"head"
    raise RuntimeError("a store went away")


async def test_more_than_so_many_are_told_to_come_back_until_one_has_ended() -> None:
    desk = ExportDesk(2)
    first, second = desk.pieces(numbers()), desk.pieces(numbers())
    for begin in (lambda: desk.pieces(numbers()), lambda: desk.place().__enter__()):
        with pytest.raises(Problem) as refusal:
            begin()
        assert (refusal.value.code, refusal.value.all_headers()["retry-after"]) == (ProblemCode.BUSY, "2")
    assert [piece async for piece in first] == [b"0", b"1", b"2"]
    assert desk.free == 1
    with desk.place():
        assert desk.free == 0
    assert [piece async for piece in second] == [b"0", b"1", b"2"]
    assert desk.free == 2


async def test_an_export_that_fails_or_that_nobody_takes_leaves_its_place() -> None:
    desk = ExportDesk(3)
    with pytest.raises(RuntimeError):
        [piece async for piece in desk.pieces(broken())]
    assert desk.free == 3
    never_begun, left_midway = desk.pieces(numbers()), desk.pieces(numbers())
    await anext(left_midway)
    assert desk.free == 1
    del never_begun, left_midway
    assert desk.free == 3


async def test_one_piece_is_made_at_a_time_and_each_export_has_its_turn() -> None:
    desk, making, log = ExportDesk(4), 0, []

    async def slow(name: str) -> AsyncIterator[bytes]:
        nonlocal making
        for _ in range(3):
            making += 1
            assert making == 1
            await asyncio.sleep(0.001)
            making -= 1
            log.append(name)
            yield b""

    async def take(name: str) -> None:
        async for _ in desk.pieces(slow(name)):
            pass

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(take(name))
    assert "".join(log) == "abcabcabc"


def test_a_worker_that_is_busy_with_exports_says_so_and_when_to_come_back() -> None:
    world = World(OPERATIONS, archive=MemoryArchive(MemoryRecords()))
    asked = {"user": "u-1", "format": "csv"}
    taken = [world.parts.exports.pieces(numbers()) for _ in range(MOST_EXPORTS)]
    refused = world.ask("POST", "/v1/analytics/export", json=asked)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "busy", "2")
    assert world.notebook.rows == [], "nobody took anything"
    taken.clear()
    assert world.ask("POST", "/v1/analytics/export", json=asked).status_code == 200
    assert world.parts.exports.free == MOST_EXPORTS
