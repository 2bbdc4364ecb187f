"""Takes alerts as they are raised; gives them to every console, at least once and in order, whatever fails meanwhile.

append -> sequencer -> feeds of this worker
   `-> journal (own thread) -> broker's stream    (retried for ever)
                         `---> store              (retried for ever)
other workers' entries: stream (tail), store (poll) -> sequencer -> feeds
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from emdr_stream.alerts.erased import ErasedMeanwhile, sessions_in
from emdr_stream.alerts.feed import AlertFeed
from emdr_stream.alerts.follow import HISTORY_MS, OVERLAP_MS, Follower, Found, answers
from emdr_stream.alerts.journal import Journal, Recovered
from emdr_stream.alerts.legacy import SINKS, close_legacies, find_legacies
from emdr_stream.alerts.scribe import Item, Scribe
from emdr_stream.alerts.sequencer import Sequencer
from emdr_stream.alerts.shipping import Shipper
from emdr_stream.broker.base import EVERYBODY, AlertEntry, Broker
from emdr_stream.clock import wall_ms
from emdr_stream.errors import ConfigurationError
from emdr_stream.store.alert_life import open_steps
from emdr_stream.store.base import Store

_RECOVERED_IN_MEMORY: Final = 1_000
_MOST_MISSED: Final = 5_000
"""Steps that one console is told of what it missed: nobody reads more, and finding them must not hold the loop."""
_CLOSE_S: Final = 2.0
_INHERIT_S: Final = 0.5
"""How long the journals of dead siblings may take to be read, and the same again to be written down here."""
_LOCK_S: Final = 3.0
"""How long a start waits for its folder: a sibling may be reading what the one before left there."""
_RESTART_S: Final = 0.5
_RENEW_S: Final = 0.25

_log: Final = logging.getLogger(__name__)


class AlertLog:
    """One worker's alert log. `directory` belongs to this process alone; `on_problem` gets a sentence for the operator.

    Read-only state: `recovered`, `journal_ok`, `backlog`, and the counters of `scribe`, `sequencer` and `shippers`.
    """

    def __init__(
        self,
        directory: Path,
        broker: Broker,
        store: Store,
        *,
        on_problem: Callable[[str], None] = lambda _: None,
        wall_ms: Callable[[], int] = wall_ms,
        patience_s: float = 3.0,
    ) -> None:
        self._broker = broker
        self._store = store
        self._on_problem = on_problem
        self._wall_ms = wall_ms
        self._feeds: set[AlertFeed] = set()
        self.recovered: Recovered | None = None
        self.sequencer = Sequencer(patience_s=patience_s)
        self.scribe = Scribe(Journal(directory, SINKS), self._written, on_problem)
        self.shippers = (
            Shipper("broker", self._to_broker, self.scribe, on_problem),
            Shipper("store", store.append_alerts, self.scribe, on_problem),
        )
        self._erasures = ErasedMeanwhile(store, self._gone)
        self._follower = Follower(broker, store, self._take, wall_ms)
        self._directory = directory
        self._inheriting = asyncio.Lock()
        self._to_renew = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = contextlib.AsyncExitStack()

    @property
    def journal_ok(self) -> bool:
        """Whether the newest alert is on this machine's disk."""
        return self.scribe.ok

    @property
    def backlog(self) -> int:
        """Entries that the slower of the two stores has not got."""
        return max(shipper.backlog for shipper in self.shippers)

    async def start(self) -> None:
        """Recover the journal, ship what was not shipped, begin to follow the other workers.

        Raises ConfigurationError when another process uses the folder. Stores that are away do not stop the start.
        """
        self.recovered = await self._open_journal()
        if await self._erasures.look(await self.scribe.call(self.scribe.sessions_waiting)):
            self._to_renew.set()
        history = (await self._follower.both_since(self._wall_ms() - HISTORY_MS)).entries
        for shipper in SINKS:
            left = await self.scribe.call(self.scribe.read_unshipped, shipper, _RECOVERED_IN_MEMORY)
            history += [numbered.entry for numbered in left]
        for entry in self._erasures.without(history):
            self.sequencer.adopt(entry)
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        loops: tuple[Callable[[], Awaitable[None]], ...] = (
            self.scribe.run,
            *(shipper.run for shipper in self.shippers),
            self._follower.tail,
            self._follower.poll,
            self._renew_journal,
            self._erasures.settle,
            functools.partial(self._follower.fill, self.sequencer, self._release),
        )
        self._tasks = [group.create_task(self._keep_running(loop)) for loop in loops]
        await self.inherit()

    async def _open_journal(self) -> Recovered | None:
        deadline = asyncio.get_running_loop().time() + _LOCK_S
        while True:
            try:
                return await self.scribe.open()
            except ConfigurationError:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(0.05)

    async def aclose(self) -> None:
        """Give what is on its way a short time; the journal keeps the rest for the next start."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S if self._tasks else 0):
                # Three parts without an event of their own, watched for the last two seconds of a process.
                while not (self.scribe.idle and all(shipper.idle for shipper in self.shippers)):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()
        for feed in tuple(self._feeds):
            feed.close()
        await self.scribe.aclose()

    def append(self, entry: AlertEntry) -> None:
        """Take one step of an alert of a session that this worker owns. Never blocks, never raises.

        Consoles of this worker are told in the same breath: were it first written to the disk, a crash before that
        would have silenced it altogether, and waiting a millisecond gains nobody anything.
        """
        self._take((entry,))
        self.scribe.append(entry)

    def last_seq(self, session_id: str) -> int:
        """The highest `alert_seq` known of the session (0: none): where a new owner goes on counting."""
        return self.sequencer.last_seq(session_id)

    def steps_after(self, session_id: str, alert_seq: int) -> list[AlertEntry]:
        """What is known here of the session's alerts after this number, in order."""
        return [entry for entry in self.sequencer.of_session(session_id) if entry.alert_seq > alert_seq]

    def sessions_of(self, user: str) -> frozenset[str]:
        """The user's sessions of which alerts are in memory here."""
        return frozenset(entry.session_id for entry in self.sequencer.recent((user,)))

    def forget(self, session_ids: Collection[str]) -> None:
        """These sessions were erased: nothing of them is known here any more, and the journal begins anew soon."""
        self.sequencer.forget(session_ids)
        self._to_renew.set()

    async def _gone(self, sessions: Mapping[str, str]) -> None:
        """These, each with its user, had been erased, which could not be known when they were told and shipped."""
        self.forget(sessions)
        for session_id, user in sessions.items():
            await self._broker.forget(user, (session_id,))

    async def _renew_journal(self) -> None:
        """What was erased lies in the journal until all before it is in both stores."""
        while True:
            await self._to_renew.wait()
            self._to_renew.clear()
            while not await self.scribe.renew():  # noqa: ASYNC110 - two stores, a disk, and seldom
                await asyncio.sleep(_RENEW_S)

    async def inherit(self) -> None:
        """Take over what dead workers of this machine had journalled and not shipped; their folders lie beside ours.

        Told here at once; written to this journal, and shipped from it, before it counts as shipped there.
        """
        async with self._inheriting:
            search = self.scribe.submit(find_legacies, self._directory)
            await asyncio.wait({search}, timeout=_INHERIT_S)
            if not search.done():
                # A hanging disk must not keep a session from being taken over; what it held will come late.
                search.add_done_callback(lambda found: close_legacies(found.result(), kept=False))
                return
            legacies = search.result()
            if not legacies:
                return
            left = [entry for legacy in legacies for entry in legacy.entries]
            await self._erasures.look(sessions_in(left), _INHERIT_S)
            entries = self._erasures.without(left)
            self._take(entries)
            for entry in entries:
                self.scribe.append(entry)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_INHERIT_S):
                    while not self.scribe.idle:  # noqa: ASYNC110 - the disk, seldom and for milliseconds
                        await asyncio.sleep(0.002)
            # Closing moves no data, and may be done here: the journal's thread may be busy with a hanging disk.
            close_legacies(legacies, kept=self.scribe.idle and self.scribe.ok)
            if entries:
                _log.warning("took over alerts of a dead worker", extra={"count": len(entries)})

    def feed(self, users: Collection[str]) -> AlertFeed:
        """Entries of these users from now on. Open it before `catch_up`, and drop by cursor what comes twice."""
        feed = AlertFeed(users, self._feeds.discard)
        self._feeds.add(feed)
        return feed

    async def catch_up(self, users: Collection[str], since_ms: int | None) -> Found:
        """What a new subscription must be told, each step once, ordered by time and contiguous per session.

        The newest step of every alert that is open and, with `since_ms`, every step since then and some before (clocks
        differ), of very many the newest. A store that is away is done without; this worker's memory always counts.
        `complete` is False when one was: ask again later for what only that store knows.
        """
        wanted = None if EVERYBODY in users else sorted(users)
        still_open = await self._open(wanted)
        if since_ms is None:
            return Found(in_order(open_steps(self._known(users, still_open.entries))), still_open.complete)
        since = await self._follower.both_since(since_ms - OVERLAP_MS, wanted, _MOST_MISSED)
        steps = [*open_steps(self._known(users, still_open.entries)), *self._since(users, since, since_ms)]
        unique = {(entry.session_id, entry.alert_seq): entry for entry in steps}
        return Found(in_order(unique.values()), still_open.complete and since.complete)

    async def _keep_running(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Alerts go on whatever happens: a loop that failed in a way nobody thought of begins again, and it is told."""
        while True:
            try:
                await loop()
            except Exception as error:
                _log.exception("a loop of the alert log failed")
                self._on_problem(f"a part of the alert log failed ({type(error).__name__}) and was started again")
            await asyncio.sleep(_RESTART_S)

    def _since(self, users: Collection[str], found: Found, since_ms: int) -> list[AlertEntry]:
        return [entry for entry in self._known(users, found.entries) if entry.ts_ms >= since_ms - OVERLAP_MS]

    async def _open(self, users: Sequence[str] | None) -> Found:
        """The store knows what is open; the broker's last hour knows what the store may not have got yet."""
        recently = self._broker.alerts_since(self._wall_ms() - HISTORY_MS, users)
        return await answers(self._store.open_alerts(users), recently)

    def _known(self, users: Collection[str], found: Iterable[AlertEntry]) -> list[AlertEntry]:
        """What was found and what is in memory, of these users, each once."""
        merged = {(entry.session_id, entry.alert_seq): entry for entry in found}
        merged |= {(entry.session_id, entry.alert_seq): entry for entry in self.sequencer.recent(users)}
        return [entry for entry in merged.values() if EVERYBODY in users or entry.user in users]

    async def _to_broker(self, entries: Sequence[AlertEntry]) -> None:
        # The store refuses by itself what was erased before this process began; the broker does not know of it.
        for entry in self._erasures.without(entries):
            await self._broker.append_alert(entry)

    def _written(self, items: Sequence[Item]) -> None:
        for item in items:
            for shipper in self.shippers:
                shipper.put(item)
        self._take(item.entry for item in items)

    def _take(self, entries: Iterable[AlertEntry]) -> None:
        now_s = asyncio.get_running_loop().time()
        for entry in entries:
            self._release(self.sequencer.offer(entry, now_s))
        if self.sequencer.has_gaps:
            self._follower.look_for_gaps()

    def _release(self, entries: Sequence[AlertEntry]) -> None:
        for entry in entries:
            for feed in tuple(self._feeds):
                feed.deliver(entry)


def in_order(entries: Iterable[AlertEntry]) -> list[AlertEntry]:
    """By time, yet never against a session's own order when its clock went back."""
    ordered: list[tuple[int, str, int, AlertEntry]] = []
    latest: dict[str, int] = {}
    for entry in sorted(entries, key=lambda e: (e.session_id, e.alert_seq)):
        time_ms = max(entry.ts_ms, latest.get(entry.session_id, 0))
        latest[entry.session_id] = time_ms
        ordered.append((time_ms, entry.session_id, entry.alert_seq, entry))
    return [entry for *_, entry in sorted(ordered, key=lambda row: row[:3])]
