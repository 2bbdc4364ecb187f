"""Takes packed commands from many callers, sends what has gathered in one write, gives each caller its answer.

Snapshots are many: sent together they cost a fraction of as many calls of the client library.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from emdr_stream.broker.listener import RawConnection

_BATCH: Final = 100


class Pipeline:
    """One connection for short commands that may run twice (a lost answer is asked for again, once).

    Waiting is bounded by the callers: who gives up is skipped. `refusals`: errors that are an answer; `cuts`: errors of
    a connection that has ended.
    """

    def __init__(
        self,
        connect: Callable[[], RawConnection],
        *,
        timeout_s: float,
        refusals: tuple[type[Exception], ...],
        cuts: tuple[type[Exception], ...],
    ) -> None:
        self._connection = connect()
        self._timeout_s = timeout_s
        self._refusals: tuple[type[Exception], ...] = refusals
        self._cuts: tuple[type[Exception], ...] = (*cuts, OSError)
        self._proven = False
        self._queue: deque[tuple[bytes, asyncio.Future[Any]]] = deque()
        self._wake = asyncio.Event()

    async def call(self, packed: bytes) -> Any:
        """Send a command, give its answer. Raises what the connection raises, or the server's refusal."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append((packed, answer))
        self._wake.set()
        return await answer

    async def run(self) -> None:
        """Serve the callers until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while batch := self._take():
                    await self._exchange(batch)
        finally:
            await self._connection.disconnect(nowait=True)

    def _take(self) -> list[tuple[bytes, "asyncio.Future[Any]"]]:
        batch: list[tuple[bytes, asyncio.Future[Any]]] = []
        while self._queue and len(batch) < _BATCH:
            packed, answer = self._queue.popleft()
            if not answer.done():
                batch.append((packed, answer))
        return batch

    async def _exchange(self, batch: list[tuple[bytes, "asyncio.Future[Any]"]]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    await self._send(batch)
                except self._cuts:
                    if not self._proven:
                        raise
                    # The server was restarted while nothing was said: its first caller must not pay for that.
                    self._proven = False
                    await self._connection.disconnect(nowait=True)
                    await self._send([pair for pair in batch if not pair[1].done()])
                self._proven = True
        except Exception as error:
            # After a failure nobody knows whose answer would come next: a new connection starts from nothing.
            self._proven = False
            await self._connection.disconnect(nowait=True)
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)

    async def _send(self, batch: list[tuple[bytes, "asyncio.Future[Any]"]]) -> None:
        await self._connection.send_packed_command(b"".join(packed for packed, _ in batch), check_health=False)
        for _, answer in batch:
            await self._read(answer)

    async def _read(self, answer: "asyncio.Future[Any]") -> None:
        try:
            reply = await self._connection.read_response(disable_decoding=True, timeout=math.inf)
        except self._refusals as refusal:
            if not answer.done():
                answer.set_exception(refusal)
        else:
            if not answer.done():
                answer.set_result(reply)
