"""Weighted moments and the personal baseline in, the models' feature vectors out; training uses this very file.

Everything is relative to the person: levels in baseline standard deviations from the baseline mean, variability in
baseline standard deviations, slopes as the difference of the levels over neighbouring windows (short minus long) in
the same unit. What was before the session counts as calm: a window longer than the session so far is filled up with the
baseline, so that a crisis which comes early is not its own history. Only exact operations are used (sums, products,
quotients, square roots), so a row's features never depend on its neighbours in a batch, to the bit.
"""

from struct import Struct
from typing import Final

import numpy as np
import numpy.typing as npt

from emdr_stream.domain import MEMORY_UNITS, N_SIGNALS, SIGNALS
from emdr_stream.pipeline.moments import CLOCK, COLUMNS, N_MOMENTS, ROWS, WINDOWS_S

Array = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]

FEATURE_WINDOWS_S: Final = WINDOWS_S[1:]
KINDS: Final = ("level", "slope", "variability", "presence")
"""`presence` is the complement of missingness: the share of the window's time in which the signal was seen, 0..1."""
CONTEXT: Final = ("in_set", "set_time", "baseline_sureness")
FEATURE_NAMES: Final = (
    tuple(f"{kind}_{signal}_{window:g}s" for kind in KINDS for window in FEATURE_WINDOWS_S for signal in SIGNALS)
    + CONTEXT
)
N_FEATURES: Final = len(FEATURE_NAMES)
_SUMS: Final = ROWS * COLUMNS
_BASE: Final = _SUMS + 2 * COLUMNS
_WINDOWS: Final = len(WINDOWS_S)
_CONTEXT_AT: Final = N_FEATURES - len(CONTEXT)
STEP_AT: Final = _BASE + len(CONTEXT)
MEMORY_AT: Final = STEP_AT + 1
ROW_LENGTH: Final = MEMORY_AT + MEMORY_UNITS
"""A row is what a session hands to the predictor: its sums, its baseline, the context, what it is to the memory
(BETWEEN, STEP or ANEW, at STEP_AT), and what was remembered before (from MEMORY_AT on)."""
ROOM: Final = ROW_LENGTH - _SUMS
"""Floats behind the sums."""
MEMORY_IN_ROOM: Final = MEMORY_AT - _SUMS
put_context: Final = Struct(f"{len(CONTEXT) + 1}d").pack_into
"""Context and step into a row's bytes, at CONTEXT_BYTES; a third of the price of an assignment."""
CONTEXT_BYTES: Final = 8 * _BASE
"""Where in a row's bytes the context stands."""

_RECENT: Final = N_MOMENTS * COLUMNS
"""Where the sums of the shortest of these windows begin."""
_NO_TIME_S: Final = 1e-9
_INPUTS: Final = N_MOMENTS + 2
_STEPS: Final = 5
_FULL_S: Final = np.array([window / 2.0 for window in WINDOWS_S])[:, None]
"""The clock's weight in a window that the session has filled."""
_LEAST_PRESENCE: Final = 0.02
"""Below this share of a window's time a signal counts less and less, down to nothing."""


def baseline_part(mean: Array, deviation: Array) -> Array:
    """What of the baseline stands in a row, shape (2 * COLUMNS,): means, and what deviations are to be divided by.

    `mean`, `deviation`: shape (N_SIGNALS,); a NaN mean marks a signal without one, whose levels read 0.
    """
    part = np.zeros((2, COLUMNS))
    known = mean == mean
    part[0, :N_SIGNALS] = np.where(known, mean, 0.0)
    part[1, :N_SIGNALS] = np.where(known, 1.0 / deviation, 0.0)
    return part.reshape(-1)


def recent_levels(row: Array) -> list[float]:
    """The levels over the shortest of FEATURE_WINDOWS_S, in the order of SIGNALS: a Deriver's, cheaper for one row.

    `row`: float64, shape (ROW_LENGTH,). In double precision, where features are rounded to single.
    """
    weights, totals = (row[at : at + COLUMNS].tolist() for at in (_RECENT, _RECENT + COLUMNS))
    means, scales = (row[at : at + N_SIGNALS].tolist() for at in (_SUMS, _SUMS + COLUMNS))
    least = max(weights[CLOCK] * _LEAST_PRESENCE, _NO_TIME_S)
    before = max(FEATURE_WINDOWS_S[0] / 2.0 - weights[CLOCK], 0.0)
    known = zip(weights, totals, means, scales, strict=False)
    return [(total - mean * weight) * (scale / max(weight + before, least)) for weight, total, mean, scale in known]


