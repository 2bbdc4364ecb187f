"""How many pictures each camera sends and what one costs in, a rate that every camera gets out: overload is shared.

The rate is the largest one at which all that is asked for at most this often fits into what the workers can do
(max-min fairness): a camera that asks for less keeps what it asks for, and what it leaves goes to the others.
"""

from collections.abc import Sequence
from typing import Final

_HEADROOM: Final = 0.85
"""Part of the workers' time that is planned for: at more, a picture waits longer than it is worked on."""
_STEPS_HZ: Final = (30.0, 25.0, 20.0, 17.0, 15.0, 13.0, 12.0, 11.0, *(float(rate) for rate in range(10, 0, -1)))
"""A rate moves in steps, so that cameras are not told of every flutter."""
_WEIGHT: Final = 0.05
"""Of the newest cost in the mean: some forty pictures."""
_FIRST_COST_S: Final = 0.01
"""What a picture costs until it is known: landmarker, decoding and expression on a core of 2026."""
_DEAREST_S: Final = 0.5
"""A single picture counts as no more: one that hangs is no measure of the others."""
_OBEYS: Final = 0.9
_CALM_LOOKS: Final = 5
"""So many looks in a row must allow a higher rate before it rises; it falls at once."""


class Camera:
    """One camera's pictures since the last look. `rate_hz`: what it may send now."""

    __slots__ = ("asked", "rate_hz", "wanted_hz")

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.asked = 0
        self.wanted_hz: float | None = None
        """What it wants, as of the last look; None before the first."""


class CameraTraffic:
    """All cameras of one worker. `limit_hz`: the most that any may send; `workers`: processes that look at pictures."""

    def __init__(self, limit_hz: float, workers: int) -> None:
        self.limit_hz = limit_hz
        self.workers = workers
        self.rate_hz = limit_hz
        self.cost_s = _FIRST_COST_S
        """Mean time of a worker for a picture."""
        self.cameras: list[Camera] = []
        self._calm = 0
        self._noted = False

    def join(self) -> Camera:
        """One more camera, at the present rate; it is to be given to `leave`."""
        camera = Camera(self.rate_hz)
        self.cameras.append(camera)
        return camera

    def leave(self, camera: Camera) -> None:
        self.cameras.remove(camera)

    def note_cost(self, seconds: float) -> None:
        """A picture took a worker this long."""
        self._noted = True
        self.cost_s += _WEIGHT * (min(seconds, _DEAREST_S) - self.cost_s)

    def has_room(self, least_hz: float) -> bool:
        """Whether one more camera could have `least_hz` without the others falling below it, or what they want."""
        taken = sum(
            least_hz if camera.wanted_hz is None else min(camera.wanted_hz, least_hz) for camera in self.cameras
        )
        return self.capacity_hz >= taken + least_hz

    @property
    def capacity_hz(self) -> float:
        """Pictures a second that are planned for."""
        return _HEADROOM * self.workers / self.cost_s

    def look(self, passed_s: float) -> bool:
        """Share anew after `passed_s` seconds; True when the rate has changed."""
        if not self._noted:  # what pictures cost long ago, or cost others, is slowly forgotten
            self.cost_s += _WEIGHT * (_FIRST_COST_S - self.cost_s)
        self._noted = False
        demands = []
        for camera in self.cameras:
            camera.wanted_hz = self._wanted(camera.asked / passed_s, camera.rate_hz)
            demands.append(camera.wanted_hz)
            camera.asked = 0
        wanted = _step_below(min(self.limit_hz, fair_rate(demands, self.capacity_hz)), self.limit_hz)
        if wanted > self.rate_hz:
            self._calm += 1
            if self._calm < _CALM_LOOKS:
                return False
        self._calm = 0
        if wanted == self.rate_hz:
            return False
        self.rate_hz = wanted
        for camera in self.cameras:
            camera.rate_hz = wanted
        return True

    def _wanted(self, asked_hz: float, granted_hz: float) -> float:
        """What a camera would send if it could: who sends as often as it may is held back by nothing but us."""
        return self.limit_hz if asked_hz >= _OBEYS * granted_hz else asked_hz


def fair_rate(demands_hz: Sequence[float], capacity_hz: float) -> float:
    """The largest rate f with sum(min(demand, f)) <= capacity; infinite when all fits.

    >>> fair_rate([10, 10, 10], 60)
    inf
    >>> fair_rate([30, 30, 5], 45)
    20.0
    """
    left, waiting = capacity_hz, sorted(demands_hz)
    while waiting:
        share = left / len(waiting)
        if waiting[0] > share:
            return share
        left -= waiting.pop(0)
    return float("inf")


def _step_below(rate_hz: float, limit_hz: float) -> float:
    if rate_hz >= limit_hz:
        return limit_hz
    return next((step for step in _STEPS_HZ if step <= rate_hz and step < limit_hz), min(_STEPS_HZ[-1], limit_hz))
