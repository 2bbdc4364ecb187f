"""What the alert log promises under faults of disk and stores: nothing lost, nothing twice to a feed, in order."""

import asyncio
import contextlib
import dataclasses
import itertools
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.alerts.cursor import make_cursor, parse_cursor
from emdr_stream.alerts.feed import AlertFeed
from emdr_stream.alerts.journal import Journal
from emdr_stream.alerts.legacy import SINKS, close_legacies, find_legacies, folder_of
from emdr_stream.alerts.log import AlertLog
from emdr_stream.alerts.scribe import Item, Scribe
from emdr_stream.alerts.sequencer import Sequencer
from emdr_stream.alerts.shipping import Shipper
from emdr_stream.broker.base import AlertEntry, Broker
from emdr_stream.broker.memory import MemoryBroker, MemoryHub
from emdr_stream.broker.redis import RedisBroker
from emdr_stream.errors import ConfigurationError, ErrorCode, ProtocolError, RecordRefused, StoreUnavailable
from emdr_stream.store.base import Store
from emdr_stream.store.memory import MemoryRecords, MemoryStore
from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.contract.own_valkey import OwnValkey
from tests.contract.waiting import until
from tests.stores_process import RunningStores

pytestmark = pytest.mark.anyio

ARRIVAL_S = 5.0


