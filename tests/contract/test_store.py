"""What every store promises, asked of the one in memory and of PostgreSQL; then what only the database does."""

import asyncio
import math
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import msgspec
import pytest

from emdr_stream.broker.base import AlertEntry
from emdr_stream.domain import Severity
from emdr_stream.errors import ConfigurationError, RecordRefused, StoreUnavailable
from emdr_stream.store.base import Record, RecordKind, SessionPast, Store
from emdr_stream.store.memory import MemoryRecords, MemoryStore
from emdr_stream.store.migrate import Migration, migrate, migrations
from emdr_stream.store.postgres import PostgresStore
from emdr_stream.store.unacknowledged import unacknowledged
from emdr_stream.store.writer import RecordWriter, WriterLimits
from emdr_stream.telemetry.waiting_alerts import Waiting
from tests.contract.own_database import own_database
from tests.contract.own_postgres import OwnPostgres, own_postgres
from tests.contract.waiting import until
from tests.stores_process import RunningStores

pytestmark = pytest.mark.anyio

NOW_MS = 1_795_000_000_123
TABLES = {
    RecordKind.SECOND: "seconds",
    RecordKind.SET: "sets",
    RecordKind.RATING: "ratings",
    RecordKind.CONTROL: "control_events",
    RecordKind.ADAPTATION: "adaptations",
    RecordKind.AUDIT: "audit_log",
    RecordKind.SESSION: "sessions",
    RecordKind.MODEL: "model_events",
}


class Memory:
    """The store in memory and a look at its rows."""

    def __init__(self) -> None:
        self._records = MemoryRecords()

    def make(self) -> Store:
        return MemoryStore(self._records)

    async def count(self, kind: RecordKind) -> int:
        return sum(record.kind is kind for record in self._records.rows)


class Postgres:
    """PostgreSQL on a database of its own and a look at its rows."""

    def __init__(self, url: str) -> None:
        self.url = url

    def make(self) -> PostgresStore:
        return PostgresStore(self.url, timeout_s=5.0)

    async def count(self, kind: RecordKind) -> int:
        return int(await self.value(f"select count(*) from {TABLES[kind]}"))

    async def value(self, query: str, *arguments: object) -> Any:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()


Place = Memory | Postgres


@pytest.fixture
async def postgres(stores: RunningStores) -> AsyncIterator[Postgres]:
    async with own_database(stores.database_url) as url:
        yield Postgres(url)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if request.param == "memory":
        yield Memory()
        return
    stores = request.getfixturevalue("stores")
    async with own_database(stores.database_url) as url:
        yield Postgres(url)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    made = place.make()
    await made.start()
    yield made
    await made.aclose()


def record(kind: RecordKind, number: int = 0, *, session_id: str = "s1", epoch: int = 1, **fields: object) -> Record:
    return Record(kind, session_id, "anna", epoch, NOW_MS + 1_000 * number, {"number": number, **fields})


def alert(
    seq: int, session_id: str = "s1", *, user: str = "anna", state: str = "raised", name: str = "a"
) -> AlertEntry:
    payload = msgspec.json.encode({"alert_id": name, "state": state})
    return AlertEntry(session_id, user, seq, 1, NOW_MS + seq, payload)


async def test_a_batch_of_every_kind_is_stored_once_however_often_it_is_written(place: Place, store: Store) -> None:
    batch = [record(kind, number) for kind in RecordKind for number in range(3)]
    await store.write(batch)
    await store.write(batch)
    for kind in set(RecordKind) - {RecordKind.SESSION}:
        assert await place.count(kind) == 3, kind
    assert await place.count(RecordKind.SESSION) >= 1


async def test_rows_of_a_stale_epoch_are_refused_and_counted_but_the_audit_log_takes_them(
    place: Place, store: Store
) -> None:
    await store.write([record(RecordKind.SECOND, 0, epoch=2)])
    await store.write(
        [
            record(RecordKind.SECOND, 1, epoch=1),
            record(RecordKind.RATING, 1, epoch=1),
            record(RecordKind.AUDIT, 1, epoch=1),
            record(RecordKind.SECOND, 2, epoch=3),
            record(RecordKind.SET, 1, session_id="s2", epoch=1),
        ]
    )
    assert store.refused == 2
    assert await place.count(RecordKind.SECOND) == 2
    assert await place.count(RecordKind.RATING) == 0
    assert await place.count(RecordKind.AUDIT) == 1
    assert await place.count(RecordKind.SET) == 1


