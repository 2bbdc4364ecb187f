"""A worker dies, sleeps or gives way: its sessions go on elsewhere, paused, and it changes nothing more."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest

from emdr_stream.broker.memory import MemoryBroker, MemoryHub
from emdr_stream.domain import AlertKind, AlertState, Role, Source, Status
from emdr_stream.endpoints.auth import Principal
from emdr_stream.endpoints.distant import FRESH_S, command_elsewhere
from emdr_stream.errors import CloseCode, ErrorCode, FencedOut, ProtocolError, StoreUnavailable
from emdr_stream.session.registry import Opened, SessionRegistry
from emdr_stream.session.roll import LEASE_MS
from emdr_stream.session.standing import GAP_S, Standing
from emdr_stream.session.switchboard import Request
from emdr_stream.wire.codec import JSON, STREAM_CODECS
from emdr_stream.wire.stream import Hello, ResumeClaim, Stop
from emdr_stream.wire.watch import Ack, PauseCommand, ResumeCommand
from tests.session.world import Wire, World, room_of, stream

pytestmark = pytest.mark.anyio
HELLO = Hello(source=Source.EMOTION)
LEASE_S = LEASE_MS / 1_000


class Ward:
    """Workers on one broker, in a world whose clock is moved by hand."""

    def __init__(self) -> None:
        self.world = World()
        self.hub = MemoryHub(wall_ms=self.world.around.wall_ms)
        self.workers: dict[str, SessionRegistry] = {}

    def worker(self, name: str) -> SessionRegistry:
        self.workers[name] = SessionRegistry(
            self.world.around, MemoryBroker(self.hub, name), owner=name, models=(), room=room_of(self.world.around)
        )
        return self.workers[name]

    async def dies(self, registry: SessionRegistry, after: float = LEASE_S + 1) -> None:
        """Nothing more comes of it: its timers, which share our world, are stopped."""
        await registry.keeper.keep_all()
        await registry.roll.beat()
        for runner in list(registry._runners.values()):
            runner.fenced = True
            runner.stop()
        self.world.pass_s(after)


async def opened(registry: SessionRegistry, session_id: str = "s1") -> tuple[Opened, Wire]:
    made, wire = await registry.open(HELLO, "u1", session_id), Wire()
    made.runner.attach(wire, STREAM_CODECS[JSON], epoch=made.epoch, resume_token=made.resume_token)
    return made, wire


async def adopt_all(registry: SessionRegistry) -> None:
    """What the roll call does, without its rhythm."""
    await registry.roll.beat()
    await registry.roll.adopt_orphans(registry.takeover.adopt_orphan, lambda: registry._runners)


async def test_a_dead_workers_session_is_adopted_once_and_its_alert_still_escalates() -> None:
    ward = Ward()
    first, second, third = (ward.worker(name) for name in ("w1", "w2", "w3"))
    made, _ = await opened(first)
    made.runner.take(Stop(), ward.world.now)
    await ward.dies(first)
    await adopt_all(second)
    await adopt_all(third)
    adopted = second.get("s1")
    assert adopted is not None and third.get("s1") is None
    assert adopted.core.status is Status.DETACHED and adopted.core.care.state.epoch == 2
    ward.world.pass_s(30)
    told = [(body.kind, body.state) for body in adopted.core.care.alerts.state.open.values()]
    assert (AlertKind.CLIENT_STOP, AlertState.ESCALATED) in told
    assert AlertKind.CLIENT_DISCONNECTED in {kind for kind, _ in told}


async def test_the_time_of_a_session_in_which_nothing_happened_counts_for_its_heir() -> None:
    # Found by tests/system/test_chaos.py: a heir that had just started took the age of the last snapshot for time in
    # which there was no worker, and an alert of somebody who had left escalated half a minute late.
    ward = Ward()
    first = ward.worker("w1")
    made, wire = await opened(first)
    made.runner.take(Stop(), ward.world.now)
    made.runner.detach(wire)
    for _ in range(4):
        ward.world.pass_s(5)
        await first.keeper.keep_all()
        await first.roll.beat()
    second = ward.worker("w2")
    await ward.dies(first)
    await adopt_all(second)
    ward.world.pass_s(10)
    adopted = second.get("s1")
    assert adopted is not None
    assert AlertState.ESCALATED in {body.state for body in adopted.core.care.alerts.state.open.values()}


async def test_an_alert_escalates_when_its_watchers_were_told_though_no_worker_was_there_meanwhile() -> None:
    # Found by tests/system/test_chaos.py on a slow machine: the time without any worker, and with it the age of the
    # last snapshot, was added to the deadline, once for each time that everything was killed.
    ward = Ward()
    first = ward.worker("w1")
    made, wire = await opened(first)
    made.runner.take(Stop(), ward.world.now)
    pressed_s = ward.world.now
    deadline_ts = ward.world.around.wall_ms() + 30_000
    made.runner.detach(wire)
    await first.keeper.keep_all()
    owner = first
    for name in ("w2", "w3"):
        await ward.dies(owner)
        owner = ward.worker(name)
        await adopt_all(owner)
    adopted = owner.get("s1")
    assert adopted is not None
    ward.world.pass_s(pressed_s + 29.9 - ward.world.now)
    assert AlertState.ESCALATED not in {body.state for body in adopted.core.care.alerts.state.open.values()}
    ward.world.pass_s(0.2)
    (escalated,) = [b for b in adopted.core.care.alerts.state.open.values() if b.state is AlertState.ESCALATED]
    assert escalated.kind is AlertKind.CLIENT_STOP
    assert escalated.ts == escalated.ack_deadline_ts == deadline_ts


async def test_an_adopted_session_ends_when_its_grace_is_over() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    await opened(first)
    await ward.dies(first)
    await adopt_all(second)
    adopted = second.get("s1")
    assert adopted is not None
    ward.world.pass_s(70)
    assert adopted.core.status is Status.ENDED


async def test_the_client_of_an_adopted_session_comes_back_to_a_pause() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    made, _ = await opened(first)
    stream(ward.world, made.runner, 2)
    await ward.dies(first)
    await adopt_all(second)
    assert "emdr_sessions_adopted_total 1.0" in ward.world.metrics.render().decode()
    claim = ResumeClaim(resume_token=made.resume_token, epoch=1, last_seq=0)
    back = await second.resume(Hello(source=Source.EMOTION, session_id="s1", resume=claim), claim, "u1")
    wire = Wire()
    back.runner.attach(wire, STREAM_CODECS[JSON], epoch=back.epoch, resume_token=back.resume_token, last_seq=0)
    welcome = wire.sent[0]
    assert (welcome["epoch"], welcome["snapshot"]["status"]) == (2, "paused")


async def test_a_living_workers_sessions_are_nobodys_orphans() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    await opened(first)
    await first.keeper.keep_all()
    await first.roll.beat()
    await adopt_all(second)
    assert second.get("s1") is None


async def test_a_worker_that_stops_leaves_its_sessions_to_others_at_once() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    _, wire = await opened(first)
    await first.roll.beat()
    await first.drain(0)
    assert wire.close_code == CloseCode.RESTART
    await adopt_all(second)
    assert second.get("s1") is not None


async def test_nobody_looks_for_orphans_before_it_has_itself_been_heard_for_a_lease() -> None:
    """The broker came back after an outage longer than a lease: everybody's is over, and nobody is dead."""
    ward = Ward()
    second = ward.worker("w2")
    seen: list[str] = []

    async def adopt(session_id: str) -> None:
        seen.append(session_id)

    await MemoryBroker(ward.hub, "w1").beat("w1", 1, took=["s1"])
    ward.world.pass_s(1)
    async with looking(second, adopt):
        assert seen == []
        for _ in range(8):  # half a second each
            await pulse(ward, second)
        await until(lambda: seen == ["s1"])


