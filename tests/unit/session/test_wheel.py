"""Calls come in their slot, never early, and one that fails costs no other its time."""

from collections.abc import Callable

import pytest

from emdr_stream.session.wheel import SLOT_S, Wheel


class Clockwork:
    """A loop whose time the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.timers: list[tuple[float, Callable[[int], None], int]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay_s: float, work: Callable[[int], None], slot: int, /) -> object:
        self.timers.append((self.now + delay_s, work, slot))
        return None

    def pass_s(self, seconds: float) -> None:
        until = self.now + seconds
        for due in sorted(timer for timer in self.timers if timer[0] <= until):
            self.timers.remove(due)
            self.now = due[0]
            due[1](due[2])
        self.now = until


@pytest.mark.parametrize("delay_s", [0.0, 0.001, 0.0099, 0.25, 60.0])
def test_a_call_comes_within_a_slot_of_its_time_and_never_early(delay_s: float) -> None:
    loop = Clockwork()
    came: list[float] = []
    Wheel(loop).call_later(delay_s, lambda: came.append(loop.now - 1_000.0))
    loop.pass_s(delay_s + SLOT_S)
    assert len(came) == 1 and delay_s - 1e-9 <= came[0] <= delay_s + SLOT_S + 1e-9


def test_calls_of_one_slot_share_a_timer_and_keep_their_order() -> None:
    loop = Clockwork()
    wheel, came = Wheel(loop), list[int]()
    for number in range(5):
        wheel.call_later(0.5, lambda number=number: came.append(number))  # type: ignore[misc]
    assert len(loop.timers) == 1
    loop.pass_s(1.0)
    assert came == [0, 1, 2, 3, 4] and not loop.timers


def test_a_cancelled_call_does_not_come() -> None:
    loop = Clockwork()
    wheel, came = Wheel(loop), list[str]()
    wheel.call_later(0.5, lambda: came.append("cancelled")).cancel()
    wheel.call_later(0.5, lambda: came.append("kept"))
    loop.pass_s(1.0)
    assert came == ["kept"]


def test_a_call_that_fails_costs_no_other_its_time(caplog: pytest.LogCaptureFixture) -> None:
    loop = Clockwork()
    wheel, came = Wheel(loop), list[str]()
    wheel.call_later(0.5, lambda: 1 // 0)  # type: ignore[arg-type]
    wheel.call_later(0.5, lambda: came.append("kept"))
    loop.pass_s(1.0)
    assert came == ["kept"] and "a session failed on its timer" in caplog.text


def test_a_call_may_ask_for_the_next_one() -> None:
    loop = Clockwork()
    wheel, came = Wheel(loop), list[float]()

    def again() -> None:
        came.append(loop.now)
        if len(came) < 3:
            wheel.call_later(0.0, again)

    wheel.call_later(0.0, again)
    for _ in range(5):
        loop.pass_s(SLOT_S)
    assert len(came) == 3
