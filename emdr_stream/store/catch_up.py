"""Takes what was spilled, brings it to the store in small batches with rests between them, behind the live records."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from emdr_stream.errors import StoreUnavailable
from emdr_stream.store.base import Record
from emdr_stream.store.spill import Spill

RETRY_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0)
_REST: Final = 3.0
"""Rests are so many times as long as the write before them: catching up takes a quarter of one connection's time."""
_LEAST_REST_S: Final = 0.002
_YIELD_S: Final = 0.1


class CatchUp:
    """`write` brings records to the store, or raises StoreUnavailable; `is_pressed` says that live records wait."""

    def __init__(
        self,
        spill: Spill,
        write: Callable[[list[Record]], Awaitable[None]],
        is_pressed: Callable[[], bool],
        batch: int,
    ) -> None:
        self._spill = spill
        self._write = write
        self._is_pressed = is_pressed
        self._batch = batch

    async def run(self) -> None:
        """Read back until cancelled. While the store is away this is what asks whether it takes rows again."""
        failures = 0
        while True:
            await self._spill.some.wait()
            if self._is_pressed():
                await asyncio.sleep(_YIELD_S)
                continue
            try:
                rest_s = await self._bring()
                failures = 0
            except StoreUnavailable:
                rest_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
                failures += 1
            await asyncio.sleep(rest_s)

    async def _bring(self) -> float:
        """One batch; gives the seconds to rest after it."""
        batch = await self._spill.next(self._batch)
        if batch is None:
            return _YIELD_S
        began_s = asyncio.get_running_loop().time()
        if batch.records:
            await self._write(batch.records)
        await self._spill.done(batch)
        return max(_LEAST_REST_S, _REST * (asyncio.get_running_loop().time() - began_s))
