"""How hard a worker works in, whether it can take another session out: too many would make an alarm in every one.

A worker with more to do than it can scores its rows late, and after a second without scores each of its sessions
pauses, all at once. So whoever is new is refused before: they find another worker, or come back. Who is here stays.
"""

from collections import deque
from typing import Final, NamedTuple

WINDOW_S: Final = 3.0
"""Everything is a mean over so long, and nothing is known before that: a moment's work refuses nobody."""
MOST_WAIT_S: Final = 0.03
"""How long rows may wait for the models on average: ten times what a batch lingers for company."""
DROWNING_S: Final = 0.25
"""When rows wait so long, a quarter of the models' deadline, the worker takes no other worker's sessions either."""
DROWNING_LOAD: Final = 1.5
"""The same for what its sessions need of a core: samples are left out then, and at about 2 the models come too late."""
GROWS: Final = 1.3
"""What a session costs once its baseline stands and the models are asked, divided by before (`benchmarks overload`)."""
SHARE: Final = 0.001
"""What a session is taken to need of a core as long as that is not measured: ten samples a second of 100 µs."""
NEWCOMER_S: Final = WINDOW_S + 2.0
"""How long a session counts as a newcomer: from then on all of its work lies within what is measured."""
_MEASURABLE: Final = 20
"""Of so few sessions most of the work is not their own."""
_LONGEST_TIMER_S: Final = 0.1
"""A timer counts as no later than this: one standstill of an idle worker is no load."""


class Census(NamedTuple):
    """Sessions of a worker by what they cost: with a baseline and a socket, with a socket alone, without one."""

    grown: int = 0
    young: int = 0
    away: int = 0


class _Look(NamedTuple):
    """Sums since the worker began. Seconds."""

    now: float
    cpu_s: float
    rows: int
    waited_s: float


class Strain:
    """One worker's. `limit`: the load up to which it takes new sessions, 0..1; 0: it takes all. Times in seconds.

    `load`: the share of its core that the sessions here need, were all of them there and scored; above 1 is too much.
    `wait_s`: how long rows wait for the models, or timers of the loop for their turn; an upper bound of the mean.
    """

    __slots__ = ("_came", "_looks", "_rows", "_waited_s", "each", "limit", "load", "wait_s")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.load = self.wait_s = 0.0
        self.each = SHARE
        """What one more session is taken to need of the core."""
        self._rows = 0
        self._waited_s = 0.0
        self._came: deque[float] = deque()
        self._looks: deque[_Look] = deque()

    def rows_waited(self, rows: int, longest_s: float) -> None:
        """So many rows were scored together, of which the first had waited for so long."""
        self._rows += rows
        self._waited_s += rows * longest_s

    def timer_waited(self, late_s: float) -> None:
        """A timer of the loop ran so late."""
        self.rows_waited(1, min(late_s, _LONGEST_TIMER_S))

    def came(self, now: float) -> None:
        """A session was let in, or adopted."""
        self._came.append(now)

    def look(self, now: float, cpu_s: float, census: Census) -> None:
        """Once a second. `now`: monotonic. `cpu_s`: what the loop's thread has used so far."""
        looks = self._looks
        looks.append(_Look(now, cpu_s, self._rows, self._waited_s))
        while len(looks) > 2 and now - looks[1].now >= WINDOW_S:
            looks.popleft()
        first, last = looks[0], looks[-1]
        if last.now - first.now < WINDOW_S:
            return
        busy = (last.cpu_s - first.cpu_s) / (last.now - first.now)
        here = census.young + census.grown
        weighs = census.young + GROWS * census.grown
        self.each = GROWS * busy / weighs if here >= _MEASURABLE else SHARE
        # Who is away comes back, and is not asked then whether there is room.
        self.load = (GROWS * busy * here / weighs if here else busy) + self.each * census.away
        rows = last.rows - first.rows
        self.wait_s = (last.waited_s - first.waited_s) / rows if rows else 0.0

    def admits(self, now: float) -> bool:
        """Whether one more session may come."""
        return not self.limit or (self._expected(now) < self.limit and self.wait_s <= MOST_WAIT_S)

    def drowns(self, now: float) -> bool:
        """Whether not even another worker's session may come."""
        return bool(self.limit) and (self._expected(now) >= DROWNING_LOAD or self.wait_s > DROWNING_S)

    def told(self, now: float) -> str:
        """Why new sessions are refused, in words; empty while they are not."""
        if self.admits(now):
            return ""
        return f"the sessions here need {self._expected(now):.0%} of a core, and wait {self.wait_s * 1e3:.0f} ms for it"

    def _expected(self, now: float) -> float:
        """The load with those whose work is not seen yet."""
        came = self._came
        while came and now - came[0] > NEWCOMER_S:
            came.popleft()
        return self.load + self.each * len(came)
