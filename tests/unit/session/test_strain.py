"""A worker's strain: too much to do refuses who is new, a moment's work nobody, other workers' sessions come last."""

import pytest

from emdr_stream.session.strain import DROWNING_S, GROWS, MOST_WAIT_S, SHARE, WINDOW_S, Strain

LIMIT = 0.8


def strain_of(busy: float, *, grown: int = 100, young: int = 0, wait_s: float = 0.001, seconds: int = 5) -> Strain:
    """After some seconds with this share of its core used, rows that waited for so long, and these sessions."""
    strain = Strain(LIMIT)
    for second in range(seconds + 1):
        strain.look(float(second), busy * second, grown, young)
        strain.waited(1_000, wait_s)
    return strain


def test_a_worker_that_just_began_takes_sessions() -> None:
    strain = Strain(LIMIT)
    strain.look(0.0, 3.0, 0, 0)  # what its start has cost is no load
    assert (strain.load, strain.wait_s) == (0.0, 0.0)
    assert strain.admits(0.0)
    assert not strain.drowning


@pytest.mark.parametrize(("busy", "admits"), [(0.0, True), (0.79, True), (0.81, False), (1.0, False)])
def test_new_sessions_come_up_to_the_limit(busy: float, admits: bool) -> None:
    strain = strain_of(busy)
    assert strain.load == pytest.approx(busy)
    assert strain.admits(5.0) is admits
    assert bool(strain.told) is not admits


def test_who_has_no_baseline_yet_counts_as_what_will_be_needed() -> None:
    assert strain_of(0.5, grown=0, young=100).load == pytest.approx(0.5 * GROWS)
    half = strain_of(0.5, grown=50, young=50)
    assert 0.5 < half.load < 0.5 * GROWS
    assert strain_of(0.5, grown=0, young=0).load == pytest.approx(0.5)


def test_rows_that_wait_refuse_the_new_though_the_core_has_time_left() -> None:
    assert strain_of(0.3, wait_s=MOST_WAIT_S * 0.9).admits(5.0)
    strain = strain_of(0.3, wait_s=MOST_WAIT_S * 1.1)
    assert not strain.admits(5.0)
    assert "33 ms" in strain.told


def test_only_one_that_drowns_is_closed_to_other_workers_sessions() -> None:
    assert not strain_of(1.0, wait_s=DROWNING_S * 0.9).drowning
    assert strain_of(0.5, wait_s=DROWNING_S * 1.1).drowning


def test_a_storm_of_newcomers_is_counted_before_its_work_is_seen() -> None:
    strain = strain_of(0.5)
    let_in = 0
    while strain.admits(5.0) and let_in < 10_000:
        strain.came(5.0)
        let_in += 1
    assert let_in == pytest.approx((LIMIT - 0.5) / SHARE, abs=1)
    # Once their time is over, what was measured counts, and no longer what was guessed.
    assert strain.admits(5.0 + WINDOW_S + 0.1)


def test_a_busy_moment_is_forgotten_and_one_that_lasts_is_not_overlooked() -> None:
    strain = Strain(LIMIT)
    used = 0.0
    loads = []
    for second in range(20):
        strain.look(float(second), used, 100, 0)
        loads.append(strain.load)
        used += 1.0 if second == 9 else 0.1
    assert max(loads) < LIMIT, "one second of work refuses nobody"
    assert loads[-1] == pytest.approx(0.1)


def test_without_a_limit_nobody_is_refused() -> None:
    strain = Strain(0.0)
    for second in range(5):
        strain.look(float(second), 1.0 * second, 3_000, 0)
        strain.waited(1_000, 10.0)
    assert strain.admits(5.0)
    assert not strain.drowning
    assert strain.told == ""


def test_silence_of_the_models_is_no_wait() -> None:
    strain = strain_of(0.1, wait_s=1.0)
    assert not strain.admits(5.0)
    for second in range(6, 11):
        strain.look(float(second), 0.1 * second, 0, 0)
    assert strain.admits(11.0)