@contextlib.asynccontextmanager
async def looking(registry: SessionRegistry, adopt: Callable[[str], Awaitable[None]]) -> AsyncIterator[None]:
    """The worker beats and looks for orphans, and was heard once."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(registry.roll.run(lambda: ())),
            group.create_task(registry.roll.look_for_orphans(adopt, lambda: ())),
        ]
        await until(lambda: registry.roll._owner in registry.roll.living)
        yield
        for task in tasks:
            task.cancel()


async def test_orphans_that_could_not_be_adopted_yet_are_tried_again_at_the_next_look() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    for session_id in ("s1", "s2", "s3"):
        await opened(first, session_id)
    await ward.dies(first)
    tried: list[str] = []

    async def adopt(session_id: str) -> None:
        tried.append(session_id)
        if len(tried) == 2:
            raise StoreUnavailable("the broker went away in the midst of it")
        await second.takeover.adopt_orphan(session_id)

    await second.roll.beat()
    with pytest.raises(StoreUnavailable):
        await second.roll.adopt_orphans(adopt, lambda: second._runners)
    assert len(second) == 1
    await second.roll.adopt_orphans(adopt, lambda: second._runners)
    assert len(second) == 3 and len(tried) == 4
    assert tried[2] != tried[1] == tried[3], "what could not be had is tried last"


async def test_a_worker_looks_for_orphans_again_after_an_outage_shorter_than_its_lease() -> None:
    # Found by tests/system/test_chaos.py: when the broker was away for a moment only, so that no lease ran out, every
    # worker waited for its lease to run out before it would look for orphans again.
    ward = Ward()
    second = ward.worker("w2")
    seen: list[str] = []

    async def adopt(session_id: str) -> None:
        seen.append(session_id)

    async with looking(second, adopt):
        for _ in range(8):
            await pulse(ward, second)
        ward.hub.available = False
        ward.world.pass_s(0.5)
        second.roll._hurry.set()
        await until(lambda: second.roll._steady_since is None)
        ward.hub.available = True
        await MemoryBroker(ward.hub, "w1").beat("w1", 1, took=["s1"])
        await pulse(ward, second)
        # Whoever could not reach the broker either is given the time to say so.
        assert second.roll._steady_since is not None and ward.world.now - second.roll._steady_since < LEASE_S
        for _ in range(8):
            await pulse(ward, second)
        await until(lambda: seen == ["s1"])


async def test_a_worker_whose_own_lease_was_over_calls_nobody_dead_and_tells_what_it_has_anew() -> None:
    """Redis lost its data, or the whole machine stood still: all leases are over at once."""
    ward = Ward()
    registry = ward.worker("w1")
    await opened(registry)
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(registry.roll.run(lambda: registry._runners))
        await until(lambda: ward.hub.owned.get("w1") == {"s1"})
        for _ in range(8):
            await pulse(ward, registry)
        steady = registry.roll._steady_since
        ward.hub.leases_ms.clear()
        ward.hub.owned.clear()
        await pulse(ward, registry)
        await pulse(ward, registry)
        assert ward.hub.owned["w1"] == {"s1"}
        assert registry.roll._steady_since != steady
        beating.cancel()


async def test_whoever_beats_first_after_its_lease_was_over_the_worker_tells_what_it_has_anew() -> None:
    """A look for orphans beats too; that the broker no longer knew this worker must not be forgotten for that."""
    ward = Ward()
    registry = ward.worker("w1")
    await opened(registry)
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(registry.roll.run(lambda: registry._runners))
        await until(lambda: ward.hub.owned.get("w1") == {"s1"})
        ward.hub.leases_ms.clear()
        ward.hub.owned.clear()
        assert not await registry.roll.lives("another worker")
        await pulse(ward, registry)
        await pulse(ward, registry)
        assert ward.hub.owned["w1"] == {"s1"}
        beating.cancel()


async def pulse(ward: Ward, registry: SessionRegistry) -> None:
    """Half a second passes, and the worker beats."""
    ward.world.pass_s(0.5)
    before = ward.hub.leases_ms.get(registry.roll._owner, 0)
    registry.roll._hurry.set()
    await until(lambda: ward.hub.leases_ms.get(registry.roll._owner, 0) > before)


async def test_a_lease_that_ends_between_a_beat_and_the_question_loses_no_orphan() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    await opened(first)
    await first.keeper.keep_all()
    await first.roll.beat()
    await second.roll.beat()
    assert "w1" in second.roll.living
    await first.roll.resign()
    await second.roll.adopt_orphans(second.takeover.adopt_orphan, lambda: second._runners)
    assert second.get("s1") is not None


async def test_an_orphan_that_its_client_has_taken_meanwhile_is_left_to_it() -> None:
    ward = Ward()
    first, second, third = (ward.worker(name) for name in ("w1", "w2", "w3"))
    made, _ = await opened(first)
    await ward.dies(first)
    claim = ResumeClaim(resume_token=made.resume_token, epoch=1, last_seq=0)
    read = await second.takeover._broker.get_snapshot("s1")
    back = await third.resume(Hello(source=Source.EMOTION, session_id="s1", resume=claim), claim, "u1")
    assert read is not None
    with pytest.raises(FencedOut):
        await second.takeover._broker.claim("s1", "w2", only_at=read.epoch)
    assert back.epoch == 2 and third.get("s1") is back.runner


async def test_a_client_is_never_given_a_token_that_nobody_has_stored() -> None:
    """Else another worker's takeover in the same moment would lock it out of its own session, for good."""
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    made, _ = await opened(first)
    await first.keeper.keep_all()
    await MemoryBroker(ward.hub, "w9").claim("s1", "w9")  # taken from w1, which does not know it yet
    claim = ResumeClaim(resume_token=made.resume_token, epoch=1, last_seq=0)
    back = await first.resume(Hello(source=Source.EMOTION, session_id="s1", resume=claim), claim, "u1")
    assert back.runner is first.get("s1") and back.epoch == 3
    again = ResumeClaim(resume_token=back.resume_token, epoch=3, last_seq=0)
    assert (await second.resume(Hello(source=Source.EMOTION, session_id="s1", resume=again), again, "u1")).epoch == 4


