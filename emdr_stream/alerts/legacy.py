"""One worker's journal folder in, what dead workers beside it left unshipped out; blocks, for the journal's own thread.

Workers of one service keep their journals beside one another: `journal`, `journal-1`, `journal-2` ... A folder whose
lock can be had belongs to nobody who lives. It stays locked until its entries are on another journal's disk.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emdr_stream.alerts.journal import Journal
from emdr_stream.broker.base import AlertEntry
from emdr_stream.errors import ConfigurationError

SINKS: Final = ("broker", "store")
_MOST: Final = 10_000


def folder_of(data_dir: Path, slot: int) -> Path:
    """The journal's folder of the worker with this number, from 0."""
    return data_dir / ("journal" if slot == 0 else f"journal-{slot}")


@dataclass(frozen=True, slots=True)
class Legacy:
    """A dead worker's journal, locked. `entries`: what one store or both have not got; `last`: how far
    was read for each store; what lies behind that is there the next time."""

    journal: Journal
    entries: Sequence[AlertEntry]
    last: Mapping[str, int]


def find_legacies(own: Path) -> list[Legacy]:
    """Dead siblings of the folder `own` that left something behind."""
    found = []
    for folder in sorted(own.parent.glob("journal*")):
        if folder != own and folder.is_dir():
            with contextlib.suppress(ConfigurationError, OSError):
                legacy = _open(folder)
                if legacy.entries:
                    found.append(legacy)
                else:
                    legacy.journal.close()
    return found


def close_legacies(legacies: Sequence[Legacy], kept: bool) -> None:
    """Free the folders; `kept`: their entries are safe elsewhere, and count as shipped."""
    for legacy in legacies:
        with contextlib.suppress(OSError):
            for sink in SINKS if kept else ():
                legacy.journal.mark_shipped(sink, legacy.last[sink])
            if kept:
                # Nobody may ever open it again, and what a person who is erased left must not lie there.
                legacy.journal.drop_shipped()
        legacy.journal.close()


def _open(folder: Path) -> Legacy:
    journal = Journal(folder, SINKS)
    try:
        journal.open()
        waiting: dict[int, AlertEntry] = {}
        last: dict[str, int] = {}
        for sink in SINKS:
            read = {n.number: n.entry for n in journal.unshipped(sink, _MOST) if n.number is not None}
            waiting |= read
            # A store that lags far behind the other has not got what lies between.
            last[sink] = max(read, default=0)
    except OSError:
        journal.close()
        raise
    return Legacy(journal, [waiting[number] for number in sorted(waiting)], last)