def alert(
    seq: int, session_id: str = "s1", *, user: str = "anna", state: str = "raised", name: str = "a1", ts_ms: int = 0
) -> AlertEntry:
    payload = msgspec.json.encode({"alert_id": name, "state": state})
    return AlertEntry(session_id, user, seq, 1, ts_ms or time.time_ns() // 1_000_000, payload)


async def taken(feed: AlertFeed, count: int) -> list[AlertEntry]:
    async with asyncio.timeout(ARRIVAL_S):
        return [await anext(feed) for _ in range(count)]


async def nothing_more(feed: AlertFeed) -> bool:
    try:
        async with asyncio.timeout(0.05):
            await anext(feed)
    except TimeoutError:
        return True
    return False


class Shared:
    """The memory stores that the workers of one test share."""

    def __init__(self) -> None:
        self.hub = MemoryHub()
        self.records = MemoryRecords()

    def broker(self) -> MemoryBroker:
        return MemoryBroker(self.hub)

    def store(self) -> MemoryStore:
        return MemoryStore(self.records)


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def valkey() -> Iterator[OwnValkey]:
    with OwnValkey() as server:
        yield server


@contextlib.asynccontextmanager
async def log(
    folder: Path,
    broker: Broker,
    store: Store,
    *,
    on_problem: Callable[[str], None] = lambda _: None,
    patience_s: float = 3.0,
) -> AsyncIterator[AlertLog]:
    running = AlertLog(folder, broker, store, on_problem=on_problem, patience_s=patience_s)
    await broker.start()
    try:
        await running.start()
        try:
            yield running
        finally:
            await running.aclose()
    finally:
        await broker.aclose()


# The order --------------------------------------------------------------------------------------------------------


@given(st.permutations(range(1, 9)), st.integers(0, 8))
def test_any_order_of_arrival_becomes_contiguous_and_single(order: list[int], repeats: int) -> None:
    sequencer = Sequencer()
    released = [
        entry.alert_seq for seq in (*order, *order[:repeats]) for entry in sequencer.offer(alert(seq, ts_ms=1), 0.0)
    ]
    assert released == list(range(1, 9))
    assert not sequencer.has_gaps


def test_a_new_owners_first_entry_waits_for_a_search_and_no_longer() -> None:
    """It counts in a block of its own: whether something lies between cannot be told from the numbers."""
    sequencer = Sequencer()
    assert [e.alert_seq for e in sequencer.offer(alert(1, ts_ms=1), 0.0)] == [1]
    assert sequencer.offer(alert(1_001, ts_ms=2), 0.0) == []
    waited = sequencer.has_gaps
    assert [e.alert_seq for e in sequencer.searched(0.5)] == [1_001]
    assert (waited, sequencer.has_gaps) == (True, False)
    assert [e.alert_seq for e in sequencer.offer(alert(1_002, ts_ms=3), 0.0)] == [1_002]


def test_a_new_owners_first_entry_gives_the_former_ones_last_ones_a_moment_and_a_store_that_is_away_a_second() -> None:
    sequencer = Sequencer()
    sequencer.offer(alert(1, ts_ms=1), 0.0)
    sequencer.offer(alert(1_001, ts_ms=2), 0.0)
    assert sequencer.searched(0.2) == [] and sequencer.overdue(0.9) == []
    assert [e.alert_seq for e in sequencer.overdue(1.1)] == [1_001]


def test_what_the_search_finds_comes_before_the_new_owners_first_entry() -> None:
    sequencer = Sequencer()
    sequencer.offer(alert(1, ts_ms=1), 0.0)
    sequencer.offer(alert(1_001, ts_ms=3), 0.0)
    told = [e.alert_seq for e in (*sequencer.offer(alert(2, ts_ms=2), 0.1), *sequencer.searched(0.5))]
    assert told == [2, 1_001]


def test_a_gap_within_an_owners_own_numbers_is_not_passed_over_by_a_search() -> None:
    sequencer = Sequencer()
    sequencer.offer(alert(1, ts_ms=1), 0.0)
    sequencer.offer(alert(3, ts_ms=3), 0.0)
    assert sequencer.searched(0.5) == []
    assert [e.alert_seq for e in sequencer.overdue(3.5)] == [3]


def journalled(folder: Path, *entries: AlertEntry) -> None:
    """What a worker leaves behind that died before it had shipped anything."""
    journal = Journal(folder, SINKS)
    journal.open()
    journal.append(entries)
    journal.close()


def test_the_first_that_is_heard_of_a_session_is_told_when_the_stores_know_nothing_before_it() -> None:
    # A worker that had just started knew the last hour alone: an alert of a session that had been quiet for longer
    # reached its consoles three seconds late.
    sequencer = Sequencer()
    assert sequencer.offer(alert(6, ts_ms=1), 0.0) == []
    assert sequencer.searched(0.1) == []
    assert sequencer.overdue(2.0) == [], "while a store is away it may have what comes before"
    assert [e.alert_seq for e in sequencer.searched(2.1)] == [6]
    assert [e.alert_seq for e in sequencer.offer(alert(7, ts_ms=2), 2.2)] == [7]


async def test_what_a_dead_sibling_had_journalled_is_told_shipped_and_then_its_no_more(
    tmp_path: Path, shared: Shared
) -> None:
    journalled(folder_of(tmp_path, 1), alert(1), alert(2))
    async with log(folder_of(tmp_path, 0), shared.broker(), shared.store()) as heir:
        assert [entry.alert_seq for entry in heir.sequencer.recent({"*"})] == [1, 2]
        await until(lambda: shipped_everywhere(shared, 2))
    assert find_legacies(folder_of(tmp_path, 0)) == []


def test_of_a_dead_sibling_nothing_counts_as_shipped_that_was_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A store that lagged far behind the other was marked up to where the other one stood.
    monkeypatch.setattr("emdr_stream.alerts.legacy._MOST", 3)
    journal = Journal(folder_of(tmp_path, 1), SINKS)
    journal.open()
    journal.append([alert(seq) for seq in range(1, 11)])
    journal.mark_shipped("broker", 9)
    journal.close()
    found: list[int] = []
    while legacies := find_legacies(folder_of(tmp_path, 0)):
        found += [entry.alert_seq for legacy in legacies for entry in legacy.entries]
        close_legacies(legacies, kept=True)
    assert set(found) == set(range(1, 11))


async def test_a_living_siblings_journal_is_left_alone(tmp_path: Path, shared: Shared) -> None:
    journal = Journal(folder_of(tmp_path, 1), SINKS)
    journal.open()
    journal.append([alert(1)])
    async with log(folder_of(tmp_path, 0), shared.broker(), shared.store()) as other:
        await other.inherit()
        assert other.sequencer.recent({"*"}) == []
    journal.close()


async def test_a_sibling_that_dies_later_is_inherited_when_its_session_is_taken_over(
    tmp_path: Path, shared: Shared
) -> None:
    async with log(folder_of(tmp_path, 0), shared.broker(), shared.store()) as heir:
        feed = heir.feed({"*"})
        journalled(folder_of(tmp_path, 1), alert(1))
        await heir.inherit()
        assert heir.last_seq("s1") == 1
        assert (await anext(aiter(feed))).alert_seq == 1


async def test_a_worker_waits_for_its_folder_while_a_sibling_reads_what_was_left_there(
    tmp_path: Path, shared: Shared
) -> None:
    journalled(folder_of(tmp_path, 1), alert(1))
    legacies = find_legacies(folder_of(tmp_path, 0))
    assert len(legacies) == 1
    asyncio.get_running_loop().call_later(0.1, close_legacies, legacies, False)
    async with log(folder_of(tmp_path, 1), shared.broker(), shared.store()) as successor:
        assert [entry.alert_seq for entry in successor.sequencer.recent({"*"})] == [1]


async def test_what_a_dead_worker_had_journalled_of_a_person_who_was_erased_is_told_to_nobody(
    tmp_path: Path, shared: Shared
) -> None:
    """A worker that was down heard of no erasure: its alerts were put into the stream again, and told as open."""
    shared.records.erased = {"gone"}
    own = [alert(n, f"own-{n}", user="bert") for n in range(3)]
    journalled(folder_of(tmp_path, 0), alert(1, "gone"), *own)
    journalled(folder_of(tmp_path, 1), alert(2, "gone"), alert(1, "stays", user="bert"))
    journalled(folder_of(tmp_path, 2), alert(3, "gone"))
    async with log(folder_of(tmp_path, 0), shared.broker(), shared.store()) as heir:
        known = {"own-0", "own-1", "own-2", "stays"}
        assert {entry.session_id for entry in heir.sequencer.recent({"*"})} == known
        await until(lambda: shipped_everywhere(shared, 4))
        assert {entry.session_id for entry in (await heir.catch_up({"*"}, 0)).entries} == known
        await until(lambda: not any(b"anna" in path.read_bytes() for path in tmp_path.rglob("*.journal")))
    assert {entry.session_id for _, entry in shared.hub.alerts} == known


async def test_while_the_store_is_away_an_alert_that_was_left_is_told_and_forgotten_when_it_was_of_somebody_erased(
    tmp_path: Path, shared: Shared
) -> None:
    """Whether somebody was erased only the store knows: until it answers, no alert of anybody is kept back."""
    shared.records.available = False
    shared.records.erased = {"gone", "gone-too"}
    journalled(folder_of(tmp_path, 0), alert(1, "gone"), alert(1, "stays", user="bert"))
    journalled(folder_of(tmp_path, 1), alert(1, "gone-too"))
    async with log(folder_of(tmp_path, 0), shared.broker(), shared.store()) as heir:
        await until(lambda: len(shared.hub.alerts) == 3)
        assert heir.sessions_of("anna") == {"gone", "gone-too"}
        shared.records.available = True
        await until(lambda: not heir.sessions_of("anna"))
        await until(lambda: [entry.user for _, entry in shared.hub.alerts] == ["bert"])
        await until(lambda: [*shared.records.alerts] == [("stays", 1)])
        await until(lambda: not any(b"anna" in path.read_bytes() for path in tmp_path.rglob("*.journal")))
        assert {entry.session_id for entry in heir.sequencer.recent({"*"})} == {"stays"}


async def shipped_everywhere(shared: Shared, count: int) -> bool:
    return len(shared.hub.alerts) == count and len(await shared.store().alerts_since(0)) == count


def test_a_gap_is_released_after_the_patience_and_what_comes_late_is_still_told() -> None:
    sequencer = Sequencer(patience_s=3.0)
    assert sequencer.offer(alert(1), 0.0) == [alert_like(1, sequencer)]
    assert sequencer.offer(alert(3), 0.0) == []
    assert sequencer.overdue(2.9) == []
    assert [entry.alert_seq for entry in sequencer.overdue(3.0)] == [3]
    assert sequencer.forced == 1
    assert [entry.alert_seq for entry in sequencer.offer(alert(2), 4.0)] == [2]
    assert sequencer.late == 1
    assert sequencer.offer(alert(2), 4.0) == []


def alert_like(seq: int, sequencer: Sequencer) -> AlertEntry:
    return next(entry for entry in sequencer.recent({"*"}) if entry.alert_seq == seq)


def test_the_memory_of_alerts_is_bounded_per_session_and_in_total() -> None:
    sequencer = Sequencer(per_session=4, total=20)
    for session, seq in itertools.product(range(50), range(1, 11)):
        assert len(sequencer.offer(alert(seq, f"s{session}"), 0.0)) == 1
    kept = sequencer.recent({"*"})
    assert len(kept) <= 20
    assert {entry.alert_seq for entry in kept} == {7, 8, 9, 10}
    assert sequencer.last_seq("s49") == 10
    assert sequencer.last_seq("s0") == 0


def test_a_cursor_can_be_read_back_and_a_stranger_is_refused() -> None:
    entry = alert(12, "clinic.7:x@y", ts_ms=1_764_000_000_123)
    assert make_cursor(entry) == "1764000000123.clinic.7:x@y.000012"
    assert parse_cursor(make_cursor(entry)) == (1_764_000_000_123, "clinic.7:x@y", 12)
    for text in ("", "1.s.1", "1764000000123..000001", "1764000000123.s.1", "x" * 200, "١" * 13 + ".s.000001"):
        with pytest.raises(ProtocolError) as refused:
            parse_cursor(text)
        assert (refused.value.code, refused.value.param) == (ErrorCode.INVALID_FIELD, "resume_after")


# The journal ------------------------------------------------------------------------------------------------------


def test_the_journal_gives_back_what_was_not_shipped(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SINKS)
    journal.open()
    entries = [alert(seq) for seq in range(1, 6)]
    assert journal.append(entries[:3]) == 1
    assert journal.append(entries[3:]) == 4
    journal.mark_shipped("broker", 4)
    journal.close()
    again = Journal(tmp_path, SINKS)
    assert again.open().records == 5
    assert [(n.number, n.entry) for n in again.unshipped("broker", 10)] == [(5, entries[4])]
    assert [n.entry for n in again.unshipped("store", 2)] == entries[:2]
    assert again.append([alert(6)]) == 6
    again.close()


def test_a_torn_last_line_is_reported_and_everything_before_it_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SINKS)
    journal.open()
    entries = [alert(1), alert(2), alert(3)]
    journal.append(entries)
    journal.close()
    segment = next(tmp_path.glob("*.journal"))
    segment.write_bytes(segment.read_bytes()[:-7])
    again = Journal(tmp_path, SINKS)
    recovered = again.open()
    assert (recovered.records, recovered.torn, recovered.corrupt) == (2, 1, 0)
    again.append([alert(3)])
    assert [n.entry.alert_seq for n in again.unshipped("store", 10)] == [1, 2, 3]
    again.close()