async def test_a_session_can_be_resumed_at_another_worker_from_the_moment_of_its_welcome() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    made, _ = await opened(first)
    claim = ResumeClaim(resume_token=made.resume_token, epoch=1, last_seq=0)
    assert (await second.resume(Hello(source=Source.EMOTION, session_id="s1", resume=claim), claim, "u1")).epoch == 2


async def test_an_heir_knows_alerts_that_are_newer_than_the_snapshot_and_follows_them_up() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    made, _ = await opened(first)
    await first.keeper.keep_all()
    await first.roll.beat()
    made.runner.take(Stop(), ward.world.now)  # told, and never saved
    made.runner.fenced = True
    made.runner.stop()
    ward.world.pass_s(LEASE_S + 1)
    await adopt_all(second)
    adopted = second.get("s1")
    assert adopted is not None
    [alert_id] = adopted.core.care.alerts.state.open
    assert alert_id == "s1.a1"
    ward.world.pass_s(30)
    steps = [json.loads(e.payload) for e in ward.world.alerts]
    assert [s["state"] for s in steps if s["alert_id"] == "s1.a1"] == ["raised", "escalated"]


async def test_numbers_that_a_dead_owner_may_have_used_are_not_used_again() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    made, _ = await opened(first)
    seq, control = made.runner.core.care.state.seq, made.runner.core.care.control.state.control_epoch
    await ward.dies(first)
    await adopt_all(second)
    adopted = second.get("s1")
    assert adopted is not None
    assert adopted.core.care.state.seq > seq + 10
    assert adopted.core.care.control.state.control_epoch > control + 10


