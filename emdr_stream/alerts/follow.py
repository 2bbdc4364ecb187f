"""Takes the broker and the store, gives the alerts of other workers as they come, and what is missing in between."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from emdr_stream.alerts.sequencer import Sequencer
from emdr_stream.broker.base import AlertEntry, Broker
from emdr_stream.errors import StoreUnavailable
from emdr_stream.store.base import Store

OVERLAP_MS: Final = 60_000
"""Clocks of workers and stores differ and writes overtake one another: every search begins this much earlier."""
HISTORY_MS: Final = 3_600_000
"""How far a start, and the search for a gap, look back."""
_TAIL_WAIT_MS: Final = 1_000
_POLL_S: Final = 5.0
_POLL_ALONE_S: Final = 0.5
_GAP_RETRY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, repeats included. `complete`: every store that was asked has answered."""

    entries: list[AlertEntry]
    complete: bool


class Follower:
    """Three loops, each until cancelled: `tail` (the broker), `poll` (the store), `fill` (gaps).

    `take` gets entries from all of them, with repeats. `tailing` says whether the broker's tail is read now.
    """

    def __init__(
        self,
        broker: Broker,
        store: Store,
        take: Callable[[Iterable[AlertEntry]], None],
        wall_ms: Callable[[], int],
    ) -> None:
        self._broker = broker
        self._store = store
        self._take = take
        self._wall_ms = wall_ms
        self._tailed_ms = wall_ms()
        self._polled_ms = wall_ms()
        self._gap = asyncio.Event()
        self.tailing = False

    async def both_since(self, ts_ms: int, users: Collection[str] | None = None, most: int | None = None) -> Found:
        """What both stores know since then of these users, the newest `most` each; one that is away adds nothing."""
        asked = ts_ms, users, most
        return await answers(self._broker.alerts_since(*asked), self._store.alerts_since(*asked))

    async def tail(self) -> None:
        """Read the end of the broker's log; after an outage catch up on what was appended meanwhile."""
        position = None
        while True:
            try:
                if position is None:
                    position = (await self._broker.tail_alerts(None, 0)).position
                    self._take(await self._broker.alerts_since(self._tailed_ms - OVERLAP_MS))
                    self.tailing = True
                asked_ms = self._wall_ms()
                page = await self._broker.tail_alerts(position, _TAIL_WAIT_MS)
                position, self._tailed_ms = page.position, asked_ms
                self._take(page.entries)
            except StoreUnavailable:
                position, self.tailing = None, False
                await asyncio.sleep(_POLL_ALONE_S)

    async def poll(self) -> None:
        """Read the store: often while the broker is away, seldom otherwise (some worker may not reach the broker)."""
        while True:
            await asyncio.sleep(_POLL_S if self.tailing else _POLL_ALONE_S)
            asked_ms = self._wall_ms()
            try:
                found = await self._store.alerts_since(self._polled_ms - OVERLAP_MS)
            except StoreUnavailable:
                continue
            self._polled_ms = asked_ms
            self._take(found)

    def look_for_gaps(self) -> None:
        """Wake `fill`."""
        self._gap.set()

    async def fill(self, sequencer: Sequencer, release: Callable[[Sequence[AlertEntry]], None]) -> None:
        """Look in both stores for what is missing; what has waited too long is released without it."""
        loop = asyncio.get_running_loop()
        while True:
            await self._gap.wait()
            back_ms = OVERLAP_MS
            while sequencer.has_gaps:
                found = await self.both_since(sequencer.earliest_held_ms() - back_ms)
                self._take(found.entries)
                if found.complete:
                    release(sequencer.searched(loop.time()))
                release(sequencer.overdue(loop.time()))
                if sequencer.has_gaps:
                    await asyncio.sleep(_GAP_RETRY_S)
                back_ms = min(2 * back_ms, HISTORY_MS)
            self._gap.clear()


async def answers(*questions: Awaitable[list[AlertEntry]]) -> Found:
    """Ask all at once; a store that is away adds nothing."""
    found: list[AlertEntry] = []
    answered = 0

    async def ask(question: Awaitable[list[AlertEntry]]) -> None:
        nonlocal answered
        try:
            found.extend(await question)
        except StoreUnavailable:
            return
        answered += 1

    async with asyncio.TaskGroup() as group:
        for question in questions:
            group.create_task(ask(question))
    return Found(found, answered == len(questions))