def test_an_altered_line_is_reported_and_the_lines_around_it_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SINKS)
    journal.open()
    journal.append([alert(1), alert(2), alert(3)])
    journal.close()
    segment = next(tmp_path.glob("*.journal"))
    lines = segment.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"anna", b"bert")
    segment.write_bytes(b"\n".join(lines))
    again = Journal(tmp_path, SINKS)
    assert again.open().corrupt == 1
    assert [n.entry.alert_seq for n in again.unshipped("store", 10)] == [1, 3]
    again.close()


def test_a_full_disk_leaves_the_journal_readable_and_usable_afterwards(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SINKS)
    journal.open()
    journal.append([alert(1)])
    size = next(tmp_path.glob("*.journal")).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.append([alert(2)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    journal.append([alert(3)])
    assert [n.entry.alert_seq for n in journal.unshipped("store", 10)] == [1, 3]
    journal.close()


def test_shipped_segments_are_deleted_and_numbers_go_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SINKS, segment_bytes=300)
    journal.open()
    for seq in range(1, 21):
        number = journal.append([alert(seq)])
        for sink in SINKS:
            journal.mark_shipped(sink, number)
    assert len(list(tmp_path.glob("*.journal"))) <= 2
    journal.close()
    again = Journal(tmp_path, SINKS, segment_bytes=300)
    again.open()
    assert again.unshipped("store", 10) == []
    assert again.append([alert(21)]) == 21
    again.close()


def test_a_journal_begins_anew_once_all_of_it_is_shipped_and_not_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SINKS)
    journal.open()
    assert journal.renew(), "an empty one has nothing to keep"
    number = journal.append([alert(1), alert(2)]) + 1
    journal.mark_shipped("broker", number)
    assert not journal.renew()
    journal.mark_shipped("store", number)
    assert journal.renew()
    assert b"anna" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert journal.append([alert(3)]) == number + 1
    assert [n.entry.alert_seq for n in journal.unshipped("store", 10)] == [3]
    journal.close()


