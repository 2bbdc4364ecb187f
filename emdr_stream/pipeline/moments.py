"""Samples at irregular times in, exponentially weighted moments over five time scales out; O(1) a sample, no history.

A window of T seconds is an exponential one with time constant T/2: the mean age of its weight is that of a boxcar of
T seconds. For each window and signal three weighted sums are held (m: 1 where present, x: value, a: age in seconds):

    A0 = sum w m      A1 = sum w m x      A2 = sum w m x^2        w = weight * exp(-a / (T/2))

Ageing is a product by one factor a window, so ageing the sums and adding a sample with its weight is one small matrix
product. The sums do not depend on the order of arrival: a late sample is added with its own age. A column that is
always present (the clock) holds the total weight, against which missingness is measured.
"""

import struct
from functools import cache
from math import exp
from operator import truediv
from typing import Final

import numpy as np
import numpy.typing as npt

from emdr_stream.domain import MISSING, N_SIGNALS, SIGNALS

Array = npt.NDArray[np.float64]

WINDOWS_S: Final = (1.0, 5.0, 20.0, 60.0, 180.0)
"""Lengths of the windows in seconds. The first serves the smoothed present, the others the features."""

N_MOMENTS: Final = 3
CLOCK: Final = N_SIGNALS
"""Index of the always-present column."""
COLUMNS: Final = N_SIGNALS + 1
ROWS: Final = len(WINDOWS_S) * N_MOMENTS

TICK_S: Final = 0.01
"""Times are whole ticks of 10 ms, so that the ageing maps can be tabled."""
_TABLED: Final = 200
_HEART_RATE: Final = SIGNALS.index("heart_rate")
"""The last signal, and the one that is missing most often: a camera does not give it."""
_FRESH: Final = 0.05
"""A signal with less than this share of the 1 s window's weight is absent: exp(-3), which is 1.5 s of silence."""
_LEAST: Final = 1e-9


_PACK: Final = struct.Struct(f"{N_SIGNALS}d").pack_into
"""Floats into the beginning of an array of float64; half the price of an assignment."""


_UNPACK: Final = struct.Struct(f"{COLUMNS}d").unpack_from
"""A row of sums as plain floats; half the price of `tolist` of a slice."""
_ROW_BYTES: Final = 8 * COLUMNS
_BEHIND: Final = (N_MOMENTS + ROWS) * COLUMNS


def ageing_map(seconds: float, weight_s: float) -> Array:
    """Shape (ROWS, N_MOMENTS + ROWS): adds m, x and x^2 of a sample with its weight to the sums, aged by `seconds`."""
    full = np.zeros((ROWS, N_MOMENTS + ROWS))
    for row in range(ROWS):
        window, moment = divmod(row, N_MOMENTS)
        full[row, N_MOMENTS + row] = exp(-2.0 * seconds / WINDOWS_S[window])
        full[row, moment] = weight_s
    return full


@cache
def _table() -> tuple[Array, ...]:
    """By ticks, for the usual case: the sample stands for the time that it ages the others by."""
    return tuple(ageing_map(ticks * TICK_S, ticks * TICK_S) for ticks in range(_TABLED + 1))


class _Buffer:
    """A new sample's m, x and x^2, the sums below them, and room behind them; views of the parts are made once."""

    __slots__ = (
        "first",
        "first_bytes",
        "has_heart_rate",
        "present",
        "room",
        "row",
        "row_bytes",
        "sample",
        "second",
        "sums",
        "whole",
    )

    def __init__(self, room: int) -> None:
        everything: Array = np.zeros(_BEHIND + room)
        self.whole: Array = everything[:_BEHIND].reshape(N_MOMENTS + ROWS, COLUMNS)
        self.sample, self.sums = self.whole[:N_MOMENTS], self.whole[N_MOMENTS:]
        self.present, self.first, self.second = self.sample
        self.row: Array = everything[N_MOMENTS * COLUMNS :]
        self.room: Array = everything[_BEHIND:]
        self.row_bytes = self.row.data
        self.first_bytes = self.first.data
        self.has_heart_rate: bool | None = None
        """What `present` says, if it says that everything else is there: then it need not be written anew."""

    def put(self, values: tuple[float, ...]) -> None:
        """Write the sample's rows; what is missing weighs nothing."""
        seen, heart_rate = values[:_HEART_RATE], values[_HEART_RATE]
        total = sum(seen)
        if total == total:
            has = heart_rate == heart_rate
            _PACK(self.first_bytes, 0, *seen, heart_rate if has else 0.0)
            if has is not self.has_heart_rate:
                self.present.fill(1.0)
                self.present[_HEART_RATE] = has
                self.has_heart_rate = has
        else:
            _PACK(self.first_bytes, 0, *values)
            self._put_gaps(values)
        np.multiply(self.first, self.first, out=self.second)

    def put_nothing(self) -> None:
        """Write a sample in which nothing was seen."""
        self.sample[...] = 0.0
        self.set_clock(1.0)

    def set_clock(self, share: float) -> None:
        """Let the clock column count `share` times the sample's weight, this once."""
        self.has_heart_rate = None
        self.present[CLOCK] = share

    def _put_gaps(self, values: tuple[float, ...]) -> None:
        self.has_heart_rate = None
        self.present.fill(1.0)
        for i, value in enumerate(values):
            if value != value:
                self.present[i] = self.first[i] = 0.0


