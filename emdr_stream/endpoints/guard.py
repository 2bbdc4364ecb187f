"""Times of messages in, permission out: the rate of one socket, and its patience with malformed messages."""

from typing import Final

_FLOOD: Final = 10
"""More than this many times the rate within a second is no hasty client but a flood."""


class Guard:
    """Counts one socket's messages in whole seconds and its malformed ones in minutes. Times in seconds, monotonic."""

    __slots__ = ("_count", "_malformed", "_malformed_since", "_most_malformed", "_rate", "_second", "_told")

    def __init__(self, rate_hz: int, malformed_per_minute: int) -> None:
        self._rate = rate_hz
        self._most_malformed = malformed_per_minute
        self._second = -1.0
        self._count = 0
        self._told = False
        self._malformed = 0
        self._malformed_since = 0.0

    def admits(self, now: float) -> bool:
        """Whether one more message is within the rate."""
        if now - self._second >= 1.0:
            self._second, self._count, self._told = now, 0, False
        self._count += 1
        return self._count <= self._rate

    @property
    def is_flooded(self) -> bool:
        return self._count > _FLOOD * self._rate

    @property
    def should_tell(self) -> bool:
        """True once a second: one answer to many messages."""
        told, self._told = self._told, True
        return not told

    def forgives(self, now: float) -> bool:
        """Whether one more malformed message is within what is borne."""
        if now - self._malformed_since >= 60.0:
            self._malformed_since, self._malformed = now, 0
        self._malformed += 1
        return self._malformed <= self._most_malformed
