"""Courses made by hand for the tests of scoring."""

from collections.abc import Sequence

from emdr_stream.evaluation.course import Course, Pause, Watched
from emdr_stream.evaluation.labels import Event, HardNegative, Seconds, Truth

LENGTH_S = 600


def event(onset_s: float, end_s: float, **more: object) -> Event:
    fields = {"kind": "hyperarousal", "onset_ms": round(onset_s * 1_000), "end_ms": round(end_s * 1_000), **more}
    return Event(**fields)  # type: ignore[arg-type]


def course(
    events: Sequence[Event] = (),
    alarms_s: Sequence[float] = (),
    *,
    pauses: Sequence[Pause] = (),
    pauses_s: Sequence[float] = (),
    person: str = "p",
    length_s: int = LENGTH_S,
    from_s: float = 0,
    crisis: float = 0.1,
    state: int = 0,
    hard_negatives: Sequence[HardNegative] = (),
    seconds: Seconds | None = None,
    family: str = "all",
    groups: dict[str, str] | None = None,
) -> Course:
    """A recording in which the models were heard in every second."""
    watched = Watched.of_length(length_s)
    watched.crisis[:], watched.risk[:], watched.state[:] = crisis, crisis, state
    truth = Truth(
        recording="a.jsonl",
        person=person,
        family=family,
        groups=groups or {},
        from_ms=round(from_s * 1_000),
        events=tuple(events),
        hard_negatives=tuple(hard_negatives),
        seconds=seconds,
    )
    return Course(
        truth=truth,
        duration_ms=length_s * 1_000,
        alarms_ms=tuple(round(at * 1_000) for at in (*alarms_s, *pauses_s)),
        pauses_ms=tuple(round(at * 1_000) for at in pauses_s),
        pauses=tuple(pauses),
        watched=watched,
    )