class Moments:
    """The weighted sums of one session. `sums` has shape (ROWS, COLUMNS), window-major.

    Arrays are other ones after each sample: look anew, and write what is to stay behind the sums by `keep_behind`.
    """

    __slots__ = ("_next", "_now", "_table", "tick")

    def __init__(self, room: int = 0) -> None:
        self._table = _table()
        self._now, self._next = _Buffer(room), _Buffer(room)
        self.tick: int | None = None

    @property
    def sums(self) -> Array:
        return self._now.sums

    @property
    def row(self) -> Array:
        """The sums in one line, and behind them the room for who hands them on with more."""
        return self._now.row

    @property
    def row_bytes(self) -> memoryview:
        return self._now.row_bytes

    def add(self, tick: int, values: tuple[float, ...], weight_s: float, clock_s: float) -> None:
        """Age everything to `tick` and add one sample that stands for `weight_s` seconds.

        `values`: N_SIGNALS floats, NaN where missing. `clock_s`: seconds since the sample before, which is what the
        clock column counts, so that a gap longer than a sample may stand for shows as missing.
        """
        now, following = self._now, self._next
        now.put(values)
        ticks = 0 if self.tick is None else tick - self.tick
        if weight_s == clock_s == ticks * TICK_S and ticks <= _TABLED:
            step = self._table[ticks]
        else:
            step = ageing_map(ticks * TICK_S, weight_s)
            now.set_clock(clock_s / weight_s)
        step.dot(now.whole, following.sums)
        self._next, self._now = now, following
        self.tick = tick

    def pass_time(self, tick: int) -> None:
        """Age to `tick` with nothing seen: what is not seen becomes missing."""
        if self.tick is None or tick <= self.tick:
            return
        ticks = tick - self.tick
        now, following = self._now, self._next
        now.put_nothing()
        step = self._table[ticks] if ticks <= _TABLED else ageing_map(ticks * TICK_S, ticks * TICK_S)
        step.dot(now.whole, following.sums)
        self._next, self._now = now, following
        self.tick = tick

    def add_late(self, ticks_ago: int, values: tuple[float, ...], weight_s: float) -> None:
        """Add a sample that is `ticks_ago` older than the newest, as if it had come in its order."""
        age = ticks_ago * TICK_S
        x = np.array(values)
        present = ~np.isnan(x)
        x = np.where(present, x, 0.0)
        for window, length in enumerate(WINDOWS_S):
            w = np.where(present, weight_s * exp(-2.0 * age / length), 0.0)
            self.sums[window * N_MOMENTS : (window + 1) * N_MOMENTS, :N_SIGNALS] += np.stack((w, w * x, w * x * x))

    def present_values(self, signals: int = N_SIGNALS) -> list[float]:
        """Smoothed present value (1 s window) of the first `signals` signals; NaN for one not seen for 1.5 s."""
        row_bytes = self._now.row_bytes
        weights, totals = _UNPACK(row_bytes, 0), _UNPACK(row_bytes, _ROW_BYTES)[:signals]
        least = _FRESH * weights[CLOCK]
        if least < _LEAST:
            least = _LEAST
        weights = weights[:signals]
        if min(weights) > least:
            return list(map(truediv, totals, weights))  # nearly always; a third of the price of the line below
        return [total / weight if weight > least else MISSING for weight, total in zip(weights, totals, strict=True)]

    def restore(self, sums: Array, tick: int | None) -> None:
        """Take over what an earlier owner of the session had summed; `sums` has shape (ROWS, COLUMNS)."""
        self._now.sums[:] = sums
        self.tick = tick

    def keep_behind(self, at: int, values: Array) -> None:
        """Write values into the room, from index `at` on, to stay there."""
        for buffer in (self._now, self._next):
            buffer.room[at : at + len(values)] = values
