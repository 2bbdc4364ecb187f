"""Therapists who say that they have a session before them in, who is there now out; forgotten when they fall silent."""

from collections.abc import Callable
from typing import Final

FORGOTTEN_S: Final = 12.0
"""A console says it every 5 s while its page is seen: two may be lost on their way."""
_MOST: Final = 16


class Attendance:
    """Who attends one session. `clock` in seconds, monotonic. No decision hangs on it: it is not part of the core."""

    __slots__ = ("_clock", "_until_s")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until_s: dict[str, float] = {}

    def note(self, who: str) -> None:
        """`who` has the session before them; of too many at once the one heard longest ago is forgotten."""
        self._until_s.pop(who, None)
        self._until_s[who] = self._clock() + FORGOTTEN_S
        if len(self._until_s) > _MOST:
            del self._until_s[next(iter(self._until_s))]

    def present(self) -> tuple[str, ...]:
        """Who is there now, in the order of their names."""
        if not self._until_s:
            return ()
        now = self._clock()
        self._until_s = {who: until for who, until in self._until_s.items() if until > now}
        return tuple(sorted(self._until_s))
