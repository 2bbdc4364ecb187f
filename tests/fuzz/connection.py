"""Bytes go in as a peer would send them, through our HTTP and WebSocket protocols on a transport of our own.

Nothing comes out unless a protocol raises (no exception is allowed), an error is logged, the sink is told out of turn,
something is written that is no frame, or the messages differ from those that `websockets` itself reads.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from starlette.websockets import WebSocket
from uvicorn.server import ServerState
from websockets.frames import Close, Opcode
from websockets.server import ServerProtocol

from emdr_stream.endpoints.handover import take_over
from emdr_stream.endpoints.lane import websocket_protocol
from emdr_stream.endpoints.patience import http_protocol
from emdr_stream.endpoints.ports import LaneLimits, Peer
from tests.system.raw_socket import request

MAX_BYTES: Final = 4_096
LIMITS: Final = LaneLimits(max_odd_frames_hz=1_000_000)
GOOD_REQUEST: Final = request(80, "/")
_MOST_TURNS: Final = 50
_MOST_SLICES: Final = 2_000


class MockTransport(asyncio.Transport):
    """Keeps what is written; ends as asyncio's transports do, in a later turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.loop = loop
        self.protocol: Any = None
        self.written = bytearray()
        self.closing = self.paused = self.ended = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self.protocol
        return protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.ended:
            self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.loop.call_soon(self.end)

    abort = close

    def end(self) -> None:
        if not self.ended:
            self.closing = self.ended = True
            self.protocol.connection_lost(None)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The peer will read to here."""

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Everything is read at once here."""


class Told(logging.Handler):
    """Errors that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class EchoSink:
    """Keeps and answers what it hears."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.messages: list[bytes | str] = []
        self.closed_with: list[int] = []

    def received(self, data: bytes | str) -> None:
        assert not self.closed_with, "a message after the end"
        self.messages.append(data)
        self.peer.send(data)

    def closed(self, code: int) -> None:
        self.closed_with.append(code)


class Connections:
    """A server without a network, made once; each input gets a connection of its own."""

    def __init__(self, application: ASGIApp | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self.told = Told()
        logging.getLogger().addHandler(self.told)
        self.trouble: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.trouble.append(context))
        self.sinks: list[EchoSink] = []
        self.most_in_a_turn = 0
        self.config = uvicorn.Config(
            application or self._application,
            http=http_protocol(LIMITS),
            ws=websocket_protocol(LIMITS),
            ws_max_size=MAX_BYTES,
            ws_per_message_deflate=False,
            interface="asgi3",
            proxy_headers=False,
            log_config=None,
            access_log=False,
        )
        self.config.load()

    def close(self) -> None:
        logging.getLogger().removeHandler(self.told)
        self.loop.close()

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await take_over(websocket, self._sink)

    def _sink(self, peer: Peer) -> EchoSink:
        self.sinks.append(EchoSink(peer))
        return self.sinks[-1]

    def feed(self, pieces: Sequence[bytes], *, ends_at_once: bool = False) -> None:
        """Send these pieces, one read each, then end the connection, and judge it all.

        `ends_at_once`: the connection is lost before the application had its first turn.
        """
        self.told.records.clear()
        self.trouble.clear()
        self.sinks.clear()
        transport = self.loop.run_until_complete(self._fed(pieces, ends_at_once))
        assert not self.trouble, self.trouble
        assert not self.told.records, [record.getMessage() for record in self.told.records]
        assert len(self.sinks) <= 1
        check_written(bytes(transport.written))
        for sink in self.sinks:
            assert len(sink.closed_with) == 1, "the end is told once"

    async def _fed(self, pieces: Sequence[bytes], ends_at_once: bool) -> MockTransport:
        transport = MockTransport(self.loop)
        make: Callable[..., Any] = self.config.http_protocol_class
        transport.protocol = make(config=self.config, server_state=ServerState(), app_state={}, _loop=self.loop)
        transport.protocol.connection_made(transport)
        for piece in pieces:
            await self._until(lambda: not transport.paused or transport.closing, _MOST_SLICES)
            if transport.closing:
                break
            before = self._heard()
            transport.protocol.data_received(piece)
            self.most_in_a_turn = max(self.most_in_a_turn, self._heard() - before)
            partial = getattr(getattr(transport.protocol, "splitter", None), "partial", b"")
            # A piece may hold a part of the next frame.
            assert len(partial) <= MAX_BYTES + 14 + len(piece), "what waits for its end is bounded"
        if not ends_at_once:
            await self._until(lambda: getattr(transport.protocol, "pending", None) is None, _MOST_SLICES)
            await self._until(lambda: transport.closing)
        transport.end()
        await self._until(lambda: False)
        await self._until(lambda: all(sink.closed_with for sink in self.sinks))
        return transport

    async def _until(self, condition: Callable[[], bool], turns: int = _MOST_TURNS) -> None:
        """Let the loop turn until the condition holds, or nothing will make it hold."""
        for _ in range(turns):
            if condition():
                return
            before = self._heard()
            await asyncio.sleep(0)
            self.most_in_a_turn = max(self.most_in_a_turn, self._heard() - before)

    def _heard(self) -> int:
        return sum(len(sink.messages) for sink in self.sinks)


def check_written(written: bytes) -> None:
    """After the handshake's answer there are whole, unmasked frames, and nothing after a close."""
    head, _, frames = written.partition(b"\r\n\r\n")
    if b" 101 " not in head[:20]:
        return
    while frames:
        assert frames[0] in {0x81, 0x82, 0x88, 0x8A, 0x89}, frames[:20]
        size, at = frames[1], 2
        if size >= 126:
            at = 4 if size == 126 else 10
            size = int.from_bytes(frames[2:at])
        payload, rest = frames[at : at + size], frames[at + size :]
        assert len(payload) == size
        if frames[0] == 0x88:
            # A peer's own 1011 is sent back to it; one of ours would be in the log.
            assert not payload or Close.parse(payload).code
            assert not rest, "bytes after the close"
        frames = rest


def reference(frames: bytes) -> list[bytes | str]:
    """The messages that `websockets` reads from a peer's frames, up to the first fault or close."""
    protocol = ServerProtocol(max_size=MAX_BYTES, logger=logging.getLogger("reference"))
    protocol.receive_data(GOOD_REQUEST)
    asked = protocol.events_received()[0]
    protocol.send_response(protocol.accept(asked))  # type: ignore[arg-type]
    protocol.receive_data(frames)
    messages: list[bytes | str] = []
    parts, is_text = b"", False
    for event in protocol.events_received():
        if event.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:  # type: ignore[union-attr]
            continue
        if event.opcode is not Opcode.CONT:  # type: ignore[union-attr]
            parts, is_text = b"", event.opcode is Opcode.TEXT  # type: ignore[union-attr]
        parts += event.data  # type: ignore[union-attr]
        if event.fin:  # type: ignore[union-attr]
            try:
                messages.append(parts.decode() if is_text else parts)
            except UnicodeDecodeError:
                break
    return messages


def check_frames(connections: Connections, frames: bytes, cuts: Sequence[int]) -> None:
    """Frames after a good handshake, in pieces: the same messages as the reference's, whatever the pieces."""
    places = sorted(cut % (len(frames) + 1) for cut in cuts)
    pieces = [frames[a:b] for a, b in zip([0, *places], [*places, len(frames)], strict=True) if b > a]
    connections.feed([GOOD_REQUEST, *pieces])
    assert [sink.messages for sink in connections.sinks] == [reference(frames)]
