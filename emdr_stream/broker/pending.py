"""Takes notices that wait to be sent or read, gives them back in order; bounded, latest wins, overflow is counted."""

from collections import OrderedDict

from emdr_stream.broker.base import Notice


class PendingNotices:
    """A buffer of at most `limit` notices. A newer notice of the same session and kind replaces the one that waits."""

    __slots__ = ("_limit", "_serial", "_waiting", "dropped")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._serial = 0
        self._waiting: OrderedDict[tuple[str, str | int], Notice] = OrderedDict()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, notice: Notice) -> None:
        """Take a notice; when the buffer is full the oldest goes and is counted in `dropped`."""
        if notice.kind:
            key: tuple[str, str | int] = (notice.session_id, notice.kind)
            self._waiting.pop(key, None)
        else:
            self._serial += 1
            key = (notice.session_id, self._serial)
        if len(self._waiting) >= self._limit:
            self._waiting.popitem(last=False)
            self.dropped += 1
        self._waiting[key] = notice

    def take(self, most: int) -> list[Notice]:
        """Up to `most` notices, oldest first; they leave the buffer."""
        count = min(most, len(self._waiting))
        return [self._waiting.popitem(last=False)[1] for _ in range(count)]

    def discard(self) -> None:
        """Drop and count everything."""
        self.dropped += len(self._waiting)
        self._waiting.clear()
