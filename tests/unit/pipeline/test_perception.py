"""From observations to rows: the gate, late and repeated samples, and going on from a snapshot."""

from dataclasses import replace
from math import nan

import msgspec
import numpy as np
import pytest

from emdr_stream.domain import ANEW, BETWEEN, MEMORY_UNITS, MISSING, N_SIGNALS, STEP, Observation
from emdr_stream.pipeline.features import MEMORY_AT, STEP_AT, Deriver
from emdr_stream.pipeline.perception import Intake, Perception, PerceptionState
from emdr_stream.settings import BaselineSettings, SessionSettings

SETTINGS = replace(SessionSettings(), baseline=BaselineSettings(duration_s=5.0))
CLOCK = 1_650_000_000_000.0


def observed(ms: float, value: float = 0.5, **changes: object) -> Observation:
    return Observation(CLOCK + ms, (value,) * N_SIGNALS, **changes)  # type: ignore[arg-type]


def watched(until_ms: int = 5_000, every_ms: int = 100) -> Perception:
    perception = Perception(SETTINGS)
    for ms in range(0, until_ms + 1, every_ms):
        assert perception.observe(observed(ms), ms, True) is Intake.ACCEPTED
    return perception


def sums(perception: Perception) -> np.ndarray:
    return np.frombuffer(perception.snapshot().sums)


@pytest.mark.parametrize(
    ("ms", "intake"),
    [(5_000, Intake.DUPLICATE), (4_950, Intake.LATE), (3_010, Intake.LATE), (2_980, Intake.TOO_LATE)],
)
def test_old_samples_are_sorted_in_or_dropped(ms: float, intake: Intake) -> None:
    perception = watched()
    before = sums(perception).copy()
    assert perception.observe(observed(ms, 0.9), 5_050, True) is intake
    assert (sums(perception) == before).all() is np.bool_(intake is not Intake.LATE)


def test_a_late_sample_sent_twice_counts_once() -> None:
    perception = watched()
    assert perception.observe(observed(4_950, 0.9), 5_050, True) is Intake.LATE
    before = sums(perception).copy()
    for ms in (4_950, 4_900, 4_000):
        assert perception.observe(observed(ms, 0.9), 5_060, True) is Intake.DUPLICATE
    assert (sums(perception) == before).all()


@pytest.mark.parametrize("order", [(1, 0), (0, 1)])
def test_the_order_of_arrival_makes_no_difference_to_the_sums(order: tuple[int, int]) -> None:
    perception, samples = watched(), [observed(5_100, 0.9), observed(5_200, 0.1)]
    for index in order:
        perception.observe(samples[index], 5_250, True)
    in_order = watched()
    for sample in samples:
        in_order.observe(sample, 5_250, True)
    weights = sums(perception).reshape(-1, N_SIGNALS + 1)[:, :N_SIGNALS]
    expected = sums(in_order).reshape(-1, N_SIGNALS + 1)[:, :N_SIGNALS]
    if order == (0, 1):
        np.testing.assert_allclose(weights, expected)
    else:  # the first to come stood for the gap before it as well
        np.testing.assert_allclose(weights, expected, rtol=0.5)


@pytest.mark.parametrize(
    "observation",
    [Observation(CLOCK + 5_100, (MISSING,) * N_SIGNALS), observed(5_100, face_present=False)],
    ids=["nothing in it", "a lost face"],
)
def test_what_is_no_sight_of_the_client_is_unusable_and_counts_for_nothing(observation: Observation) -> None:
    perception = watched()
    before = sums(perception).copy()
    assert perception.observe(observation, 5_100, True) is Intake.UNUSABLE
    assert (sums(perception) == before).all() and perception.sight.age_ms(7_100) == 2_100


def test_what_is_not_seen_becomes_missing() -> None:
    perception = watched()
    assert perception.present()[0] == pytest.approx(0.5)
    perception.pass_time(CLOCK + 9_000, 9_000)
    assert all(value != value for value in perception.present())


@pytest.mark.parametrize(
    ("ms", "intake"),
    [(5_000, Intake.UNUSABLE), (4_950, Intake.LATE), (3_010, Intake.LATE), (2_980, Intake.TOO_LATE)],
)
def test_what_shows_nothing_is_late_as_what_shows_something(ms: float, intake: Intake) -> None:
    perception = watched()
    before = sums(perception).copy()
    assert perception.observe(observed(ms, face_present=False), 5_050, True) is intake
    assert (sums(perception) == before).all()


def test_a_lost_face_is_measured_against_the_newest_sight_of_it_and_not_against_a_newer_heart_rate() -> None:
    perception = watched()
    pulse = Observation(CLOCK + 5_090, (*(MISSING,) * (N_SIGNALS - 1), 70.0))
    assert perception.observe(pulse, 5_090, True) is Intake.ACCEPTED
    assert perception.observe(observed(5_050, face_present=False), 5_100, True) is Intake.UNUSABLE
    assert perception.observe(observed(4_990, face_present=False), 5_110, True) is Intake.LATE


def test_time_passes_up_to_what_showed_nothing_and_not_to_when_it_was_heard() -> None:
    # What came after it and had been taken before it was heard was late: it was sorted in, and was no sight any more.
    perception = watched()
    unread = Observation(CLOCK + 5_100, (MISSING,) * N_SIGNALS, delay_ms=100)
    assert perception.observe(unread, 5_200, True) is Intake.UNUSABLE
    perception.pass_time(unread.ts_ms, 5_200)
    assert perception.observe(observed(5_190), 5_300, True) is Intake.ACCEPTED
    assert perception.sight.age_ms(5_300) == pytest.approx(110, abs=1)


