"""What every archive promises, asked of the one in memory and of PostgreSQL alike; then what SQL alone does."""

import random
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from emdr_stream.analytics.figures import Outcome, SessionFigures, Sums
from emdr_stream.analytics.rollup import summed
from emdr_stream.broker.base import AlertEntry
from emdr_stream.clock import wall_ms
from emdr_stream.progress.measures import Measure
from emdr_stream.store.archive import DAY_MS, Archive, Span, Unsummed, Why
from emdr_stream.store.archive_memory import MemoryArchive
from emdr_stream.store.archive_postgres import PostgresArchive
from emdr_stream.store.base import Record, RecordKind, Store
from emdr_stream.store.memory import MemoryRecords, MemoryStore
from emdr_stream.store.migrate import migrations
from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.kept_sessions import DAY0, STATES, alerts_of, second, session
from tests.stores_process import RunningStores

pytestmark = pytest.mark.anyio

ALL = Span(None, 0, DAY0 + 100 * DAY_MS)


class Place:
    """A store to write with and an archive to ask; `url` of PostgreSQL."""

    def __init__(self, store: Store, archive: Archive, url: str | None) -> None:
        self.store, self.archive, self.url = store, archive, url

    async def write(self, records: list[Record], alerts: list[AlertEntry] | None = None) -> None:
        for start in range(0, len(records), 200):
            await self.store.write(records[start : start + 200])
        await self.store.append_alerts(alerts or [])

    async def refreshed(self) -> int:
        return await self.archive.refresh(100, quiet_s=0.0)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if request.param == "memory":
        records = MemoryRecords()
        yield Place(MemoryStore(records), MemoryArchive(records), None)
        return
    stores: RunningStores = request.getfixturevalue("stores")
    async with own_database(stores.database_url) as url:
        store = PostgresStore(url, timeout_s=10.0)
        await store.start()
        yield Place(store, PostgresArchive(store), url)
        await store.aclose()


async def test_a_sessions_sums_are_those_of_its_rows_in_memory_and_in_sql_alike(place: Place) -> None:
    rows = session("s1", "anna", DAY0)
    await place.write(rows, alerts_of("s1", "anna"))
    told = await place.archive.session("s1")
    expected_seconds = [record.fields for record in rows if record.kind is RecordKind.SECOND]
    assert told is not None
    assert (told.user, told.began_ms, told.ended_ms, told.seconds) == ("anna", DAY0, DAY0 + 120_000, 120)
    for state in STATES[:-1]:
        assert getattr(told, state) == sum(fields["state"] == state for fields in expected_seconds)
    assert told.seen == sum(fields["signal"] in ("ok", "degraded") for fields in expected_seconds)
    assert told.paused == sum(fields["status"] == "paused" for fields in expected_seconds)
    risks = [fields["risk"] for fields in expected_seconds if fields["risk"] is not None]
    assert told.risk_mean == pytest.approx(sum(risks) / len(risks))
    assert told.risk_max == max(risks)
    assert (told.sud_first, told.sud_last, told.voc_first, told.voc_last) == (8.0, 1.0, None, 5.0)
    assert (told.sets, told.pauses, told.client_stops) == (2, 2, 1)
    assert (told.alerts, told.severe, told.acks, told.ack_s_sum, told.ack_s_max) == (2, 2, 1, 12.5, 12.5)
    assert told.kinds == {"crisis": 1, "signal_lost": 1}


async def test_a_session_with_one_rating_is_no_change_of_nothing(place: Place) -> None:
    # It counted as a pair whose SUD had fallen by 0, and drew the mean fall of all sessions down.
    def rated(record: Record) -> bool:
        return record.kind is RecordKind.RATING and record.fields["value"] != 8.0

    await place.write(session("s1", "anna", DAY0))
    await place.write([record for record in session("s2", "boris", DAY0 + DAY_MS) if not rated(record)])
    assert await place.refreshed() == 2
    sums = await place.archive.sums(ALL)
    assert (sums.sessions, sums.sud_pairs, sums.sud_gain) == (2, 1, 7.0)
    (alone,) = await place.archive.sessions("boris", None, 10)
    assert (alone.sud_first, alone.sud_last, alone.sud_gain, alone.voc_last) == (None, 8.0, None, None)


