"""Times and sizes of messages in, permission out: the rates of one socket, and its patience with malformed messages."""

from typing import Final

_FLOOD: Final = 10
"""More than this many times the rate within a second is no hasty client but a flood."""


_HEAVY_FLOOD: Final = 4
"""The same for bytes: the largest messages allowed come in few pieces, so the margin is smaller."""

MESSAGE_COSTS_BYTES: Final = 256
"""What a message counts besides its bytes: reading the smallest one costs about as much as so many bytes more."""


class ByteBudget:
    """Bytes of one socket in a second. Times in seconds, monotonic.

    `heard` and `most` are public for the line that each message travels: it adds, compares, and comes here only when
    the budget is used up. That may take longer than a second; then a new one begins, with no look at the clock between.
    """

    __slots__ = ("_since", "heard", "is_flooded", "most")

    def __init__(self, bytes_per_s: int) -> None:
        self.most = bytes_per_s
        self.heard = 0
        self.is_flooded = False
        self._since = 0.0

    def is_exceeded(self, now: float, last_bytes: int) -> bool:
        """Whether `heard`, which has passed `most` with a message of `last_bytes`, did so within a second."""
        if now - self._since >= 1.0:
            self._since, self.heard, self.is_flooded = now, last_bytes, False
            return last_bytes > self.most
        self.is_flooded = self.heard > _HEAVY_FLOOD * self.most
        return True


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
