"""The status of the signal: blindness is not calm, and waiting is not seeing."""

from math import nan

import msgspec
import pytest

from emdr_stream.domain import N_SIGNALS, Observation, SignalStatus
from emdr_stream.pipeline.sight import Sight, SightState
from emdr_stream.settings import SignalSettings

GOOD = Observation(0.0, (0.5,) * N_SIGNALS)
OK, DEGRADED, STALE, LOST = SignalStatus


def watched(until_ms: int = 3_000, every_ms: int = 100, quality: float = 1.0) -> Sight:
    sight = Sight(SignalSettings())
    for ms in range(0, until_ms + 1, every_ms):
        sight.see(GOOD, float(ms), quality)
        sight.update(ms)
    return sight


@pytest.mark.parametrize(
    ("silence_ms", "status"), [(1_999, OK), (2_000, STALE), (7_999, STALE), (8_000, LOST), (10**9, LOST)]
)
def test_silence_has_its_status(silence_ms: int, status: SignalStatus) -> None:
    sight = watched()
    sight.update(3_000 + silence_ms)
    assert sight.state.status is status and sight.age_ms(3_000 + silence_ms) == silence_ms


def test_each_change_is_told_once() -> None:
    sight = watched()
    told = [sight.update(ms) for ms in range(3_000, 20_000, 50)]
    assert [status for status in told if status] == [STALE, LOST]


def test_the_next_deadline_is_where_silence_changes_the_status() -> None:
    sight = watched()
    for status in (STALE, LOST):
        deadline = int(sight.next_deadline())
        assert sight.update(deadline - 1) is None and sight.update(deadline) is status
    assert sight.next_deadline() == float("inf")


@pytest.mark.parametrize(
    ("every_ms", "quality", "status"), [(500, 1.0, DEGRADED), (100, 0.4, DEGRADED), (250, 0.6, OK)]
)
def test_a_rare_or_poor_signal_is_degraded(every_ms: int, quality: float, status: SignalStatus) -> None:
    assert watched(10_000, every_ms, quality).state.status is status


def test_a_burst_of_old_samples_is_no_live_view() -> None:
    sight = watched()
    sight.see(GOOD, 3_100.0, 1.0)
    assert sight.update(6_000) is STALE


@pytest.mark.parametrize("silence_ms", [2_500, 9_000])
def test_a_restart_does_not_make_a_bad_signal_good(silence_ms: int) -> None:
    sight = watched()
    at = 3_000 + silence_ms
    before = sight.update(at)
    sight.restart(at)
    for later in range(0, 7_999, 250):
        sight.update(at + later)
        assert sight.state.status in (before, STALE) and sight.state.status is not OK
    sight.update(at + 8_000)
    assert sight.state.status is LOST
    sight.see(GOOD, at + 8_100.0, 1.0)
    assert sight.update(at + 8_100) is OK


def test_a_restart_gives_a_good_signal_its_time() -> None:
    sight = watched()
    sight.restart(60_000)
    assert sight.update(61_999) is None and sight.update(62_000) is STALE


def test_several_faces_count_after_a_second_and_end_at_once() -> None:
    sight = Sight(SignalSettings())
    assert [sight.count_faces(2, ms) for ms in (0, 500, 999, 1_000, 1_500)] == [None, None, None, True, None]
    assert sight.count_faces(None, 1_600) is None and sight.state.many
    assert sight.count_faces(0, 1_700) is None and sight.state.many, "nobody to be seen is not one alone"
    assert sight.count_faces(1, 1_800) is False and sight.count_faces(1, 1_900) is None


def test_it_goes_on_from_its_snapshot() -> None:
    sight = watched()
    sight.count_faces(2, 3_000)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(sight.state), type=SightState)
    other = Sight(SignalSettings(), state)
    assert other.next_deadline() == sight.next_deadline() and other.count_faces(2, 4_000) is True


def test_an_observation_without_anything_is_not_usable() -> None:
    assert not Observation(0.0, (nan,) * N_SIGNALS).usable
    assert not Observation(0.0, (0.5,) * N_SIGNALS, face_present=False).usable
    assert Observation(0.0, (nan, 0.5, *[nan] * (N_SIGNALS - 2))).usable