async def test_an_orphan_that_cannot_be_read_takes_no_worker_with_it(caplog: pytest.LogCaptureFixture) -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    await opened(first)
    await opened(first, "s2")
    await ward.dies(first)
    ward.hub.sessions["s1"].payload = b"no session"
    await adopt_all(second)
    assert second.get("s2") is not None
    assert "could not be adopted" in caplog.text


async def test_a_worker_that_has_resigned_takes_no_orphans_and_beats_no_more() -> None:
    ward = Ward()
    registry = ward.worker("w1")
    await registry.drain(0)
    await registry.roll.run(lambda: ())  # returns
    await registry.roll.look_for_orphans(registry.takeover.adopt_orphan, lambda: ())
    assert ward.hub.leases_ms["w1"] <= ward.world.around.wall_ms()


async def test_an_orphan_whose_handing_over_was_lost_is_found_by_its_heir() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    await opened(first)
    await ward.dies(first)
    assert await MemoryBroker(ward.hub, "w2").orphans("w2", 10) == ["s1"]  # the answer never arrived
    for _ in range(20):
        await adopt_all(second)
    assert second.get("s1") is not None


async def test_the_earlier_owner_gives_a_session_up_as_soon_as_it_hears_of_the_newer_one() -> None:
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    made, wire = await opened(first)
    await first.keeper.keep_all()
    claim = ResumeClaim(resume_token=made.resume_token, epoch=1, last_seq=0)
    async with asyncio.TaskGroup() as group:
        lines = [group.create_task(registry.switchboard.run()) for registry in (first, second)]
        await second.resume(Hello(source=Source.EMOTION, session_id="s1", resume=claim), claim, "u1")
        await until(lambda: first.get("s1") is None)
        for line in lines:
            line.cancel()
    assert wire.close_code == CloseCode.REPLACED
    ward.world.pass_s(20)
    assert {entry.epoch for entry in ward.world.alerts} == {2}