def test_what_was_forgotten_is_in_no_memory_and_a_gap_of_it_holds_nobody_up() -> None:
    sequencer = Sequencer()
    sequencer.offer(alert(1, "s1"), 0.0)
    sequencer.offer(alert(3, "s1"), 0.0)
    sequencer.offer(alert(1, "s2"), 0.0)
    gaps = [sequencer.has_gaps]
    sequencer.forget({"s1", "never"})
    gaps.append(sequencer.has_gaps)
    assert gaps == [True, False]
    assert [entry.session_id for entry in sequencer.recent({"*"})] == ["s2"]
    assert sequencer.last_seq("s1") == 0


async def test_a_log_that_forgets_drops_its_memory_at_once_and_its_journal_when_both_stores_have_it(
    tmp_path: Path, shared: Shared
) -> None:
    async with log(tmp_path, shared.broker(), shared.store()) as alerts:
        alerts.append(alert(1, "s1"))
        await until(lambda: shipped_everywhere(shared, 1))
        alerts.forget({"s1"})
        assert alerts.sequencer.recent({"*"}) == []

        await until(lambda: not any(b"anna" in path.read_bytes() for path in tmp_path.rglob("*.journal")))


def test_a_journal_in_use_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SINKS)
    journal.open()
    with pytest.raises(ConfigurationError, match="folder of its own"):
        Journal(tmp_path, SINKS).open()
    journal.close()


