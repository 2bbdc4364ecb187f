"""The client side of a WebSocket, made cheap: payloads in, masked frames out; server frames in, payloads out."""

import asyncio
from collections.abc import Callable
from typing import cast

_FIN_TEXT, _FIN_BINARY, _CLOSE, _PING, _PONG = 0x81, 0x82, 0x88, 0x89, 0x8A


def masked_frame(payload: bytes | str) -> bytes:
    """Return one client frame. The mask is zero, which the protocol allows: the server unmasks it all the same."""
    head, data = (_FIN_TEXT, payload.encode()) if isinstance(payload, str) else (_FIN_BINARY, payload)
    return _header(head, len(data)) + data


def _header(head: int, length: int) -> bytes:
    if length < 126:
        size = bytes((0x80 | length,))
    elif length < 65_536:
        size = b"\xfe" + length.to_bytes(2, "big")
    else:
        size = b"\xff" + length.to_bytes(8, "big")
    return bytes((head,)) + size + bytes(4)


class ClientProtocol(asyncio.Protocol):
    """One connection: shakes hands, answers pings, hands each message to `on_message`; expects no fragments.

    `opened` resolves with the handshake; `on_closed` gets the close code (1006 without a close frame).
    """

    def __init__(
        self,
        request: bytes,
        on_message: Callable[["ClientProtocol", bytes], None],
        on_closed: Callable[["ClientProtocol", int], None],
    ) -> None:
        self._request = request
        self._on_message = on_message
        self._on_closed = on_closed
        self._buffer = b""
        self._close_code = 1006
        self._shaken = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.write: Callable[[bytes], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no instances of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if not self._shaken:
            data = self._handshake(data)
        at, end = 0, len(data)
        while end - at >= 2:
            length = data[at + 1]
            start = at + 2
            if length == 126:
                start = at + 4
                length = int.from_bytes(data[at + 2 : start], "big")
            elif length == 127:
                start = at + 10
                length = int.from_bytes(data[at + 2 : start], "big")
            if start + length > end or start > end:
                break
            payload = data[start : start + length]
            if data[at] < _CLOSE:
                self._on_message(self, payload)
            else:
                self._control(data[at], payload)
            at = start + length
        self._buffer = data[at:]

    def _handshake(self, data: bytes) -> bytes:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            self._buffer = data
            return b""
        self._shaken = True
        if head.startswith(b"HTTP/1.1 101"):
            self.opened.set_result(None)
        else:
            status = head.split(b"\r\n", 1)[0].decode("latin-1")
            self.opened.set_exception(ConnectionError(f"handshake refused: {status}"))
        return rest

    def _control(self, head: int, payload: bytes) -> None:
        if head == _PING:
            self.write(_header(_PONG, len(payload)) + payload)
        elif head == _CLOSE:
            self._close_code = int.from_bytes(payload[:2], "big") if payload else 1005
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("connection lost before the handshake"))
        self._on_closed(self, self._close_code)

    def close(self) -> None:
        """Leave in an orderly way, unless the server did: a close frame of 1000, then the end of the stream."""
        if self._transport.is_closing():
            return
        self.write(_header(_CLOSE, 2) + (1000).to_bytes(2, "big"))
        self._transport.close()


def handshake(host: str, port: int, path: str, subprotocol: str | None, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Return the bytes of an opening request; the key is constant, as no one here checks the server's answer to it."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
