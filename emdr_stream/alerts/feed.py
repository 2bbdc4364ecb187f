"""Takes released alert entries, gives those of some users to one reader, in order."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

from emdr_stream.broker.base import EVERYBODY, AlertEntry

_LIMIT: Final = 10_000


class AlertFeed:
    """One reader's alerts. An alert is never dropped: a reader that leaves `_LIMIT` unread is cut off (`overrun`)."""

    def __init__(self, users: Collection[str], forget: Callable[["AlertFeed"], None], limit: int = _LIMIT) -> None:
        self._users = frozenset(users)
        self._forget = forget
        self._limit = limit
        self._waiting: deque[AlertEntry] = deque()
        self._ready = asyncio.Event()
        self._closed = False
        self.overrun = False

    def watch(self, users: Collection[str]) -> None:
        """Replace the users, from the next entry on; {"*"} means everybody."""
        self._users = frozenset(users)

    def deliver(self, entry: AlertEntry) -> None:
        """Put an entry in line if its user is watched."""
        if self._closed or not (entry.user in self._users or EVERYBODY in self._users):
            return
        if len(self._waiting) >= self._limit:
            self.overrun = True
            self.close()
            return
        self._waiting.append(entry)
        self._ready.set()

    def __aiter__(self) -> AsyncIterator[AlertEntry]:
        return self

    async def __anext__(self) -> AlertEntry:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """End the iteration after what is already in line."""
        self._closed = True
        self._ready.set()
        self._forget(self)

    async def aclose(self) -> None:
        """The same, for `contextlib.aclosing`."""
        self.close()
