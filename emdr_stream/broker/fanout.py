"""Takes notices that reached this process, gives each to the local subscriptions that watch its user."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

from emdr_stream.broker.base import EVERYBODY, Notice
from emdr_stream.broker.pending import PendingNotices

_PER_SUBSCRIPTION = 4_096
"""Notices that one slow reader may leave waiting: about 10 s of 400 sessions at one state a second."""


class LocalSubscription:
    """One reader's live notices; bounded, latest wins per session and kind (`dropped` counts the rest)."""

    def __init__(self, fanout: "Fanout", users: Collection[str], limit: int = _PER_SUBSCRIPTION) -> None:
        self.users = frozenset(users)
        self._fanout = fanout
        self._pending = PendingNotices(limit)
        self._ready = asyncio.Event()
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many notices this reader has lost by reading too slowly."""
        return self._pending.dropped

    async def watch(self, users: Collection[str]) -> None:
        """Replace the users; returns when the change is in force or the broker's timeout is over."""
        self.users = frozenset(users)
        await self._fanout.changed()

    def deliver(self, notice: Notice) -> None:
        """Put one notice in line."""
        self._pending.put(notice)
        self._ready.set()

    def __aiter__(self) -> AsyncIterator[Notice]:
        return self

    async def __anext__(self) -> Notice:
        while not self._closed:
            taken = self._pending.take(1)
            if taken:
                return taken[0]
            self._ready.clear()
            await self._ready.wait()
        raise StopAsyncIteration

    def end(self) -> None:
        """End the iteration."""
        self._closed = True
        self._ready.set()

    async def aclose(self) -> None:
        """End the iteration and stop watching."""
        self.end()
        self._fanout.remove(self)
        await self._fanout.changed()


class Fanout:
    """The subscriptions of one process. `on_change` is awaited whenever the set of watched users may have changed."""

    def __init__(self, on_change: Callable[[], Awaitable[None]] | None = None) -> None:
        self._subscriptions: set[LocalSubscription] = set()
        self._on_change = on_change

    async def add(self, users: Collection[str]) -> LocalSubscription:
        """A new subscription, in force when this returns (or when the broker's timeout is over)."""
        subscription = LocalSubscription(self, users)
        self._subscriptions.add(subscription)
        try:
            await self.changed()
        except BaseException:  # nobody would close it
            self.remove(subscription)
            raise
        return subscription

    def remove(self, subscription: LocalSubscription) -> None:
        """Forget a subscription."""
        self._subscriptions.discard(subscription)

    def wanted(self) -> frozenset[str]:
        """All users watched here; only {"*"} when anybody watches everybody."""
        users = frozenset[str]().union(*(subscription.users for subscription in self._subscriptions))
        return frozenset({EVERYBODY}) if EVERYBODY in users else users

    def deliver(self, notice: Notice) -> None:
        """Give the notice to everyone who watches its user, at most once each."""
        for subscription in self._subscriptions:
            if notice.user in subscription.users or EVERYBODY in subscription.users:
                subscription.deliver(notice)

    def close(self) -> None:
        """End all iterations."""
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()

    async def changed(self) -> None:
        """Tell the broker that other users may be watched now, and wait for it to follow."""
        if self._on_change is not None:
            await self._on_change()
