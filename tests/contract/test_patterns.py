"""What was typical of a client, asked of a real PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.patterns import emotion_patterns
from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.kept_sessions import DAY0
from tests.stores_process import RunningStores

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


@pytest.fixture
async def store(stores: RunningStores) -> AsyncIterator[PostgresStore]:
    async with own_database(stores.database_url) as url:
        store = PostgresStore(url, timeout_s=10.0)
        await store.start()
        yield store
        await store.aclose()


def opened(epoch: int = 1) -> Record:
    return Record(RecordKind.SESSION, "s1", "anna", epoch, DAY0, {"action": "opened"})


def told(second: int, state: str, epoch: int = 1) -> Record:
    fields = {"state": state, "valence": 0.5, "arousal": None, "risk": 0.1}
    return Record(RecordKind.SECOND, "s1", "anna", epoch, DAY0 + 1_000 * second, fields)


async def test_a_state_follows_another_from_a_second_to_the_next_and_over_no_gap(store: PostgresStore) -> None:
    # A minute in which nobody was seen, or from which there is no row, stood between two states that "followed".
    seen = ["calm", "calm", "processing", "unknown", "hyperarousal"]
    await store.write([opened(), *(told(second, state) for second, state in enumerate(seen, 1)), told(60, "calm")])
    found = await store.ask(emotion_patterns("anna", 0, 10))
    assert found.transitions == [("calm", "processing", 1)]
    assert {each.state: each.seconds for each in found.states} == {"calm": 3, "hyperarousal": 1, "processing": 1}
    assert (found.sessions, found.states[0].valence, found.states[0].arousal) == (1, 0.5, None)


async def test_a_second_that_two_workers_told_counts_once(store: PostgresStore) -> None:
    await store.write([opened(), told(1, "calm"), told(2, "calm")])
    await store.write([replace(opened(2), fields={"action": "resumed"}), told(2, "processing", epoch=2)])
    found = await store.ask(emotion_patterns("anna", 0, 10))
    assert [(each.state, each.seconds) for each in found.states] == [("calm", 1), ("processing", 1)]
    assert found.transitions == [("calm", "processing", 1)]
