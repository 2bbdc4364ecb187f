"""Delays of many sessions in, their calls out: one timer of the loop for all that fall due within the same 10 ms.

Each session looks several times a second whether it must act. A timer of the loop for each would go in and out of a
heap of thousands, most of which the processor's caches have long forgotten.
"""

import logging
from collections.abc import Callable
from math import ceil
from typing import Final, Protocol

SLOT_S: Final = 0.01
"""How late a call may come. Deadlines have times of their own: what is decided does not depend on it."""

_LOG: Final = logging.getLogger(__name__)


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> None: ...


class Loop(Protocol):
    """What is needed of the event loop."""

    def time(self) -> float: ...

    def call_later(self, delay_s: float, work: Callable[[int], None], slot: int, /) -> object: ...


class Wheel:
    """The timers of a worker's sessions."""

    __slots__ = ("_loop", "_slots")

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._slots: dict[int, list[_Call]] = {}

    def call_later(self, delay_s: float, work: Callable[[], None]) -> Timer:
        """Call `work` in `delay_s` seconds or up to SLOT_S later."""
        now = self._loop.time()
        slot = ceil((now + delay_s) / SLOT_S)
        calls = self._slots.get(slot)
        if calls is None:
            calls = self._slots[slot] = []
            self._loop.call_later(slot * SLOT_S - now, self._turn, slot)
        call = _Call(work)
        calls.append(call)
        return call

    def _turn(self, slot: int) -> None:
        for call in self._slots.pop(slot):
            try:
                if call.work is not None:
                    call.work()
            except Exception:
                # A fault of one session must not cost the others their time.
                _LOG.exception("a session failed on its timer")


class _Call:
    """`work` is None when it was cancelled."""

    __slots__ = ("work",)

    def __init__(self, work: Callable[[], None]) -> None:
        self.work: Callable[[], None] | None = work

    def cancel(self) -> None:
        self.work = None
