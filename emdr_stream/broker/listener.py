"""Takes the channels that are wanted, gives every message that the server publishes there; reconnects for ever."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from emdr_stream.broker import resp

_log: Final = logging.getLogger(__name__)

_PULSE_S: Final = 2.0
_SILENCE_S: Final = 5.0
"""A connection that has not even answered a ping for this long is given up."""
_RETRY_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0)


class RawConnection(Protocol):
    """The part of a Redis connection that is used below the client library's commands."""

    async def connect(self) -> None: ...

    async def disconnect(self, nowait: bool = False) -> None: ...

    async def send_packed_command(self, command: bytes, check_health: bool = True) -> None: ...

    async def send_command(self, *args: str | int) -> None: ...

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None) -> Any: ...  # noqa: ASYNC109


@dataclass(frozen=True, slots=True)
class Channels:
    """Exact channels and patterns to listen on."""

    exact: frozenset[bytes] = frozenset()
    patterns: frozenset[bytes] = frozenset()


class Listener:
    """One connection in subscriber mode for the whole process. `run` is its only task; `connected` says how it is.

    `own`: a channel that is always listened to and matches no pattern. It keeps the connection in subscriber mode, too.
    """

    def __init__(
        self,
        connect: Callable[[], RawConnection],
        wanted: Callable[[], Channels],
        received: Callable[[bytes, bytes], None],
        *,
        own: bytes,
        timeout_s: float,
        errors: tuple[type[Exception], ...],
    ) -> None:
        self._connect = connect
        self._wanted = wanted
        self._received = received
        self._own = own
        self._timeout_s = timeout_s
        self._errors: tuple[type[Exception], ...] = (*errors, OSError, TimeoutError)
        self._connection: RawConnection | None = None
        self._ready = asyncio.Event()
        self._asked = Channels()
        self._patterns_on: set[bytes] = set()
        self._turn = 0
        self._turns: dict[bytes, asyncio.Event] = {}
        self._heard_s = 0.0
        self.reconnects = 0

    @property
    def connected(self) -> bool:
        """Whether messages of other workers can arrive now."""
        return self._connection is not None

    async def run(self) -> None:
        """Connect, listen, and connect again, until cancelled."""
        failures = 0
        while True:
            connection = self._connect()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await connection.connect()
                failures = 0
                await self._listen(connection)
            except Exception as error:
                # Live notices are optional: whatever went wrong here may cost some of them, never the worker.
                self.reconnects += 1
                if not isinstance(error, self._errors):
                    _log.exception("the listener failed in an unexpected way")
            finally:
                self._connection = None
                self._ready.clear()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1

    async def follow(self) -> None:
        """Listen on what is wanted now; returns when the server has confirmed it or the timeout is over."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._ready.wait()
                if self._connection is not None:
                    await self._ask(self._connection)
        except self._errors:
            return  # the connection is down: the next one asks for everything that is wanted

    async def _ask(self, connection: RawConnection) -> None:
        """Send the difference between asked and wanted, then a ping whose answer confirms all that went before it."""
        wanted, asked = self._wanted(), self._asked
        self._asked = wanted
        self._turn += 1
        name = str(self._turn).encode()
        confirmed = self._turns[name] = asyncio.Event()
        try:
            await _send(
                connection,
                resp.channels(b"SUBSCRIBE", wanted.exact - asked.exact)
                + resp.channels(b"PSUBSCRIBE", wanted.patterns - asked.patterns)
                + resp.channels(b"UNSUBSCRIBE", asked.exact - wanted.exact)
                + resp.channels(b"PUNSUBSCRIBE", asked.patterns - wanted.patterns)
                + resp.command(b"PING", name),
            )
            await confirmed.wait()
        finally:
            self._turns.pop(name, None)

    async def _listen(self, connection: RawConnection) -> None:
        self._asked = Channels()
        self._patterns_on.clear()
        self._heard_s = asyncio.get_running_loop().time()
        await _send(connection, resp.command(b"SUBSCRIBE", self._own))
        self._connection = connection
        self._ready.set()
        async with asyncio.TaskGroup() as group:
            pulse = group.create_task(self._pulse(connection))
            try:
                while True:
                    message = await connection.read_response(disable_decoding=True, timeout=math.inf)
                    self._take(message)
            except self._errors:
                self.reconnects += 1
            finally:
                pulse.cancel()

    async def _pulse(self, connection: RawConnection) -> None:
        """Ask at once for what is wanted, then keep asking for life; a connection that gives no sign is cut."""
        loop = asyncio.get_running_loop()
        await self.follow()
        while True:
            await asyncio.sleep(_PULSE_S)
            try:
                if loop.time() - self._heard_s > _SILENCE_S:
                    await connection.disconnect(nowait=True)
                    return
                async with asyncio.timeout(self._timeout_s):
                    await self._ask(connection)
            except self._errors:
                continue  # the next round sees how long it has been silent

    def _take(self, message: list[bytes]) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        match message:
            case [b"message", channel, data] if channel == self._own or not self._patterns_on:
                self._received(channel, data)
            case [b"pmessage", _, channel, data]:
                self._received(channel, data)
            # While a pattern is on, it alone counts: a message that matches both would arrive twice.
            case [b"psubscribe", pattern, _]:
                self._patterns_on.add(pattern)
            case [b"punsubscribe", pattern, _]:
                self._patterns_on.discard(pattern)
            case [b"pong", name] if name in self._turns:
                self._turns[name].set()


async def _send(connection: RawConnection, packed: bytes) -> None:
    try:
        await connection.send_packed_command(packed, check_health=False)
    except AttributeError as error:
        # The client library forgets its writer when the connection is cut while this waits for its turn.
        raise ConnectionError("the connection was cut") from error