async def test_a_row_that_waited_while_a_new_owner_began_is_late_and_not_stale(place: Place, store: Store) -> None:
    # Its worker was killed while the database was away; the session had gone on elsewhere before the row came.
    await store.write([record(RecordKind.SESSION, 0, status="running", sets=1)])
    await store.write([record(RecordKind.SECOND, 10, epoch=3), record(RecordKind.SESSION, 10, epoch=3, status="ended")])
    late = [record(kind, 8, epoch=1) for kind in (RecordKind.SECOND, RecordKind.RATING)]
    await store.write([*late, record(RecordKind.SECOND, 9, epoch=2)])
    assert store.refused == 0
    assert await place.count(RecordKind.SECOND) == 3
    assert await place.count(RecordKind.RATING) == 1
    await store.write([record(RecordKind.SECOND, 10, epoch=1), record(RecordKind.RATING, 11, epoch=2)])
    assert store.refused == 2


async def test_alerts_are_kept_once_and_found_by_their_time(store: Store) -> None:
    entries = [alert(2), alert(1), alert(1, "s0")]
    await store.append_alerts(entries)
    await store.append_alerts([AlertEntry("s1", "anna", 2, 9, NOW_MS, b"another")])
    assert await store.alerts_since(NOW_MS) == [alert(1, "s0"), alert(1), alert(2)]
    assert await store.alerts_since(4_000_000_000_000) == []


async def test_of_the_alerts_since_a_time_ones_own_are_given_and_of_many_the_newest(store: Store) -> None:
    await store.append_alerts([*(alert(seq) for seq in range(1, 5)), alert(1, "s2", user="bert")])
    assert await store.alerts_since(NOW_MS, {"bert"}) == [alert(1, "s2", user="bert")]
    assert await store.alerts_since(NOW_MS, {"anna"}, 2) == [alert(3), alert(4)]
    assert await store.alerts_since(NOW_MS, (), 2) == []


async def test_an_old_alert_is_found_by_the_time_it_was_stored(store: Store) -> None:
    late = AlertEntry("s1", "anna", 1, 1, 5, b"{}")
    start = time.time_ns() // 1_000_000 - 60_000
    await store.append_alerts([late])
    assert await store.alerts_since(start) == [late]


async def test_open_alerts_are_the_newest_steps_of_what_is_not_resolved(store: Store) -> None:
    await store.append_alerts(
        [
            alert(1, name="a"),
            alert(2, name="b"),
            alert(3, name="a", state="acknowledged"),
            alert(4, name="b", state="resolved"),
            alert(1, "s2", user="ben", name="c", state="escalated"),
            AlertEntry("s3", "cleo", 1, 1, NOW_MS, b"not for us to read"),
        ]
    )
    open_to = {None: [("s1", 3), ("s2", 1), ("s3", 1)], ("anna",): [("s1", 3)], ("ben", "dora"): [("s2", 1)], (): []}
    for users, expected in open_to.items():
        found = await store.open_alerts(users)
        assert [(entry.session_id, entry.alert_seq) for entry in found] == expected
    await store.append_alerts([alert(2, "s2", user="ben", name="c", state="resolved")])
    assert await store.open_alerts(["ben"]) == []


async def test_a_step_that_arrives_late_does_not_reopen_an_alert(store: Store) -> None:
    await store.append_alerts([alert(2, state="resolved")])
    await store.append_alerts([alert(1)])
    assert await store.open_alerts(None) == []


@pytest.mark.integration
async def test_what_nobody_has_acknowledged_is_found_whoever_raised_it(postgres: Postgres) -> None:
    def told(number: int, severity: str, state: str, session_id: str = "s1", seq: int | None = None) -> AlertEntry:
        words = 'of a person\0 who says "state"'
        fields = {"alert_id": f"a{number}", "severity": severity, "state": state, "raised_ts": NOW_MS + number}
        payload = msgspec.json.encode({**fields, "report": words})
        return AlertEntry(session_id, "anna", seq or number, 1, NOW_MS + 500, payload)

    store = postgres.make()
    await store.start()
    await store.append_alerts(
        [
            told(1, "critical", "escalated"),
            told(2, "high", "raised"),
            told(3, "medium", "raised"),
            told(4, "critical", "acknowledged"),
            told(5, "high", "resolved"),
            told(6, "high", "raised", "s2"),
            AlertEntry("s3", "cleo", 1, 1, NOW_MS, b"not for us to read"),
        ]
    )
    assert await store.ask(unacknowledged) == {
        "a1": Waiting(Severity.CRITICAL, NOW_MS + 1),
        "a2": Waiting(Severity.HIGH, NOW_MS + 2),
        "a6": Waiting(Severity.HIGH, NOW_MS + 6),
    }
    await store.append_alerts([told(1, "critical", "acknowledged", seq=7), told(6, "high", "resolved", "s2", 8)])
    assert set(await store.ask(unacknowledged)) == {"a2"}
    await store.aclose()