# The log on stores in memory --------------------------------------------------------------------------------------


async def test_an_alert_reaches_the_feeds_of_all_workers_once(tmp_path: Path, shared: Shared) -> None:
    async with (
        log(tmp_path / "1", shared.broker(), shared.store()) as here,
        log(tmp_path / "2", shared.broker(), shared.store()) as there,
    ):
        feeds = [here.feed({"anna"}), there.feed({"*"}), there.feed({"ben"})]
        entries = [alert(seq) for seq in range(1, 51)]
        for entry in entries:
            here.append(entry)
        assert await taken(feeds[0], 50) == entries
        assert await taken(feeds[1], 50) == entries
        assert await nothing_more(feeds[0])
        assert await nothing_more(feeds[1])
        assert await nothing_more(feeds[2])
        await until(lambda: len(shared.records.alerts) == 50)
        assert there.last_seq("s1") == 50


async def test_alerts_are_told_at_once_with_both_stores_away_and_shipped_when_they_return(
    tmp_path: Path, shared: Shared
) -> None:
    shared.hub.available = shared.records.available = False
    async with (
        log(tmp_path / "1", shared.broker(), shared.store()) as here,
        log(tmp_path / "2", shared.broker(), shared.store()) as there,
    ):
        mine, theirs = here.feed({"anna"}), there.feed({"anna"})
        entries = [alert(1), alert(2)]
        for entry in entries:
            here.append(entry)
        assert await taken(mine, 2) == entries
        assert (await here.catch_up({"anna"}, 0)).entries == entries
        assert (await there.catch_up({"anna"}, 0)).entries == []
        shared.records.available = True
        assert await taken(theirs, 2) == entries
        shared.hub.available = True
        await until(lambda: len(shared.hub.alerts) >= 2)
        assert await nothing_more(mine)


async def test_a_gap_is_held_back_until_the_store_fills_it(tmp_path: Path, shared: Shared) -> None:
    async with log(tmp_path, shared.broker(), shared.store(), patience_s=30.0) as running:
        feed = running.feed({"anna"})
        outside = shared.broker()
        await outside.append_alert(alert(2))
        assert await nothing_more(feed)
        await shared.store().append_alerts([alert(1)])
        assert [entry.alert_seq for entry in await taken(feed, 2)] == [1, 2]
        assert running.sequencer.forced == 0


async def test_a_gap_that_nobody_fills_is_released_in_the_end(tmp_path: Path, shared: Shared) -> None:
    async with log(tmp_path, shared.broker(), shared.store(), patience_s=0.2) as running:
        feed = running.feed({"anna"})
        await shared.broker().append_alert(alert(2))
        assert [entry.alert_seq for entry in await taken(feed, 1)] == [2]
        assert running.sequencer.forced == 1


