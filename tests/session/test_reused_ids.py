"""A token names its session (`sid`): the id is had by one session, ever, and the alerts under it are told."""

import asyncio

import msgspec
import pytest

from emdr_stream.broker.base import ALERT_BLOCK
from emdr_stream.broker.memory import MemoryBroker, MemoryHub
from emdr_stream.errors import ErrorCode, FatalProtocolError, StoreUnavailable
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.wire.stream import Bye, Stop
from emdr_stream.wire.values import AlertBody
from tests.session.test_registry_races import HELLO, SlowBroker, all_of, attach, registry_of
from tests.session.world import World, room_of

pytestmark = pytest.mark.anyio


def keeping_records(world: World, hub: MemoryHub, records: set[str], *, away: bool = False) -> SessionRegistry:
    """A worker whose records have had the sessions of these ids."""

    async def known(session_id: str) -> bool:
        if away:
            raise StoreUnavailable("switched off")
        return session_id in records

    broker = MemoryBroker(hub, "w1")
    return SessionRegistry(world.around, broker, owner="w1", models=(), room=room_of(world.around), known=known)


async def test_an_id_that_a_session_had_is_refused_long_after_its_end() -> None:
    # Its alerts were numbered anew from 1 and taken for repeats of the first session's: nobody was told of a crisis.
    registry = keeping_records(World(), MemoryHub(), {"weekly"})
    with pytest.raises(FatalProtocolError) as refused:
        await registry.open(HELLO, "u1", "weekly")
    assert (refused.value.code, refused.value.close_code, refused.value.param) == (
        ErrorCode.SESSION_OVER,
        4504,
        "token",
    )
    assert (await registry.open(HELLO, "u1", "other")).epoch == 1


async def test_an_id_whose_session_has_just_ended_is_told_as_over_and_not_as_open() -> None:
    world = World()
    registry = registry_of(world, MemoryBroker(MemoryHub(), "w1"))
    opened = await registry.open(HELLO, "u1", "weekly")
    attach(opened)
    with pytest.raises(FatalProtocolError) as refused:
        await registry.open(HELLO, "u1", "weekly")
    assert refused.value.code is ErrorCode.RESUME_DENIED
    opened.runner.take(Bye(), world.now)
    await registry.keeper.keep_all()
    with pytest.raises(FatalProtocolError) as refused:
        await registry.open(HELLO, "u1", "weekly")
    assert refused.value.code is ErrorCode.SESSION_OVER


async def test_while_the_records_are_away_alerts_of_an_id_that_the_broker_remembers_count_on() -> None:
    world, hub = World(), MemoryHub()
    await MemoryBroker(hub, "earlier").claim("weekly", "earlier")
    opened = await keeping_records(world, hub, set(), away=True).open(HELLO, "u1", "weekly")
    attach(opened)
    opened.runner.take(Stop(), world.now)
    raised = msgspec.json.decode(world.alerts[-1].payload, type=AlertBody)
    assert opened.epoch == 2 and raised.alert_seq == 2 * ALERT_BLOCK + 1


class SlowEverywhere(SlowBroker):
    async def put_snapshot(self, session_id: str, owner: str, epoch: int, payload: bytes, ttl_ms: int) -> None:
        await asyncio.sleep(0)
        await super().put_snapshot(session_id, owner, epoch, payload, ttl_ms)


async def test_of_two_workers_that_open_one_session_at_once_the_one_that_lost_it_refuses_its_client() -> None:
    # The loser let its client into a session that no console could see, command or hear of.
    world, hub = World(), MemoryHub()
    workers = [registry_of(world, SlowEverywhere(hub, name), name) for name in ("w1", "w2")]
    answers = await all_of(*(worker.open(HELLO, "u1", "the-one") for worker in workers))
    opened = [answer for answer in answers if not isinstance(answer, Exception)]
    assert [answer.runner.fenced for answer in opened] == [False]
    assert [a.code for a in answers if isinstance(a, FatalProtocolError)] == [ErrorCode.RESUME_DENIED]
    assert [worker.get("the-one") is not None for worker in workers].count(True) == 1
