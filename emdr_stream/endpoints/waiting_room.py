"""Requests that may wait go in, one after the other come out; bounded, and who comes when it is full is told so."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from emdr_stream.errors import ErrorCode, ProtocolError

T = TypeVar("T")


class WaitingRoom(Generic[T]):
    """At most `limit` requests in line, for one taker."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._line: deque[T] = deque()
        self._somebody = asyncio.Event()

    def put(self, request: T) -> None:
        """Raises ProtocolError(overloaded) when it is full."""
        if len(self._line) >= self._limit:
            raise ProtocolError(ErrorCode.OVERLOADED, "too many requests wait: send this again in a second")
        self._line.append(request)
        self._somebody.set()

    async def take(self, within_s: float | None = None) -> T | None:
        """The next request; None when none came within the time."""
        try:
            async with asyncio.timeout(within_s):
                while not self._line:
                    self._somebody.clear()
                    await self._somebody.wait()
        except TimeoutError:
            return None
        return self._line.popleft()
