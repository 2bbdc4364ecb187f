"""Alerts that another process left behind go in, those of sessions that were not erased meanwhile come out.

A worker that was down hears of no erasure: what it had journalled would be told to consoles, and put into the stream
again. Only the store knows. While it is away nobody is silenced: what cannot be known now is told, and asked for again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final

from emdr_stream.broker.base import AlertEntry
from emdr_stream.errors import StoreUnavailable
from emdr_stream.store.base import Store

_AT_ONCE: Final = 2_000
"""Sessions in one question."""
_AGAIN_S: Final = 1.0


class ErasedMeanwhile:
    """`gone` is told of sessions, each with its user, that were let through and turn out to have been erased."""

    def __init__(self, store: Store, gone: Callable[[Mapping[str, str]], Awaitable[None]]) -> None:
        self._store = store
        self._gone = gone
        self._erased: set[str] = set()
        self._doubted: dict[str, str] = {}
        self._wake = asyncio.Event()

    async def look(self, left: Mapping[str, str], budget_s: float | None = None) -> bool:
        """Ask which of these sessions (each with its user) were erased, before anything of them is told.

        Gives whether any was.
        """
        try:
            async with asyncio.timeout(budget_s):
                erased = await self._ask(left)
        except (StoreUnavailable, TimeoutError):
            self._doubted |= left
            self._wake.set()
            return False
        self._erased |= erased
        return bool(erased)

    def without(self, entries: Iterable[AlertEntry]) -> list[AlertEntry]:
        """The entries of sessions that are not known to have been erased."""
        return [entry for entry in entries if entry.session_id not in self._erased]

    async def settle(self) -> None:
        """Until cancelled: ask again for what could not be known."""
        while True:
            await self._wake.wait()
            with contextlib.suppress(StoreUnavailable):
                doubted = dict(self._doubted)
                erased = await self._ask(doubted)
                self._erased |= erased
                await self._gone({session_id: doubted[session_id] for session_id in erased})
                for session_id in doubted:
                    self._doubted.pop(session_id, None)
                if not self._doubted:
                    self._wake.clear()
                    continue
            await asyncio.sleep(_AGAIN_S)

    async def _ask(self, session_ids: Collection[str]) -> set[str]:
        erased: set[str] = set()
        names = list(session_ids)
        for first in range(0, len(names), _AT_ONCE):
            erased |= await self._store.erased(names[first : first + _AT_ONCE])
        return erased


def sessions_in(entries: Iterable[AlertEntry]) -> dict[str, str]:
    """The sessions of these entries, each with its user."""
    return {entry.session_id: entry.user for entry in entries}
