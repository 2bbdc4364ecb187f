"""Moments at which a worker begins and stops working go in; what part of its recent time was work comes out; pure."""

from math import exp
from typing import Final

MEMORY_S: Final = 5.0
"""What happened this long ago weighs a third of what happens now."""


class BusyShare:
    """An exponentially weighted mean of "works" (1) and "waits" (0) over time. Times in seconds, never falling."""

    def __init__(self, now_s: float) -> None:
        self._share = 0.0
        self._works = False
        self._since_s = now_s

    def works(self, now_s: float, *, now: bool) -> None:
        """From now on it works, or does not."""
        if now is self._works:
            return
        self._share = self.share(now_s)
        self._since_s = now_s
        self._works = now

    def share(self, now_s: float) -> float:
        """0..1.

        >>> busy = BusyShare(0.0)
        >>> busy.works(0.0, now=True)
        >>> round(busy.share(5.0), 3)
        0.632
        """
        kept = exp(-max(0.0, now_s - self._since_s) / MEMORY_S)
        return self._share * kept + (1.0 - kept if self._works else 0.0)
