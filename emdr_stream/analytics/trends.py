"""Sessions or periods in, trends out: the points of a curve, and the slope through them with its interval."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from emdr_stream.analytics.estimates import Estimate, slope
from emdr_stream.analytics.figures import Period, SessionFigures
from emdr_stream.analytics.measures import OF_CLIENTS, OF_SESSIONS, Look

Unit = TypeVar("Unit")


@dataclass(frozen=True, slots=True)
class Trend:
    """`points`: (ms of the Unix epoch, value), oldest first, without those that are not known. `slope`: the change a
    step, which is a session or a period as `step` says. `better`: of a rising value, +1, -1 or 0."""

    name: str
    unit: str
    better: int
    step: str
    points: tuple[tuple[int, float], ...]
    slope: Estimate


def of_sessions(sessions: Sequence[SessionFigures]) -> list[Trend]:
    """A client's sessions, each one step."""
    ordered = sorted(sessions, key=lambda session: (session.began_ms, session.session_id))
    return _trends(((session.began_ms, session) for session in ordered), OF_SESSIONS, "session")


def of_periods(periods: Sequence[Period]) -> list[Trend]:
    """Periods of many clients; one without a session has no value and is a step all the same."""
    return _trends(((period.since_ms, period.sums) for period in periods), OF_CLIENTS, "period")


def _trends(
    units: Iterable[tuple[int, Unit]], looks: Mapping[Look, Callable[[Unit], float | None]], step: str
) -> list[Trend]:
    known = list(units)
    found = []
    for look, read in looks.items():
        values = [
            (number, at_ms, value) for number, (at_ms, unit) in enumerate(known) if (value := read(unit)) is not None
        ]
        estimate = slope([float(number) for number, _, _ in values], [value for _, _, value in values])
        points = tuple((at_ms, value) for _, at_ms, value in values)
        found.append(Trend(look.name, look.unit, look.better, step, points, estimate))
    return found
