"""Messages of a session in, frames on the transport out: the `Peer` of a connection in the fast lane."""

import asyncio
from collections.abc import Callable

from emdr_stream.endpoints.frames import encode


class LanePeer:
    """`start_close` takes a code and a reason; the lane sets `is_open` to false when it has sent a close, or ended."""

    __slots__ = ("_start_close", "_transport", "_write", "is_open")

    def __init__(self, transport: asyncio.Transport, start_close: Callable[[int, str], None]) -> None:
        self._transport = transport
        self._write = transport.write
        self._start_close = start_close
        self.is_open = True

    def send(self, data: bytes | str) -> None:
        # One write per message: uvloop itself joins the writes of one loop turn into a single system call.
        if self.is_open:
            self._write(encode(data))

    def close(self, code: int, reason: str = "") -> None:
        if self.is_open:
            self._start_close(code, reason)

    @property
    def buffered_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self.is_open else 0
