"""A request with its `Idempotency-Key` in; whether to do it, or the answer that it had before, out.

Kept in PostgreSQL, where every worker sees it, for a day. A request that was never answered, because its worker died,
may be asked again after half a minute: what acts is done at least once, and was perhaps done already.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, TypeVar

from emdr_stream.store.connections import TimedConnection

Result = TypeVar("Result")

KEPT_S: Final = 86_400
ABANDONED_S: Final = 30
LONGEST_KEY: Final = 128


@dataclass(frozen=True, slots=True)
class Keyed:
    """`who`: role and sub of the caller, whose keys are their own. `digest`: of operation, path and body."""

    who: str
    key: str
    digest: bytes


class Standing(Enum):
    """What is known of a key."""

    NEW = "new"
    """Nothing: do it, then `finish` or `give_up`."""
    UNDER_WAY = "under way"
    OTHER = "other"
    """It belongs to another request."""


class KeptAnswers(Protocol):
    """All methods may raise StoreUnavailable."""

    async def begin(self, keyed: Keyed) -> Standing | bytes:
        """Whether to do it; bytes: the body of the answer that it had."""

    async def finish(self, keyed: Keyed, answer: bytes) -> None:
        """It was done, and this is the answer from now on."""

    async def give_up(self, keyed: Keyed) -> None:
        """It was refused: the same key may be tried again."""


class Asking(Protocol):
    """The part of the store that is used."""

    async def ask(
        self, question: Callable[[TimedConnection], Awaitable[Result]], budget_s: float | None = None
    ) -> Result: ...


class PostgresAnswers:
    """Implements KeptAnswers."""

    def __init__(self, store: Asking) -> None:
        self._store = store

    async def begin(self, keyed: Keyed) -> Standing | bytes:
        async def work(connection: TimedConnection) -> Standing | bytes:
            await connection.execute("delete from rest_answers where begun_at < now() - $1 * interval '1 s'", KEPT_S)
            begun = await connection.fetch(
                "insert into rest_answers (who, key, digest) values ($1, $2, $3)"
                " on conflict (who, key) do update set begun_at = now()"
                " where rest_answers.answer is null and rest_answers.digest = excluded.digest"
                " and rest_answers.begun_at < now() - $4 * interval '1 s' returning 1",
                keyed.who,
                keyed.key,
                keyed.digest,
                ABANDONED_S,
            )
            if begun:
                return Standing.NEW
            held = await connection.fetch(
                "select digest, answer from rest_answers where who = $1 and key = $2", keyed.who, keyed.key
            )
            return _standing(keyed, held[0]["digest"], held[0]["answer"]) if held else Standing.UNDER_WAY

        return await self._store.ask(work)

    async def finish(self, keyed: Keyed, answer: bytes) -> None:
        await self._store.ask(
            lambda connection: connection.execute(
                "update rest_answers set answer = $3 where who = $1 and key = $2", keyed.who, keyed.key, answer
            )
        )

    async def give_up(self, keyed: Keyed) -> None:
        await self._store.ask(
            lambda connection: connection.execute(
                "delete from rest_answers where who = $1 and key = $2 and answer is null", keyed.who, keyed.key
            )
        )


class MemoryAnswers:
    """The same in memory, for fast tests; nothing expires."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[bytes, bytes | None]] = {}

    async def begin(self, keyed: Keyed) -> Standing | bytes:
        held = self.kept.get((keyed.who, keyed.key))
        if held is None:
            self.kept[keyed.who, keyed.key] = (keyed.digest, None)
            return Standing.NEW
        return _standing(keyed, *held)

    async def finish(self, keyed: Keyed, answer: bytes) -> None:
        self.kept[keyed.who, keyed.key] = (keyed.digest, answer)

    async def give_up(self, keyed: Keyed) -> None:
        if self.kept.get((keyed.who, keyed.key), (b"", b""))[1] is None:
            del self.kept[keyed.who, keyed.key]


def _standing(keyed: Keyed, digest: bytes, answer: bytes | None) -> Standing | bytes:
    if digest != keyed.digest:
        return Standing.OTHER
    return Standing.UNDER_WAY if answer is None else answer
