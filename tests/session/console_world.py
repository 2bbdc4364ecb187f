"""A worker with real sockets, alert log and sessions and memory stores; consoles that connect to it, and clients."""

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from emdr_stream.alerts.log import AlertLog
from emdr_stream.broker.memory import MemoryBroker, MemoryHub
from emdr_stream.domain import Role, Scores, Source
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.endpoints.console import ConsoleEndpoint
from emdr_stream.endpoints.lane import websocket_protocol
from emdr_stream.endpoints.ports import LaneLimits
from emdr_stream.session.demand import Demand
from emdr_stream.session.ports import Surroundings
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.session.runner import SessionRunner
from emdr_stream.settings import (
    BaselineSettings,
    ControlSettings,
    SafetySettings,
    SessionSettings,
    SocketSettings,
    TokenSettings,
)
from emdr_stream.store.base import Record
from emdr_stream.store.memory import MemoryRecords, MemoryStore
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.codec import JSON, STREAM_CODECS
from emdr_stream.wire.stream import Hello, Sample
from emdr_stream.wire.values import Dimensions, Emotions
from tests.session.world import room_of

CALM = Scores((0.9, 0.05, 0.02, 0.02, 0.01), 0.1, 0.05, (0.0, 0.0, 0.0))
CRISIS = Scores((0.05, 0.05, 0.85, 0.03, 0.02), 0.95, 0.9, (-0.1, 0.2, 0.0))
QUICK = SessionSettings(
    baseline=BaselineSettings(duration_s=0.2),
    safety=SafetySettings(pause_persist_ms=100, immediate_persist_ms=100),
    control=ControlSettings(heartbeat_ms=100, unconfirmed_ms=60_000, rest_hard_ms=60_000, rest_ease_ms=60_000),
)
SMALL_BUFFER = 4_096
ARRIVAL_S = 5.0

Message = dict[str, Any]


class ClientSocket:
    """A client's socket that keeps what was sent."""

    buffered_bytes = 0

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.close_code: int | None = None

    def send(self, data: bytes | str) -> None:
        self.sent.append(msgspec.json.decode(data))

    post = send

    def close(self, code: int, reason: str = "") -> None:
        self.close_code = self.close_code or code


