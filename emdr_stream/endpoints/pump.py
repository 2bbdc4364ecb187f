"""The way without a lane: ASGI messages of any server go in and out, under the same contract between peer and sink."""

import asyncio
from collections import deque
from dataclasses import dataclass

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ProtocolError
from websockets.frames import Close

from emdr_stream.endpoints.frames import close_reason
from emdr_stream.endpoints.ports import LaneLimits, MakeSink, Sink, log_sink_error, tell_end
from emdr_stream.errors import CloseCode


async def pump(websocket: WebSocket, make_sink: MakeSink, limits: LaneLimits) -> None:
    """Serve an accepted socket until it is closed: one task reads for the sink, one writes what the peer was given."""
    peer = PumpPeer(limits, asyncio.get_running_loop())
    try:
        sink: Sink | None = make_sink(peer)
    except Exception as error:
        log_sink_error(error)
        peer.close(CloseCode.INTERNAL)
        sink = None
    try:
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(_read(websocket, peer, sink))
            writer = group.create_task(_write(websocket, peer))
            # Shielded, because a cancelled wait would cancel the future, and with it the code.
            await asyncio.shield(peer.ended)
            reader.cancel()
            writer.cancel()
    finally:
        peer.end(CloseCode.RESTART)
        tell_end(sink, peer.ended.result())


async def _read(websocket: WebSocket, peer: "PumpPeer", sink: Sink | None) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            peer.end(_disconnect_code(message))
            return
        # Not `is_open`: a write can fail before the messages that came ahead of the peer's close have been read.
        if peer.listens and sink is not None:
            data: bytes | str | None = message.get("bytes")
            try:
                sink.received(message["text"] if data is None else data)
            except Exception as error:
                log_sink_error(error)
                peer.close(CloseCode.INTERNAL)


async def _write(websocket: WebSocket, peer: "PumpPeer") -> None:
    try:
        while True:
            await peer.something_to_do.wait()
            peer.something_to_do.clear()
            while peer.outgoing:
                data = peer.outgoing[0]
                await (websocket.send_text(data) if isinstance(data, str) else websocket.send_bytes(data))
                peer.sent()
            if peer.closing is not None:
                await websocket.close(peer.closing.code, peer.closing.reason)
                peer.end(peer.closing.code)
                return
    except (WebSocketDisconnect, RuntimeError, OSError):
        # Starlette and the servers have different errors for a socket that is gone; the reader learns the code.
        peer.is_open = False


def _disconnect_code(message: Message) -> int:
    # uvicorn says 1005 for a lost connection too, but then without a reason.
    code: int = message.get("code", CloseCode.ABNORMAL)
    return CloseCode.ABNORMAL if code == 1005 and "reason" not in message else code


@dataclass(frozen=True, slots=True)
class _Closing:
    code: int
    reason: str


class PumpPeer:
    """The `Peer` of a socket without a lane: a queue bounded in bytes, whose overflow ends the connection with 4408."""

    def __init__(self, limits: LaneLimits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._queued_bytes = 0
        self.is_open = True
        self.outgoing: deque[bytes | str] = deque()
        self.closing: _Closing | None = None
        self.something_to_do = asyncio.Event()
        self.ended: asyncio.Future[int] = loop.create_future()

    def send(self, data: bytes | str) -> None:
        if not self.is_open:
            return
        self.outgoing.append(data)
        self._queued_bytes += len(data)
        self.something_to_do.set()
        if self._queued_bytes > self._limits.max_backlog_bytes:
            self.is_open = False
            self.end(CloseCode.TOO_SLOW)

    post = send
    """The task that writes has its turn when this one is over: what is sent waits for that anyway."""

    def close(self, code: int, reason: str = "") -> None:
        if not self.listens:
            return
        try:
            Close(code, "").check()
        except ProtocolError as error:
            raise ValueError(f"code: {code} may not be sent in a close frame (RFC 6455, section 7.4)") from error
        self.is_open = False
        self.closing = _Closing(code, close_reason(reason))
        self.something_to_do.set()
        self._loop.call_later(self._limits.close_timeout_s, self.end, code)

    def sent(self) -> None:
        """Forget the oldest message, which the server has taken."""
        self._queued_bytes -= len(self.outgoing.popleft())

    def end(self, code: int) -> None:
        """Let the pump stop and report `code`; the first call counts, and our own close comes before the peer's."""
        self.is_open = False
        if not self.ended.done():
            self.ended.set_result(self.closing.code if self.closing is not None else code)

    @property
    def listens(self) -> bool:
        """Whether messages still go to the sink: until our own close, or the end."""
        return self.closing is None and not self.ended.done()

    @property
    def buffered_bytes(self) -> int:
        return self._queued_bytes if self.is_open else 0
