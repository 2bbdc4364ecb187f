"""A process that writes records behind its back, for tests that kill it: rows in, lines about them out.

    python -m tests.contract.spilling_process DATABASE_URL FOLDER FIRST COUNT

Offers COUNT rows of seconds and as many ratings from number FIRST on, says `spilled N` whenever the disk has more of
them, `written` when nothing waits any more, and lives until it is killed.
"""

import asyncio
import sys
from pathlib import Path

from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.postgres import PostgresStore
from emdr_stream.store.spill import Spill
from emdr_stream.store.writer import RecordWriter, WriterLimits

NOW_MS = 1_795_000_000_123


def rows(first: int, count: int) -> list[Record]:
    """The rows of these numbers: ten sessions, whose second epoch begins with number 5,000."""
    return [
        Record(kind, f"s-{number % 10}", "anna", 1 + number // 5_000, NOW_MS + 1_000 * number, {"number": number})
        for number in range(first, first + count)
        for kind in (RecordKind.SECOND, RecordKind.RATING)
    ]


async def main() -> None:
    url, folder, first, count = sys.argv[1:]
    limits = WriterLimits(spill_after_s=0.2, spill_every_s=0.05)
    spill = Spill(Path(folder), 100_000_000)
    writer = RecordWriter(PostgresStore(url), limits=limits, spill=spill)
    await writer.start()
    for row in rows(int(first), int(count)):
        writer.offer(row)
    told = -1
    while True:
        if spill.spilled != told:
            told = spill.spilled
            print(f"spilled {told}", flush=True)
        if not writer.backlog:
            print("written", flush=True)
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main())