class Console:
    """A therapist's console; `seen` keeps everything that came."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._binary = connection.subprotocol != JSON
        self._asked = 0
        self._unclaimed: list[Message] = []
        self.seen: list[Message] = []

    async def send(self, kind: str, /, **fields: Any) -> None:
        message = {"type": kind, **fields}
        await self._connection.send(msgspec.msgpack.encode(message) if self._binary else json.dumps(message))

    async def send_raw(self, data: bytes | str) -> None:
        await self._connection.send(data)

    async def next(self, kind: str, /, within_s: float = ARRIVAL_S, **fields: Any) -> Message:
        """The earliest message of this kind with these values that no call before has given."""

        def wanted(message: Message) -> bool:
            return message["type"] == kind and all(message.get(name) == value for name, value in fields.items())

        return await self._first(wanted, within_s)

    async def ask(self, kind: str, /, **fields: Any) -> Message:
        """Send with an id, and give the answer."""
        self._asked += 1
        number = 1_000 + self._asked
        await self.send(kind, id=number, **fields)
        return await self._first(lambda message: message.get("re") == number, ARRIVAL_S)

    async def listen(self, seconds: float) -> list[Message]:
        """Everything that comes within the time."""
        start = len(self.seen)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._receive()
        return self.seen[start:]

    async def caught_up(self) -> list[Message]:
        """What had come by the time that the service had nothing more for us: a subscribe answers behind it all."""
        start = len(self.seen)
        await self.ask("unsubscribe", sessions=["nobody"])
        return self.seen[start:]

    async def close_code(self, within_s: float = ARRIVAL_S) -> int:
        async with asyncio.timeout(within_s):
            try:
                while True:
                    await self._receive()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006

    async def leave(self) -> None:
        await self._connection.close()

    def all(self, kind: str) -> list[Message]:
        return [message for message in self.seen if message["type"] == kind]

    async def _first(self, wanted: Callable[[Message], bool], within_s: float) -> Message:
        for message in self._unclaimed:
            if wanted(message):
                self._unclaimed.remove(message)
                return message
        async with asyncio.timeout(within_s):
            while True:
                message = await self._receive()
                if wanted(message):
                    self._unclaimed.remove(message)
                    return message

    async def _receive(self) -> Message:
        data = await self._connection.recv()
        assert isinstance(data, bytes) is self._binary
        message: Message = msgspec.msgpack.decode(data) if isinstance(data, bytes) else json.loads(data)
        self.seen.append(message)
        self._unclaimed.append(message)
        return message


@dataclass
class Client:
    """A client whose session lives in the worker."""

    runner: SessionRunner
    wire: ClientSocket
    _ts: float = field(default_factory=lambda: time.time() * 1_000)

    def say(self, message: Any) -> None:
        self.runner.take(message, time.monotonic())

    def sample(self) -> None:
        self._ts = max(self._ts + 1, time.time() * 1_000)
        self.say(
            Sample(
                ts=self._ts,
                emotions=Emotions(joy=0.1, sadness=0.1, anger=0.05, fear=0.05, surprise=0.1, disgust=0.05),
                dimensions=Dimensions(valence=0.1, arousal=0.2, attention=0.8),
            )
        )

    async def stream(self, done: Callable[[], bool], rate_hz: float = 50.0) -> None:
        """Samples until `done`."""
        async with asyncio.timeout(ARRIVAL_S):
            while not done():
                self.sample()
                await asyncio.sleep(1 / rate_hz)


class Worker:
    """One worker of the service; `hub` and `records` are what several workers share."""

    def __init__(self, folder: Path, hub: MemoryHub, records: MemoryRecords, settings: SessionSettings) -> None:
        self.scores: Scores | None = CALM
        self.kept: list[Record] = []
        self.hub, self.stored = hub, records
        self.broker = MemoryBroker(hub, f"w{id(self)}")
        self.store = MemoryStore(records)
        self.alerts = AlertLog(folder, self.broker, self.store)
        self.metrics = Metrics(CollectorRegistry(), version="test")
        self.authority = TokenAuthority(TokenSettings(key=b"k" * 32, leeway_s=0.0))
        self.settings = settings
        self.demand = Demand()
        self.port = 0

    def oldest_unacknowledged_s(self) -> float:
        """As `/metrics` tells it, of any severity."""
        told = re.findall(r"\nemdr_alerts_oldest_unacknowledged_seconds.* (.*)", self.metrics.render().decode())
        return max(map(float, told))

    def build(self, sockets: SocketSettings) -> None:
        around = Surroundings(
            session=self.settings,
            socket=sockets,
            predictor=self,
            announcer=self.broker,
            alerts=self.alerts,
            records=self,
            metrics=self.metrics,
            demand=self.demand,
            clock=time.monotonic,
            wall_ms=lambda: time.time_ns() // 1_000_000,
            call_later=asyncio.get_running_loop().call_later,
        )
        self.registry = SessionRegistry(
            around,
            self.broker,
            owner=self.broker.instance,
            models=(),
            room=room_of(around, 100),
            known=self.store.knows,
        )
        self.console_endpoint = ConsoleEndpoint(
            self.registry,
            self.alerts,
            self.broker,
            self.store,
            self.demand,
            self.authority,
            sockets,
            LaneLimits(close_timeout_s=0.3),
            self.metrics,
            self.settings.control,
        )

    # what a session writes to -------------------------------------------------------------------------------------

    def offer(self, record: Record) -> None:
        self.kept.append(record)

    def submit(self, row: Any, ticket: int, asker: Any) -> None:
        asyncio.get_running_loop().call_soon(asker.scores_ready, ticket, self.scores, 0.0, 0.0)

    # people -------------------------------------------------------------------------------------------------------

    async def client(self, user: str, sid: str) -> Client:
        opened = await self.registry.open(Hello(source=Source.EMOTION, result_rate_hz=60.0), user, sid)
        wire = ClientSocket()
        opened.runner.attach(wire, STREAM_CODECS[JSON], epoch=opened.epoch, resume_token=opened.resume_token)
        return Client(opened.runner, wire)

    def token(self, *clients: str, sub: str = "dr.noor", role: Role = Role.THERAPIST, lifetime_s: float = 600) -> str:
        return self.authority.issue(role, sub, now=time.time(), lifetime_s=lifetime_s, clients=clients)

    @contextlib.asynccontextmanager
    async def knock(
        self, token: str | None, codec: str = JSON, small: bool = False, **hello: Any
    ) -> AsyncIterator[Console]:
        """A console that has said hello. `small`: little fits between it and the service."""
        options: dict[str, Any] = {"max_queue": 1 if small else None, "close_timeout": 0.3}
        if small:
            options["sock"] = socket.socket()
            options["sock"].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            options["sock"].connect(("127.0.0.1", self.port))
        url = f"ws://127.0.0.1:{self.port}/v1/watch"
        async with connect(
            url, subprotocols=[Subprotocol(codec)], compression=None, ping_interval=None, **options
        ) as connection:
            console = Console(connection)
            await console.send("hello", **({"token": token} if token else {}), **hello)
            yield console

    @contextlib.asynccontextmanager
    async def console(
        self, *clients: str, subscribe: Any = None, sub: str = "dr.noor", **hello: Any
    ) -> AsyncIterator[Console]:
        """A welcomed console of a therapist of these clients, subscribed to `subscribe`."""
        async with self.knock(self.token(*clients, sub=sub), **hello) as console:
            await console.next("welcome")
            if subscribe is not None:
                await console.ask("subscribe", sessions=subscribe)
            yield console

    def closes(self, code: int) -> bool:
        return f'emdr_ws_closes_total{{code="{code}"}} 1.0' in self.metrics.render().decode()


@contextlib.asynccontextmanager
async def running_worker(
    folder: Path,
    *,
    hub: MemoryHub | None = None,
    records: MemoryRecords | None = None,
    settings: SessionSettings = QUICK,
    sockets: SocketSettings | None = None,
    control: ControlSettings | None = None,
) -> AsyncIterator[Worker]:
    """A worker on a free port until the block ends."""
    settings = replace(settings, control=control) if control else settings
    worker = Worker(folder, hub or MemoryHub(), records or MemoryRecords(), settings)
    await worker.broker.start()
    await worker.alerts.start()
    worker.build(sockets or SocketSettings())

    async def watch(websocket: WebSocket) -> None:
        await worker.console_endpoint(websocket)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    worker.port = listener.getsockname()[1]
    config = uvicorn.Config(
        Starlette(routes=[WebSocketRoute("/v1/watch", watch)]),
        ws=websocket_protocol(LaneLimits(close_timeout_s=0.3)),
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        keeper = group.create_task(worker.registry.keep())
        group.create_task(server.serve(sockets=[listener]))
        try:
            yield worker
        finally:
            server.should_exit = True
            keeper.cancel()
            await worker.registry.drain(0)
    await worker.alerts.aclose()
    await worker.broker.aclose()
