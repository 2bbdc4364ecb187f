"""Recordings that lay on a disk while somebody was erased: theirs go, at a start and when it is asked again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from emdr_stream.recording.erased import ErasedRecordings
from emdr_stream.recording.line_file import LineWriter
from emdr_stream.recording.recorder import Recorder
from emdr_stream.store.memory import MemoryStore
from tests.contract.waiting import until

pytestmark = pytest.mark.anyio


class CountingStore(MemoryStore):
    asked = 0

    async def erased(self, session_ids: Collection[str]) -> frozenset[str]:
        self.asked += 1
        return await super().erased(session_ids)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@contextlib.asynccontextmanager
async def watched(folder: Path, store: CountingStore) -> AsyncIterator[ErasedRecordings]:
    recorder = Recorder(folder, writer=LineWriter(interval_s=0.005))
    recordings = ErasedRecordings(recorder, store, again_s=0.01)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(recordings.run())
        try:
            yield recordings
        finally:
            task.cancel()
            await asyncio.to_thread(recorder.close)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def become(folder: Path, names: set[str]) -> None:
    await until(lambda: names_in(folder) == names, 10.0)


def leave(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("{}\n")


async def test_what_was_erased_while_this_worker_was_down_goes_when_it_starts(
    tmp_path: Path, store: CountingStore
) -> None:
    """Its recordings stayed for ever: who is asked to erase again does not know the sessions any more."""
    leave(tmp_path, *(f"s-{number}.jsonl" for number in range(1_200)), "notes.txt")
    store.records.erased = {"s-0", "s-700", "s-1199", "notes"}
    async with watched(tmp_path, store):
        kept = {f"s-{number}.jsonl" for number in range(1_200) if number not in {0, 700, 1199}}
        await become(tmp_path, {*kept, "notes.txt"})


async def test_a_store_that_is_away_at_the_start_is_asked_when_it_is_back(tmp_path: Path, store: CountingStore) -> None:
    leave(tmp_path, "s-1.jsonl", "s-2.jsonl")
    store.records.erased = {"s-1"}
    store.records.available = False
    async with watched(tmp_path, store):
        await until(lambda: store.asked > 1)
        assert names_in(tmp_path) == {"s-1.jsonl", "s-2.jsonl"}, "nothing goes on suspicion"
        store.records.available = True
        await become(tmp_path, {"s-2.jsonl"})


async def test_another_erasure_finds_what_an_earlier_one_could_not_tell_us(
    tmp_path: Path, store: CountingStore
) -> None:
    leave(tmp_path, *(f"s-{number}.jsonl" for number in range(3)))
    async with watched(tmp_path, store) as recordings:
        recordings.forget(["s-0"])
        await become(tmp_path, {"s-1.jsonl", "s-2.jsonl"})
        store.records.erased = {"s-1"}
        recordings.forget([])
        await become(tmp_path, {"s-2.jsonl"})


async def test_without_recordings_there_is_nothing_to_do(store: CountingStore) -> None:
    recordings = ErasedRecordings(None, store)
    recordings.forget(["s-1"])
    await recordings.run()
