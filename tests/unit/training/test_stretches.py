"""Stretches: which rows belong to one, that its peak counts and nothing else, and that the slopes are those of it."""

import numpy as np
import pytest

from training.stretches import QUIET_S, Parts, Spell, Stretches, parts_of

TIMES = np.arange(0.0, 240.0)
SURE = np.ones(240)


def where(parts: Parts, stretch: int) -> list[float]:
    times = TIMES[parts.stretch == stretch]
    return [] if len(times) == 0 else [times[0], times[-1]]


def test_an_event_is_found_from_before_it_until_an_alarm_would_come_too_late() -> None:
    parts = parts_of(TIMES, SURE, [Spell(100.0, 190.0, 0.3)])
    assert where(parts, 1) == [85.0, 159.0]
    assert set(parts.worth[parts.stretch == 1]) == {0.3}
    short = parts_of(TIMES, SURE, [Spell(100.0, 112.0, 1.0)])
    assert where(short, 1) == [85.0, 111.0]


def test_beside_an_event_an_alarm_is_neither_right_nor_wrong() -> None:
    parts = parts_of(TIMES, SURE, [Spell(100.0, 112.0, 1.0)])
    neither = TIMES[parts.stretch == 0]
    assert neither.tolist() == [*range(70, 85), *range(112, 160)]
    long = parts_of(TIMES, SURE, [Spell(100.0, 190.0, 1.0)])
    assert TIMES[long.stretch == 0].tolist() == [*range(70, 85), *range(160, 190)]


def test_quiet_stretches_are_twenty_seconds_and_hold_nothing_doubtful() -> None:
    parts = parts_of(TIMES, np.where(TIMES < 40.0, 0.2, 1.0), [])
    assert not parts.stretch[TIMES < 40.0].any()
    stretches, counts = np.unique(parts.stretch[TIMES >= 40.0], return_counts=True)
    assert len(stretches) == 10 and set(counts) == {QUIET_S} and (stretches < 0).all()


def test_what_counts_nothing_finds_nothing() -> None:
    parts = parts_of(TIMES, np.where(TIMES < 110.0, 1.0, 0.0), [Spell(100.0, 190.0, 1.0)])
    assert where(parts, 1) == [85.0, 109.0]


def test_the_second_event_has_a_stretch_of_its_own() -> None:
    parts = parts_of(TIMES, SURE, [Spell(60.0, 75.0, 1.0), Spell(180.0, 200.0, 0.5)])
    assert (where(parts, 1), where(parts, 2)) == ([45.0, 74.0], [165.0, 199.0])


def some() -> Stretches:
    """Two sessions: an event of four rows and a quiet stretch, then a quiet stretch of the same number."""
    stretch, session = np.array([0, 1, 1, -3, 1, -3, 1, 0, -3]), np.array([0, 0, 0, 0, 0, 0, 0, 1, 1])
    return Stretches.of(session, stretch, np.where(stretch > 0, 0.5, 1.0))


def test_rows_of_one_stretch_come_together_and_sessions_apart() -> None:
    found = some()
    assert found.rows.tolist() == [3, 5, 1, 2, 4, 6, 8]
    assert found.firsts.tolist() == [0, 2, 6]
    assert found.wanted.tolist() == [False, True, False]
    assert found.weight[1] == pytest.approx(1.5 * found.weight[0]) and found.weight[0] == found.weight[2]


def test_the_slopes_are_those_of_the_loss() -> None:
    stretches, logits, step = some(), np.random.default_rng(3).normal(0.0, 3.0, 9), 1e-6
    _, slope = stretches.loss_and_slope(logits)
    moved = step * np.eye(9)
    found = [
        (stretches.loss_and_slope(logits + one)[0] - stretches.loss_and_slope(logits - one)[0]) / (2 * step)
        for one in moved
    ]
    assert slope == pytest.approx(np.array(found), abs=1e-6)
    assert slope[0] == slope[7] == 0.0


def test_one_high_row_finds_an_event_and_spoils_a_quiet_stretch() -> None:
    stretches = some()
    low = np.full(9, -4.0)

    def loss(at: int | None) -> float:
        logits = low.copy()
        if at is not None:
            logits[at] = 6.0
        return stretches.loss_and_slope(logits)[0]

    assert loss(2) < 0.3 * loss(None)
    assert loss(2) == pytest.approx(loss(4)), "whichever row it is"
    assert loss(8) > loss(None) + 20.0


def test_no_stretch_is_no_loss_and_far_logits_are_finite() -> None:
    none = Stretches.of(np.zeros(4, np.int64), np.zeros(4, np.int64), np.ones(4, np.float32))
    loss, slope = none.loss_and_slope(np.ones(4, np.float32))
    assert loss == 0.0 and not slope.any()
    for far in (-300.0, 300.0):
        loss, slope = some().loss_and_slope(np.full(9, far))
        assert np.isfinite(loss) and np.isfinite(slope).all()
