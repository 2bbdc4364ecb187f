"""Clients of both sockets as others would write them, on `websockets`, `msgpack` and `json` alone, for system tests."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from tests.system.service import Service

MSGPACK, JSON = "emdr.v1.msgpack", "emdr.v1.json"
Message = dict[str, Any]
Condition = Callable[[Message], bool]
PATIENCE_S = 10.0


class NotSeen(AssertionError):
    """What a test waited for did not come; the message lists what came instead."""


@dataclass(eq=False)
class SocketClient:
    """One socket: keeps every message it hears, with the time, and the code it was closed with."""

    connection: ClientConnection
    confirms: bool = True
    """Whether control messages are confirmed at once, on receipt and at rest."""
    messages: list[Message] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    closed_with: int | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def subprotocol(self) -> str:
        return str(self.connection.subprotocol)

    async def send(self, type_: str, /, **fields: Any) -> None:
        """Send a message of a type."""
        await self.send_raw(encoded(self.subprotocol, {"type": type_, **fields}))

    async def send_raw(self, data: bytes | str) -> None:
        await self.connection.send(data)

    async def wait_for(self, condition: str | Condition, *, after: int = 0, within_s: float = PATIENCE_S) -> Message:
        """The first message of a type, or for which a condition holds, from the `after`-th message on.

        Raises NotSeen.
        """
        holds = condition if callable(condition) else of_type(condition)
        try:
            async with asyncio.timeout(within_s), self._news:
                while True:
                    found = next((message for message in self.messages[after:] if holds(message)), None)
                    if found is not None:
                        return found
                    if self.closed_with is not None:
                        raise NotSeen(f"closed with {self.closed_with} after: {self.summary(after)}")
                    await self._news.wait()
        except TimeoutError:
            raise NotSeen(f"not within {within_s:g} s; instead: {self.summary(after)}") from None

    async def wait_closed(self, within_s: float = PATIENCE_S) -> int:
        """The code that the socket is closed with. Raises NotSeen."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: self.closed_with is not None)
        except TimeoutError:
            raise NotSeen(f"not closed within {within_s:g} s: {self.summary()}") from None
        assert self.closed_with is not None
        return self.closed_with

    async def listen(self) -> None:
        """Take what comes until the socket closes."""
        try:
            while True:
                message = decoded(await self.connection.recv())
                await self._heard(message)
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else 1006
        async with self._news:
            self.closed_with = code
            self._news.notify_all()

    def of(self, kind: str) -> list[Message]:
        """All messages of a type so far."""
        return [message for message in self.messages if message["type"] == kind]

    def time_of(self, message: Message) -> float:
        """When a message came, on the monotonic clock, in seconds."""
        return self.times_s[next(i for i, heard in enumerate(self.messages) if heard is message)]

    def summary(self, after: int = 0) -> list[Any]:
        """What came, in short; repeats of the frequent types are left out."""
        frequent = {"result", "state", "heartbeat"}
        rare = [message for message in self.messages[after:] if message["type"] not in frequent]
        return rare + sorted({message["type"] for message in self.messages[after:]} & frequent)

    async def _heard(self, message: Message) -> None:
        async with self._news:
            self.messages.append(message)
            self.times_s.append(time.monotonic())
            self._news.notify_all()
        if self.confirms and message["type"] in {"control.pause", "control.resume"}:
            with contextlib.suppress(ConnectionClosed):
                await self.send("applied", control_epoch=message["control_epoch"])
                await self.send("applied", control_epoch=message["control_epoch"], stopped_ts=wall_ms())


def of_type(type_: str, /, **fields: Any) -> Condition:
    """Holds for a message of a type with these values."""
    return lambda message: message["type"] == type_ and all(message.get(name) == fields[name] for name in fields)


@contextlib.asynccontextmanager
async def socket(
    service: Service,
    path: str,
    *,
    subprotocols: Iterable[str] = (MSGPACK,),
    bearer: str | None = None,
    origin: str | None = None,
    confirms: bool = True,
) -> AsyncIterator[SocketClient]:
    """An open socket that listens; nothing has been said on it."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
    async with connect(
        f"ws://127.0.0.1:{service.port}{path}",
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        additional_headers=headers,
        origin=Origin(origin) if origin is not None else None,
        compression=None,
        ping_interval=None,
        close_timeout=2,
    ) as connection:
        client = SocketClient(connection, confirms)
        async with beside(client.listen()):
            yield client


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` beside the body and cancels it afterwards; what the body raises comes out as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work)
            try:
                yield
            finally:
                task.cancel()
    except BaseExceptionGroup as several:
        if len(several.exceptions) > 1:
            raise
        raise several.exceptions[0] from None


@contextlib.asynccontextmanager
async def stream(
    service: Service,
    user: str = "u-1",
    *,
    subprotocol: str = MSGPACK,
    confirms: bool = True,
    **hello: Any,
) -> AsyncIterator[SocketClient]:
    """A client's socket after its `welcome`. `hello`: further fields of that message.

    As a real client it comes back for `PATIENCE_S` where it is told to: on a busy machine a store may be late.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    fields = {"source": "emotion", "token": service.token("client", user), **hello}
    while True:
        async with socket(service, "/v1/stream", subprotocols=[subprotocol], confirms=confirms) as client:
            await client.send("hello", **fields)
            first = await client.wait_for(lambda m: m["type"] == "welcome" or (m["type"] == "error" and m["fatal"]))
            if first.get("code") != "overloaded" or time.monotonic() > deadline_s:
                await client.wait_for("welcome")  # raises what the socket was closed with, where there is none
                yield client
                return
        await asyncio.sleep(1.0)


@contextlib.asynccontextmanager
async def watch(
    service: Service,
    *users: str,
    subprotocol: str = MSGPACK,
    sub: str = "t-1",
    rate_hz: int = 10,
    resume_after: str | None = None,
) -> AsyncIterator[SocketClient]:
    """A console that watches all sessions of these users (of everybody without any), after its `subscribed`."""
    async with socket(service, "/v1/watch", subprotocols=[subprotocol]) as client:
        token = service.token("therapist", sub, clients=list(users) or ["*"])
        await client.send("hello", token=token, **({"resume_after": resume_after} if resume_after else {}))
        await client.wait_for("welcome")
        await client.send("subscribe", id="all", sessions=["*"], rate_hz=rate_hz)
        await client.wait_for(of_type("subscribed", re="all"))
        yield client


def resume_of(client: SocketClient) -> Message:
    """The `session_id` and `resume` fields of a `hello` that continues the client's session."""
    welcome = client.of("welcome")[-1]
    newest = max([welcome["seq"], *(message["seq"] for message in client.messages if "seq" in message)])
    claim = {"resume_token": welcome["resume_token"], "epoch": welcome["epoch"], "last_seq": newest}
    return {"session_id": welcome["session_id"], "resume": claim}


def encoded(subprotocol: str, message: Message) -> bytes | str:
    return json.dumps(message) if subprotocol == JSON else bytes(msgpack.packb(message))


def decoded(data: bytes | str) -> Message:
    message: Message = json.loads(data) if isinstance(data, str) else msgpack.unpackb(data)
    return message


def wall_ms() -> float:
    """The client's clock, in milliseconds since the Unix epoch."""
    return time.time() * 1_000
