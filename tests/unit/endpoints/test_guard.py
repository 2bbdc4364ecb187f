"""The rates of one socket: what an honest client sends is never refused, and what is too much is noticed in time."""

from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.endpoints.guard import ByteBudget

MOST = 1_000


def hear(budget: ByteBudget, now: float, size: int) -> bool:
    """One message, as the sinks count it: whether it is too much."""
    budget.heard += size
    return budget.heard > budget.most and budget.is_exceeded(now, size)


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(1, 400)), max_size=80))
def test_who_stays_below_the_rate_in_every_second_is_never_refused(steps: list[tuple[float, int]]) -> None:
    budget, now = ByteBudget(MOST), 100.0
    sent: list[tuple[float, int]] = []
    for pause, size in steps:
        now += pause
        if sum(each for at, each in sent if now - at <= 1.0) + size > MOST:
            continue
        sent.append((now, size))
        assert not hear(budget, now, size)


@given(st.integers(1, 400), st.floats(0.0001, 0.1))
def test_a_flood_is_noticed_before_six_budgets_are_through(size: int, pause: float) -> None:
    budget, now, through = ByteBudget(MOST), 100.0, 0
    rate = size / pause
    while rate > 6 * MOST and not (hear(budget, now, size) and budget.is_flooded):
        through += size
        now += pause
        assert through < 6 * MOST


def test_a_single_message_over_the_budget_is_too_much_and_a_quiet_second_forgives_it() -> None:
    budget = ByteBudget(MOST)
    assert hear(budget, 50.0, MOST + 1)
    assert not hear(budget, 51.0, 10)
    assert not budget.is_flooded


def test_a_slow_trickle_may_go_on_for_ever() -> None:
    budget = ByteBudget(MOST)
    assert not any(hear(budget, second * 0.5, MOST // 3) for second in range(1_000))
