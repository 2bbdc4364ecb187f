"""The folder of recordings and the records in; recordings of sessions that were erased go, whenever that was.

A worker that was down, or did not answer, heard nothing of an erasure, and its disk still has what it had recorded. So
the folder is held against the records at each start, and whenever somebody is erased.
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from emdr_stream.errors import StoreUnavailable
from emdr_stream.recording.recorder import Recorder
from emdr_stream.store.base import Store

_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 500
_AGAIN_S: Final = 2.0


class ErasedRecordings:
    """`recorder` is None where nothing is recorded: then there is nothing to do."""

    def __init__(self, recorder: Recorder | None, store: Store, again_s: float = _AGAIN_S) -> None:
        self._recorder = recorder
        self._store = store
        self._again_s = again_s
        self._due = asyncio.Event()
        self._due.set()

    def forget(self, session_ids: Collection[str]) -> None:
        """These were erased just now; and perhaps others before, of which nobody could tell us."""
        if self._recorder is not None:
            self._recorder.forget(session_ids)
            self._due.set()

    async def run(self) -> None:
        """Until cancelled: compare when it is due; a store that is away is asked again."""
        while self._recorder is not None:
            await self._due.wait()
            self._due.clear()
            try:
                await self._compare(self._recorder)
            except (StoreUnavailable, OSError) as problem:
                # Told to nobody: a store that is away is told by others, a folder that cannot be used by the recorder.
                _LOG.debug("the recordings could not be compared", exc_info=problem)
                self._due.set()
                await asyncio.sleep(self._again_s)

    async def _compare(self, recorder: Recorder) -> None:
        kept = await asyncio.to_thread(recorder.kept)
        for first in range(0, len(kept), _AT_ONCE):
            erased = await self._store.erased(kept[first : first + _AT_ONCE])
            if erased:
                recorder.forget(erased)
                _LOG.warning("recordings of erased sessions were removed", extra={"count": len(erased)})