def control(at_s: float, **fields: object) -> Record:
    return Record(RecordKind.CONTROL, "s1", "anna", 1, DAY0 + int(1_000 * at_s), fields)


STRICTER = [
    *(control(at_s, action="pause", reason=reason) for at_s, reason in ((10, "signal_lost"), (12, "client_stop"))),
    *(control(14, action="applied", control_epoch=2), control(15, action="pause", reason="crisis")),
    *(control(20, action="resume", by="t-1"), control(20, action="pause", reason="therapist")),
]


async def test_a_pause_that_is_made_stricter_is_one_pause(place: Place) -> None:
    # Each told cause counted: a stop by the client that a crisis followed was two pauses, and one in the totals.
    await place.write([record for record in session("s1", "anna", DAY0) if record.kind is not RecordKind.CONTROL])
    await place.write(STRICTER)
    told = await place.archive.session("s1")
    assert told is not None and (told.pauses, told.client_stops) == (2, 1)


async def test_a_session_counts_once_it_is_summed_up_and_what_is_kept_is_what_is_there(place: Place) -> None:
    for number in range(4):
        await place.write(session(f"s{number}", "anna", DAY0 + number * DAY_MS, seed=number + 1))
    assert await place.archive.sums(ALL) == Sums()
    assert await place.refreshed() == 4
    assert await place.refreshed() == 0
    kept = await place.archive.sessions("anna", None, 10)
    assert [figures.session_id for figures in kept] == ["s3", "s2", "s1", "s0"]
    for figures in kept:
        assert await place.archive.session(figures.session_id) == figures
    assert_close(await place.archive.sums(ALL), summed(kept))


async def test_what_is_not_summed_up_is_told_with_its_reason(place: Place) -> None:
    now_ms = wall_ms()
    await place.write([*session("s1", "anna", DAY0), *session("s2", "ben", DAY0)])
    await place.refreshed()
    await place.write([*session("s3", "anna", DAY0 + DAY_MS), *session("s4", "anna", DAY0 + 2 * DAY_MS)])
    await place.write(session("s5", "anna", now_ms - 60_000, seconds=30)[:-1])
    until_ms = now_ms + DAY_MS
    assert await place.archive.unsummed("anna", 0, until_ms, 9) == [
        Unsummed("s3", Why.DUE),
        Unsummed("s4", Why.DUE),
        Unsummed("s5", Why.RUNNING),
    ]
    assert await place.archive.unsummed("anna", DAY0 + 1, DAY0 + 2 * DAY_MS, 9) == [Unsummed("s3", Why.DUE)]
    assert await place.archive.unsummed("anna", 0, until_ms, 1) == [Unsummed("s3", Why.DUE)]
    assert [each.session_id for each in await place.archive.unsummed("ben", 0, until_ms, 9)] == []


async def test_rows_that_come_late_are_counted_by_the_next_round(place: Place) -> None:
    await place.write(session("s1", "anna", DAY0, seconds=50))
    assert await place.refreshed() == 1
    rng = random.Random(9)
    await place.store.write([second(rng, "s1", "anna", DAY0 + 51_000 + 1_000 * s) for s in range(7)])
    assert await place.refreshed() == 1
    (figures,) = await place.archive.sessions("anna", None, 10)
    assert figures.seconds == 57
    await place.store.append_alerts(alerts_of("s1", "anna"))
    assert await place.refreshed() == 1
    assert (await place.archive.sums(ALL)).acks == 1
    assert await place.refreshed() == 0