async def test_a_client_that_comes_back_to_an_earlier_owner_finds_the_newer_session() -> None:
    # Found by tests/system/test_chaos.py: a worker that had not yet heard that it was no longer the owner knew only the
    # resume token before, and sent the client away for good.
    ward = Ward()
    first, second = ward.worker("w1"), ward.worker("w2")
    made, _ = await opened(first)
    await first.keeper.keep_all()
    claim = ResumeClaim(resume_token=made.resume_token, epoch=1, last_seq=0)
    moved = await second.resume(Hello(source=Source.EMOTION, session_id="s1", resume=claim), claim, "u1")
    await second.keeper.keep_all()
    assert first.get("s1") is not None
    claim = ResumeClaim(resume_token=moved.resume_token, epoch=moved.epoch, last_seq=0)
    back = await first.resume(Hello(source=Source.EMOTION, session_id="s1", resume=claim), claim, "u1")
    assert (moved.epoch, back.epoch) == (2, 3)


# A worker that stood still --------------------------------------------------------------------------------------------


def sleepy(ward: Ward) -> tuple[SessionRegistry, Standing, asyncio.Event]:
    doubted = asyncio.Event()
    standing = Standing(ward.world.now, doubted.set)
    around = replace(ward.world.around, standing=standing)
    broker = MemoryBroker(ward.hub, "w1")
    registry = SessionRegistry(around, broker, owner="w1", models=(), room=room_of(around), doubted=doubted)
    return registry, standing, doubted


