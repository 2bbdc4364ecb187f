"""Two sockets at once, welcomes that were lost, stores that are away: a session is there once, and its pause holds."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
import pytest

from emdr_stream.broker.base import Broker, StoredSnapshot
from emdr_stream.broker.memory import MemoryBroker
from emdr_stream.domain import Source, Status
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, StoreUnavailable
from emdr_stream.session.registry import Opened, SessionRegistry
from emdr_stream.wire.codec import JSON, STREAM_CODECS
from emdr_stream.wire.stream import Hello, ResumeClaim, ResumeRequest, Stop
from emdr_stream.wire.values import ModelRef
from tests.session.world import Wire, World, room_of

pytestmark = pytest.mark.anyio
HELLO = Hello(source=Source.EMOTION)
Answer = TypeVar("Answer")


class SlowBroker(MemoryBroker):
    """Lets others run in each call, as a server elsewhere does; `away` makes its snapshots unknown."""

    away = False

    async def claim(self, session_id: str, owner: str, at_least: int = 0, only_at: int | None = None) -> int:
        await asyncio.sleep(0)
        return await super().claim(session_id, owner, at_least, only_at)

    async def get_snapshot(self, session_id: str) -> StoredSnapshot | None:
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("the broker is away")
        return await super().get_snapshot(session_id)


def registry_of(world: World, broker: Broker, owner: str = "w1", most: int = 10) -> SessionRegistry:
    return SessionRegistry(world.around, broker, owner=owner, models=(), room=room_of(world.around, most))


def attach(opened: Opened) -> Wire:
    wire = Wire()
    opened.runner.attach(
        wire, STREAM_CODECS[JSON], epoch=opened.epoch, resume_token=opened.resume_token, last_seq=opened.last_seq
    )
    return wire


def claim_of(opened: Opened) -> tuple[Hello, ResumeClaim]:
    """What a client says to come back."""
    claim = ResumeClaim(resume_token=opened.resume_token, epoch=opened.epoch)
    return Hello(source=Source.EMOTION, session_id=opened.runner.session_id, resume=claim), claim


async def test_a_session_that_opens_while_models_change_names_those_that_speak_then() -> None:
    """It was not there yet to be told, and would have named for ever what scores no more."""
    world = World()
    registry = registry_of(world, SlowBroker())
    now = (ModelRef(name="emotion_safety", version="8", sha256="0" * 64),)
    async with asyncio.TaskGroup() as group:
        opening = group.create_task(registry.open(HELLO, "u1", None))
        await asyncio.sleep(0)
        registry.use_models(now, {})
    wire = attach(opening.result())
    assert [model["version"] for model in wire.all("welcome")[0]["models"]] == ["8"]
    assert not wire.all("models")


async def left_behind(world: World, broker: Broker) -> tuple[tuple[Hello, ResumeClaim], SessionRegistry]:
    """The claim on a paused session whose worker is gone, and the registry of the next worker."""
    before = registry_of(world, broker, "gone")
    opened = await before.open(HELLO, "u1", "the-one")
    attach(opened)
    opened.runner.take(Stop(), world.now)
    await before.keeper.keep_all()
    return claim_of(opened), registry_of(world, broker)


async def all_of(*questions: Coroutine[Any, Any, Answer]) -> list[Answer | FatalProtocolError]:
    """The answers to questions that are asked at once, refusals among them."""
    answers: list[Answer | FatalProtocolError] = []

    async def ask(question: Coroutine[Any, Any, Answer]) -> None:
        try:
            answers.append(await question)
        except FatalProtocolError as refusal:
            answers.append(refusal)

    async with asyncio.TaskGroup() as group:
        for question in questions:
            group.create_task(ask(question))
    return answers


async def test_of_two_sockets_that_open_one_session_at_once_the_second_is_refused() -> None:
    registry = registry_of(World(), SlowBroker())
    answers = await all_of(*(registry.open(HELLO, "u1", "the-one") for _ in range(2)))
    opened = [answer.runner for answer in answers if not isinstance(answer, Exception)]
    assert opened == [registry.get("the-one")]
    assert [a.code for a in answers if isinstance(a, FatalProtocolError)] == [ErrorCode.RESUME_DENIED]


async def test_of_two_sockets_that_take_a_session_over_at_once_one_has_it_and_is_not_fenced_by_the_other() -> None:
    world, broker = World(), SlowBroker()
    claim, registry = await left_behind(world, broker)
    answers = await all_of(*(registry.resume(*claim, "u1") for _ in range(2)))
    runners = {answer.runner for answer in answers if not isinstance(answer, Exception)}
    assert runners == {registry.get("the-one")}
    await registry.keeper.keep_all()
    runner = registry.get("the-one")
    assert runner is not None and runner in runners and not runner.fenced


async def test_many_that_open_at_once_are_no_more_than_the_limit() -> None:
    registry = registry_of(World(), SlowBroker(), most=2)
    answers = await all_of(*(registry.open(HELLO, "u1", None) for _ in range(5)))
    refused = [answer for answer in answers if isinstance(answer, FatalProtocolError)]
    assert len(registry) == 2
    assert {problem.close_code for problem in refused} == {CloseCode.OVERLOADED} and len(refused) == 3


async def test_a_session_that_opens_while_the_worker_stops_is_refused() -> None:
    world = World()
    registry = registry_of(world, SlowBroker())
    answers = await all_of(registry.open(HELLO, "u1", None), registry.drain(0))
    refused = [answer for answer in answers if isinstance(answer, FatalProtocolError)]
    assert [problem.close_code for problem in refused] == [CloseCode.RESTART] and len(registry) == 0


async def test_a_client_that_never_got_its_welcome_comes_back_with_the_token_it_has() -> None:
    world = World()
    registry = registry_of(world, MemoryBroker())
    opened = await registry.open(HELLO, "u1", None)
    first = attach(opened)
    claim = claim_of(opened)
    for _ in range(2):
        lost = attach(await registry.resume(*claim, "u1"))
        opened.runner.detach(lost)
    assert first.close_code == CloseCode.REPLACED
    again = await registry.resume(*claim, "u1")
    attach(again)
    again.runner.take(Stop(), world.now)
    with pytest.raises(FatalProtocolError) as refusal:
        await registry.resume(*claim, "u1")
    assert refusal.value.code is ErrorCode.RESUME_DENIED


async def test_a_lost_welcome_is_forgiven_by_the_next_worker_too() -> None:
    world, broker = World(), MemoryBroker()
    first, second = registry_of(world, broker, "w1"), registry_of(world, broker, "w2")
    opened = await first.open(HELLO, "u1", None)
    attach(opened)
    claim = claim_of(opened)
    attach(await first.resume(*claim, "u1"))
    await first.keeper.keep_all()
    assert (await second.resume(*claim, "u1")).runner.core.status is Status.DETACHED


@pytest.mark.parametrize("resuming", [True, False], ids=["resume", "open anew"])
async def test_while_nothing_is_known_of_a_session_it_is_neither_over_nor_new(resuming: bool) -> None:
    world, broker = World(), SlowBroker()
    claim, registry = await left_behind(world, broker)
    broker.away = True
    with pytest.raises(FatalProtocolError) as refusal:
        await (registry.resume(*claim, "u1") if resuming else registry.open(HELLO, "u1", "the-one"))
    assert (refusal.value.code, refusal.value.close_code) == (ErrorCode.OVERLOADED, CloseCode.OVERLOADED)
    broker.away = False
    resumed = attach(await registry.resume(*claim, "u1"))
    assert resumed.sent[0]["snapshot"]["status"] == "paused"


async def test_a_session_that_cannot_be_kept_does_not_keep_others_from_it(caplog: pytest.LogCaptureFixture) -> None:
    world, broker = World(), MemoryBroker()
    registry = registry_of(world, broker)
    broken, sound = [await registry.open(HELLO, "u1", None) for _ in range(2)]
    broken.runner.core._view.pending = (2**70, 1.0)
    broken.runner.urgent = sound.runner.urgent = True
    with caplog.at_level(logging.ERROR):
        await registry.keeper.keep_all()
    assert await broker.get_snapshot(sound.runner.session_id) is not None
    assert [record.__dict__["session_id"] for record in caplog.records] == [broken.runner.session_id]


async def test_a_pause_is_saved_at_once_and_not_at_the_keepers_next_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emdr_stream.session.keeper.KEEP_EVERY_S", 3_600.0)
    world, broker = World(), MemoryBroker()
    registry = registry_of(world, broker)
    opened = await registry.open(HELLO, "u1", "the-one")
    attach(opened)

    async def is_saved_as(status: Status) -> bool:
        found = await registry.takeover.stored("the-one")
        return found is not None and found[0].snapshot.core.status is status

    async def saved_as(status: Status) -> None:
        async with asyncio.timeout(5):
            while not await is_saved_as(status):  # noqa: ASYNC110
                await asyncio.sleep(0)  # the broker tells nobody what it was given

    async with asyncio.TaskGroup() as group:
        keeper = group.create_task(registry.keep())
        await saved_as(Status.RUNNING)
        opened.runner.take(Stop(), world.now)
        await saved_as(Status.PAUSED)
        keeper.cancel()


async def test_after_a_crash_that_lost_an_alarm_only_a_therapist_may_resume() -> None:
    world, broker = World(), MemoryBroker()
    before = registry_of(world, broker, "gone")
    opened = await before.open(HELLO, "u1", "the-one")
    attach(opened)
    await before.keeper.keep_all()
    opened.runner.take(Stop(), world.now)
    claim = claim_of(opened)
    again = await registry_of(world, broker).resume(*claim, "u1")
    pause = attach(again).all("control.pause")[-1]
    assert (pause["reason"], pause["resume_requires"]) == ("client_disconnected", "therapist")
    again.runner.take(ResumeRequest(), world.now)
    assert again.runner.core.status is Status.PAUSED


async def test_a_pause_after_a_crash_has_no_number_that_the_client_has_seen() -> None:
    world, broker = World(), MemoryBroker()
    before = registry_of(world, broker, "gone")
    opened = await before.open(HELLO, "u1", "the-one")
    wire = attach(opened)
    await before.keeper.keep_all()
    opened.runner.take(Stop(), world.now)
    seen = wire.all("control.pause")[-1]
    hello, claim = claim_of(opened)
    claim = msgspec.structs.replace(claim, last_seq=seen["seq"] + 1)
    again = await registry_of(world, broker).resume(hello, claim, "u1")
    pause = attach(again).all("control.pause")[-1]
    assert pause["seq"] > claim.last_seq and pause["control_epoch"] > seen["control_epoch"]


async def test_after_a_crash_that_lost_nothing_the_client_may_resume() -> None:
    world, broker = World(), MemoryBroker()
    claim, registry = await left_behind(world, broker)
    again = await registry.resume(*claim, "u1")
    attach(again)
    again.runner.take(ResumeRequest(), world.now)
    assert again.runner.core.status is Status.RUNNING
