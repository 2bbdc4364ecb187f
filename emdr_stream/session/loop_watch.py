"""The event loop in, how late it runs and how much it has to do out, ten times and once a second."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from emdr_stream.session.runner import SessionRunner
from emdr_stream.session.standing import Standing
from emdr_stream.session.strain import Census, Strain
from emdr_stream.telemetry.metrics import Metrics

_EVERY_S: Final = 0.1
_LONGER_LOOK_S: Final = 1.0


def census_of(sessions: Iterable[SessionRunner]) -> Census:
    """How many of these sessions there are by what they cost; those that are over never come back, and are left out."""
    counts = Counter(
        "away" if session.socket is None else "grown" if session.core.perception.baseline.ready else "young"
        for session in sessions
        if not session.over
    )
    return Census(**counts)


class LoopWatch:
    """One worker's. `lag_s`: how late the loop last ran a timer. It tells the standing when the worker stood still."""

    def __init__(
        self,
        metrics: Metrics,
        standing: Standing,
        strain: Strain,
        sessions: Callable[[], Iterable[SessionRunner]],
        each_second: Callable[[float], None],
    ) -> None:
        """`sessions` gives those that live here. `each_second` is called with the monotonic time, for what else is to
        be looked at."""
        self.lag_s = 0.0
        self._metrics = metrics
        self._standing = standing
        self._strain = strain
        self._sessions = sessions
        self._each_second = each_second

    async def run(self) -> None:
        """Watch until cancelled."""
        looked = 0.0
        while True:
            due = time.monotonic() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            now = time.monotonic()
            self._standing.see(now)
            self.lag_s = max(0.0, now - due)
            self._metrics.event_loop_lag(self.lag_s)
            self._strain.timer_waited(self.lag_s)
            if now - looked >= _LONGER_LOOK_S:
                looked = now
                self._look_at_load(now)
                self._each_second(now)

    def _look_at_load(self, now: float) -> None:
        # This coroutine runs in the loop's thread, whose time it is.
        self._strain.look(now, time.thread_time(), census_of(self._sessions()))
        self._metrics.load(self._strain.load)
