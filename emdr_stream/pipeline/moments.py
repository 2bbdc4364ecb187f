"""Samples at irregular times in, exponentially weighted moments over four time scales out; O(1) a sample, no history.

A window of T seconds is an exponential one with time constant T/2: the mean age of its weight is that of a boxcar of
T seconds. For each window and signal three weighted sums are held (m: 1 where present, x: value, a: age in seconds):

    A0 = sum w m      A1 = sum w m x      A2 = sum w m x^2        w = weight * exp(-a / (T/2))

Ageing is a product by one factor a window, so ageing and adding a sample is one small matrix product. The sums do not
depend on the order of arrival: a late sample is added with its own age. A column that is always present (the clock)
holds the total weight, against which missingness is measured.
"""

import struct
from functools import cache
from math import exp
from typing import Final

import numpy as np
import numpy.typing as npt

from emdr_stream.domain import BODY_SIGNALS, MISSING, N_SIGNALS

Array = npt.NDArray[np.float64]

WINDOWS_S: Final = (1.0, 5.0, 20.0, 60.0)
"""Lengths of the windows in seconds. The first serves the smoothed present, the others the features."""

N_MOMENTS: Final = 3
CLOCK: Final = N_SIGNALS
"""Index of the always-present column."""
COLUMNS: Final = N_SIGNALS + 1
ROWS: Final = len(WINDOWS_S) * N_MOMENTS

TICK_S: Final = 0.01
"""Times are whole ticks of 10 ms, so that the ageing maps can be tabled."""
_TABLED: Final = 200
_BODY: Final = N_SIGNALS - len(BODY_SIGNALS)
"""Index of the first body signal."""
_FRESH: Final = 0.05
"""A signal with less than this share of the 1 s window's weight is absent: exp(-3), which is 1.5 s of silence."""


_PACK: Final = struct.Struct(f"{N_SIGNALS}d").pack_into
"""Floats into the beginning of an array of float64; half the price of an assignment."""


def ageing_map(seconds: float) -> Array:
    """Shape (ROWS, ROWS + N_MOMENTS): ages the sums by `seconds` and adds a new sample's A0, A1, A2 to each window."""
    full = np.zeros((ROWS, ROWS + N_MOMENTS))
    for row in range(ROWS):
        window, moment = divmod(row, N_MOMENTS)
        full[row, row] = exp(-2.0 * seconds / WINDOWS_S[window])
        full[row, ROWS + moment] = 1.0
    return full


@cache
def _table() -> tuple[Array, ...]:
    return tuple(ageing_map(ticks * TICK_S) for ticks in range(_TABLED + 1))


class _Buffer:
    """The sums with a new sample's A0, A1 and A2 below them, and views of its parts, made once."""

    __slots__ = ("first", "sample", "second", "sums", "weights", "whole")

    def __init__(self) -> None:
        self.whole: Array = np.zeros((ROWS + N_MOMENTS, COLUMNS))
        self.sums: Array = self.whole[:ROWS]
        self.sample: Array = self.whole[ROWS:]
        self.weights, self.first, self.second = self.sample


class Moments:
    """The weighted sums of one session. `sums` has shape (ROWS, COLUMNS), window-major."""

    __slots__ = ("_bytes", "_next", "_now", "_table", "_x", "sums", "tick")

    def __init__(self) -> None:
        self._table = _table()
        self._now, self._next = _Buffer(), _Buffer()
        self._x = np.zeros(COLUMNS)
        self._bytes = self._x.data
        self.sums: Array = self._now.sums
        self.tick: int | None = None

    def add(self, tick: int, values: tuple[float, ...], weight_s: float, clock_s: float) -> None:
        """Age everything to `tick` and add one sample that stands for `weight_s` seconds.

        `values`: N_SIGNALS floats, NaN where missing. `clock_s`: seconds since the sample before, which is what the
        clock column counts, so that a gap longer than a sample may stand for shows as missing.
        """
        buffer, x = self._now, self._x
        weights, first = buffer.weights, buffer.first
        _PACK(self._bytes, 0, *values)
        weights.fill(weight_s)
        total = sum(values)
        if total != total:
            self._leave_out(values)
        weights[CLOCK] = clock_s
        np.multiply(weights, x, out=first)
        np.multiply(first, x, out=buffer.second)
        self._age(0 if self.tick is None else tick - self.tick)
        self.tick = tick

    def _leave_out(self, values: tuple[float, ...]) -> None:
        """What is missing weighs nothing. A few at most are: one by one is cheaper than a mask."""
        weights, x = self._now.weights, self._x
        seen = sum(values[:_BODY])
        # Most cameras give all of the face and not all of the body.
        for i in range(_BODY if seen == seen else 0, N_SIGNALS):
            value = values[i]
            if value != value:
                weights[i] = x[i] = 0.0

    def pass_time(self, tick: int) -> None:
        """Age to `tick` with nothing seen: what is not seen becomes missing."""
        if self.tick is None or tick <= self.tick:
            return
        self._now.sample.fill(0.0)
        self._now.weights[CLOCK] = (tick - self.tick) * TICK_S
        self._age(tick - self.tick)
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
        sums = self.sums
        weights, totals = sums[:2, :signals].tolist()
        least = max(_FRESH * sums.item(0, CLOCK), 1e-9)
        return [total / weight if weight > least else MISSING for weight, total in zip(weights, totals, strict=True)]

    def restore(self, sums: Array, tick: int | None) -> None:
        """Take over what an earlier owner of the session had summed; `sums` has shape (ROWS, COLUMNS)."""
        self._now.sums[:] = sums
        self.tick = tick

    def _age(self, ticks: int) -> None:
        step = self._table[ticks] if ticks <= _TABLED else ageing_map(ticks * TICK_S)
        now, following = self._now, self._next
        step.dot(now.whole, following.sums)
        self._next, self._now = now, following
        self.sums = following.sums
