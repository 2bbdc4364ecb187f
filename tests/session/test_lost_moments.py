"""A worker dies before it has saved what it did last: nobody goes on as if it had not been."""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from emdr_stream.broker.memory import MemoryBroker, MemoryHub
from emdr_stream.domain import AlertKind, AlertState, Source, Status
from emdr_stream.session.registry import Opened, SessionRegistry
from emdr_stream.session.roll import LEASE_MS
from emdr_stream.wire.stream import Hello, ResumeClaim, ResumeRequest
from emdr_stream.wire.values import AlertBody
from emdr_stream.wire.watch import PauseCommand
from tests.session.test_registry_races import HELLO, attach, claim_of, registry_of
from tests.session.world import Wire, World

pytestmark = pytest.mark.anyio
PAUSE = PauseCommand(session_id="s1", reason="let us talk")


async def come_back(registry: SessionRegistry, before: Opened, wire: Wire) -> tuple[Opened, Wire]:
    """The client comes back, having heard all that was sent to it."""
    heard = max(message.get("seq", 0) for message in wire.sent)
    claim = ResumeClaim(resume_token=before.resume_token, epoch=before.epoch, last_seq=heard)
    again = await registry.resume(Hello(source=Source.EMOTION, session_id="s1", resume=claim), claim, "u1")
    return again, attach(again)


async def ask_to_resume(again: Opened, world: World) -> Status:
    again.runner.take(ResumeRequest(), world.now)
    return again.runner.core.status


@pytest.mark.parametrize("adoptions", [0, 1, 2])
async def test_a_therapists_pause_that_died_with_its_worker_is_ended_by_a_therapist_alone(adoptions: int) -> None:
    # An heir counts on over the numbers that may have been used, and took what the client had heard for its own.
    world = World()
    hub = MemoryHub(wall_ms=world.around.wall_ms)
    first = registry_of(world, MemoryBroker(hub, "w0"), "w0")
    opened = await first.open(HELLO, "u1", "s1")
    wire = attach(opened)
    await first.keeper.keep_all()
    opened.runner.command(PAUSE, "dr.noor")
    opened.runner.fence()
    for number in range(1, adoptions + 1):
        world.pass_s(LEASE_MS / 1_000 + 1)
        heir = registry_of(world, MemoryBroker(hub, f"w{number}"), f"w{number}")
        await heir.takeover.adopt_orphan("s1")
        await heir.keeper.keep_all()
        runner = heir.get("s1")
        assert runner is not None
        runner.fence()
    last = registry_of(world, MemoryBroker(hub, "w9"), "w9")
    again, heard = await come_back(last, opened, wire)
    assert heard.all("control.pause")[-1]["resume_requires"] == "therapist"
    assert await ask_to_resume(again, world) is Status.PAUSED


async def test_who_heard_nothing_more_than_was_saved_goes_on_after_an_adoption() -> None:
    world, hub = World(), MemoryHub()
    first = registry_of(world, MemoryBroker(hub, "w0"), "w0")
    opened = await first.open(HELLO, "u1", "s1")
    wire = attach(opened)
    await first.keeper.keep_all()
    opened.runner.fence()
    heir = registry_of(world, MemoryBroker(hub, "w1"), "w1")
    await heir.takeover.adopt_orphan("s1")
    again, heard = await come_back(heir, opened, wire)
    assert heard.all("control.pause")[-1]["resume_requires"] == "client"
    assert await ask_to_resume(again, world) is Status.RUNNING


async def test_what_an_owner_saves_while_it_is_taken_for_dead_is_known_to_its_heir() -> None:
    # The heir took the snapshot that it had read before it waited, and with it a session that was not paused.
    world, hub = World(), MemoryHub()
    slow = registry_of(world, MemoryBroker(hub, "slow"), "slow")
    opened = await slow.open(HELLO, "u1", "s1")
    attach(opened)
    await slow.keeper.keep_all()
    heir = registry_of(world, MemoryBroker(hub, "heir"), "heir")

    async def meanwhile() -> None:
        opened.runner.command(PAUSE, "dr.noor")
        await slow.keeper.save(opened.runner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "inherit", meanwhile)
        await heir.takeover.adopt_orphan("s1")
    adopted = heir.get("s1")
    assert adopted is not None and adopted.core.care.control.state.paused
    assert adopted.core.care.control.state.requires == "therapist"


async def by_adoption(heir: SessionRegistry, before: Opened) -> None:
    await heir.takeover.adopt_orphan("s1")


async def by_return(heir: SessionRegistry, before: Opened) -> None:
    attach(await heir.resume(*claim_of(before), "u1"))


@pytest.mark.parametrize("taken", [by_adoption, by_return])
async def test_a_store_that_came_back_while_nobody_had_the_session_is_no_longer_told_as_away(
    taken: Callable[[SessionRegistry, Opened], Coroutine[Any, Any, None]],
) -> None:
    # The alert stayed open for good, and the next outage, or a failing model, raised none.
    world, hub = World(), MemoryHub()
    first = registry_of(world, MemoryBroker(hub, "w0"), "w0")
    opened = await first.open(HELLO, "u1", "s1")
    attach(opened)
    first.store_changed("postgres", False)
    await first.keeper.keep_all()
    opened.runner.fence()
    world.around.stores_away.clear()
    heir = registry_of(world, MemoryBroker(hub, "w1"), "w1")
    await taken(heir, opened)

    def degraded() -> list[AlertState]:
        bodies = [msgspec.json.decode(entry.payload, type=AlertBody) for entry in world.alerts]
        return [body.state for body in bodies if body.kind is AlertKind.DEGRADED]

    assert degraded() == [AlertState.RAISED, AlertState.RESOLVED]
    heir.store_changed("redis", False)
    assert degraded() == [AlertState.RAISED, AlertState.RESOLVED, AlertState.RAISED]