async def test_of_two_owners_of_one_second_the_newer_one_counts(place: Place) -> None:
    rng = random.Random(4)
    first, other = (second(rng, "s1", "anna", DAY0 + 1_000, epoch=epoch) for epoch in (1, 2))
    await place.store.write([Record(RecordKind.SESSION, "s1", "anna", 1, DAY0, {"action": "opened"}), first])
    await place.store.write([Record(RecordKind.SESSION, "s1", "anna", 2, DAY0 + 1_001, {"action": "resumed"})])
    await place.store.write([other])
    ((ts_ms, fields),) = await place.archive.seconds("s1", 0, 10)
    assert (ts_ms, fields["valence"]) in {(DAY0 + 1_000, r.fields["valence"]) for r in (first, other)}
    told = await place.archive.session("s1")
    assert told is not None and told.seconds == 1


async def test_sums_are_of_the_users_and_the_time_that_were_asked_for(place: Place) -> None:
    for number, user in enumerate(("anna", "ben", "carla", "anna")):
        rows = session(f"s{number}", user, DAY0 + number * DAY_MS, seed=number + 1)
        await place.write(rows, alerts_of(f"s{number}", user))
    await place.refreshed()
    everything = await place.archive.sums(ALL)
    assert (everything.sessions, everything.clients) == (4, 3)
    assert (await place.archive.sums(Span(["anna", "ben"], 0, ALL.until_ms))).sessions == 3
    assert (await place.archive.sums(Span(["nobody"], 0, ALL.until_ms))) == Sums()
    assert (await place.archive.sums(Span([], 0, ALL.until_ms))) == Sums()
    assert (await place.archive.sums(Span(None, DAY0 + DAY_MS, DAY0 + 3 * DAY_MS))).sessions == 2
    assert await place.archive.kinds(ALL) == {"crisis": 4, "signal_lost": 4}
    assert await place.archive.kinds(Span(["ben"], 0, ALL.until_ms)) == {"crisis": 1, "signal_lost": 1}


async def test_periods_add_up_to_the_whole_and_empty_ones_are_there_too(place: Place) -> None:
    for number in (0, 1, 5):
        await place.write(session(f"s{number}", "anna", DAY0 + number * DAY_MS + 3_600_000, seed=number + 1))
    await place.refreshed()
    span = Span(None, DAY0, DAY0 + 7 * DAY_MS)
    periods = await place.archive.periods(span, 2)
    assert [period.sums.sessions for period in periods] == [2, 0, 1, 0]
    assert [period.since_ms for period in periods] == [DAY0 + 2 * DAY_MS * number for number in range(4)]
    assert periods[-1].until_ms == span.until_ms
    assert sum(period.sums.seconds for period in periods) == (await place.archive.sums(span)).seconds
    with pytest.raises(ValueError, match="at most 400"):
        await place.archive.periods(Span(None, 0, DAY0), 1)


async def test_clients_are_told_by_their_newest_session(place: Place) -> None:
    for number, user in enumerate(("anna", "ben", "anna", "carla")):
        await place.write(session(f"s{number}", user, DAY0 + number * DAY_MS, seed=number + 1))
    await place.refreshed()
    clients = await place.archive.clients(ALL, 10)
    assert [client.user for client in clients] == ["carla", "anna", "ben"]
    assert [client.sums.sessions for client in clients] == [1, 2, 1]
    assert [client.user for client in await place.archive.clients(ALL, 1)] == ["carla"]