async def test_the_past_of_a_session_is_what_happened_in_it_oldest_first(store: Store) -> None:
    await store.write(
        [
            record(RecordKind.RATING, 2, scale="sud", value=6.5),
            record(RecordKind.SET, 1, action="start"),
            *(record(RecordKind.SECOND, number, risk=None, signal="ok") for number in range(5)),
            record(RecordKind.CONTROL, 3, action="pause"),
            record(RecordKind.ADAPTATION, 4, config={"speed": 0.8}),
            record(RecordKind.AUDIT, 4, action="ack", note="not for the timeline"),
            record(RecordKind.SET, 9, session_id="s2"),
        ]
    )
    await store.append_alerts([alert(2, state="acknowledged"), alert(1), alert(1, "s2")])
    past = await store.past("s1", NOW_MS + 3_000, 100)
    assert [(kind.value, ts_ms - NOW_MS, fields["number"]) for kind, ts_ms, fields in past.events] == [
        ("set", 1_000, 1),
        ("rating", 2_000, 2),
        ("control", 3_000, 3),
        ("adaptation", 4_000, 4),
    ]
    assert past.events[1][2] == {"number": 2, "scale": "sud", "value": 6.5}
    assert past.events[3][2]["config"] == {"speed": 0.8}
    assert [(ts_ms - NOW_MS, fields["signal"]) for _, ts_ms, fields in past.seconds] == [(3_000, "ok"), (4_000, "ok")]
    assert [entry.alert_seq for entry in past.alerts] == [1, 2]
    assert not past.cut
    assert await store.past("nobody", 0, 100) == SessionPast([], [], [], cut=False)


async def test_who_was_there_is_known(store: Store) -> None:
    assert not await store.knows("s1")
    await store.write([record(RecordKind.SESSION)])
    await store.append_alerts([alert(1, "s2")])
    assert [await store.knows(name) for name in ("s1", "s2", "s3", "")] == [True, True, False, False]


async def test_of_a_long_past_the_newest_is_told_and_that_there_is_more(store: Store) -> None:
    await store.write([record(RecordKind.RATING, number) for number in range(5)])
    past = await store.past("s1", NOW_MS, 3)
    assert [fields["number"] for _, _, fields in past.events] == [2, 3, 4]
    assert past.cut
    assert not (await store.past("s1", NOW_MS, 5)).cut


# What the database does -------------------------------------------------------------------------------------------


@pytest.mark.integration
async def test_session_fields_are_merged_and_the_user_is_known(postgres: Postgres) -> None:
    store = postgres.make()
    await store.start()
    await store.write([record(RecordKind.SESSION, 1, source="emotion", ended=None)])
    await store.write([record(RecordKind.SESSION, 2, ended=True)])
    fields = msgspec.json.decode(await postgres.value("select fields from sessions where session_id = 's1'"))
    assert fields == {"number": 2, "source": "emotion", "ended": True}
    assert await postgres.value("select user_id from users") == "anna"
    await store.aclose()


@pytest.mark.integration
async def test_of_a_sessions_fields_the_latest_count_in_whatever_order_they_come(postgres: Postgres) -> None:
    store = postgres.make()
    await store.start()
    for number, fields in ((1, {"status": "running"}), (5, {"status": "ended"}), (3, {"status": "paused", "sets": 4})):
        await store.write([record(RecordKind.SESSION, number, **fields)])
    fields = msgspec.json.decode(await postgres.value("select fields from sessions where session_id = 's1'"))
    assert fields == {"number": 5, "status": "ended", "sets": 4}
    await store.aclose()


