"""A worker's strain: too much to do refuses who is new, a moment's work nobody, other workers' sessions come last."""

import pytest

from emdr_stream.session.strain import (
    DROWNING_LOAD,
    DROWNING_S,
    GROWS,
    MOST_WAIT_S,
    NEWCOMER_S,
    SHARE,
    Census,
    Strain,
)

LIMIT = 0.8


def strain_of(busy: float, census: Census = Census(grown=100), wait_s: float = 0.001) -> Strain:  # noqa: B008 - frozen
    """After five seconds with this share of its core used, rows that waited for so long, and these sessions."""
    strain = Strain(LIMIT)
    for second in range(6):
        strain.look(float(second), busy * second, census)
        strain.rows_waited(1_000, wait_s)
    return strain


def test_nothing_is_known_of_a_worker_that_just_began_and_it_takes_sessions() -> None:
    strain = Strain(LIMIT)
    for second in range(3):  # what its start has cost is no load, nor is a second of hard work
        strain.look(float(second), 3.0 + second, Census())
    assert (strain.load, strain.wait_s) == (0.0, 0.0)
    assert strain.admits(2.0)
    assert not strain.drowns(2.0)


@pytest.mark.parametrize(("busy", "admits"), [(0.0, True), (0.79, True), (0.81, False), (1.0, False)])
def test_new_sessions_come_up_to_the_limit(busy: float, admits: bool) -> None:
    strain = strain_of(busy)
    assert strain.load == pytest.approx(busy)
    assert strain.admits(5.0) is admits
    assert bool(strain.told(5.0)) is not admits
    assert not strain.drowns(5.0)


def test_who_has_no_baseline_yet_counts_as_what_will_be_needed() -> None:
    assert strain_of(0.5, Census(young=100)).load == pytest.approx(0.5 * GROWS)
    assert 0.5 < strain_of(0.5, Census(grown=50, young=50)).load < 0.5 * GROWS
    assert strain_of(0.5, Census()).load == pytest.approx(0.5)


def test_who_lost_the_connection_keeps_a_place() -> None:
    # All are away, as after a proxy's restart: the core is idle, and they come back without being asked.
    gone = strain_of(0.01, Census(away=int(LIMIT / SHARE) + 1))
    assert not gone.admits(5.0)
    half = strain_of(0.4, Census(grown=100, away=100))
    assert half.load == pytest.approx(0.8)


def test_rows_that_wait_refuse_the_new_though_the_core_has_time_left() -> None:
    assert strain_of(0.3, wait_s=MOST_WAIT_S * 0.9).admits(5.0)
    strain = strain_of(0.3, wait_s=MOST_WAIT_S * 1.1)
    assert not strain.admits(5.0)
    assert "33 ms" in strain.told(5.0)


def test_only_one_that_drowns_is_closed_to_other_workers_sessions() -> None:
    assert not strain_of(1.0, wait_s=DROWNING_S * 0.9).drowns(5.0)
    assert strain_of(0.5, wait_s=DROWNING_S * 1.1).drowns(5.0)
    taken = strain_of(0.9, Census(grown=900))
    came = 0
    while not taken.drowns(5.0) and came < 10_000:
        taken.came(5.0)
        came += 1
    assert came == pytest.approx((DROWNING_LOAD - 0.9) / 0.001, abs=1)


def test_a_storm_of_newcomers_is_counted_until_its_work_is_seen() -> None:
    strain = strain_of(0.5, Census(grown=250))
    let_in = 0
    while strain.admits(5.0) and let_in < 10_000:
        strain.came(5.0)
        let_in += 1
    assert let_in == pytest.approx(150, abs=1), "each as those that are there: 0.002 of a core"
    assert not strain.admits(5.0 + NEWCOMER_S)
    # Once all of it lies within what is measured, that counts, and no longer what was guessed.
    assert strain.admits(5.0 + NEWCOMER_S + 0.1)
    cold = strain_of(0.01, Census(grown=3))
    for _ in range(int((LIMIT - 0.01) / SHARE) + 1):
        cold.came(5.0)
    assert not cold.admits(5.0), "of a few sessions most of the work is not their own"


def test_a_busy_moment_is_forgotten() -> None:
    strain = Strain(LIMIT)
    used, loads = 0.0, []
    for second in range(20):
        strain.look(float(second), used, Census(grown=100))
        loads.append(strain.load)
        used += 1.0 if second in (0, 9) else 0.1
    assert max(loads) < LIMIT, "one second of work refuses nobody, the first one either"
    assert loads[-1] == pytest.approx(0.1)


def test_one_standstill_of_an_idle_worker_refuses_nobody() -> None:
    strain = Strain(LIMIT)
    for second in range(10):
        strain.look(float(second), 0.0, Census())
        for tick in range(10):
            strain.timer_waited(8.0 if (second, tick) == (6, 0) else 0.0005)
        assert strain.admits(float(second)) and not strain.drowns(float(second))


def test_a_loop_that_is_always_late_refuses_the_new() -> None:
    strain = Strain(LIMIT)
    for second in range(10):
        strain.look(float(second), 0.0, Census())
        for _ in range(10):
            strain.timer_waited(0.05)
    assert not strain.admits(9.0)


def test_without_a_limit_nobody_is_refused() -> None:
    strain = Strain(0.0)
    for second in range(6):
        strain.look(float(second), 1.0 * second, Census(grown=3_000))
        strain.rows_waited(1_000, 10.0)
    assert strain.admits(5.0)
    assert not strain.drowns(5.0)
    assert strain.told(5.0) == ""


def test_silence_of_the_models_is_no_wait() -> None:
    strain = strain_of(0.1, wait_s=1.0)
    assert not strain.admits(5.0)
    for second in range(6, 12):
        strain.look(float(second), 0.1 * second, Census())
    assert strain.admits(12.0)