async def test_what_a_worker_wakes_up_to_waits_until_it_knows_that_the_session_is_still_its_own() -> None:
    ward = Ward()
    registry, standing, doubted = sleepy(ward)
    made, wire = await opened(registry)
    sent = len(wire.sent)
    ward.world.now += 60  # it slept: no timer ran
    made.runner.take(Stop(), ward.world.now)
    made.runner._tick()
    assert doubted.is_set()
    assert wire.sent[sent:] == []
    with pytest.raises(ProtocolError) as refused:
        made.runner.command(PauseCommand(session_id="s1", reason="x"), "t1")
    assert refused.value.code is ErrorCode.INTERNAL
    async with asyncio.TaskGroup() as group:
        settling = group.create_task(registry.takeover.settle_doubts(doubted))
        await until(lambda: not standing.in_doubt)
        settling.cancel()
    assert made.runner.core.status is Status.PAUSED
    assert "control.pause" in [message["type"] for message in wire.sent[sent:]]


async def test_a_worker_that_slept_past_its_lease_wakes_up_without_an_effect_on_what_was_taken_from_it() -> None:
    ward = Ward()
    registry, standing, doubted = sleepy(ward)
    made, wire = await opened(registry)
    await registry.keeper.keep_all()
    await registry.roll.beat()
    ward.world.now += LEASE_S + 1
    heir = ward.worker("w2")
    await adopt_all(heir)
    taken = heir.get("s1")
    assert taken is not None
    alerts, sent = len(ward.world.alerts), len(wire.sent)
    made.runner._tick()
    made.runner.take(Stop(), ward.world.now)
    async with asyncio.TaskGroup() as group:
        settling = group.create_task(registry.takeover.settle_doubts(doubted))
        await until(lambda: not standing.in_doubt)
        settling.cancel()
    assert registry.get("s1") is None
    assert wire.close_code == CloseCode.RESTART
    assert [message["type"] for message in wire.sent[sent:]] == ["goaway"]
    assert len(ward.world.alerts) == alerts
    assert taken.core.status is Status.DETACHED


def test_a_loop_that_runs_is_never_in_doubt_and_one_that_stood_still_is_until_it_is_assured() -> None:
    doubts: list[None] = []
    standing = Standing(0.0, lambda: doubts.append(None))
    for tenth in range(20):
        standing.see(tenth / 10)
    assert doubts == []
    standing.see(2.0 + 2 * GAP_S)
    standing.see(2.1 + 2 * GAP_S)
    assert (len(doubts), standing.in_doubt) == (1, True)
    done: list[int] = []
    standing.hold(lambda: done.append(1))
    standing.hold(lambda: done.append(2))
    standing.assure(5.0)
    assert (done, standing.in_doubt, standing.seen_s) == ([1, 2], False, 5.0)


# Letters --------------------------------------------------------------------------------------------------------------


async def asked(ward: Ward, ask: Callable[[SessionRegistry], Awaitable[None]]) -> SessionRegistry:
    """Let `ask` use the line of a worker that does not have the session; gives the worker that has it."""
    first, second = ward.worker("w1"), ward.worker("w2")
    await opened(first)
    async with asyncio.TaskGroup() as group:
        lines = [group.create_task(registry.switchboard.run()) for registry in (first, second)]
        try:
            await ask(second)
        finally:
            for line in lines:
                line.cancel()
    return first


async def test_a_command_and_an_acknowledgement_reach_the_worker_that_has_the_session() -> None:
    async def ask(second: SessionRegistry) -> None:
        await second.switchboard.ask("w1", PauseCommand(session_id="s1", reason="wait"), "dr.noor")
        await second.switchboard.ask("w1", ResumeCommand(session_id="s1", reason="go on"), "dr.noor")
        await second.switchboard.ask("w1", PauseCommand(session_id="s1", reason="wait"), "dr.noor")

    first = await asked(Ward(), ask)
    runner = first.get("s1")
    assert runner is not None and runner.core.status is Status.PAUSED


