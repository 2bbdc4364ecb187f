"""What every face pool promises, the real one with its processes and the fake one: one answer each, in order."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from emdr_stream.errors import ErrorCode, ImageRejected, ProtocolError
from emdr_stream.vision.fake import FakeFacePool
from emdr_stream.vision.line import Outcome
from emdr_stream.vision.pool import FacePool, FaceSeat, FaceSettings
from emdr_stream.vision.reading import FaceReading
from emdr_stream.vision.seat import STRIKES
from emdr_stream.wire.face import FaceView
from tests.faces import jpeg, landmarker_or_skip, still

pytestmark = [pytest.mark.anyio, pytest.mark.system]
WAIT_S: Final = 30.0


@dataclass
class World:
    """A pool that is ready, a picture, and how its worker is stopped and killed."""

    pool: Any
    picture: bytes
    freeze: Callable[[], None]
    kill: Callable[[], None]


@asynccontextmanager
async def real(picture: bytes) -> AsyncIterator[World]:
    landmarker_or_skip()
    async with FacePool(FaceSettings(deadline_s=WAIT_S, first_deadline_s=WAIT_S)) as pool:
        await read(pool.open("first"), picture)
        (pid,) = pool.pids()
        yield World(pool, picture, lambda: os.kill(pid, signal.SIGSTOP), lambda: os.kill(pid, signal.SIGKILL))


@asynccontextmanager
async def fake(picture: bytes) -> AsyncIterator[World]:
    view = FaceView(faces=1, quality=1.0)
    async with FakeFacePool(lambda image, ts_ms: view) as pool:
        await read(pool.open("first"), picture)

        def freeze() -> None:
            pool.reading_s = 3_600.0

        def kill() -> None:
            pool.reading_s = 0.01
            pool.slot.die()

        yield World(pool, picture, freeze, kill)


@pytest.fixture
def picture(test_data: Path) -> bytes:
    return jpeg(still(test_data, "single_face.jpg", 320))


@pytest.fixture(params=[real, fake], ids=["real", "fake"])
async def world(request: pytest.FixtureRequest, picture: bytes) -> AsyncIterator[World]:
    async with request.param(picture) as made:
        yield made


async def read(seat: FaceSeat, image: bytes, ts_ms: float = 0.0) -> Outcome:
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    seat.submit(image, ts_ms, outcome.set_result)
    async with asyncio.timeout(WAIT_S):
        return await outcome


class Outcomes(list[tuple[str, Outcome]]):
    """What came back, with the name of who asked, in order."""

    def of(self, name: str) -> Callable[[Outcome], None]:
        return lambda outcome: self.append((name, outcome))

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self) < count:  # noqa: ASYNC110 - a list sets no event
                await asyncio.sleep(0.002)

    def names(self) -> list[str]:
        return [name for name, _ in self]


async def test_a_picture_is_read(world: World) -> None:
    seat = world.pool.open("a")
    outcome = await read(seat, world.picture)
    assert isinstance(outcome, FaceReading)
    assert outcome.view.faces == 1
    assert not seat.busy


async def test_a_picture_that_is_none_is_refused_and_the_next_is_read(world: World) -> None:
    seat = world.pool.open("a")
    refusals = [await read(seat, image) for image in (b"", b"text", world.picture[:-100])]
    assert all(isinstance(refusal, ImageRejected) for refusal in refusals)
    assert isinstance(await read(seat, world.picture), FaceReading)
    statistics = world.pool.statistics()
    assert (statistics.read, statistics.rejected, statistics.failed) == (2, 3, 0)


async def test_seats_are_served_in_the_order_in_which_they_asked(world: World) -> None:
    outcomes = Outcomes()
    names = [f"seat {number}" for number in range(6)]
    for name in names:
        world.pool.open(name).submit(world.picture, 0.0, outcomes.of(name))
    await outcomes.reach(len(names))
    assert outcomes.names() == names
    readings = [outcome for _, outcome in outcomes if isinstance(outcome, FaceReading)]
    waits = [reading.queue_ms for reading in readings]
    assert len(waits) == len(names)
    assert waits == sorted(waits) and waits[-1] > 0, "who came later waited longer, and was told"


async def test_the_outcome_comes_after_the_call_and_then_the_seat_is_free(world: World) -> None:
    seat, outcomes = world.pool.open("a"), Outcomes()

    def again(outcome: Outcome) -> None:
        outcomes.append(("first", outcome))
        seat.submit(world.picture, 1.0, outcomes.of("second"))

    seat.submit(world.picture, 0.0, again)
    assert not outcomes and seat.busy
    await outcomes.reach(2)
    assert outcomes.names() == ["first", "second"]


async def test_a_waiting_picture_can_be_withdrawn_one_with_the_worker_cannot(world: World) -> None:
    world.freeze()
    outcomes = Outcomes()
    seats = {name: world.pool.open(name) for name in ("read", "next", "waits", "last")}
    for name, seat in seats.items():
        seat.submit(world.picture, 0.0, outcomes.of(name))
    assert {name: seat.withdraw() for name, seat in seats.items() if name != "last"} == {
        "read": False,
        "next": False,
        "waits": True,
    }
    assert not seats["waits"].busy
    world.kill()
    await outcomes.reach(3)
    assert outcomes.names() == ["read", "next", "last"]


async def test_a_newer_picture_takes_the_place_of_a_waiting_one(world: World) -> None:
    world.freeze()
    outcomes = Outcomes()
    seats = {name: world.pool.open(name) for name in ("read", "next", "waits", "last")}
    for name, seat in seats.items():
        seat.submit(world.picture, 0.0, outcomes.of(name))
    assert seats["waits"].replace(b"newer and no picture", 1.0, outcomes.of("newer"))
    assert not seats["read"].replace(world.picture, 1.0, outcomes.of("never"))
    world.kill()
    await outcomes.reach(4)
    assert outcomes.names() == ["read", "next", "newer", "last"]
    assert isinstance(outcomes[2][1], ImageRejected)


async def test_a_worker_that_dies_costs_the_picture_it_was_reading_alone(world: World) -> None:
    world.freeze()
    outcomes = Outcomes()
    for name in ("guilty", "b", "c", "d"):
        world.pool.open(name).submit(world.picture, 0.0, outcomes.of(name))
    world.kill()
    await outcomes.reach(4)
    assert outcomes.names() == ["guilty", "b", "c", "d"]
    guilty = outcomes[0][1]
    assert isinstance(guilty, ProtocolError) and guilty.code is ErrorCode.INTERNAL
    assert all(isinstance(outcome, FaceReading) for _, outcome in outcomes[1:])
    statistics = world.pool.statistics()
    assert (statistics.restarts, statistics.failed, statistics.waiting) == (1, 1, 0)


async def test_a_closed_seat_hears_nothing_and_the_others_do(world: World) -> None:
    world.freeze()
    outcomes = Outcomes()
    seats = {name: world.pool.open(name) for name in ("read", "next", "waits", "stays")}
    for name, seat in seats.items():
        seat.submit(world.picture, 0.0, outcomes.of(name))
    for name in ("read", "next", "waits", "waits"):
        seats[name].close()
    world.kill()
    await outcomes.reach(1)
    assert outcomes.names() == ["stays"]
    assert world.pool.statistics().seats == 2, "the one that stays, and the first of all"


async def test_a_worker_that_is_lost_counts_against_a_session_that_has_left_its_seat(world: World) -> None:
    # Who left at once and came back could cost the others one worker after another, and was never told to stop.
    seat = world.pool.open("leaves")
    world.freeze()
    seat.submit(world.picture, 0.0, lambda outcome: None)
    seat.close()
    world.kill()
    async with asyncio.timeout(WAIT_S):
        while world.pool.open("leaves").strikes == 0:  # noqa: ASYNC110 - a strike sets no event
            await asyncio.sleep(0.01)


async def test_two_pictures_of_a_seat_at_once_are_the_callers_fault(world: World) -> None:
    seat, outcomes = world.pool.open("a"), Outcomes()
    seat.submit(world.picture, 0.0, outcomes.of("first"))
    with pytest.raises(AssertionError):
        seat.submit(world.picture, 1.0, outcomes.of("second"))
    await outcomes.reach(1)


async def test_what_is_on_its_way_when_the_pool_ends_is_answered(picture: bytes) -> None:
    for make in (real, fake):
        outcomes = Outcomes()
        async with make(picture) as world:
            world.freeze()
            for name in ("a", "b", "c"):
                world.pool.open(name).submit(picture, 0.0, outcomes.of(name))
        assert sorted(outcomes.names()) == ["a", "b", "c"]
        assert all(isinstance(outcome, ProtocolError) for _, outcome in outcomes)


async def test_a_camera_that_has_cost_three_workers_is_not_read_any_more() -> None:
    """With the fake: three deaths of real workers take seconds of back-off."""
    view = FaceView(faces=1, quality=1.0)
    picture = b"RIFF"
    async with FakeFacePool(lambda image, ts_ms: view) as pool:
        seat, outcomes = pool.open("a"), Outcomes()
        for _ in range(STRIKES):
            seat.submit(picture, 0.0, outcomes.of("killed"))
            pool.slot.die()
        refused = await read(seat, picture)
        assert isinstance(refused, ImageRejected) and "stopped their reader" in refused.wrong
        assert len(outcomes) == STRIKES


async def test_a_fake_that_cannot_read_faces_says_so_and_recovers() -> None:
    view = FaceView(faces=1, quality=1.0)
    async with FakeFacePool(lambda image, ts_ms: view) as pool:
        pool.slot.fail("no model")
        assert (pool.available, pool.why) == (False, "no model")
        outcome = await read(pool.open("a"), b"")
        assert isinstance(outcome, ProtocolError) and outcome.code is ErrorCode.SOURCE_UNAVAILABLE
        pool.slot.release()
        assert (pool.available, pool.why) == (True, "")
