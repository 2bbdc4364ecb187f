"""Live states as they come go in, at most so many a second of each session come out; the latest wins."""

import asyncio
from collections.abc import Callable
from typing import Final

from emdr_stream.endpoints.coverage import Coverage

_LEAST_WAIT_S: Final = 0.01
"""Between two looks at what waits: many sessions are looked at together."""


class Conflation:
    """The states of one console's sessions. `emit` sends one; `dropped` is told how many a newer one replaced."""

    def __init__(
        self,
        emit: Callable[[bytes], None],
        dropped: Callable[[], None],
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
        clock: Callable[[], float],
    ) -> None:
        self._emit = emit
        self._dropped = dropped
        self._call_later = call_later
        self._clock = clock
        self._due_s: dict[str, float] = {}
        self._users: dict[str, str] = {}
        self._waiting: dict[str, tuple[bytes, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, session_id: str, user: str, state: bytes, rate_hz: int) -> None:
        """Send the state now when its session's turn has come, otherwise keep it until then."""
        interval_s = 1.0 / rate_hz
        self._users[session_id] = user
        if session_id in self._waiting:
            self._dropped()
            self._waiting[session_id] = state, interval_s
            return
        now = self._clock()
        due = self._due_s.get(session_id, now)
        if due <= now:
            self._due_s[session_id] = now + interval_s
            self._emit(state)
            return
        # A session whose rate was raised need not sit out the interval of the old one.
        self._due_s[session_id] = min(due, now + interval_s)
        self._waiting[session_id] = state, interval_s
        self._arm(self._due_s[session_id] - now)

    def outdated(self, session_id: str) -> None:
        """Something newer than the waiting state was told: it must not come after it."""
        if self._waiting.pop(session_id, None) is not None:
            self._dropped()

    def forget(self, session_id: str) -> None:
        """The session is over or no longer followed."""
        self._waiting.pop(session_id, None)
        self._due_s.pop(session_id, None)
        self._users.pop(session_id, None)

    def retain(self, coverage: Coverage) -> None:
        """Forget the sessions that are not covered."""
        for session_id in [name for name, user in self._users.items() if not coverage.covers(name, user)]:
            self.forget(session_id)

    def close(self) -> None:
        """Send nothing more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, wait_s: float) -> None:
        wait_s = max(wait_s, _LEAST_WAIT_S)
        if self._timer is not None:
            if self._timer.when() <= asyncio.get_running_loop().time() + wait_s:
                return
            self._timer.cancel()
        self._timer = self._call_later(wait_s, self._flush)

    def _flush(self) -> None:
        self._timer = None
        now = self._clock()
        due = [session_id for session_id in self._waiting if self._due_s[session_id] <= now]
        for session_id in due:
            state, interval_s = self._waiting.pop(session_id)
            self._due_s[session_id] = now + interval_s
            self._emit(state)
        if self._waiting:
            self._arm(min(self._due_s[session_id] for session_id in self._waiting) - now)
