"""Both stores in; which is away and why, asked once a second, out: sessions are told when one goes or comes."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from emdr_stream.broker.base import Broker
from emdr_stream.errors import StoreUnavailable, WritesRefused
from emdr_stream.store.base import Store

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 1.0
_FAILURES_BEFORE_AWAY: Final = 2
_SILENT: Final = "it does not answer"


class StoresWatch:
    """`away`: each store that is away, with the reason; `migrated`: whether the database has its tables.

    `changed` is told of a store's name and whether it is up, at each change.
    """

    def __init__(self, broker: Broker, store: Store, changed: Callable[[str, bool], None]) -> None:
        self._broker = broker
        self._store = store
        self._changed = changed
        self._failures = {"redis": 0, "postgres": 0}
        self.away: dict[str, str] = {}
        self.migrated = False

    async def migrate(self) -> None:
        """Raises ConfigurationError for a database that is another version's; one that is away is tried again."""
        try:
            await self._store.start()
            self.migrated = True
        except StoreUnavailable:
            self.away["postgres"] = _SILENT
            _LOG.error("the database does not answer: starting without it", extra={"store": "postgres"})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            if not self.migrated:
                await self.migrate()
            await self._check("redis", self._broker)
            await self._check("postgres", self._store)

    async def _check(self, name: str, part: Broker | Store) -> None:
        try:
            await part.ping()
        except StoreUnavailable as problem:
            self._failures[name] += 1
            if self._failures[name] >= _FAILURES_BEFORE_AWAY:
                refuses = isinstance(problem, WritesRefused)
                self.away[name] = "it answers and takes no writes: is it full?" if refuses else _SILENT
            if self._failures[name] == _FAILURES_BEFORE_AWAY:
                _LOG.warning("a store is away", extra={"store": name})
                self._changed(name, False)
            return
        self._failures[name] = 0
        if self.away.pop(name, None) is not None:
            _LOG.info("a store is back", extra={"store": name})
            self._changed(name, True)
