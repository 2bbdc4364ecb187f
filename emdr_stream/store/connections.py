"""Takes pieces of work, runs each on one of a few held connections within a deadline; a late connection is thrown away.

A pool is not used: a pool waits for a cancelled query to end, so that a hung server costs 25 s instead of the timeout.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from emdr_stream.errors import RecordRefused, StoreUnavailable, WritesRefused

Result = TypeVar("Result")


class RawConnection(Protocol):
    """The part of asyncpg's connection that is used."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str: ...  # noqa: ASYNC109

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Any]: ...  # noqa: ASYNC109

    async def executemany(
        self,
        command: str,
        args: Iterable[Sequence[Any]],
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None: ...

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[Any]],
        columns: Sequence[str],
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> str: ...

    def is_closed(self) -> bool: ...

    def terminate(self) -> None: ...


class TimedConnection:
    """A connection whose every statement ends at the work's deadline (in loop time, seconds)."""

    def __init__(self, raw: RawConnection, deadline_s: float) -> None:
        self._raw = raw
        self._deadline_s = deadline_s

    async def execute(self, query: str, *args: Any) -> str:
        return await self._raw.execute(query, *args, timeout=self._left())

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        return await self._raw.fetch(query, *args, timeout=self._left())

    async def executemany(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            await self._raw.executemany(query, rows, timeout=self._left())

    async def copy(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        await self._raw.copy_records_to_table(table, records=rows, columns=columns, timeout=self._left())

    def _left(self) -> float:
        return max(0.001, self._deadline_s - asyncio.get_running_loop().time())


class HeldConnections:
    """At most `size` connections, made when needed. `away` are the errors that mean the server is not to be had, `full`
    those of them with which it says so itself: it has no room, or takes no writes.

    Any failure ends the connection: no doubtful state is ever used again.
    """

    def __init__(
        self,
        connect: Callable[[float], Awaitable[RawConnection]],
        *,
        size: int,
        timeout_s: float,
        away: tuple[type[Exception], ...],
        full: tuple[type[Exception], ...],
        refusals: tuple[type[Exception], ...],
    ) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._away: tuple[type[Exception], ...] = (*away, OSError, TimeoutError)
        self._full = full
        self._refusals = refusals
        self._idle: list[RawConnection] = []
        self._free = asyncio.Semaphore(size)

    async def run(self, work: Callable[[TimedConnection], Awaitable[Result]], budget_s: float | None = None) -> Result:
        """Run `work` on a connection of its own, all within the budget (default: the timeout).

        Raises StoreUnavailable, or RecordRefused for data that the database will never take.
        """
        budget_s = self._timeout_s if budget_s is None else budget_s
        deadline_s = asyncio.get_running_loop().time() + budget_s
        try:
            # Statements end at the deadline by themselves; this ends the waits between them.
            async with asyncio.timeout_at(deadline_s), self._free:
                return await self._run(work, deadline_s)
        except self._refusals as error:
            raise RecordRefused(f"PostgreSQL refuses the data ({type(error).__name__})") from error
        except self._full as error:
            raise WritesRefused(
                f"PostgreSQL answers and takes no writes ({type(error).__name__}): check whether its disk is full, or "
                "whether EMDR_DATABASE_URL names a replica"
            ) from error
        except self._away as error:
            raise StoreUnavailable(
                f"PostgreSQL did not answer within {budget_s:g} s ({type(error).__name__}): "
                "check that it runs and that EMDR_DATABASE_URL is right"
            ) from error

    async def _run(self, work: Callable[[TimedConnection], Awaitable[Result]], deadline_s: float) -> Result:
        connection = self._take_idle()
        try:
            if connection is None:
                connection = await self._connect(max(0.001, deadline_s - asyncio.get_running_loop().time()))
            result = await work(TimedConnection(connection, deadline_s))
        except BaseException:
            if connection is not None:
                connection.terminate()
            raise
        self._idle.append(connection)
        return result

    def _take_idle(self) -> RawConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def close(self) -> None:
        """End all idle connections at once."""
        while self._idle:
            self._idle.pop().terminate()
