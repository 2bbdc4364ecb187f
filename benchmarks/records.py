"""The record writer and a bare COPY of the same rows in turn, in one run; rows a second, their ratio and verdict out.

Bare: the rows are packed beforehand as asyncpg wants them, and one `copy_records_to_table` follows the other on one
connection, in batches of the writer's own size. Ours: `RecordWriter` with its limits as the service has them, spill
included, is offered records as sessions make them, as fast as it takes them; to pack them, to ask whether the sessions
are still ours and to write them is all inside. Both write to the same partitioned table of the same embedded
PostgreSQL. The writer is alone on core 0, the database on core 1.
"""

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from benchmarks import procfs
from benchmarks.goals import Goal, judge
from emdr_stream.domain import SIGNALS
from emdr_stream.embedded import EmbeddedStores
from emdr_stream.store import rows
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.postgres import PostgresStore
from emdr_stream.store.spill import Spill
from emdr_stream.store.writer import RecordWriter, WriterLimits

G6 = Goal("G6 record writer", "x (rows/s, ours ÷ bare COPY)", must=0.8, aim=0.95, more=True)

SESSIONS = 500
ROWS = 20_000
_COLUMNS = ("session_id", "epoch", "ts", "fields")
_FIRST_MS = 1_795_000_000_000


def throughput(rounds: int) -> bool:
    """G6."""
    return uvloop.run(_throughput(rounds))


async def _throughput(rounds: int) -> bool:
    ratios = []
    with _folder() as folder:
        async with EmbeddedStores(folder) as addresses:
            _spread()
            store = PostgresStore(addresses.database_url)
            await store.start()
            bare: Any = await asyncpg.connect(addresses.database_url)
            print(
                f"\n{ROWS} rows of seconds of {SESSIONS} sessions in batches of {WriterLimits().seconds_batch}; rows/s"
            )
            await _ours(store, folder / "spill", _records(-1))  # the sessions are known from here on
            for number in range(1, rounds + 1):
                copied = await _bare(bare, _records(2 * number))
                written = await _ours(store, folder / "spill", _records(2 * number + 1))
                ratios.append(written / copied)
                print(f"  round {number}: COPY {copied:7.0f}   writer {written:7.0f}   ratio {ratios[-1]:.2f}")
            await bare.close()
            await store.aclose()
    return judge(G6, statistics.median(ratios))


async def _bare(connection: Any, records: list[Record]) -> float:
    size = WriterLimits().seconds_batch
    values = [rows.second_row(record) for record in records]
    began = time.perf_counter()
    for first in range(0, len(values), size):
        await connection.copy_records_to_table("seconds", records=values[first : first + size], columns=_COLUMNS)
    return len(values) / (time.perf_counter() - began)


async def _ours(store: PostgresStore, spill: Path, records: list[Record]) -> float:
    limits = WriterLimits()
    writer = RecordWriter(store, spill=Spill(spill, 1 << 28))
    await writer.start()
    began = time.perf_counter()
    for first in range(0, len(records), limits.seconds_batch):
        for record in records[first : first + limits.seconds_batch]:
            writer.offer(record)
        while writer.backlog > limits.spill_at // 2:  # noqa: ASYNC110 - what a session never does: wait for the writer
            await asyncio.sleep(0.001)
    await writer.drain(60.0)
    taken_s = time.perf_counter() - began
    counts = writer.counts
    await writer.aclose()
    if counts.written != len(records) or counts.dropped or counts.refused:
        raise RuntimeError(f"not every row was written: {counts}")
    return len(records) / taken_s


def _records(block: int) -> list[Record]:
    """As many seconds of each session, later ones for each block."""
    fields = {name: round(0.1234 + number / 100, 4) for number, name in enumerate(SIGNALS)}
    seconds = ROWS // SESSIONS
    return [
        Record(
            RecordKind.SECOND,
            f"session-{session:04d}",
            f"user-{session:04d}",
            1,
            _FIRST_MS + 1_000 * (block * seconds + second),
            {
                "at_ms": 1_000 * second,
                **fields,
                "risk": 0.1234,
                "crisis": 0.0123,
                "state": "calm",
                "level": "normal",
                "signal": "ok",
                "status": "running",
            },
        )
        for second in range(seconds)
        for session in range(SESSIONS)
    ]


def _spread() -> None:
    """The stores on core 1, the writer on core 0, where there are two."""
    if (os.cpu_count() or 1) < 2:
        return
    for child in procfs.process_tree(os.getpid())[1:]:
        with suppress(OSError):
            os.sched_setaffinity(child, {1})
    os.sched_setaffinity(0, {0})


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that the database's account may enter."""
    folder = Path(tempfile.mkdtemp(prefix="emdr-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
