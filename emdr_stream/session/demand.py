"""Watchers' wishes in, the rate out at which a user's live state is worth publishing."""

from collections.abc import Collection
from typing import Final

IDLE_HZ: Final = 1.0
"""What is published when nobody of this worker watches: enough for watchers elsewhere to see that the session lives."""


class Demand:
    """How often somebody wants to see each user; "*" stands for everybody. Rates in Hz."""

    __slots__ = ("_most", "_wishes")

    def __init__(self) -> None:
        self._wishes: dict[object, tuple[frozenset[str], float]] = {}
        self._most: dict[str, float] = {}

    def wish(self, watcher: object, users: Collection[str], rate_hz: float) -> None:
        """Replace what `watcher` wants; no users means nothing."""
        if users:
            self._wishes[watcher] = frozenset(users), rate_hz
        else:
            self._wishes.pop(watcher, None)
        self._most = {}
        for wanted, rate in self._wishes.values():
            for user in wanted:
                self._most[user] = max(rate, self._most.get(user, 0.0))

    def rate_hz(self, user: str) -> float:
        """The highest rate wished for this user, at least IDLE_HZ."""
        most = self._most
        return max(most.get(user, IDLE_HZ), most.get("*", IDLE_HZ)) if most else IDLE_HZ
