"""The archive in, its sums kept up to date: sessions are summed up some time after their end, a few at a time."""

import asyncio
import contextlib
from typing import Final

from emdr_stream.errors import StoreUnavailable
from emdr_stream.store.archive import Archive

QUIET_S: Final = 30.0
"""After a session's end: its last rows wait in the writer for a moment, and longer where the database is slow."""
_EVERY_S: Final = 10.0
_BATCH: Final = 10
_REST: Final = 4.0
"""Rests are so many times as long as the work before them: old sessions are caught up with beside live ones."""


class RollUpKeeper:
    """Works until cancelled. Several workers may do so at once: a session that two of them sum up has the same sums."""

    def __init__(self, archive: Archive, quiet_s: float = QUIET_S, every_s: float = _EVERY_S) -> None:
        self._archive = archive
        self._quiet_s = quiet_s
        self._every_s = every_s

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s, done = loop.time(), 0
            # A store that is away comes back, and nothing is lost meanwhile but time.
            with contextlib.suppress(StoreUnavailable):
                done = await self._archive.refresh(_BATCH, self._quiet_s)
            rest_s = _REST * (loop.time() - began_s)
            await asyncio.sleep(rest_s if done == _BATCH else max(self._every_s, rest_s))
