"""A real uvicorn server in a thread: a kind of loop and protocol in, a port and what its sinks heard out."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from emdr_stream.endpoints.handover import take_over
from emdr_stream.endpoints.lane import websocket_protocol
from emdr_stream.endpoints.patience import http_protocol
from emdr_stream.endpoints.ports import LaneLimits, Peer

MAX_MESSAGE_BYTES = 64 * 1024
ENOUGH_BYTES = 100_000
LIMITS = LaneLimits(max_backlog_bytes=512 * 1024, close_timeout_s=0.5, slow_header_s=0.6, max_odd_frames_hz=1_000_000)


class Kind(Enum):
    LANE_UVLOOP = "lane on uvloop"
    LANE_ASYNCIO = "lane on asyncio"
    PUMP = "pump on stock uvicorn"

    @property
    def loop(self) -> str:
        return "asyncio" if self is Kind.LANE_ASYNCIO else "uvloop"


@dataclass
class Heard:
    """What one sink was told, and its peer; read from the test's thread, written on the server's loop."""

    peer: Peer
    ended: threading.Event
    messages: list[bytes | str] = field(default_factory=list)
    closed_with: list[int] = field(default_factory=list)


class TestSink:
    """Keeps what it hears, and obeys messages that are commands."""

    __test__ = False

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

        self._commands: dict[bytes | str, Callable[[], None]] = {
            "close": self._close,
            "bad code": self._refused_code,
            "flood": self._fill_up,
            "deluge": lambda: self._pour(heard.peer.send),
            "post": self._post_and_send,
            "post, then close": self._post_and_close,
            "post a deluge": lambda: self._pour(heard.peer.post),
        }

    def received(self, data: bytes | str) -> None:
        self._heard.messages.append(data)
        if data == "boom: my name":
            raise ValueError(data)
        command = self._commands.get(data)
        if command is None:
            self._heard.peer.send(data)
        else:
            command()

    def _close(self) -> None:
        self._heard.peer.close(4409, "replaced")
        self._heard.peer.send("never sent")
        self._heard.peer.close(1000)

    def _post_and_close(self) -> None:
        self._heard.peer.post("last words")
        self._heard.peer.close(4409, "replaced")
        self._heard.peer.post("never sent")

    def _pour(self, write: Callable[[bytes], None]) -> None:
        for _ in range(3_000):
            write(bytes(10_000))

    def _fill_up(self) -> None:
        # The kernel takes megabytes before anything waits here.
        messages = 0
        while self._heard.peer.buffered_bytes < ENOUGH_BYTES and messages < 3_000:
            self._heard.peer.send(bytes(10_000))
            messages += 1
        self._heard.messages.append(f"buffered {self._heard.peer.buffered_bytes}")

    def _post_and_send(self) -> None:
        peer = self._heard.peer
        waiting = []
        for number in range(3):
            peer.post(f"posted {number}")
            waiting.append(peer.buffered_bytes)
        peer.send("sent")
        peer.post(b"posted behind it")
        self._heard.messages.append(f"grew {waiting == sorted(set(waiting))}")

    def _refused_code(self) -> None:
        try:
            self._heard.peer.close(1006)
        except ValueError as error:
            self._heard.peer.send(str(error))

    def closed(self, code: int) -> None:
        self._heard.closed_with.append(code)


@dataclass
class RunningServer:
    kind: Kind
    port: int
    heard: list[Heard]
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"


async def _serve_socket(heard_by: list[Heard], websocket: WebSocket) -> None:
    await websocket.accept()
    if websocket.url.path == "/late":
        # Whatever the client sent up to here waits in the server's own queue.
        assert await websocket.receive_text() == "first"

    ended = threading.Event()

    def begin(peer: Peer) -> TestSink:
        if websocket.url.path == "/broken":
            raise ValueError(websocket.url.query)
        heard = Heard(peer, ended)
        heard_by.append(heard)
        return TestSink(heard)

    try:
        await take_over(websocket, begin, LIMITS)
    finally:
        ended.set()


async def _refuse(websocket: WebSocket) -> None:
    await websocket.close()


@contextmanager
def running_server(kind: Kind, ping_interval_s: float = 20.0, ping_timeout_s: float = 20.0) -> Iterator[RunningServer]:
    """Serve sinks that obey the tests, on a free port until the block ends."""
    heard: list[Heard] = []
    endpoint = partial(_serve_socket, heard)
    routes = [WebSocketRoute(path, endpoint) for path in ("/", "/late", "/broken")]
    config = server_config(
        kind,
        Starlette(routes=[*routes, WebSocketRoute("/refused", _refuse)]),
        LIMITS,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=ping_interval_s,
        ws_ping_timeout=ping_timeout_s,
    )
    with serving(config) as (port, server):
        yield RunningServer(kind, port, heard, server)


def server_config(kind: Kind, app: Starlette, limits: LaneLimits, **more: Any) -> uvicorn.Config:
    """What all servers of a kind have in common."""
    return uvicorn.Config(
        app,
        loop=kind.loop,
        ws="websockets-sansio" if kind is Kind.PUMP else websocket_protocol(limits),
        http="httptools" if kind is Kind.PUMP else http_protocol(limits),
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        **more,
    )


@contextmanager
def serving(config: uvicorn.Config) -> Iterator[tuple[int, uvicorn.Server]]:
    """Run a server in a thread, on a free port, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield listener.getsockname()[1], server
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"


def wait_until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Return as soon as the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.002)
