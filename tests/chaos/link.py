"""One WebSocket of a simulated person, with a dead-man switch: silence of the service counts as a loss."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from tests.chaos.world import Node
from tests.system.sockets import MSGPACK, Message, decoded, encoded

SILENCE_S: Final = 2.0
"""What `welcome` says by default (`timeout_ms`): a client that hears nothing for so long stops by itself."""
FINAL: Final = range(4500, 4600)
_OPEN_S: Final = 2.5


class LinkLost(Exception):
    """The socket is gone; `code` is what it was closed with, 1006 when it broke and 0 when it fell silent."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Link:
    """Sends and receives messages. Raises LinkLost."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, type_: str, /, **fields: Any) -> None:
        try:
            async with asyncio.timeout(SILENCE_S):
                await self._connection.send(encoded(MSGPACK, {"type": type_, **fields}))
        except ConnectionClosed as closed:
            raise LinkLost(_code(closed)) from None
        except TimeoutError:
            raise LinkLost(0) from None

    async def receive(self) -> Message:
        try:
            async with asyncio.timeout(SILENCE_S):
                return decoded(await self._connection.recv())
        except ConnectionClosed as closed:
            raise LinkLost(_code(closed)) from None
        except TimeoutError:
            raise LinkLost(0) from None

    def cut(self) -> None:
        """As a network that breaks: no goodbye."""
        self._connection.transport.abort()


@contextlib.asynccontextmanager
async def linked(node: Node, path: str) -> AsyncIterator[Link]:
    """An open socket to a node. Raises LinkLost, also when there is none to be had."""
    try:
        connection = await connect(
            f"ws://127.0.0.1:{node.port}{path}",
            subprotocols=[Subprotocol(MSGPACK)],
            compression=None,
            ping_interval=None,
            open_timeout=_OPEN_S,
            close_timeout=0.2,
        )
    except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed, EOFError):
        raise LinkLost(1006) from None
    link = Link(connection)
    try:
        yield link
    finally:
        link.cut()


class Backoff:
    """Waits longer after each failure, with jitter, up to half a second."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0

    async def wait(self) -> None:
        self._failures += 1
        await asyncio.sleep(min(0.5, 0.05 * 2**self._failures) * self._rng.uniform(0.5, 1.0))

    def reset(self) -> None:
        self._failures = 0


def now_s() -> float:
    """The clock of the history."""
    return time.monotonic()


def _code(closed: ConnectionClosed) -> int:
    return closed.rcvd.code if closed.rcvd is not None else 1006