@pytest.mark.integration
async def test_writers_that_change_the_same_sessions_at_once_do_not_wait_for_one_another(postgres: Postgres) -> None:
    # Each held the rows of both sessions before it changed them: a deadlock, which PostgreSQL ends after a second.
    store = postgres.make()
    await store.start()
    names = ["s1", "s2"]
    async with asyncio.TaskGroup() as group:
        for number in range(40):
            ordered = names if number % 2 else names[::-1]
            group.create_task(
                store.write([record(RecordKind.SESSION, number, session_id=name, n=number) for name in ordered])
            )
    await store.aclose()


@pytest.mark.integration
async def test_seconds_go_into_the_partition_of_their_month(postgres: Postgres) -> None:
    store = postgres.make()
    await store.start()
    december, january = 1_798_761_599_999, 1_798_761_600_000
    await store.write([Record(RecordKind.SECOND, "s1", "anna", 1, ts, {}) for ts in (december, january)])
    assert await postgres.value("select count(*) from seconds_2026_12") == 1
    assert await postgres.value("select count(*) from seconds_2027_01") == 1
    await store.write([Record(RecordKind.SECOND, "s1", "anna", 1, 253_402_300_000_000, {})])
    assert store.refused == 1
    await store.aclose()


@pytest.mark.integration
async def test_odd_values_are_stored_as_far_as_the_database_can_hold_them(postgres: Postgres) -> None:
    store = postgres.make()
    await store.start()
    await store.write([record(RecordKind.CONTROL, 1, session_id="s\x001", text="a\x00b\\u0000", nothing=math.nan)])
    fields = msgspec.json.decode(await postgres.value("select fields from control_events"))
    assert fields == {"number": 1, "text": "a\ufffdb\\u0000", "nothing": None}
    with pytest.raises(RecordRefused):
        await store.write([record(RecordKind.SECOND, 1, epoch=2**70)])
    await store.append_alerts([AlertEntry("s\x00", "\x00", 1, 1, NOW_MS, b"\x00\xff")])
    assert (await store.alerts_since(NOW_MS))[0].payload == b"\x00\xff"
    await store.aclose()


