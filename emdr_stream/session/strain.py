"""How hard a worker works in, whether it can take another session out: too many would make an alarm in every one.

A worker with more to do than it can scores its rows late, and after a second without scores each of its sessions
pauses, all at once. So whoever is new is refused before: they find another worker, or come back. Who is here stays.
"""

from collections import deque
from typing import Final, NamedTuple

WINDOW_S: Final = 3.0
"""Everything is a mean over so long: a moment's work refuses nobody."""
MOST_WAIT_S: Final = 0.03
"""How long rows may wait for the models on average: ten times what a batch lingers for company."""
DROWNING_S: Final = 0.25
"""Waiting for so long, a quarter of the models' deadline, a worker takes no other worker's sessions either."""
GROWS: Final = 1.3
"""What a session costs once its baseline stands and the models are asked, ÷ before (`benchmarks overload`)."""
SHARE: Final = 0.001
"""What a session is taken to need of a core as long as that is not measured: ten samples a second of 100 µs."""


class _Look(NamedTuple):
    """Sums since the worker began. Seconds."""

    now: float
    cpu_s: float
    rows: int
    waited_s: float


class Strain:
    """One worker's. `limit`: the load up to which it takes new sessions; 0: it takes all. Times in seconds, monotonic.

    `load`: the share of its core that the sessions here need, all of them scored; more than 1 is too much for it.
    `wait_s`: how long a row waits for the models, or a timer of the loop for its turn.
    """

    __slots__ = ("_came", "_looks", "_rows", "_waited_s", "limit", "load", "wait_s")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.load = self.wait_s = 0.0
        self._rows = 0
        self._waited_s = 0.0
        self._came: deque[float] = deque()
        self._looks: deque[_Look] = deque()

    def waited(self, rows: int, wait_s: float) -> None:
        """So many rows, or a timer, have waited for so long."""
        self._rows += rows
        self._waited_s += rows * wait_s

    def came(self, now: float) -> None:
        """A new session was let in."""
        self._came.append(now)

    def look(self, now: float, cpu_s: float, grown: int, young: int) -> None:
        """Once a second. `cpu_s`: what the loop's thread has used so far; `young`: sessions without a baseline yet."""
        looks = self._looks
        looks.append(_Look(now, cpu_s, self._rows, self._waited_s))
        while len(looks) > 2 and now - looks[1].now >= WINDOW_S:
            looks.popleft()
        first, last = looks[0], looks[-1]
        if last.now <= first.now:
            return
        busy = (last.cpu_s - first.cpu_s) / (last.now - first.now)
        weighs = young + GROWS * grown
        self.load = busy * GROWS * (young + grown) / weighs if weighs else busy
        rows = last.rows - first.rows
        self.wait_s = (last.waited_s - first.waited_s) / rows if rows else 0.0

    def admits(self, now: float) -> bool:
        """Whether one more session may come: those of the last seconds are counted, their work is not seen yet."""
        came = self._came
        while came and now - came[0] > WINDOW_S:
            came.popleft()
        return not self.limit or (self.load + SHARE * len(came) < self.limit and self.wait_s <= MOST_WAIT_S)

    @property
    def told(self) -> str:
        """Why new sessions are refused, in words; empty while they are not."""
        if not self.limit or (self.load < self.limit and self.wait_s <= MOST_WAIT_S):
            return ""
        return f"takes no new sessions: those here need {self.load:.0%} of a core, rows wait {self.wait_s * 1e3:.0f} ms"

    @property
    def drowning(self) -> bool:
        return bool(self.limit) and self.wait_s > DROWNING_S
