"""In: a simulated session. Out: the rows that `rows.rows_of` gives, for all times at once, some ten times faster.

Training and validation use it, where the number of persons counts for more than anything else: every reported figure
comes from the whole service. Samples that arrive out of order (below 0.3 %) are left out here.
"""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import N_SIGNALS
from emdr_stream.pipeline.baseline import Baseline, BaselineState
from emdr_stream.pipeline.features import ROW_LENGTH, Row
from emdr_stream.pipeline.moments import COLUMNS, N_MOMENTS, ROWS, TICK_S, WINDOWS_S
from emdr_stream.pipeline.perception import FIRST_WEIGHT_S
from emdr_stream.session.seeing import CALM_MINUTE_MS
from emdr_stream.settings import SessionSettings
from emdr_stream.simulation import SimulatedSession
from training.rows import SessionRows, SetClock, derive, levels

Floats = NDArray[np.float64]


def swift_rows(
    session: SimulatedSession,
    every_ms: int,
    settings: SessionSettings | None = None,
    *,
    tell_sets: bool = True,
    from_ms: int = 0,
) -> SessionRows:
    """Rows at least `every_ms` apart from when the baseline stands; those of `rows_of` where no sample is late."""
    settings = settings or SessionSettings()
    times_ms, values = _in_order(session, from_ms)
    sets = session.sets if tell_sets else ()
    if len(times_ms) == 0:
        return _nothing()
    gaps_s = np.diff(times_ms // 10, prepend=0) * TICK_S
    gaps_s[0] = FIRST_WEIGHT_S
    weight = np.minimum(gaps_s, settings.signal.hold_ms / 1_000)
    moments = _moments_of(values, weight, gaps_s)
    calm = _outside(times_ms, sets) | (times_ms > from_ms + CALM_MINUTE_MS)
    seconds = np.cumsum(weight * calm)
    stands = int(np.searchsorted(seconds, settings.baseline.duration_s - 1e-9))
    if stands >= len(times_ms):
        return _nothing()
    chosen = _spaced(times_ms, stands, every_ms)
    row = Row()
    baseline = _baseline(settings, moments[: stands + 1], calm[: stands + 1])
    row.set_baseline(baseline.mean, baseline.deviation)
    rows = np.empty((len(chosen), ROW_LENGTH))
    clock = SetClock(sets)
    for number, (sums, at_ms) in enumerate(
        zip(_sums_at(moments, times_ms, chosen), times_ms[chosen].tolist(), strict=True)
    ):
        set_ms = clock.running_ms(at_ms)
        inside = (0.0, 0.0) if set_ms is None else (1.0, min(1.0, set_ms / 60_000))
        rows[number] = row.fill(sums, (*inside, 1.0))
    return SessionRows(times_ms[chosen], derive(rows), levels(rows))


def _in_order(session: SimulatedSession, from_ms: int) -> tuple[NDArray[np.int64], Floats]:
    """Usable samples from `from_ms` on that are newer than all before them by at least a tick."""
    usable = session.face_present & ~np.isnan(session.values).all(axis=1) & (session.ts_ms >= from_ms)
    times_ms, values = session.ts_ms[usable], session.values[usable]
    ticks = times_ms // 10
    newer = ticks > np.concatenate([[-1], np.maximum.accumulate(ticks)[:-1]])
    return times_ms[newer], values[newer]


def _moments_of(values: Floats, weight: Floats, gaps_s: Floats) -> Floats:
    """Each sample's own A0, A1, A2 (N, N_MOMENTS, COLUMNS)."""
    present = ~np.isnan(values)
    moments = np.zeros((len(values), N_MOMENTS, COLUMNS))
    moments[:, 0, :N_SIGNALS] = weight[:, None] * present
    x = np.where(present, values, 0.0)
    moments[:, 1, :N_SIGNALS] = moments[:, 0, :N_SIGNALS] * x
    moments[:, 2, :N_SIGNALS] = moments[:, 1, :N_SIGNALS] * x
    moments[:, 0, N_SIGNALS] = gaps_s
    return moments


def _outside(times_ms: NDArray[np.int64], sets: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    outside = np.ones(len(times_ms), dtype=np.bool_)
    for start, end in sets:
        outside &= (times_ms < start) | (times_ms >= end)
    return outside


def _baseline(settings: SessionSettings, moments: Floats, calm: NDArray[np.bool_]) -> Baseline:
    weight, total, squares = moments[calm].sum(axis=0)[:, :N_SIGNALS].tolist()
    return Baseline(settings.baseline, None, BaselineState(settings.baseline.duration_s, weight, total, squares))


def _spaced(times_ms: NDArray[np.int64], first: int, every_ms: int) -> NDArray[np.int64]:
    """Indices from `first` on whose times are at least `every_ms` apart."""
    times = times_ms.tolist()
    chosen = [first]
    while (following := bisect_left(times, times[chosen[-1]] + every_ms, chosen[-1])) < len(times):
        chosen.append(following)
    return np.array(chosen)


def _sums_at(moments: Floats, times_ms: NDArray[np.int64], chosen: NDArray[np.int64]) -> Floats:
    """The aged sums (n, ROWS, COLUMNS) at each chosen sample: summed between neighbours, then carried along."""
    n = chosen[-1] + 1
    ticks = times_ms[:n] // 10
    starts = np.concatenate([[0], chosen[:-1] + 1])
    until = np.repeat(ticks[chosen], chosen - starts + 1)
    steps = np.diff(ticks[chosen], prepend=ticks[chosen[0]])
    by_window = np.array([-2.0 / window_s for window_s in WINDOWS_S])[:, None]
    aged = np.exp(by_window * ((until - ticks) * TICK_S))
    decays = np.exp(by_window * (steps * TICK_S)).T[:, :, None]
    flat = moments[:n].reshape(n, -1)
    result = np.empty((len(chosen), len(WINDOWS_S), flat.shape[1]))
    carried = np.zeros_like(result[0])
    for at, (start, end) in enumerate(zip(starts.tolist(), (chosen + 1).tolist(), strict=True)):
        carried = np.multiply(carried, decays[at], out=result[at])
        carried += aged[:, start:end] @ flat[start:end]
    return result.reshape(len(chosen), ROWS, COLUMNS)


def _nothing() -> SessionRows:
    rows = np.empty((0, ROW_LENGTH))
    return SessionRows(np.empty(0, dtype=np.int64), derive(rows), levels(rows))
