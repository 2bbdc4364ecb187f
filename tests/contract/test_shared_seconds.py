"""What two versions that shared sessions are compared by, on a real PostgreSQL: each second counts for who served."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from emdr_stream.__main__ import main
from emdr_stream.clock import wall_ms
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.model_events import shared_seconds
from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.stores_process import RunningStores

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

NAME = "face_expression"
T0 = wall_ms() // 1_000 * 1_000 - 3_600_000


@pytest.fixture
async def url(stores: RunningStores) -> AsyncIterator[str]:
    async with own_database(stores.database_url) as address:
        yield address


def models_of(version: str) -> list[dict[str, str]]:
    """Who speaks in a webcam session."""
    names = (("emotion_safety", "7"), (NAME, version))
    return [{"name": name, "version": number, "sha256": "0" * 64} for name, number in names]


def session(name: str, served: Sequence[tuple[str, int]], risk: float | None = 0.25) -> list[Record]:
    """A session that these versions served in turn, each for so many seconds, as the core keeps it."""
    records, at_ms, former = [], T0, ""
    for version, seconds in served:
        told = models_of(version)
        records.append(Record(RecordKind.SESSION, name, "u", 1, at_ms, {"source": "frame", "models": told}))
        if former:
            audit = {"action": "models", "models": told, "former": models_of(former)}
            records.append(Record(RecordKind.AUDIT, name, "u", 1, at_ms, audit))
        for _ in range(seconds):
            row = {"signal": "ok" if version == "1" else "lost", "risk": risk, "level": "normal"}
            records.append(Record(RecordKind.SECOND, name, "u", 1, at_ms, row))
            at_ms += 1_000
        former = version
    return records


async def asked(url: str, records: Sequence[Record], since_ms: int = 0) -> dict[tuple[str, str], tuple[int, float]]:
    """Seconds, and the share of them with a good signal, by session and version."""
    store = PostgresStore(url, timeout_s=10.0, connections=1)
    await store.start()
    try:
        await store.write(records)
        found = await store.ask(shared_seconds(NAME, ("1", "2"), since_ms))
    finally:
        await store.aclose()
    return {(name, version): (row["seconds"], row["seen"]) for name, version, row in found}


async def test_a_second_counts_for_the_version_that_served_it(url: str) -> None:
    records = [
        *session("steady", [("1", 10)]),
        *session("once", [("1", 20), ("2", 30)]),
        *session("back", [("1", 5), ("2", 7), ("1", 11)]),
        *session("other", [("3", 5), ("2", 6)]),
        *session("never", [("3", 5)]),
    ]
    assert await asked(url, records) == {
        ("steady", "1"): (10, 1.0),
        ("once", "1"): (20, 1.0),
        ("once", "2"): (30, 0.0),
        ("back", "1"): (16, 1.0),
        ("back", "2"): (7, 0.0),
        ("other", "2"): (6, 0.0),
    }


async def test_a_change_of_another_model_changes_nothing(url: str) -> None:
    records = session("s", [("2", 10)])
    told = models_of("2")
    former = [{**told[0], "version": "6"}, told[1]]
    records.append(
        Record(RecordKind.AUDIT, "s", "u", 1, T0 + 4_000, {"action": "models", "models": told, "former": former})
    )
    assert await asked(url, records) == {("s", "2"): (10, 0.0)}


async def test_what_was_before_the_time_that_is_asked_for_is_left_out(url: str) -> None:
    assert await asked(url, session("s", [("1", 10), ("2", 10)]), T0 + 6_000) == {
        ("s", "1"): (4, 1.0),
        ("s", "2"): (10, 0.0),
    }


async def compared(url: str, records: Sequence[Record], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    await asked(url, records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMDR_DATABASE_URL", url)
        code = await asyncio.to_thread(main, ["models", "compare", NAME, "1", "2"])
    return code, " ".join(capsys.readouterr().out.split())


async def test_the_comparison_is_printed_with_its_uncertainty(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    records = [each for number in range(6) for each in session(f"a{number}", [("1", 10 + number)], 0.1 * number)]
    records += [each for number in range(4) for each in session(f"b{number}", [("2", 10)], 0.2)]
    records += session("c", [("1", 10), ("2", 10)], None)
    code, said = await compared(url, records, capsys)
    assert code == 0
    assert "7 sessions had the first, 5 the second; 1 of them had both, one after the other" in said
    assert "share of seconds with a good signal 1 (1 to 1) 0 (0 to 0) -1 (-1 to -1)" in said
    assert "mean risk 0.25 (0.1" in said, "the session whose risk is not known is not one without risk"
    assert "95 % intervals over sessions" in said


async def test_of_one_session_nobody_is_told_an_interval(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = await compared(url, session("s", [("1", 10), ("2", 10)]), capsys)
    assert code == 0
    assert said.count("too few sessions") == 9


async def test_without_a_session_of_both_it_says_how_to_begin(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = await compared(url, session("s", [("1", 10)]), capsys)
    assert code == 1
    assert f"(begin with `emdr-stream models share {NAME} 2 10%`)" in said and "shadow" not in said
