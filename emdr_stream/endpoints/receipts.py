"""Cursors sent and cursors received go in, how far a console is behind comes out. Times in seconds, monotonic."""

from collections import OrderedDict


class Receipts:
    """What one console has been sent and not confirmed with `received`.

    Counting begins with the first `received`: a console that never sends one is judged by its unread bytes alone.
    """

    def __init__(self) -> None:
        self._sent: OrderedDict[str, float] = OrderedDict()
        self._counts = False

    def sent(self, cursor: str, now: float) -> None:
        """An alert went out; a repeat counts from its first sending."""
        if self._counts:
            self._sent.setdefault(cursor, now)

    def received(self, cursor: str, now: float) -> float:
        """The console has taken everything up to `cursor`; gives how long it has been behind, 0 when it is not.

        Consoles keep either the last cursor that came or the highest one. Both are understood: what was sent before
        the named one is done, and so is what sorts before it.
        """
        self._counts = True
        if cursor in self._sent:
            while self._sent.popitem(last=False)[0] != cursor:
                pass
        for earlier in [held for held in self._sent if held <= cursor]:
            del self._sent[earlier]
        return self.behind_s(now)

    def behind_s(self, now: float) -> float:
        """Age of the oldest alert that the console has not confirmed."""
        return now - next(iter(self._sent.values())) if self._sent else 0.0