async def test_a_console_without_a_cursor_gets_the_newest_step_of_open_alerts(tmp_path: Path, shared: Shared) -> None:
    await shared.store().append_alerts([alert(1, "old", name="o", ts_ms=5)])
    async with log(tmp_path, shared.broker(), shared.store()) as running:
        steps = [
            alert(1, name="a"),
            alert(2, name="b"),
            alert(3, name="a", state="acknowledged"),
            alert(4, name="b", state="resolved"),
            alert(1, "s2", user="ben", name="c"),
        ]
        feed = running.feed({"*"})
        for step in steps:
            running.append(step)
        await taken(feed, 5)
        found = (await running.catch_up({"anna"}, None)).entries
        assert [(entry.session_id, entry.alert_seq) for entry in found] == [("old", 1), ("s1", 3)]


async def test_catching_up_merges_memory_stream_and_store_once_each_in_order(tmp_path: Path, shared: Shared) -> None:
    now = time.time_ns() // 1_000_000
    await shared.store().append_alerts([alert(1, ts_ms=now), alert(2, ts_ms=now + 5)])
    await shared.broker().append_alert(alert(2, ts_ms=now + 5))
    await shared.broker().append_alert(alert(3, ts_ms=now + 3))
    await shared.broker().append_alert(alert(1, "s0", ts_ms=now + 4))
    async with log(tmp_path, shared.broker(), shared.store()) as running:
        found = (await running.catch_up({"*"}, now)).entries
        assert [(entry.session_id, entry.alert_seq) for entry in found] == [("s1", 1), ("s0", 1), ("s1", 2), ("s1", 3)]
        only_open = (await running.catch_up({"*"}, now + 3_600_000)).entries
        assert [(entry.session_id, entry.alert_seq) for entry in only_open] == [("s1", 3), ("s0", 1)]


