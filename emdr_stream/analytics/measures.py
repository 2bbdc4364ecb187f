"""In: nothing. Out: what is looked at in sessions and in clients: how it is read, in which unit, and what is better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from emdr_stream.analytics.figures import SessionFigures, Sums

_HOUR_S: Final = 3_600.0
LEAST_SECONDS: Final = 60
"""A session of which less was seen tells nothing of a share."""


@dataclass(frozen=True, slots=True)
class Look:
    """`better`: +1 more is better, -1 less is, 0 neither: a pause protects, a stop is a client's right.

    `least`: a change smaller than this is not worth a word, however sure it is; proposals, without a source.
    `unit`: share (0..1), minutes, count, per_hour or points.
    """

    name: str
    unit: str
    better: int
    least: float


OUTSIDE: Final = Look("outside_window", "share", -1, 0.05)
SIGHT: Final = Look("sight", "share", 1, 0.05)
LENGTH: Final = Look("length", "minutes", 0, 5.0)
PAUSES: Final = Look("pauses", "count", 0, 1.0)
STOPS: Final = Look("client_stops", "count", 0, 1.0)
ALARMED: Final = Look("alarmed", "share", 0, 0.02)
SUD_GAIN: Final = Look("sud_gain", "points", 1, 1.0)
ALERTS_PER_HOUR: Final = Look("alerts_per_hour", "per_hour", 0, 0.5)
PAUSES_PER_HOUR: Final = Look("pauses_per_hour", "per_hour", 0, 0.5)
STOPS_PER_HOUR: Final = Look("client_stops_per_hour", "per_hour", 0, 0.5)
ACK_SECONDS: Final = Look("ack_seconds", "seconds", -1, 2.0)

OF_SESSIONS: Final[Mapping[Look, Callable[[SessionFigures], float | None]]] = {
    OUTSIDE: lambda s: s.outside if s.scored >= LEAST_SECONDS else None,
    SIGHT: lambda s: s.sight if s.seconds >= LEAST_SECONDS else None,
    LENGTH: lambda s: (s.ended_ms - s.began_ms) / 60_000 if s.seconds >= LEAST_SECONDS else None,
    PAUSES: lambda s: float(s.pauses),
    STOPS: lambda s: float(s.client_stops),
    ALARMED: lambda s: s.alarmed / s.seconds if s.seconds >= LEAST_SECONDS else None,
    SUD_GAIN: lambda s: s.sud_gain,
}
"""Of one client: each session is one value."""

OF_CLIENTS: Final[Mapping[Look, Callable[[Sums], float | None]]] = {
    OUTSIDE: lambda s: share(s.hyperarousal + s.hypoarousal, s.scored),
    SIGHT: lambda s: share(s.seen, s.seconds),
    ALERTS_PER_HOUR: lambda s: per_hour(s.alerts, s.seconds),
    PAUSES_PER_HOUR: lambda s: per_hour(s.pauses, s.seconds),
    STOPS_PER_HOUR: lambda s: per_hour(s.client_stops, s.seconds),
    SUD_GAIN: lambda s: s.sud_gain / s.sud_pairs if s.sud_pairs else None,
    ACK_SECONDS: lambda s: s.ack_s_sum / s.acks if s.acks else None,
}
"""Of many clients: each client is one value, because a client's sessions are no independent findings."""


def share(part: int, whole: int) -> float | None:
    """None below a minute."""
    return part / whole if whole >= LEAST_SECONDS else None


def per_hour(count: int, seconds: int) -> float | None:
    """None below a minute."""
    return count * _HOUR_S / seconds if seconds >= LEAST_SECONDS else None
