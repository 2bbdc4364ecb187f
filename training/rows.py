"""In: a simulated session. Out: the feature rows that the service would hand to its models, and when.

The service's own perception takes each sample at its arrival; nothing about features is written twice.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import Observation
from emdr_stream.pipeline.features import ROW_LENGTH, Deriver, Features
from emdr_stream.pipeline.moments import COLUMNS, N_MOMENTS
from emdr_stream.pipeline.perception import Intake, Perception
from emdr_stream.session.seeing import CALM_MINUTE_MS
from emdr_stream.settings import SessionSettings
from emdr_stream.simulation import SimulatedSession

Floats = NDArray[np.float64]

_LEVEL: Final = N_MOMENTS * COLUMNS
_LEAST_WEIGHT: Final = 0.05
_CHUNK: Final = 512


@dataclass(frozen=True, slots=True)
class SessionRows:
    """`times_ms` (n,) session time of each row, `features` (n, N_FEATURES), `levels` (n, 3) raw 5-s means of valence,
    arousal and attention (NaN where not seen). Rows begin when the personal baseline stands."""

    times_ms: NDArray[np.int64]
    features: Features
    levels: Floats


class SetClock:
    """How long the present set has run, None between sets; asked at times that do not fall."""

    __slots__ = ("_at", "_sets")

    def __init__(self, sets: tuple[tuple[int, int], ...]) -> None:
        self._sets = sets
        self._at = 0

    def running_ms(self, at_ms: int) -> int | None:
        while self._at < len(self._sets) and at_ms >= self._sets[self._at][1]:
            self._at += 1
        if self._at == len(self._sets) or at_ms < self._sets[self._at][0]:
            return None
        return at_ms - self._sets[self._at][0]


def rows_of(
    session: SimulatedSession,
    every_ms: int,
    settings: SessionSettings | None = None,
    *,
    tell_sets: bool = True,
    from_ms: int = 0,
) -> SessionRows:
    """Rows of `session`, at least `every_ms` apart. Without `tell_sets` the client never says when a set runs.

    `from_ms`: when somebody began to listen; samples before it came to nobody.
    """
    arrivals_ms = np.maximum.accumulate(session.ts_ms)
    heard = session.ts_ms >= from_ms
    return observe_stream(
        arrivals_ms[heard],
        session.ts_ms[heard],
        session.values[heard],
        session.face_present[heard],
        session.sets if tell_sets else (),
        every_ms,
        settings,
        from_ms,
    )


def observe_stream(
    arrivals_ms: NDArray[np.int64],
    ts_ms: NDArray[np.int64],
    values: Floats,
    face_present: NDArray[np.bool_],
    sets: tuple[tuple[int, int], ...],
    every_ms: int,
    settings: SessionSettings | None = None,
    from_ms: int = 0,
) -> SessionRows:
    """Run samples (N, 14) in the order of their arrival through the perception of one session, which began at
    `from_ms`."""
    perception, clock = Perception(settings or SessionSettings()), SetClock(sets)
    times: list[int] = []
    kept: list[Floats] = []
    due_ms = 0
    stream = zip(arrivals_ms.tolist(), ts_ms.tolist(), values.tolist(), face_present.tolist(), strict=True)
    for at_ms, sample_ms, sample, present in stream:
        set_ms = clock.running_ms(at_ms)
        calm = set_ms is None or at_ms > from_ms + CALM_MINUTE_MS
        intake = perception.observe(Observation(sample_ms, tuple(sample), present), at_ms, calm)
        if intake is Intake.ACCEPTED and at_ms >= due_ms and perception.baseline.ready:
            due_ms = at_ms + every_ms
            times.append(at_ms)
            kept.append(perception.fill_row(set_ms).copy())
    rows = np.array(kept).reshape(len(kept), ROW_LENGTH)
    return SessionRows(np.array(times, dtype=np.int64), derive(rows), levels(rows))


def derive(rows: Floats) -> Features:
    """Feature vectors (n, N_FEATURES) of any number of rows (n, ROW_LENGTH)."""
    deriver = Deriver(_CHUNK)
    edges = [*range(0, len(rows), _CHUNK), len(rows)]
    parts = [deriver(rows[start:end]).copy() for start, end in pairwise(edges)]
    return np.concatenate(parts) if parts else deriver(rows).copy()


def levels(rows: Floats) -> Floats:
    """Raw 5-s means of valence, arousal and attention (n, 3) of rows (n, ROW_LENGTH); NaN where hardly seen."""
    weight = rows[:, _LEVEL : _LEVEL + 3]
    total = rows[:, _LEVEL + COLUMNS : _LEVEL + COLUMNS + 3]
    return np.where(weight > _LEAST_WEIGHT, total / np.maximum(weight, _LEAST_WEIGHT), np.nan)