async def test_catching_up_asks_for_ones_own_clients_alone_and_for_no_more_than_can_be_read(
    tmp_path: Path, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Everybody's alerts since the cursor were fetched and sorted on the loop: with an old cursor all sessions of the
    # worker stood still, and beyond what one query could give the console was never told.
    monkeypatch.setattr("emdr_stream.alerts.log._MOST_MISSED", 3)
    now_ms = time.time_ns() // 1_000_000
    mine = [alert(seq, ts_ms=now_ms + seq, state="resolved", name=f"a{seq}") for seq in range(1, 6)]
    await shared.store().append_alerts(mine)
    await shared.store().append_alerts([alert(1, "s2", user="bert")])
    async with log(tmp_path, shared.broker(), shared.store()) as running:
        running.sequencer.forget({"s1", "s2"})
        found = await running.catch_up({"anna"}, now_ms)
        assert found.complete and [entry.alert_seq for entry in found.entries] == [3, 4, 5]


async def test_a_reader_that_never_reads_is_cut_off_not_robbed(tmp_path: Path, shared: Shared) -> None:
    feed = AlertFeed({"*"}, lambda _: None, limit=3)
    for seq in range(1, 6):
        feed.deliver(alert(seq))
    assert feed.overrun
    assert [entry.alert_seq async for entry in feed] == [1, 2, 3]


async def test_an_unwritable_folder_is_told_once_and_alerts_still_arrive(tmp_path: Path, shared: Shared) -> None:
    problems: list[str] = []
    (tmp_path / "file").write_text("in the way")
    async with log(tmp_path / "file", shared.broker(), shared.store(), on_problem=problems.append) as running:
        feed = running.feed({"*"})
        for seq in (1, 2):
            running.append(alert(seq))
            await taken(feed, 1)
        await until(lambda: len(shared.records.alerts) == 2)
        assert not running.journal_ok
        assert running.scribe.unwritten == 2
    assert len(problems) == 1
    assert "disk space" in problems[0]


async def test_a_hanging_disk_does_not_silence_an_alert(
    tmp_path: Path, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with log(tmp_path, shared.broker(), shared.store()) as running:
        feed = running.feed({"*"})
        release = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hang(_: int) -> None:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)

        monkeypatch.setattr("emdr_stream.alerts.journal.sync", hang)
        for seq in (1, 2):
            running.append(alert(seq))
            await taken(feed, 1)
        await until(lambda: len(shared.records.alerts) == 2)
        release.set()
        await until(lambda: running.scribe.idle)
        assert running.scribe.unwritten == 0
    again = Journal(tmp_path, ("someone new",))
    again.open()
    assert [n.entry.alert_seq for n in again.unshipped("someone new", 10)] == [1, 2]
    again.close()


async def test_what_a_killed_process_did_not_ship_is_shipped_by_the_next(tmp_path: Path, shared: Shared) -> None:
    program = """
import sys, os
from pathlib import Path
from tests.contract.test_alert_log import Shared, alert
from emdr_stream.alerts.log import AlertLog
import asyncio
async def main():
    shared = Shared()
    shared.hub.available = shared.records.available = False
    log = AlertLog(Path(sys.argv[1]), shared.broker(), shared.store())
    await log.start()
    for seq in range(1, 101):
        log.append(alert(seq))
    while not log.scribe.idle:
        await asyncio.sleep(0.001)
    print("written", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"written\n"
    finally:
        process.kill()
        await process.communicate()
    async with log(tmp_path, shared.broker(), shared.store()) as running:
        assert running.recovered is not None
        assert running.recovered.records == 100
        await until(lambda: len(shared.records.alerts) == 100)
        await until(lambda: len(shared.hub.alerts) >= 100)
        assert [entry.alert_seq for entry in (await running.catch_up({"anna"}, 0)).entries] == list(range(1, 101))
        assert running.last_seq("s1") == 100


# The log on a real server -----------------------------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.integration
async def test_a_hung_redis_loses_nothing_doubles_nothing_and_delays_no_local_alert(
    tmp_path: Path, shared: Shared, valkey: OwnValkey
) -> None:
    brokers = [RedisBroker(valkey.url, instance=name) for name in ("w1", "w2")]
    async with (
        log(tmp_path / "1", brokers[0], shared.store()) as here,
        log(tmp_path / "2", brokers[1], shared.store()) as there,
    ):
        mine, theirs = here.feed({"anna"}), there.feed({"anna"})
        entries = [alert(seq) for seq in range(1, 31)]
        for entry in entries[:10]:
            here.append(entry)
        assert await taken(theirs, 10) == entries[:10]
        valkey.stop()
        started = time.monotonic()
        for entry in entries[10:20]:
            here.append(entry)
        assert await taken(mine, 20) == entries[:20]
        assert time.monotonic() - started < 0.5
        assert await taken(theirs, 10) == entries[10:20]
        valkey.go_on()
        for entry in entries[20:]:
            here.append(entry)
        assert await taken(theirs, 10) == entries[20:]
        assert await nothing_more(theirs)
        await until(lambda: all(shipper.idle for shipper in here.shippers))
        found = await brokers[1].alerts_since(0)
        assert found == entries


@pytest.mark.integration
async def test_a_killed_redis_loses_nothing(tmp_path: Path, shared: Shared, valkey: OwnValkey) -> None:
    brokers = [RedisBroker(valkey.url, instance=name) for name in ("w1", "w2")]
    shared.records.available = False
    async with (
        log(tmp_path / "1", brokers[0], shared.store()) as here,
        log(tmp_path / "2", brokers[1], shared.store()) as there,
    ):
        theirs = there.feed({"anna"})
        entries = [alert(seq) for seq in range(1, 21)]
        for entry in entries[:10]:
            here.append(entry)
        assert await taken(theirs, 10) == entries[:10]
        valkey.kill()
        for entry in entries[10:]:
            here.append(entry)
        valkey.start()
        assert await taken(theirs, 10) == entries[10:]
        assert await nothing_more(theirs)


@pytest.mark.integration
async def test_both_real_stores_hold_every_alert_in_order_after_faults(
    tmp_path: Path, valkey: OwnValkey, stores: RunningStores
) -> None:
    async with own_database(stores.database_url) as url:
        places = [PostgresStore(url, timeout_s=5.0) for _ in range(2)]
        await places[0].start()
        brokers = [RedisBroker(valkey.url, instance=name) for name in ("w1", "w2")]
        async with (
            log(tmp_path / "1", brokers[0], places[0]) as here,
            log(tmp_path / "2", brokers[1], places[1]) as there,
        ):
            feed = there.feed({"*"})
            entries = [alert(seq, f"s{seq % 3}") for seq in range(3, 63)]
            entries = [dataclasses.replace(entry, alert_seq=entry.alert_seq // 3) for entry in entries]
            for number, entry in enumerate(entries):
                here.append(entry)
                if number == 20:
                    valkey.kill()
                if number == 40:
                    valkey.start()
            arrived = await taken(feed, 60)
            for session in ("s0", "s1", "s2"):
                assert [e.alert_seq for e in arrived if e.session_id == session] == list(range(1, 21))
            assert await nothing_more(feed)
            await until(lambda: all(shipper.idle for shipper in here.shippers))
            in_order = sorted(entries, key=lambda entry: (entry.session_id, entry.alert_seq))
            assert await places[1].alerts_since(0) == in_order
            assert await brokers[1].alerts_since(0) == in_order
        for place in places:
            await place.aclose()


async def test_an_entry_that_a_store_never_takes_does_not_hold_up_the_others(tmp_path: Path, shared: Shared) -> None:
    class Picky(MemoryStore):
        async def append_alerts(self, entries: Sequence[AlertEntry]) -> None:
            if any(entry.session_id == "poison" for entry in entries):
                raise RecordRefused("poison")
            await super().append_alerts(entries)

    problems: list[str] = []
    async with log(tmp_path, shared.broker(), Picky(shared.records), on_problem=problems.append) as running:
        for entry in (alert(1), alert(1, "poison"), alert(2)):
            running.append(entry)
        await until(lambda: running.shippers[1].idle and running.shippers[1].shipped == 3)
        assert sorted(shared.records.alerts) == [("s1", 1), ("s1", 2)]
        assert running.shippers[1].refused == len(problems) == 1


async def test_a_long_outage_overflows_into_the_journal_and_everything_is_shipped_in_the_end(
    tmp_path: Path, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emdr_stream.alerts.shipping._IN_MEMORY", 10)
    monkeypatch.setattr("emdr_stream.alerts.shipping._FROM_JOURNAL", 7)
    shared.records.available = False
    async with log(tmp_path, shared.broker(), shared.store()) as running:
        for seq in range(1, 101):
            running.append(alert(seq))
            await asyncio.sleep(0)
        await until(lambda: running.scribe.idle)
        assert running.shippers[1].backlog <= 20
        shared.records.available = True
        await until(lambda: len(shared.records.alerts) == 100)
        assert running.shippers[1].lost == 0


class SlowOnce(Journal):
    """The next write takes so long."""

    takes_s = 0.0

    def append(self, entries: Sequence[AlertEntry]) -> int:
        time.sleep(self.takes_s)
        return super().append(entries)


async def test_a_slow_write_beside_a_long_outage_marks_nothing_as_shipped_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An entry that got its number only in memory stood for all numbers before it, of which many had passed memory by:
    # 1,200 of 6,211 steps never reached the store, and nothing counted them.
    monkeypatch.setattr("emdr_stream.alerts.shipping._IN_MEMORY", 10)
    monkeypatch.setattr("emdr_stream.alerts.shipping._FROM_JOURNAL", 7)
    stored: list[int] = []
    up = asyncio.Event()

    async def send(entries: Sequence[AlertEntry]) -> None:
        if not up.is_set():
            raise StoreUnavailable("away")
        stored.extend(entry.alert_seq for entry in entries)

    journal = SlowOnce(tmp_path, ("store",))
    shippers: list[Shipper] = []

    def written(items: Sequence[Item]) -> None:
        for item in items:
            shippers[0].put(item)

    scribe = Scribe(journal, written, print, patience_s=0.02)
    shippers.append(Shipper("store", send, scribe, print))
    await scribe.open()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in (scribe.run(), shippers[0].run())]
        for seq in range(1, 41):
            scribe.append(alert(seq))
            await asyncio.sleep(0.001)
        await until(lambda: scribe.idle)
        backlog = shippers[0].backlog
        journal.takes_s = 0.4
        scribe.append(alert(41))
        await until(lambda: shippers[0].backlog > backlog)
        journal.takes_s = 0.0
        await until(lambda: scribe.idle)
        up.set()
        await until(lambda: shippers[0].idle)
        for task in tasks:
            task.cancel()
    await scribe.aclose()
    assert sorted(set(stored)) == list(range(1, 42))