class Row:
    """A row for who has no sums of a live session, kept in a single array; `vector` has shape (ROW_LENGTH,)."""

    __slots__ = ("_baseline", "_context", "_context_now", "_sums", "vector")

    def __init__(self) -> None:
        self.vector: Array = np.zeros(ROW_LENGTH)
        self._sums = self.vector[:_SUMS].reshape(ROWS, COLUMNS)
        self._baseline = self.vector[_SUMS:_BASE]
        self._context = self.vector[_BASE:STEP_AT]
        self._context_now = (0.0, 0.0, 0.0)

    def fill(self, sums: Array, context: tuple[float, float, float]) -> Array:
        """Copy the sums in and return the vector. `context`: in_set 0/1, set_time and sureness in 0..1."""
        self._sums[:] = sums
        if context != self._context_now:
            self._context[:] = self._context_now = context
        return self.vector

    def set_baseline(self, mean: Array, deviation: Array) -> None:
        """As `baseline_part` takes them."""
        self._baseline[:] = baseline_part(mean, deviation)


class _Bench:
    """A Deriver's buffers, seen for one number of rows B: each part, (B, windows, columns), in one piece."""

    __slots__ = (
        "baseline_in",
        "clock",
        "clock_column",
        "context_out",
        "features",
        "first",
        "level",
        "level_out",
        "long_level",
        "long_presence",
        "long_variance",
        "mean",
        "presence",
        "presence_out",
        "scale",
        "second",
        "short_level",
        "slope_out",
        "sums_in",
        "variability_out",
        "variance",
        "weight",
        "work",
    )

    def __init__(self, buffers: Array, features: Features, count: int) -> None:
        parts = buffers[:, :count]
        self.weight, self.first, self.second, self.mean, self.scale = parts[:_INPUTS]
        self.clock, self.level, self.variance, self.presence, self.work = parts[_INPUTS:]
        # Where a row's sums and baseline are copied to, in the order in which a row has them.
        self.sums_in = parts[:N_MOMENTS].transpose(1, 2, 0, 3)
        self.baseline_in = parts[N_MOMENTS:_INPUTS].transpose(1, 0, 2, 3)
        self.clock_column = self.weight[:, :, CLOCK:]
        self.features = features[:count]
        block = self.features[:, :_CONTEXT_AT].reshape(count, len(KINDS), len(FEATURE_WINDOWS_S), N_SIGNALS)
        self.level_out, self.slope_out, self.variability_out, self.presence_out = (block[:, i] for i in range(4))
        self.context_out = self.features[:, _CONTEXT_AT:]
        self.short_level = self.level[:, :-1, :N_SIGNALS]
        self.long_level, self.long_variance, self.long_presence = (
            part[:, 1:, :N_SIGNALS] for part in (self.level, self.variance, self.presence)
        )


class Deriver:
    """Derives up to `rows` feature vectors at a time in buffers of its own: the hot path allocates next to nothing.

    Inputs are first laid out so that every step runs over whole arrays of the same shape: numpy's overhead for strides
    and broadcasting would be most of the work.
    """

    __slots__ = ("_benches", "_buffers", "_features")

    def __init__(self, rows: int) -> None:
        self._buffers: Array = np.empty((_INPUTS + _STEPS, rows, _WINDOWS, COLUMNS))
        self._features: Features = np.zeros((rows, N_FEATURES), dtype=np.float32)
        self._benches: dict[int, _Bench] = {}

    def __call__(self, rows: Array) -> Features:
        """Features, float32 (B, N_FEATURES), of rows, float64 (B, ROW_LENGTH); the next call overwrites them."""
        count = len(rows)
        at = self._benches.get(count)
        if at is None:
            at = self._benches[count] = _Bench(self._buffers, self._features, count)
        at.sums_in[...] = rows[:, :_SUMS].reshape(count, _WINDOWS, N_MOMENTS, COLUMNS)
        at.baseline_in[...] = rows[:, _SUMS:_BASE].reshape(count, 2, 1, COLUMNS)
        at.clock[...] = at.clock_column
        weight, mean, scale = at.weight, at.mean, at.scale
        level, variance, work = at.level, at.variance, at.work
        np.divide(weight, at.clock, out=at.presence)
        np.subtract(_FULL_S, at.clock, out=level)
        np.maximum(level, 0.0, out=level)
        np.add(weight, level, out=level)
        np.multiply(at.clock, _LEAST_PRESENCE, out=work)
        np.maximum(level, work, out=work)
        np.divide(scale, work, out=work)
        # Centred sums: sum w (x - mean) = A1 - mean A0, sum w (x - mean)^2 = A2 - mean (A1 + (A1 - mean A0)).
        np.multiply(mean, weight, out=level)
        np.subtract(at.first, level, out=level)
        np.add(at.first, level, out=variance)
        np.multiply(mean, variance, out=variance)
        np.subtract(at.second, variance, out=variance)
        np.multiply(variance, work, out=variance)
        np.multiply(variance, scale, out=variance)
        np.multiply(level, work, out=level)
        np.multiply(level, level, out=work)
        np.subtract(variance, work, out=variance)
        np.maximum(variance, 0.0, out=variance)
        np.sqrt(variance, out=variance)
        at.level_out[...] = at.long_level
        np.subtract(at.short_level, at.long_level, out=at.slope_out, casting="same_kind")
        at.variability_out[...] = at.long_variance
        at.presence_out[...] = at.long_presence
        at.context_out[...] = rows[:, _BASE:STEP_AT]
        return at.features