async def test_a_resume_that_comes_late_ends_no_pause_that_came_after_it_was_asked() -> None:
    # Found by tests/system/test_chaos.py: a letter that waited behind others ended a client's stop 2 ms after it.
    async def ask(second: SessionRegistry) -> None:
        await second.switchboard.ask("w1", PauseCommand(session_id="s1", reason="wait"), "dr.noor")
        earlier, seen = (ResumeCommand(session_id="s1", reason="go on", control_epoch=epoch) for epoch in (0, 1))
        with pytest.raises(ProtocolError) as refused:
            await second.switchboard.ask("w1", earlier, "dr.noor")
        assert refused.value.code is ErrorCode.RESUME_DENIED
        await second.switchboard.ask("w1", seen, "dr.noor")
        await second.switchboard.ask("w1", PauseCommand(session_id="s1", reason="wait"), "dr.noor")
        with pytest.raises(ProtocolError):
            await second.switchboard.ask("w1", seen, "dr.noor")

    ward = Ward()
    first = await asked(ward, ask)
    runner = first.get("s1")
    assert runner is not None and runner.core.status is Status.PAUSED


async def test_a_resume_for_another_workers_session_is_for_the_pause_that_stood_when_it_was_asked() -> None:
    ward = Ward()
    therapist = Principal("dr.noor", Role.THERAPIST, None, frozenset({"*"}), 0.0)

    async def ask(second: SessionRegistry) -> None:
        first = ward.workers["w1"]
        await second.switchboard.ask("w1", PauseCommand(session_id="s1", reason="wait"), "dr.noor")
        await first.keeper.keep_all()
        await first.roll.beat()
        post = second.switchboard.ask

        async def paused_anew_meanwhile(owner: str, request: Request, by: str) -> tuple[str, ...]:
            runner = first.get("s1")
            assert runner is not None
            for command in (resume, PauseCommand(session_id="s1", reason="wait")):
                runner.command(command, "dr.kim")
            return await post(owner, request, by)

        resume = ResumeCommand(session_id="s1", reason="go on")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(second.switchboard, "ask", paused_anew_meanwhile)
            with pytest.raises(ProtocolError) as refused:
                await command_elsewhere(second, therapist, resume)
        assert refused.value.code is ErrorCode.RESUME_DENIED

    runner = (await asked(ward, ask)).get("s1")
    assert runner is not None and runner.core.status is Status.PAUSED


async def test_a_resume_that_waited_in_line_must_be_asked_anew() -> None:
    ward = Ward()
    therapist = Principal("dr.noor", Role.THERAPIST, None, frozenset({"*"}), 0.0)
    with pytest.raises(ProtocolError) as refused:
        await command_elsewhere(
            ward.worker("w1"), therapist, ResumeCommand(session_id="s1", reason="go"), FRESH_S + 0.1
        )
    assert refused.value.code is ErrorCode.INTERNAL


async def test_the_owners_refusal_comes_back_as_it_was() -> None:
    async def ask(second: SessionRegistry) -> None:
        with pytest.raises(ProtocolError) as refused:
            await second.switchboard.ask("w1", Ack(alert_id="s1.a9"), "dr.noor")
        assert refused.value.param == "alert_id"
        with pytest.raises(ProtocolError) as unknown:
            await second.switchboard.ask("w1", PauseCommand(session_id="other", reason="x"), "dr.noor")
        assert unknown.value.code is ErrorCode.UNKNOWN_SESSION

    await asked(Ward(), ask)


async def test_a_worker_that_is_gone_is_told_at_once_and_one_that_is_silent_after_a_second() -> None:
    async def ask(second: SessionRegistry) -> None:
        with pytest.raises(ProtocolError) as refused:
            await second.switchboard.ask("nobody", PauseCommand(session_id="s1", reason="x"), "dr.noor")
        assert refused.value.code is ErrorCode.INTERNAL

    await asked(Ward(), ask)


async def test_a_letter_that_cannot_be_read_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    ward = Ward()
    registry = ward.worker("w1")
    registry.switchboard.received(b"\xc1 no letter")
    registry.switchboard.received(msgspec.msgpack.encode({"type": "answer", "number": 7}))
    assert "same version" in caplog.text


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not happened():  # noqa: ASYNC110 - the other side's state
            await asyncio.sleep(0)
