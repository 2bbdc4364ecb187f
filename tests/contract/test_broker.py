"""What every broker promises, asked of the one in memory and of the one on a real server; then what only servers do."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from emdr_stream.broker.base import AlertEntry, Broker, Notice, Roll, Subscription
from emdr_stream.broker.memory import MemoryBroker, MemoryHub
from emdr_stream.broker.pending import PendingNotices
from emdr_stream.broker.redis import RedisBroker
from emdr_stream.errors import FencedOut, StoreUnavailable
from tests.contract.own_valkey import OwnValkey
from tests.contract.waiting import until

pytestmark = pytest.mark.anyio

_serial = itertools.count()
ARRIVAL_S = 5.0
SILENCE_S = 0.05

MakeBroker = Callable[[], Broker]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.integration)])
def make_broker(request: pytest.FixtureRequest) -> MakeBroker:
    """Makes workers' brokers that share one server, apart from every other test's."""
    if request.param == "memory":
        hub = MemoryHub()
        return lambda: MemoryBroker(hub, f"worker-{next(_serial)}")
    url = request.getfixturevalue("stores").redis_url
    prefix = f"emdr-test-{time.time_ns()}-{next(_serial)}:"
    return lambda: RedisBroker(url, prefix=prefix, instance=f"worker-{next(_serial)}", timeout_s=2.0)


@asynccontextmanager
async def running(*brokers: Broker) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for broker in brokers:
            await broker.start()
            stack.push_async_callback(broker.aclose)
        yield


async def first(subscription: Subscription) -> Notice:
    async with asyncio.timeout(ARRIVAL_S):
        return await anext(aiter(subscription))


async def taken(subscription: Subscription, count: int) -> list[Notice]:
    return [await first(subscription) for _ in range(count)]


async def nothing_more(subscription: Subscription) -> bool:
    try:
        async with asyncio.timeout(SILENCE_S):
            await anext(aiter(subscription))
    except TimeoutError:
        return True
    return False


def alert(seq: int, session_id: str = "s1", ts_ms: int = 1_000, payload: bytes = b"\x00{}\n") -> AlertEntry:
    return AlertEntry(session_id, "anna", seq, 1, ts_ms, payload)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_a_notice_reaches_subscriptions_on_every_worker_once(make_broker: MakeBroker) -> None:
    here, there = make_broker(), make_broker()
    async with running(here, there):
        mine, theirs = await here.subscribe({"anna"}), await there.subscribe({"anna"})
        notice = Notice("s1", "anna", b"\x00\n\xff payload\n", "state")
        here.publish(notice)
        assert await first(mine) == notice
        assert await first(theirs) == notice
        assert await nothing_more(mine)
        assert await nothing_more(theirs)


async def test_only_watched_users_arrive_and_the_set_can_be_replaced(make_broker: MakeBroker) -> None:
    here, there = make_broker(), make_broker()
    async with running(here, there):
        subscription = await there.subscribe({"anna"})
        here.publish(Notice("s2", "ben", b"for ben"))
        here.publish(Notice("s1", "anna", b"for anna"))
        assert (await first(subscription)).payload == b"for anna"
        await subscription.watch({"ben"})
        here.publish(Notice("s1", "anna", b"for anna again"))
        here.publish(Notice("s2", "ben", b"for ben again"))
        assert (await first(subscription)).payload == b"for ben again"


async def test_everybody_is_watched_with_a_star_beside_single_users_and_nothing_comes_twice(
    make_broker: MakeBroker,
) -> None:
    here, there = make_broker(), make_broker()
    async with running(here, there):
        single = await there.subscribe({"anna"})
        everybody = await there.subscribe({"*"})
        here.publish(Notice("s1", "anna", b"1"))
        here.publish(Notice("s2", "ben", b"2"))
        assert [notice.payload for notice in await taken(everybody, 2)] == [b"1", b"2"]
        assert (await first(single)).payload == b"1"
        assert await nothing_more(single)
        assert await nothing_more(everybody)
        await everybody.aclose()
        here.publish(Notice("s1", "anna", b"3"))
        assert (await first(single)).payload == b"3"
        assert await nothing_more(single)


async def test_a_closed_subscription_ends_its_iteration(make_broker: MakeBroker) -> None:
    broker = make_broker()
    async with running(broker):
        subscription = await broker.subscribe({"anna"})
        await subscription.aclose()
        assert [notice async for notice in subscription] == []


async def test_an_unread_notice_of_a_kind_is_replaced_by_a_newer_one(make_broker: MakeBroker) -> None:
    here = make_broker()
    async with running(here):
        subscription = await here.subscribe({"anna"})
        for payload in (b"old", b"new"):
            here.publish(Notice("s1", "anna", payload, "state"))
        here.publish(Notice("s1", "anna", b"kept"))
        here.publish(Notice("s1", "anna", b"kept too"))
        assert [notice.payload for notice in await taken(subscription, 3)] == [b"new", b"kept", b"kept too"]


async def test_alerts_come_back_in_order_and_once(make_broker: MakeBroker) -> None:
    here, there = make_broker(), make_broker()
    start = now_ms() - 1_000
    entries = [alert(2, ts_ms=now_ms()), alert(1, ts_ms=now_ms()), alert(1, "s0", now_ms(), b"")]
    async with running(here, there):
        for entry in (*entries, entries[0]):
            await here.append_alert(entry)
        assert await there.alerts_since(start) == [entries[2], entries[1], entries[0]]
        assert await there.alerts_since(now_ms() + 120_000) == []


async def test_of_the_alerts_since_a_time_ones_own_are_given_and_of_many_the_newest(make_broker: MakeBroker) -> None:
    broker, start = make_broker(), now_ms() - 1_000
    mine = [alert(seq, ts_ms=now_ms()) for seq in range(1, 5)]
    async with running(broker):
        for entry in mine:
            await broker.append_alert(entry)
        assert await broker.alerts_since(start, {"somebody else"}) == []
        assert await broker.alerts_since(start, {mine[0].user}, 2) == mine[2:]


async def test_an_alert_that_was_raised_long_ago_is_found_by_its_arrival(make_broker: MakeBroker) -> None:
    broker = make_broker()
    async with running(broker):
        start = now_ms() - 1_000
        await broker.append_alert(alert(1, ts_ms=5))
        assert await broker.alerts_since(start) == [alert(1, ts_ms=5)]


async def test_the_tail_of_the_alert_log_waits_for_the_next_entry(make_broker: MakeBroker) -> None:
    here, there = make_broker(), make_broker()
    async with running(here, there):
        await here.append_alert(alert(1))
        end = await there.tail_alerts(None, 0)
        assert list(end.entries) == []
        assert list((await there.tail_alerts(end.position, 20)).entries) == []
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(there.tail_alerts(end.position, 5_000))
            await here.append_alert(alert(2))
        assert list(waiting.result().entries) == [alert(2)]
        assert list((await there.tail_alerts(waiting.result().position, 20)).entries) == []


async def test_every_claim_raises_the_epoch_and_fences_the_earlier_owner_out(make_broker: MakeBroker) -> None:
    broker = make_broker()
    async with running(broker):
        assert await broker.claim("s1", "w1") == 1
        await broker.put_snapshot("s1", "w1", 1, b"one", 60_000)
        assert await broker.claim("s1", "w2") == 2
        with pytest.raises(FencedOut):
            await broker.put_snapshot("s1", "w1", 1, b"stale", 60_000)
        snapshot = await broker.get_snapshot("s1")
        assert snapshot is not None
        assert (snapshot.epoch, snapshot.owner, snapshot.payload) == (2, "w2", b"one")


async def test_two_claims_at_once_get_different_epochs(make_broker: MakeBroker) -> None:
    brokers = [make_broker() for _ in range(4)]
    async with running(*brokers), asyncio.TaskGroup() as group:
        claims = [group.create_task(broker.claim("s1", f"w{n}")) for n, broker in enumerate(brokers)]
    assert sorted(claim.result() for claim in claims) == [1, 2, 3, 4]


async def test_an_epoch_known_from_elsewhere_is_never_gone_below(make_broker: MakeBroker) -> None:
    broker = make_broker()
    async with running(broker):
        assert await broker.claim("s1", "w1", at_least=7) == 8
        assert await broker.claim("s1", "w1", at_least=3) == 9


async def test_a_snapshot_ends_with_its_time_to_live(make_broker: MakeBroker) -> None:
    broker = make_broker()
    async with running(broker):
        await broker.claim("s1", "w1")
        await broker.put_snapshot("s1", "w1", 1, b"x", 60_000)
        assert await broker.get_snapshot("s1") is not None

        async def snapshot_is_gone() -> bool:
            return await broker.get_snapshot("s1") is None

        await broker.put_snapshot("s1", "w1", 1, b"x", 20)
        await until(snapshot_is_gone)


async def test_what_is_kept_of_a_person_can_be_forgotten_and_others_stay(make_broker: MakeBroker) -> None:
    broker = make_broker()
    async with running(broker):
        for user in ("anna", "bert"):
            await broker.claim(f"s-{user}", "w1")
            await broker.put_snapshot(f"s-{user}", "w1", 1, user.encode(), 60_000)
            await broker.append_alert(AlertEntry(f"s-{user}", user, 1, 1, 1_764_000_000_000, user.encode()))
        assert await broker.forget("anna", ["s-anna", "s-never"]) >= 2
        assert await broker.get_snapshot("s-anna") is None
        assert (await broker.get_snapshot("s-bert")) is not None
        assert [entry.user for entry in await broker.alerts_since(0)] == ["bert"]
        assert await broker.forget("anna", ["s-anna"]) == 0


async def test_who_beats_is_living_until_the_lease_runs_out(make_broker: MakeBroker) -> None:
    broker = make_broker()
    async with running(broker):
        assert (await broker.beat("w1", 60_000)).known is False
        assert await broker.beat("w1", 60_000) == Roll(frozenset({"w1"}), known=True)
        assert (await broker.beat("w2", 60_000)).living == {"w1", "w2"}
        assert (await broker.beat("w1", 0)).living == {"w2"}
        assert (await broker.beat("w1", 60_000)).known is False


async def test_the_sessions_of_a_dead_worker_are_handed_out_once_and_only_then(make_broker: MakeBroker) -> None:
    one, two = make_broker(), make_broker()
    async with running(one, two):
        await one.beat("dead", 60_000, took=["s1", "s2", "s3", "s4"])
        await one.beat("dead", 60_000, let_go=["s4"])
        await one.beat("w1", 60_000, took=["s9"])
        assert await one.orphans("w2", 10) == []
        await one.beat("dead", 0)
        first, second = await one.orphans("w1", 2), await two.orphans("w2", 10)
        assert len(first) == 2
        assert sorted(first + second) == ["s1", "s2", "s3"]
        assert await two.owned("w1") == {"s9", *first}
        assert await one.orphans("w1", 10) == await two.orphans("w2", 10) == []


async def test_the_orphans_of_an_heir_that_dies_too_are_orphans_again(make_broker: MakeBroker) -> None:
    broker = make_broker()
    async with running(broker):
        await broker.beat("dead", 0, took=["s1"])
        assert await broker.orphans("heir", 10) == ["s1"]
        await broker.beat("heir", 0)
        assert await broker.orphans("w3", 10) == ["s1"]


async def test_a_letter_reaches_the_worker_it_is_for_also_while_everybody_is_watched(make_broker: MakeBroker) -> None:
    here, there = make_broker(), make_broker()
    came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    there.receive(came.set_result)
    here.receive(lambda letter: pytest.fail("a letter came to the wrong worker"))
    async with running(here, there):
        await there.subscribe({"*"})

        async def posted() -> bool:
            return await here.post(there.instance, b"hello")

        await until(posted)
        assert await came == b"hello"
        assert await here.post("nobody", b"hello") is False


def test_a_full_buffer_of_notices_drops_the_oldest_and_counts_it() -> None:
    pending = PendingNotices(2)
    for number in range(3):
        pending.put(Notice("s1", "anna", b"%d" % number))
    assert [notice.payload for notice in pending.take(10)] == [b"1", b"2"]
    assert pending.dropped == 1


async def test_an_outage_of_the_memory_broker_raises_store_unavailable() -> None:
    hub = MemoryHub()
    broker = MemoryBroker(hub)
    hub.available = False
    with pytest.raises(StoreUnavailable):
        await broker.ping()
    with pytest.raises(StoreUnavailable):
        await broker.append_alert(alert(1))


# Faults of a real server ------------------------------------------------------------------------------------------


@pytest.fixture
def valkey() -> Iterator[OwnValkey]:
    with OwnValkey() as server:
        yield server


@pytest.mark.alone
@pytest.mark.integration
async def test_every_call_to_a_hung_server_ends_within_its_timeout_and_works_again_afterwards(
    valkey: OwnValkey,
) -> None:
    broker = RedisBroker(valkey.url, instance="w1", timeout_s=0.25)
    async with running(broker):
        await broker.ping()
        await broker.claim("s1", "w1")
        valkey.stop()
        calls: list[Callable[[], object]] = [
            broker.ping,
            lambda: broker.append_alert(alert(1)),
            lambda: broker.alerts_since(0),
            lambda: broker.tail_alerts("0-0", 50),
            lambda: broker.claim("s1", "w1"),
            lambda: broker.put_snapshot("s1", "w1", 1, b"x", 1_000),
            lambda: broker.get_snapshot("s1"),
        ]
        for call in calls:
            started = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await call()  # type: ignore[misc]
            assert time.monotonic() - started < 0.25 + 0.3
        started = time.monotonic()
        broker.publish(Notice("s1", "anna", b"x", "state"))
        subscription = await broker.subscribe({"anna"})
        assert time.monotonic() - started < 0.25 + 0.3
        broker.publish(Notice("s1", "anna", b"local", "state"))
        assert (await first(subscription)).payload == b"local"
        valkey.go_on()
        await until_it_answers(broker)


@pytest.mark.integration
async def test_subscriptions_come_back_after_the_server_was_killed(valkey: OwnValkey) -> None:
    here, there = (RedisBroker(valkey.url, instance=name) for name in ("w1", "w2"))
    async with running(here, there):
        subscription = await there.subscribe({"anna"})
        valkey.kill()
        with pytest.raises(StoreUnavailable):
            await here.ping()
        valkey.start()
        await until_it_answers(here)
        async with asyncio.timeout(ARRIVAL_S):
            while True:
                here.publish(Notice("s1", "anna", b"after", "state"))
                if not await nothing_more(subscription):
                    break


@pytest.mark.integration
async def test_what_was_acknowledged_is_there_after_a_kill(valkey: OwnValkey) -> None:
    broker = RedisBroker(valkey.url, instance="w1")
    async with running(broker):
        await broker.append_alert(alert(1))
        assert await broker.claim("s1", "w1") == 1
        valkey.kill()
        valkey.start()
        await until_it_answers(broker)
        assert await broker.alerts_since(0) == [alert(1)]
        assert await broker.claim("s1", "w1") == 2


@pytest.mark.integration
@pytest.mark.slow
async def test_a_silent_connection_is_given_up_and_replaced(valkey: OwnValkey) -> None:
    broker = RedisBroker(valkey.url, instance="w1")
    async with running(broker):
        assert broker.listener.connected
        valkey.stop()
        await until(lambda: broker.listener.reconnects > 0, 15.0)
        valkey.go_on()
        await until(lambda: broker.listener.connected)


@pytest.mark.integration
async def test_a_broker_starts_while_its_server_is_away(valkey: OwnValkey) -> None:
    valkey.kill()
    broker = RedisBroker(valkey.url, instance="w1")
    async with running(broker):
        with pytest.raises(StoreUnavailable):
            await broker.ping()
        valkey.start()
        await until_it_answers(broker)


async def until_it_answers(broker: Broker) -> None:
    async def answers() -> bool:
        try:
            await broker.ping()
        except StoreUnavailable:
            return False
        return True

    await until(answers)
