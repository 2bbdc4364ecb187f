"""Sessions are opened, resumed, moved and forgotten; a paused one stays paused wherever it goes."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from emdr_stream.broker.base import AlertEntry, Broker
from emdr_stream.broker.memory import MemoryBroker, MemoryHub
from emdr_stream.domain import Role, Source, Status
from emdr_stream.endpoints.auth import Principal
from emdr_stream.endpoints.client import _user_of
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, StoreUnavailable
from emdr_stream.session.loop_watch import census_of
from emdr_stream.session.registry import Opened, SessionRegistry
from emdr_stream.session.strain import DROWNING_S, MOST_WAIT_S, SHARE, Census, Strain
from emdr_stream.wire.codec import JSON, STREAM_CODECS
from emdr_stream.wire.orders import Forget
from emdr_stream.wire.stream import Bye, Hello, ResumeClaim, Stop
from emdr_stream.wire.values import SessionConfig, ThresholdChange
from emdr_stream.wire.watch import ResumeCommand
from tests.session.world import Wire, World, room_of, stream

pytestmark = pytest.mark.anyio
HELLO = Hello(source=Source.EMOTION)


def registry_of(
    world: World, broker: Broker, owner: str = "w1", most: int = 10, strain: Strain | None = None
) -> SessionRegistry:
    room = room_of(world.around, most, strain)
    return SessionRegistry(world.around, broker, owner=owner, models=(), room=room)


def attach(opened: Opened) -> Wire:
    wire = Wire()
    opened.runner.attach(
        wire, STREAM_CODECS[JSON], epoch=opened.epoch, resume_token=opened.resume_token, last_seq=opened.last_seq
    )
    return wire


def claim_of(opened: Opened, last_seq: int = 0) -> tuple[Hello, ResumeClaim]:
    """What a client says to come back."""
    claim = ResumeClaim(resume_token=opened.resume_token, epoch=opened.epoch, last_seq=last_seq)
    return Hello(source=Source.EMOTION, session_id=opened.runner.session_id, resume=claim), claim


async def test_a_new_session_gets_an_id_of_its_own_and_the_first_epoch() -> None:
    world = World()
    registry = registry_of(world, MemoryBroker())
    one, two = [await registry.open(HELLO, "u1", None) for _ in range(2)]
    assert one.runner.session_id != two.runner.session_id
    assert one.resume_token != two.resume_token
    assert (one.epoch, two.epoch) == (1, 1)
    assert attach(one).sent[0]["epoch"] == 1


async def test_a_paused_session_resumes_paused_with_a_new_token_and_the_old_one_is_worthless() -> None:
    world = World()
    registry = registry_of(world, MemoryBroker())
    opened = await registry.open(HELLO, "u1", None)
    wire = attach(opened)
    stream(world, opened.runner, 1)
    opened.runner.take(Stop(), world.now)
    opened.runner.detach(wire)
    hello, claim = claim_of(opened)
    again = await registry.resume(hello, claim, "u1")
    welcome = attach(again).sent[0]
    assert (welcome["resumed"], welcome["snapshot"]["status"]) == (True, "paused")
    assert again.resume_token != opened.resume_token
    again.runner.take(Stop(), world.now)
    with pytest.raises(FatalProtocolError) as refusal:
        await registry.resume(hello, claim, "u1")
    assert (refusal.value.code, refusal.value.close_code) == (ErrorCode.RESUME_DENIED, CloseCode.FORBIDDEN)


@pytest.mark.parametrize(
    ("token", "user", "code"),
    [
        ("guessed", "u1", ErrorCode.RESUME_DENIED),
        (None, "somebody-else", ErrorCode.UNKNOWN_SESSION),
        ("guessed", "somebody-else", ErrorCode.UNKNOWN_SESSION),
    ],
)
async def test_a_wrong_token_or_another_user_cannot_resume(token: str | None, user: str, code: ErrorCode) -> None:
    world = World()
    registry = registry_of(world, MemoryBroker())
    opened = await registry.open(HELLO, "u1", None)
    claim = ResumeClaim(resume_token=token or opened.resume_token)
    hello = Hello(source=Source.EMOTION, session_id=opened.runner.session_id, resume=claim)
    with pytest.raises(FatalProtocolError) as refusal:
        await registry.resume(hello, claim, user)
    assert refusal.value.code is code


async def test_another_worker_takes_a_paused_session_over_and_the_old_one_is_fenced() -> None:
    world, broker = World(), MemoryBroker()
    first, second = registry_of(world, broker, "w1"), registry_of(world, broker, "w2")
    opened = await first.open(HELLO, "u1", None)
    wire = attach(opened)
    stream(world, opened.runner, 3)
    opened.runner.take(Stop(), world.now)
    await first.keeper.keep_all()
    moved = await second.resume(*claim_of(opened), "u1")
    assert moved.runner is not opened.runner
    welcome = attach(moved).sent[0]
    assert welcome["epoch"] == 2
    assert welcome["snapshot"]["status"] == "paused"
    assert moved.runner.core.perception.baseline.ready
    opened.runner.urgent = True
    await first.keeper.keep_all()
    assert wire.close_code == CloseCode.RESTART
    assert first.get(opened.runner.session_id) is None


async def test_what_was_paused_runs_again_only_after_an_authorised_resume_on_the_new_worker() -> None:
    world, broker = World(), MemoryBroker()
    first, second = registry_of(world, broker, "w1"), registry_of(world, broker, "w2")
    opened = await first.open(HELLO, "u1", None)
    attach(opened)
    opened.runner.take(Stop(), world.now)
    await first.keeper.keep_all()
    moved = await second.resume(*claim_of(opened), "u1")
    attach(moved)
    stream(world, moved.runner, 2)
    before = moved.runner.core.status
    assert before is Status.PAUSED
    moved.runner.command(ResumeCommand(session_id=moved.runner.session_id, reason="spoke"), "t1")
    assert moved.runner.core.status is Status.RUNNING


async def test_an_unknown_session_and_one_that_is_over_cannot_be_resumed() -> None:
    world, broker = World(), MemoryBroker()
    registry = registry_of(world, broker)
    opened = await registry.open(HELLO, "u1", None)
    attach(opened)
    opened.runner.take(Bye(), world.now)
    hello, claim = claim_of(opened)
    for place in (registry, registry_of(world, broker, "w2")):
        await registry.keeper.keep_all()
        with pytest.raises(FatalProtocolError) as refusal:
            await place.resume(hello, claim, "u1")
        assert refusal.value.code in (ErrorCode.SESSION_OVER, ErrorCode.UNKNOWN_SESSION)
        assert refusal.value.close_code == CloseCode.SESSION_OVER


async def test_a_full_or_draining_worker_takes_no_more_sessions() -> None:
    world = World()
    registry = registry_of(world, MemoryBroker(), most=1)
    await registry.open(HELLO, "u1", None)
    with pytest.raises(FatalProtocolError) as refusal:
        await registry.open(HELLO, "u2", None)
    assert refusal.value.close_code == CloseCode.OVERLOADED


def strained(wait_s: float) -> Strain:
    """A worker whose rows wait for so long."""
    strain = Strain(0.8)
    for second in range(5):
        strain.look(float(second), 0.0, Census(grown=1))
        strain.rows_waited(100, wait_s)
    return strain


def refused_for_load(world: World) -> bool:
    return 'emdr_refusals_total{limit="load"} 1.0' in world.metrics.render().decode()


async def test_a_strained_worker_opens_no_more_sessions_and_keeps_those_it_has() -> None:
    world, hub = World(), MemoryHub()
    strain = Strain(0.8)
    registry = registry_of(world, MemoryBroker(hub, "w1"), strain=strain)
    opened = await registry.open(HELLO, "u1", None)
    wire = attach(opened)
    for second in range(5):
        strain.look(float(second), 0.9 * second, Census(grown=1))
    with pytest.raises(FatalProtocolError) as refusal:
        await registry.open(HELLO, "u2", None)
    assert (refusal.value.code, refusal.value.close_code) == (ErrorCode.OVERLOADED, CloseCode.OVERLOADED)
    assert refused_for_load(world)
    # Whoever is here is served, and comes back, and so does another worker's session.
    stream(world, opened.runner, 1)
    assert wire.all("result")
    opened.runner.detach(wire)
    back = await registry.resume(*claim_of(opened), "u1")
    assert back.runner is opened.runner
    attach(back)
    await registry.keeper.save(back.runner)
    other = registry_of(World(), MemoryBroker(hub, "w2"), "w2", strain=strained(MOST_WAIT_S * 2))
    assert (await other.resume(*claim_of(back), "u1")).runner.session_id == opened.runner.session_id


async def test_sessions_are_counted_by_what_they_cost() -> None:
    world = World()
    strain = Strain(0.8)
    registry = registry_of(world, MemoryBroker(), strain=strain)
    assert census_of(registry.of_users(("*",))) == (0, 0, 0)
    young, grown, away = [await registry.open(HELLO, user, None) for user in ("u1", "u2", "u3")]
    attach(young)
    attach(grown)
    stream(world, grown.runner, 4)
    away.runner.detach(attach(away))
    assert census_of(registry.of_users(("*",))) == (1, 1, 1)
    assert [strain.admits(world.now), len(registry)] == [True, 3]
    assert strain._expected(world.now) == pytest.approx(3 * SHARE), "those that were let in count at once"
    # One that is over waits for the acknowledgement of its alert alone: nobody comes back to it.
    grown.runner.take(Stop(), world.now)
    grown.runner.take(Bye(), world.now)
    assert len(registry) == 3 and grown.runner.over
    assert census_of([young.runner, grown.runner, away.runner]) == (0, 1, 1)


async def test_one_that_drowns_takes_no_other_workers_session() -> None:
    world, hub = World(), MemoryHub()
    registry = registry_of(world, MemoryBroker(hub, "w1"))
    opened = await registry.open(HELLO, "u1", None)
    attach(opened)
    await registry.keeper.save(opened.runner)
    other_world = World()
    other = registry_of(other_world, MemoryBroker(hub, "w2"), "w2", strain=strained(DROWNING_S * 2))
    with pytest.raises(FatalProtocolError) as refusal:
        await other.resume(*claim_of(opened), "u1")
    assert refusal.value.close_code == CloseCode.OVERLOADED
    assert refused_for_load(other_world)
    assert len(other) == 0


async def test_a_session_opens_without_the_broker_and_is_claimed_when_it_is_back() -> None:
    world, hub = World(), MemoryHub(available=False)
    broker = MemoryBroker(hub)
    registry = registry_of(world, broker)
    opened = await registry.open(HELLO, "u1", None)
    wire = attach(opened)
    opened.runner.take(Stop(), world.now)
    assert "control.pause" in wire.types()
    with pytest.raises(StoreUnavailable):
        await registry.keeper.keep_all()
    hub.available = True
    await registry.keeper.keep_all()
    await registry.keeper.keep_all()
    assert wire.close_code is None
    assert await broker.get_snapshot(opened.runner.session_id) is not None


async def test_draining_says_goodbye_saves_and_closes_with_a_restart() -> None:
    world, broker = World(), MemoryBroker()
    registry = registry_of(world, broker)
    opened = await registry.open(HELLO, "u1", None)
    wire = attach(opened)
    await registry.drain(2_000)
    assert wire.sent[-1]["type"] == "goaway"
    assert wire.close_code == CloseCode.RESTART
    restarted = registry_of(world, broker, "w2")
    again = await restarted.resume(*claim_of(opened), "u1")
    assert attach(again).sent[0]["snapshot"]["status"] == "paused"


async def test_a_broker_that_hangs_keeps_nobody_from_leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    world, broker = World(), MemoryBroker()
    registry = registry_of(world, broker)
    wires = [attach(await registry.open(HELLO, f"u{number}", None)) for number in range(3)]
    monkeypatch.setattr(broker, "put_snapshot", lambda *_: asyncio.Event().wait())
    monkeypatch.setattr("emdr_stream.session.registry._LAST_SAVES_S", 0.02)
    await registry.drain(2_000)
    assert [wire.close_code for wire in wires] == [CloseCode.RESTART] * 3


async def test_what_a_broker_refuses_once_is_saved_all_the_same_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world, broker = World(), MemoryBroker()
    registry = registry_of(world, broker)
    opened = [await registry.open(HELLO, f"u{number}", None) for number in range(3)]
    put = broker.put_snapshot
    refused: list[str] = []

    async def refuse_once(session_id: str, *rest: Any) -> None:
        if session_id not in refused:
            refused.append(session_id)
            raise StoreUnavailable("planted")
        await put(session_id, *rest)

    for each in opened:
        attach(each)
    monkeypatch.setattr(broker, "put_snapshot", refuse_once)
    await registry.drain(2_000)
    assert sorted(refused) == sorted(each.runner.session_id for each in opened)
    restarted = registry_of(world, broker, "w2")
    for number, each in enumerate(opened):
        assert attach(await restarted.resume(*claim_of(each), f"u{number}")).sent[0]["resumed"]


async def test_a_client_may_tighten_a_threshold_and_not_relax_one() -> None:
    world = World()
    registry = registry_of(world, MemoryBroker())
    wish = ThresholdChange(risk=0.4, crisis_pause=0.9)
    hello = Hello(source=Source.EMOTION, config=SessionConfig(safety_thresholds=wish))
    opened = await registry.open(hello, "u1", None)
    assert opened.relaxing_refused
    thresholds = attach(opened).sent[0]["thresholds"]
    assert (thresholds["risk"], thresholds["crisis_pause"]) == (0.4, 0.7)


async def test_a_store_that_goes_away_is_told_once_to_every_session_and_again_when_it_is_back() -> None:
    world = World()
    registry = registry_of(world, MemoryBroker())
    attach(await registry.open(HELLO, "u1", None))
    registry.store_changed("redis", up=False)
    registry.store_changed("redis", up=False)
    assert len(world.alerts) == 1
    later = await registry.open(HELLO, "u2", None)
    attach(later)
    assert len(world.alerts) == 2
    registry.store_changed("redis", up=True)
    assert len(world.alerts) == 4


def test_a_service_names_the_user_and_a_client_is_always_itself() -> None:
    client = Principal("u1", Role.CLIENT, None, frozenset({"u1"}), 0.0)
    service = Principal("svc", Role.SERVICE, None, frozenset({"*"}), 0.0)
    assert _user_of(HELLO, client) == "u1"
    assert _user_of(Hello(source=Source.EMOTION, user="u9"), service) == "u9"
    for hello, principal in ((Hello(source=Source.EMOTION, user="u9"), client), (HELLO, service)):
        with pytest.raises(FatalProtocolError):
            _user_of(hello, principal)


async def test_a_person_who_is_erased_is_told_the_end_and_nothing_of_theirs_is_saved_any_more() -> None:
    world, broker = World(), MemoryBroker()
    registry = registry_of(world, broker)
    gone, other = [await registry.open(HELLO, user, None) for user in ("anna", "bert")]
    wire, others_wire = attach(gone), attach(other)
    session_id = gone.runner.session_id
    await broker.forget("anna", [session_id])
    assert registry.forget("anna", ["s-earlier"], "back-end") == (session_id,)
    assert wire.all("ended")[0]["reason"].endswith("erased") and wire.close_code == CloseCode.NORMAL
    assert registry.get(session_id) is None and world.forgotten == {session_id, "s-earlier"}
    await registry.keeper.keep_all()
    assert await broker.get_snapshot(session_id) is None
    assert registry.get(other.runner.session_id) is not None and others_wire.close_code is None


async def test_a_worker_that_was_not_reached_forgets_when_it_is_asked_again_though_the_records_name_no_session() -> (
    None
):
    world = World()
    registry = registry_of(world, MemoryBroker())
    for user in ("anna", "bert"):
        world.append(AlertEntry(f"s-of-{user}", user, 1, 1, 0, b"{}"))
    assert registry.forget("anna", [], "back-end") == ("s-of-anna",)
    assert world.forgotten == {"s-of-anna"}


async def test_an_erasure_that_another_worker_was_asked_for_is_told_to_whatever_learnt_from_the_person() -> None:
    told: list[Collection[str]] = []
    around = World().around
    registry = SessionRegistry(around, MemoryBroker(), owner="w1", models=(), room=room_of(around), erased=told.append)
    registry.obey(Forget(user="anna", sessions=["s-earlier"]), "back-end")
    assert told == [{"s-earlier"}]
