"""Times in, permission out: keeps results and analyses to their rates, tolerant of jitter."""

from math import inf
from typing import Final

NEVER: Final = inf
"""A deadline that does not come, in any unit."""


class Pace:
    """At most one turn an interval on average; a turn may come early by a quarter of it, so that jitter loses none.

    `next_ms`: session time from which the next turn is certain.
    """

    __slots__ = ("_interval_ms", "_slack_ms", "next_ms")

    def __init__(self, rate_hz: float, next_ms: float = 0.0) -> None:
        self._interval_ms = 1_000.0 / rate_hz
        self._slack_ms = self._interval_ms / 4
        self.next_ms = next_ms

    def take(self, at_ms: int) -> bool:
        """Take a turn at `at_ms` if one is due."""
        early, following = at_ms - self._slack_ms, self.next_ms
        if early >= following:
            self.next_ms = early + self._interval_ms
            return True
        if at_ms + self._slack_ms < following:
            return False
        self.next_ms = following + self._interval_ms
        return True