def test_a_sight_in_the_same_tick_as_what_showed_nothing_is_a_sight() -> None:
    perception = watched()
    assert perception.observe(observed(5_100, face_present=False), 5_100, True) is Intake.UNUSABLE
    perception.pass_time(CLOCK + 5_100, 5_100)
    assert perception.observe(observed(5_103), 5_104, True) is Intake.ACCEPTED
    assert perception.observe(observed(5_104), 5_105, True) is Intake.DUPLICATE
    assert perception.sight.age_ms(5_110) < 10


def test_only_calm_time_counts_for_the_baseline() -> None:
    perception = Perception(SETTINGS)
    for ms in range(0, 12_000, 100):
        perception.observe(observed(ms, 0.9 if ms >= 6_000 else 0.1), ms, calm=ms >= 6_000)
    assert perception.baseline.ready
    assert Perception(SETTINGS).baseline_of(0) is None and perception.baseline_of(0) == pytest.approx(0.9)


def test_what_was_read_while_two_faces_were_seen_is_not_the_persons_own() -> None:
    # MorphCast goes on reading one of them. It was taken for the client's calm minute, for good, until the pause came.
    perception = Perception(SETTINGS)
    for ms in range(0, 12_000, 100):
        two = ms % 1_000 < 500
        perception.observe(observed(ms, 0.9 if two else 0.1, faces=2 if two else 1), ms, True)
    assert perception.baseline.ready and perception.baseline_of(0) == pytest.approx(0.1)


def test_one_sample_stands_for_half_a_second_at_most() -> None:
    """A gap is missing time, not a long look at its last sample."""
    perception = Perception(SETTINGS)
    for ms in range(0, 60_001, 5_000):
        perception.observe(observed(ms), ms, True)
    features = Deriver(1)(perception.fill_row(None)[None])[0]
    assert 0.05 < float(features[-(3 + N_SIGNALS)]) < 0.2, "presence over 60 s"


def test_partial_samples_lower_the_quality_and_body_signals_are_a_bonus() -> None:
    perception = Perception(SETTINGS)
    perception.observe(Observation(CLOCK, (0.5,) * 10 + (nan,) * 4), 0, True)
    assert perception.sight.state.quality == 1.0
    other = Perception(SETTINGS)
    other.observe(Observation(CLOCK, (0.5,) * 3 + (nan,) * 11, quality=0.8), 0, True)
    assert other.sight.state.quality == pytest.approx(0.24)


def test_the_row_knows_the_set() -> None:
    perception, context = watched(), slice(STEP_AT - 3, STEP_AT)
    assert list(perception.fill_row(None)[context]) == [0.0, 0.0, 1.0]
    assert list(perception.fill_row(30_000)[context]) == [1.0, 0.5, 1.0]
    assert list(perception.fill_row(10**9)[context]) == [1.0, 1.0, 1.0]


def test_the_row_knows_whether_it_is_a_step_and_what_was_remembered_at_the_last() -> None:
    perception = watched()
    assert [perception.fill_row(None, mark)[STEP_AT] for mark in (ANEW, STEP)] == [ANEW, STEP]
    row = perception.fill_row(None, BETWEEN)
    assert row[STEP_AT] == BETWEEN and not row[MEMORY_AT:].any()
    remembered = np.linspace(-1, 1, MEMORY_UNITS).astype("<f4")
    perception.memory.step(remembered.tobytes(), 5_000)
    np.testing.assert_array_equal(perception.fill_row(None)[MEMORY_AT:], remembered)
    for ms in (5_100, 5_200, 5_300):
        perception.observe(observed(ms), ms, True)
        np.testing.assert_array_equal(perception.fill_row(None)[MEMORY_AT:], remembered, "it stays from row to row")
    perception.memory.forget()
    for ms in (5_400, 5_500):
        perception.observe(observed(ms), ms, True)
        assert not perception.fill_row(None)[MEMORY_AT:].any()


def test_it_goes_on_from_its_snapshot_to_the_bit() -> None:
    one = watched()
    one.observe(observed(4_950, 0.9), 5_050, True)
    one.memory.step(np.linspace(-1, 1, MEMORY_UNITS).astype("<f4").tobytes(), 5_050)
    payload = msgspec.msgpack.encode(one.snapshot())
    other = Perception(SETTINGS, None, msgspec.msgpack.decode(payload, type=PerceptionState))
    for perception in (one, other):
        assert perception.observe(observed(4_950, 0.9), 5_060, True) is Intake.DUPLICATE
        perception.observe(observed(5_300, 0.2), 5_300, True)
    assert one.fill_row(None).tobytes() == other.fill_row(None).tobytes()
    assert one.fill_row(None)[MEMORY_AT:].any()
    for perception in (one, other):
        assert (perception.memory.mark(7_049), perception.memory.mark(7_050)) == (BETWEEN, STEP)
    assert one.present() == other.present()


def test_a_snapshot_with_other_windows_keeps_the_baseline_and_gathers_its_sums_anew() -> None:
    state = watched().snapshot()
    state.sums = state.sums[: len(state.sums) // 5 * 4]
    other = Perception(SETTINGS, None, state)
    assert other.baseline.ready and other.observe(observed(5_300, 0.2), 5_300, True) is Intake.ACCEPTED
    assert other.present()[0] == pytest.approx(0.2)
