"""A period in; a call per period, or for several missed at once, out: finer than the loop's own timers of 1 ms."""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_NONBLOCK = 0o4000
_LEAST_NS = 1_000


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("period", _Time), ("first", _Time))


class Ticks:
    """Calls `tick` once a period, from the loop, by a timer of the kernel (Linux); an idle client sleeps in between."""

    def __init__(self, loop: asyncio.AbstractEventLoop, period_s: float, tick: Callable[[], None]) -> None:
        self._loop = loop
        self._tick = tick
        self._timer = _LIBC.timerfd_create(time.CLOCK_MONOTONIC, _NONBLOCK)
        nanoseconds = max(_LEAST_NS, round(period_s * 1e9))
        period = _Time(*divmod(nanoseconds, 1_000_000_000))
        if self._timer < 0 or _LIBC.timerfd_settime(self._timer, 0, ctypes.byref(_Timer(period, period)), None):
            raise OSError(ctypes.get_errno(), "the kernel gives no timer: this load client needs Linux")
        loop.add_reader(self._timer, self._due)

    def stop(self) -> None:
        self._loop.remove_reader(self._timer)
        os.close(self._timer)

    def _due(self) -> None:
        os.read(self._timer, 8)
        self._tick()
