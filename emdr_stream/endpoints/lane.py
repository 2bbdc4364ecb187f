"""The fast lane: bytes of an accepted WebSocket go in, whole messages reach the session's sink inside `data_received`.

uvicorn's own path puts every message into a queue, wakes a task and pauses the socket until it was taken. The lane is a
subclass of uvicorn's protocol that behaves the same until an endpoint takes the connection over; from then on there is
no task, queue or ASGI message, and reading never stops: what the session cannot use it drops on purpose.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState, ProtocolError
from websockets.frames import Frame
from websockets.http11 import Request

from emdr_stream.endpoints.departures import Departures
from emdr_stream.endpoints.frames import BINARY, TEXT, FrameSplitter, close_reason
from emdr_stream.endpoints.guard import Guard
from emdr_stream.endpoints.lane_peer import LanePeer
from emdr_stream.endpoints.masking import unmask
from emdr_stream.endpoints.ports import LaneLimits, MakeSink, Sink, log_sink_error, tell_end
from emdr_stream.errors import CloseCode

EXTENSION: Final = "emdr_stream.lane"
"""Key in the ASGI scope's `extensions` under which a connection offers its lane."""
_SLICE_BYTES: Final = 65_536
"""What is taken of one connection in a turn of the loop, so that others need not wait; libuv would read 8 MiB."""
_FRAME_BYTES: Final = 1_024
"""What a frame counts at least: a read holds up to 40,000 of the smallest."""
_LAST_WORDS_BYTES: Final = 65_536
"""What a peer may still send after our close before its end is looked for."""
_MIDDLING: Final = bytes((BINARY, 0x80 | 126))
"""The first bytes of a masked binary message of 126 to 65,535 bytes."""


def websocket_protocol(limits: LaneLimits) -> type[asyncio.Protocol]:
    """Return what uvicorn takes as `ws=`; it can be pickled, so it works with several workers."""
    return cast("type[asyncio.Protocol]", partial(LaneProtocol, limits=limits))


def _discard(data: bytes | str) -> None:
    """After the close, messages that were on their way are of no use to anyone."""


class LaneProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with a way out of ASGI, and with bounds where uvicorn has none.

    Plain data frames are unmasked here; everything else (control frames, fragments, violations) goes to the parser of
    `websockets`, always in whole frames, so that it rests between frames and either path may take the next one.
    """

    __slots__ = (
        "close_timeout",
        "deaf",
        "deliver",
        "end_code",
        "ended",
        "fragments",
        "last_words",
        "limits",
        "odd_frames",
        "peer",
        "pending",
        "plain_bytes",
        "sink",
        "splitter",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: LaneLimits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # At log level DEBUG, websockets would write the contents of frames to the log.
        self.conn.debug = False
        self.limits = limits
        self.max_size = config.ws_max_size
        self.splitter = FrameSplitter(config.ws_max_size)
        self.fragments = bytearray()
        self.deliver: Callable[[bytes | str], None] = self.queue_message
        self.deaf = False
        self.plain_bytes = 0
        """A read up to this size may be one whole message; 0 while something is unfinished. Who is mute discards."""
        self.peer: LanePeer | None = None
        self.sink: Sink | None = None
        self.ended: asyncio.Future[None] | None = None
        self.end_code: int = CloseCode.ABNORMAL
        self.close_timeout = limits.close_timeout_s  # of uvicorn: 10 s without it
        self.pending: Iterator[tuple[bytes, int]] | None = None
        self.last_words = 0
        self.odd_frames = Guard(limits.max_odd_frames_hz, 0)

    # From the socket to the sink

    def data_received(self, data: bytes) -> None:
        size = len(data)  # nearly always of one message of a middling size: that case takes no detour
        if 8 < size <= self.plain_bytes and data[:2] == _MIDDLING and size == (data[2] << 8 | data[3]) + 8:
            try:
                self.deliver(unmask(data[8:], data[4:8]))
            except Exception as error:
                self.sink_failed(error)
        elif not self.handshake_initiated:
            super().data_received(data)
        elif self.pending is not None:
            self.pending = chain(self.pending, self.splitter.split(data))
        elif not self.deaf:
            self.take_frames(self.splitter.split(data))

    def take_frames(self, frames: Iterator[tuple[bytes, int]]) -> None:
        """Take a slice of frames; for the rest of them the loop comes back, and nothing is read until then."""
        if self.take_slice(frames):
            self.pending = frames
            self.transport.pause_reading()
            self.loop.call_soon(self.take_pending)
        elif self.pending is not None:
            self.pending = None
            if not self.read_paused and self.last_words <= _LAST_WORDS_BYTES and not self.transport.is_closing():
                self.transport.resume_reading()
        unfinished = self.pending or self.splitter.partial or self.conn.current_size is not None
        self.plain_bytes = 0 if unfinished or self.deaf else self.max_size

    def take_pending(self) -> None:
        if self.pending is not None and not self.disconnected:
            self.take_frames(self.pending)

    def take_slice(self, frames: Iterator[tuple[bytes, int]]) -> bool:
        """Take as many frames as a turn has room for; whether there may be more of them."""
        size = 0
        for frame, start in frames:
            size += max(len(frame), _FRAME_BYTES)
            if self.deaf or (self.close_sent and self.is_past_listening(len(frame))):
                return False
            if TEXT <= frame[0] <= BINARY and self.conn.current_size is None and start:
                self.take_payload(unmask(frame[start:], frame[start - 4 : start]), frame[0] == TEXT)
            elif self.odd_frames.admits(self.loop.time()):
                self.parse(frame)
            else:
                self.conn.fail(CloseCode.RATE_LIMITED, "far too many control frames or fragments")
                self.handle_parser_exception()
            if size >= _SLICE_BYTES:
                return not self.deaf
        return False

    def is_past_listening(self, size: int) -> bool:
        """Stop reading a peer that goes on for too long after our close; a reset would lose the close on its way."""
        self.last_words += size
        if self.last_words > _LAST_WORDS_BYTES:
            self.deaf = True
            self.transport.pause_reading()
        return self.deaf

    def take_payload(self, payload: bytes, is_text: bool) -> None:
        try:
            message = payload.decode() if is_text else payload
        except UnicodeDecodeError:
            self.conn.fail(CloseCode.INVALID_PAYLOAD)
            self.handle_parser_exception()
            return
        try:
            self.deliver(message)
        except Exception as error:
            self.sink_failed(error)

    def parse(self, data: bytes) -> None:
        self.conn.receive_data(data)
        if self.conn.parser_exc is not None:
            self.handle_parser_exception()
        else:
            self.handle_events()

    def queue_message(self, data: bytes | str) -> None:
        """Before the takeover, do what uvicorn does: one message for the application, then a pause."""
        if self.close_sent:
            return
        key = "text" if isinstance(data, str) else "bytes"
        self.queue.put_nowait(cast(Any, {"type": "websocket.receive", key: data}))
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    # Events of the parser: only frames that are not a whole message

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast("dict[str, Any]", self.scope["extensions"])[EXTENSION] = self
            # Until the endpoint accepts: the parser would take frames before its answer, and could not refuse them.
            self.read_paused = True
            self.transport.pause_reading()

    def handle_text(self, event: Frame) -> None:
        self.begin_fragments(event, "text")

    def handle_bytes(self, event: Frame) -> None:
        self.begin_fragments(event, "bytes")

    def begin_fragments(self, event: Frame, kind: Any) -> None:
        # A bytearray and not a list: empty fragments are free to send, without limit, and a list would keep each.
        self.curr_msg_data_type = kind
        self.fragments = bytearray(event.data)

    def handle_cont(self, event: Frame) -> None:
        self.fragments += event.data
        if event.fin:
            payload, self.fragments = bytes(self.fragments), bytearray()
            self.take_payload(payload, self.curr_msg_data_type == "text")

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.transport.get_write_buffer_size() > self.limits.max_pong_backlog_bytes:
            self.cut_off(CloseCode.ABNORMAL)

    def handle_close(self, event: Frame) -> None:
        self.deaf = True
        if self.peer is None:
            super().handle_close(event)
            return
        if not self.close_sent:
            self.write_out()
            self.end_code = self.conn.close_rcvd.code if self.conn.close_rcvd else CloseCode.ABNORMAL
        self.hang_up()
        self.finish()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        # The endpoint counts as gone: a peer that does not read must not keep what is left of its connection.
        if not self.disconnected:
            self.abort_later()

    def handle_parser_exception(self) -> None:
        self.deaf = True
        if not self.close_sent and (ours := self.conn.close_sent) is not None:
            self.end_code = ours.code
            if self.peer is None:
                self.queue.put_nowait({"type": "websocket.disconnect", "code": ours.code, "reason": ours.reason})
        self.close_sent = True
        self.write_out()
        # With unread bytes in the kernel a full close becomes a reset, which can overtake the close frame: half-close,
        # read on without listening, and let the peer or the timer end it.
        if self.transport.can_write_eof():
            self.stop_keepalive()
            self.transport.write_eof()
            self.abort_later()
        else:
            self.hang_up()
        self.finish()

    # The takeover and the end

    async def serve(self, make_sink: MakeSink, departures: Departures) -> None:
        """Give the connection to the sink until it has ended; a cancelled caller closes it with 1012."""
        self.ended = self.loop.create_future()
        self.peer = peer = LanePeer(self.transport, self.start_close, departures, self.loop)
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high=self.limits.max_backlog_bytes)
        try:
            self.sink = make_sink(peer)
        except Exception as error:
            self.sink_failed(error)
        else:
            self.deliver = self.sink.received if peer.is_open else _discard
            self.drain()
        try:
            await self.ended
        finally:
            peer.close(CloseCode.RESTART)

    def drain(self) -> None:
        """Deliver what uvicorn had queued, then read on."""
        while not self.queue.empty():
            event = cast("dict[str, Any]", self.queue.get_nowait())
            if event["type"] == "websocket.disconnect":
                # uvicorn says 1005 for a lost connection too, but then without a reason.
                if not self.close_sent:
                    self.end_code = event["code"] if "reason" in event else CloseCode.ABNORMAL
                self.hang_up()
                self.finish()
            else:
                data = event.get("bytes")
                self.take_payload(*((event["text"].encode(), True) if data is None else (data, False)))
        if self.disconnected:
            self.finish()
        elif self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
        self.read_paused = False

    def sink_failed(self, error: Exception) -> None:
        log_sink_error(error)
        self.start_close(CloseCode.INTERNAL, "")
        self.finish()

    def start_close(self, code: int, reason: str) -> None:
        try:
            self.conn.send_close(code, close_reason(reason))
        except ProtocolError as error:
            raise ValueError(f"code: {code} may not be sent in a close frame (RFC 6455, section 7.4)") from error
        except InvalidState:
            return
        self.end_code = code
        self.close_sent = True
        self.stop_keepalive()
        self.write_out()
        self.mute()
        self.abort_later()

    def write_out(self) -> None:
        """Write what was posted, then what the parser has to say: our close, or the answer to the peer's."""
        if self.peer is not None:
            self.peer.flush()
        self.transport.write(b"".join(self.conn.data_to_send()))

    def finish(self) -> None:
        """Tell the sink, once, and let the endpoint go on."""
        self.mute()
        sink, self.sink = self.sink, None
        tell_end(sink, self.end_code)
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(None)

    def mute(self) -> None:
        self.deliver = _discard
        if self.peer is not None:
            self.peer.is_open = False

    def cut_off(self, code: int) -> None:
        """End at once, without a close frame, and report `code`; `connection_lost` follows in the next loop turn."""
        self.deaf = True
        self.end_code = code
        self.mute()
        self.transport.abort()

    def hang_up(self) -> None:
        """Close once the write buffer is empty, or abort if the peer never reads it."""
        self.stop_keepalive()
        if not self.disconnected:
            self.transport.close()
            self.abort_later()

    def abort_later(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(self.limits.close_timeout_s, self.transport.abort)

    # Events of the transport and the server

    def pause_writing(self) -> None:
        if self.peer is None:
            super().pause_writing()
        elif not self.deaf:
            self.cut_off(CloseCode.TOO_SLOW)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.deaf = True
        self.mute()
        self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.finish()
        # Cut the circles: the memory of a connection is then free at once and not when the garbage collector comes.
        self.peer = None
        if hasattr(self, "scope"):
            cast("dict[str, Any]", self.scope["extensions"]).pop(EXTENSION, None)

    def shutdown(self) -> None:
        if self.peer is not None:
            self.peer.close(CloseCode.RESTART)
        elif self.handshake_complete or self.close_sent or self.initial_response:
            super().shutdown()
        else:
            # uvicorn would say 500. Another worker, or the next one, takes the peer at once.
            answer = self.conn.reject(503, "the service restarts")
            answer.headers["Retry-After"] = "1"
            self.conn.send_response(answer)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.hang_up()
