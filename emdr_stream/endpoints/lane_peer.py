"""Messages of a session in, frames on the transport out: the `Peer` of a connection in the fast lane."""

import asyncio
from collections.abc import Callable
from typing import Final

from emdr_stream.endpoints.departures import Departures
from emdr_stream.endpoints.frames import encode

_MUCH_BYTES: Final = 16_384
"""More than this does not wait: what is posted is put together by copying."""


class LanePeer:
    """`start_close` takes a code and a reason; the lane sets `is_open` to false when it has sent a close, or ended."""

    __slots__ = ("_departures", "_loop", "_posted", "_start_close", "_transport", "_write", "is_open")

    def __init__(
        self,
        transport: asyncio.Transport,
        start_close: Callable[[int, str], None],
        departures: Departures,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._transport = transport
        self._write = transport.write
        self._start_close = start_close
        self._departures = departures
        self._loop = loop
        self._posted = b""
        self.is_open = True

    def send(self, data: bytes | str) -> None:
        if self.is_open:
            # uvloop writes at once: what was posted goes ahead, in the same system call.
            posted, self._posted = self._posted, b""
            self._write(posted + encode(data))

    def post(self, data: bytes | str) -> None:
        if self.is_open:
            posted = self._posted
            if not posted:
                self._departures.add(self, self._loop)
            self._posted = posted = posted + encode(data)
            if len(posted) > _MUCH_BYTES:
                self.flush()

    def flush(self) -> None:
        """Write what was posted; after the end it is dropped."""
        posted, self._posted = self._posted, b""
        if posted and self.is_open:
            self._write(posted)

    def close(self, code: int, reason: str = "") -> None:
        if self.is_open:
            self._start_close(code, reason)

    @property
    def buffered_bytes(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._posted) if self.is_open else 0
