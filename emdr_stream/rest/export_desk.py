"""Exports of one worker: so many are under way at a time, and one piece of them is made at a time.

A piece is made in a thread beside the loop, and takes the interpreter from it for 5 ms at a time. Several threads at
once would have the live sessions wait for each of them in turn. More exports are told to come back.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final, TypeVar

from emdr_stream.rest.problems import Problem, ProblemCode

MOST_EXPORTS: Final = 4

T = TypeVar("T")


class ExportDesk:
    """One worker's. `free`: how many more may begin."""

    def __init__(self, most: int = MOST_EXPORTS) -> None:
        self.free = most
        self.turn = asyncio.Lock()

    def check(self) -> None:
        """Raises Problem(busy) when there is no room."""
        if self.free < 1:
            raise Problem(ProblemCode.BUSY, "other exports are under way: ask again")

    def pieces(self, made: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The pieces of an export. Its place is taken now, and free when it ends or is given up. Raises as `check`."""
        self.check()
        return _Export(self, made)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place for what is made at once. Raises as `check`."""
        self.check()
        self.free -= 1
        try:
            yield
        finally:
            self.free += 1

    async def one(self, made: AsyncIterator[bytes]) -> bytes:
        """The next piece, and a rest as long as it took: no worker spends more than half its time on exports."""
        loop = asyncio.get_running_loop()
        async with self.turn:
            began_s = loop.time()
            piece = await anext(made)
            await asyncio.sleep(loop.time() - began_s)
            return piece

    async def in_turn(self, make: Callable[[], T]) -> T:
        """Do it in a thread, when nothing else is being made."""
        async with self.turn:
            return await asyncio.to_thread(make)


class _Export(AsyncIterator[bytes]):
    """One export that has a place. An answer that nobody begins to send ends here, too: with its last reference."""

    def __init__(self, desk: ExportDesk, made: AsyncIterator[bytes]) -> None:
        self._desk = desk
        self._made = made
        self._has_place = True
        desk.free -= 1

    async def __anext__(self) -> bytes:
        try:
            return await self._desk.one(self._made)
        except BaseException:
            self._end()
            raise

    def __del__(self) -> None:
        self._end()

    def _end(self) -> None:
        if self._has_place:
            self._has_place = False
            self._desk.free += 1