@pytest.mark.integration
async def test_the_audit_chain_of_several_writers_holds_and_shows_every_change(postgres: Postgres) -> None:
    writers = [postgres.make() for _ in range(4)]
    for writer in writers:
        await writer.start()
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            batch = [record(RecordKind.AUDIT, 10 * number + n, note=f"nöte {n}") for n in range(3)]
            group.create_task(writers[number % 4].write(batch))
    verdict = await writers[0].verify_audit()
    assert (verdict.rows, verdict.first_bad) == (60, None)
    for change in ("update audit_log set body = '{}' where id = 7", "delete from audit_log where id = 30"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await postgres.value(change)
    await postgres.value("alter table audit_log disable trigger all")
    await postgres.value("delete from audit_log where id = 30")
    assert (await writers[0].verify_audit()).first_bad == 30
    await postgres.value("update audit_log set user_id = 'eve' where id = 7")
    assert (await writers[0].verify_audit()).first_bad == 7
    for writer in writers:
        await writer.aclose()


@pytest.mark.integration
async def test_many_workers_may_migrate_at_once_and_again(postgres: Postgres) -> None:
    workers = [postgres.make() for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.start())
    await workers[0].start()
    assert await postgres.value("select count(*) from schema_migrations") == len(migrations())
    for worker in workers:
        await worker.aclose()


@pytest.mark.integration
async def test_a_newer_database_and_a_changed_migration_are_refused(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.url)
    first, second = Migration(1, "0001_a", "create table a (x int)"), Migration(2, "0002_b", "create table b (x int)")
    assert await migrate(connection, [first, second]) == ["0001_a", "0002_b"]
    with pytest.raises(ConfigurationError, match="newer program"):
        await migrate(connection, [first])
    with pytest.raises(ConfigurationError, match="0001_a was changed"):
        await migrate(connection, [Migration(1, "0001_a", "create table c (x int)"), second])
    broken = Migration(3, "0003_c", "create table c (x int); select nonsense")
    with pytest.raises(asyncpg.PostgresError):
        await migrate(connection, [first, second, broken])
    assert await connection.fetchval("select to_regclass('c')") is None
    await connection.close()


@pytest.mark.integration
async def test_an_absent_database_is_told_as_such() -> None:
    store = PostgresStore("postgresql://nobody@/none?host=/nonexistent", timeout_s=0.5)
    for call in (store.start, store.ping, lambda: store.append_alerts([alert(1)])):
        with pytest.raises(StoreUnavailable, match="EMDR_DATABASE_URL"):
            await call()


@pytest.fixture
async def own_server() -> AsyncIterator[OwnPostgres]:
    """A PostgreSQL of this test's own, that may be stopped and continued."""
    async with own_postgres() as server:
        yield server


@pytest.mark.integration
async def test_every_call_to_a_hung_database_ends_within_its_timeout_and_works_again_afterwards(
    own_server: OwnPostgres,
) -> None:
    store = PostgresStore(own_server.url, timeout_s=1.0)
    await store.start()
    await store.write([record(RecordKind.SECOND, 1)])
    own_server.signal(signal.SIGSTOP)
    calls: list[Callable[[], Any]] = [
        lambda: store.write([record(RecordKind.SECOND, 2)]),
        lambda: store.write([record(RecordKind.SECOND, 2)]),
        lambda: store.append_alerts([alert(1)]),
        lambda: store.alerts_since(0),
        lambda: store.open_alerts(None),
        store.ping,
        store.verify_audit,
    ]
    for call in calls:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await call()
        assert time.monotonic() - started < 1.5
    own_server.signal(signal.SIGCONT)

    async def writes() -> bool:
        try:
            await store.write([record(RecordKind.SECOND, 2)])
        except StoreUnavailable:
            return False
        return True

    await until(writes, 10.0)
    await store.aclose()


# The writer -------------------------------------------------------------------------------------------------------


class Picky(MemoryStore):
    """Refuses any batch with a poisoned record in it."""

    async def write(self, records: Any) -> None:
        if any("poison" in r.fields for r in records):
            raise RecordRefused("poison")
        await super().write(records)


async def test_the_writer_writes_behind_and_drains() -> None:
    store = MemoryStore()
    writer = RecordWriter(store, limits=WriterLimits(batch=500, seconds_batch=500, interval_s=60.0))
    await writer.start()
    for number in range(1_700):
        writer.offer(record(RecordKind.SECOND, number))
    await until(lambda: len(store.records.rows) >= 1_500)
    assert writer.backlog == 200
    assert await writer.drain(5.0)
    assert len(store.records.rows) == 1_700
    await writer.aclose()


async def test_a_small_batch_is_written_after_the_interval() -> None:
    store = MemoryStore()
    writer = RecordWriter(store, limits=WriterLimits(interval_s=0.02))
    await writer.start()
    writer.offer(record(RecordKind.RATING))
    await until(lambda: len(store.records.rows) == 1)
    writer.offer(record(RecordKind.RATING, 1))
    await until(lambda: len(store.records.rows) == 2)
    await writer.aclose()


async def test_an_outage_is_survived_and_costs_the_oldest_seconds_alone() -> None:
    store = MemoryStore()
    store.records.available = False
    limits = WriterLimits(seconds=10, others=100, batch=5, seconds_batch=5, interval_s=0.01)
    writer = RecordWriter(store, limits=limits)
    await writer.start()
    writer.offer(record(RecordKind.CONTROL))
    for number in range(30):
        writer.offer(record(RecordKind.SECOND, number))
        writer.offer(record(RecordKind.RATING, number))
    assert not await writer.drain(0.05)
    store.records.available = True
    assert await writer.drain(10.0)
    assert [r.fields["number"] for r in store.rows(RecordKind.SECOND)] == list(range(20, 30))
    assert len(store.rows(RecordKind.RATING)) == 30
    assert writer.counts.dropped == {RecordKind.SECOND: 20}
    await writer.aclose()


async def test_a_row_that_the_store_never_takes_does_not_hold_up_the_others() -> None:
    store = Picky()
    writer = RecordWriter(store, limits=WriterLimits(interval_s=0.01))
    await writer.start()
    for number in range(50):
        fields: dict[str, Any] = {"poison": True} if number == 17 else {}
        writer.offer(Record(RecordKind.RATING, "s1", "anna", 1, NOW_MS + number, fields))
    assert await writer.drain(5.0)
    assert len(store.rows(RecordKind.RATING)) == 49
    assert writer.counts.refused == {RecordKind.RATING: 1}
    await writer.aclose()