async def test_sessions_are_paged_through_without_a_gap_or_a_double(place: Place) -> None:
    for number in range(5):
        # Two begin at the same moment.
        await place.write(session(f"s{number}", "anna", DAY0 + number // 2 * DAY_MS, seconds=3, seed=number + 1))
    await place.refreshed()
    seen: list[SessionFigures] = []
    while page := await place.archive.sessions("anna", (seen[-1].began_ms, seen[-1].session_id) if seen else None, 2):
        seen += page
    assert [figures.session_id for figures in seen] == ["s4", "s3", "s2", "s1", "s0"]


async def test_ratings_and_questionnaires_are_told_oldest_first(place: Place) -> None:
    await place.write(session("s1", "anna", DAY0) + session("s2", "ben", DAY0))
    told = await place.archive.ratings("anna", 0, 10)
    assert [(rating.scale, rating.value) for rating in told] == [("sud", 8.0), ("sud", 1.0), ("voc", 5.0)]
    assert [rating.scale for rating in await place.archive.ratings("anna", 0, 1)] == ["voc"]
    await place.archive.keep_outcome(Outcome("anna", Measure.PCL5, 50, DAY0, by="t1"))
    await place.archive.keep_outcome(Outcome("anna", Measure.PCL5, 41, DAY0 + DAY_MS, by="t1"))
    await place.archive.keep_outcome(Outcome("anna", Measure.PCL5, 40, DAY0 + DAY_MS, by="t2"))
    await place.archive.keep_outcome(Outcome("new", Measure.SUD, 3, DAY0, target="the fall"))
    assert [(o.value, o.by) for o in await place.archive.outcomes("anna", 0, 10)] == [(50, "t1"), (40, "t2")]
    assert [o.value for o in await place.archive.outcomes("anna", DAY0 + 1, 10)] == [40]
    (other,) = await place.archive.outcomes("new", 0, 10)
    assert (other.measure, other.target) == (Measure.SUD, "the fall")


async def test_seconds_events_alerts_and_audit_entries_are_told_in_pages(place: Place) -> None:
    rows = session("s1", "anna", DAY0)
    rows.append(Record(RecordKind.AUDIT, "s1", "anna", 1, DAY0 + 5, {"action": "ack", "by": "t1"}))
    rows.append(Record(RecordKind.AUDIT, "s9", "ben", 1, DAY0 + 6, {"action": "ack", "by": "t1"}))
    await place.write(rows, alerts_of("s1", "anna") + alerts_of("s2", "anna"))
    first = await place.archive.seconds("s1", 0, 100)
    rest = await place.archive.seconds("s1", first[-1][0], 100)
    assert (len(first), len(rest)) == (100, 20)
    assert [ts_ms for ts_ms, _ in first + rest] == [DAY0 + 1_000 * s for s in range(1, 121)]
    events = await place.archive.events("s1", 100)
    assert [kind.value for kind, _, _ in events][:3] == ["rating", "set", "set"]
    assert len(events) == 10
    steps = await place.archive.alerts("anna", None, 5)
    more = await place.archive.alerts("anna", (steps[-1].session_id, steps[-1].alert_seq), 5)
    assert [(s.session_id, s.alert_seq) for s in steps + more] == [(s, n) for s in ("s1", "s2") for n in (1, 2, 3, 4)]
    (entry,) = await place.archive.audit("anna", 0, 10)
    assert (entry.session_id, msgspec.json.decode(entry.body)["by"]) == ("s1", "t1")
    assert await place.archive.audit("anna", entry.number, 10) == []


async def test_there_is_no_session_where_there_is_none(place: Place) -> None:
    assert await place.archive.session("nothing") is None
    assert await place.archive.sessions("nobody", None, 10) == []
    assert await place.archive.refresh(10, 0.0) == 0


@pytest.mark.integration
async def test_a_running_session_waits_for_its_end_and_a_forsaken_one_does_not(stores: RunningStores) -> None:
    async with own_database(stores.database_url) as url:
        store = PostgresStore(url, timeout_s=10.0)
        await store.start()
        archive = PostgresArchive(store)
        now = wall_ms()
        opened = [Record(RecordKind.SESSION, "runs", "anna", 1, now - 60_000, {"action": "opened"})]
        forsaken = [Record(RecordKind.SESSION, "forsaken", "anna", 1, now - 6 * 3_600_000, {"action": "opened"})]
        closed = [Record(RecordKind.SESSION, "closed", "anna", 1, now - 60_000, {"action": "closed"})]
        just = [Record(RecordKind.SESSION, "just", "anna", 1, now - 1_000, {"action": "closed"})]
        await store.write(opened + forsaken + closed + just)
        assert await archive.refresh(10, quiet_s=30.0) == 2
        assert {figures.session_id for figures in await archive.sessions("anna", None, 10)} == {"forsaken", "closed"}
        await store.aclose()


@pytest.mark.integration
async def test_a_session_that_cannot_be_summed_up_holds_up_no_other(stores: RunningStores) -> None:
    async with own_database(stores.database_url) as url:
        store = PostgresStore(url, timeout_s=10.0)
        await store.start()
        archive = PostgresArchive(store)
        await store.write(session("bad", "anna", DAY0, seconds=3) + session("good", "anna", DAY0 + 1, seconds=3))
        connection = await asyncpg.connect(url)
        await connection.execute(
            """update seconds set fields = fields || '{"risk": "much"}' where session_id = 'bad'"""
        )
        await connection.close()
        assert await archive.refresh(10, quiet_s=0.0) == 2
        assert [figures.session_id for figures in await archive.sessions("anna", None, 10)] == ["good"]
        assert await archive.unsummed("anna", 0, DAY0 + DAY_MS, 10) == [Unsummed("bad", Why.UNREADABLE)]
        assert await archive.refresh(10, quiet_s=0.0) == 0
        await store.aclose()


@pytest.mark.integration
async def test_what_is_kept_of_a_session_goes_with_it(stores: RunningStores) -> None:
    async with own_database(stores.database_url) as url:
        store = PostgresStore(url, timeout_s=10.0)
        await store.start()
        archive = PostgresArchive(store)
        await store.write(session("s1", "anna", DAY0, seconds=3))
        await archive.keep_outcome(Outcome("anna", Measure.PCL5, 50, DAY0))
        await archive.refresh(10, quiet_s=0.0)
        connection = await asyncpg.connect(url)
        await connection.execute("delete from sessions where user_id = 'anna'")
        await connection.execute("delete from users where user_id = 'anna'")
        assert await connection.fetchval("select count(*) from session_rollups") == 0
        assert await connection.fetchval("select count(*) from questionnaires") == 0
        await connection.close()
        await store.aclose()


def assert_close(told: Sums, expected: Sums) -> None:
    for name in Sums.__slots__:
        assert getattr(told, name) == pytest.approx(getattr(expected, name)), name


@pytest.mark.integration
async def test_sums_from_before_lose_a_first_rating_that_was_the_only_one(stores: RunningStores) -> None:
    (step,) = [step for step in migrations() if step.name == "0009_single_ratings"]
    async with own_database(stores.database_url) as url:
        store = PostgresStore(url, timeout_s=10.0)
        await store.start()
        archive, rows = PostgresArchive(store), session("s1", "anna", DAY0)
        await store.write(rows)
        await store.write([r for r in session("s2", "anna", DAY0 + DAY_MS) if r.kind is not RecordKind.RATING])
        assert await archive.refresh(10, quiet_s=0.0) == 2
        connection = await asyncpg.connect(url)
        await connection.execute("update session_rollups set voc_first = voc_last")
        await connection.execute(step.sql)
        await connection.close()
        for figures in await archive.sessions("anna", None, 10):
            assert figures == await archive.session(figures.session_id)
        assert (await archive.sums(ALL)).sud_gain == 7.0
        await store.aclose()


@pytest.mark.integration
async def test_sums_from_before_lose_what_a_pause_counted_more_than_once(stores: RunningStores) -> None:
    (step,) = [step for step in migrations() if step.name == "0010_pauses_once"]
    async with own_database(stores.database_url) as url:
        store = PostgresStore(url, timeout_s=10.0)
        await store.start()
        archive, others = PostgresArchive(store), session("s2", "anna", DAY0 + DAY_MS)
        await store.write([r for r in session("s1", "anna", DAY0) if r.kind is not RecordKind.CONTROL] + STRICTER)
        await store.write(others + session("s3", "anna", DAY0 + 2 * DAY_MS))
        assert await archive.refresh(10, quiet_s=0.0) == 3
        connection = await asyncpg.connect(url)
        await connection.execute("update session_rollups set pauses = 4, client_stops = 1 where session_id = 's1'")
        await connection.execute(step.sql)
        await connection.close()
        for figures in await archive.sessions("anna", None, 10):
            assert figures == await archive.session(figures.session_id)
        assert (await archive.sums(ALL)).pauses == 6
        await store.aclose()
