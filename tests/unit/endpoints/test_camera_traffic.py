"""Overload is shared among cameras, and none is starved for another's sake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.endpoints.camera_traffic import Camera, CameraTraffic, fair_rate

DEMANDS = st.lists(st.floats(0.0, 60.0), max_size=20)


def traffic_of(limit_hz: float, cost_s: float) -> CameraTraffic:
    """One worker that has long been seen to take so long."""
    traffic = CameraTraffic(limit_hz, workers=1)
    for _ in range(300):
        traffic.note_cost(cost_s)
    return traffic


def ask(camera: Camera, frames: int) -> None:
    camera.asked += frames


def looked(traffic: CameraTraffic, demands: dict[Camera, int], times: int = 1) -> None:
    for _ in range(times):
        for camera, frames in demands.items():
            ask(camera, frames)
        traffic.look(1.0)


@given(DEMANDS, st.floats(0.1, 500.0))
def test_what_is_granted_never_exceeds_the_capacity_and_wastes_none(demands: list[float], capacity: float) -> None:
    rate = fair_rate(demands, capacity)
    granted = sum(min(demand, rate) for demand in demands)
    assert granted <= capacity * 1.000001
    if rate != float("inf"):
        assert granted == pytest.approx(capacity)


def test_as_long_as_all_fits_every_camera_has_the_limit() -> None:
    traffic = traffic_of(30, 0.007)
    cameras = [traffic.join() for _ in range(3)]
    looked(traffic, dict.fromkeys(cameras, 30), times=10)
    assert [camera.rate_hz for camera in cameras] == [30, 30, 30]


def test_too_many_cameras_all_come_down_alike_at_once() -> None:
    traffic = traffic_of(30, 0.0084)  # a worker has time for 100 pictures a second
    cameras = [traffic.join() for _ in range(10)]
    looked(traffic, dict.fromkeys(cameras, 30))
    assert {camera.rate_hz for camera in cameras} == {10}


def test_a_camera_that_asks_for_little_keeps_it_and_leaves_the_rest_to_others() -> None:
    traffic = traffic_of(30, 0.017)  # 50 a second
    slow, fast, faster = (traffic.join() for _ in range(3))
    looked(traffic, {slow: 5, fast: 30, faster: 30})
    assert fast.rate_hz == 20
    assert slow.rate_hz >= 5


def test_the_rate_rises_again_only_after_some_calm() -> None:
    traffic = traffic_of(30, 0.0084)
    cameras = [traffic.join() for _ in range(10)]
    looked(traffic, dict.fromkeys(cameras, 30))
    for camera in cameras[1:]:
        traffic.leave(camera)
    looked(traffic, {cameras[0]: 10}, times=4)
    assert cameras[0].rate_hz == 10
    looked(traffic, {cameras[0]: 10})
    assert cameras[0].rate_hz == 30


def test_a_camera_more_is_let_in_only_while_all_could_have_the_least() -> None:
    traffic = traffic_of(30, 0.084)  # ten a second
    assert traffic.has_room(5)
    traffic.join()
    assert traffic.has_room(5)
    traffic.join()
    assert not traffic.has_room(5)


def test_a_limit_below_every_step_is_kept() -> None:
    traffic = traffic_of(7, 0.001)
    camera = traffic.join()
    looked(traffic, {camera: 7}, times=8)
    assert camera.rate_hz == 7


def test_what_pictures_cost_long_ago_is_forgotten_while_none_come() -> None:
    traffic = traffic_of(30, 0.084)
    for _ in range(3):
        traffic.join()
    assert not traffic.has_room(5)
    looked(traffic, {}, times=120)
    assert traffic.has_room(5)


def test_idle_cameras_keep_nobody_out() -> None:
    traffic = traffic_of(30, 0.05)  # seventeen a second
    idle = [traffic.join() for _ in range(10)]
    assert not traffic.has_room(5)
    looked(traffic, dict.fromkeys(idle, 0))
    assert traffic.has_room(5)


def test_cameras_that_obey_do_not_make_the_rate_swing() -> None:
    traffic = traffic_of(30, 0.0105)
    cameras = [traffic.join() for _ in range(6)]
    rates = []
    looked(traffic, dict.fromkeys(cameras, 30))
    for _ in range(30):
        rates.append(traffic.rate_hz)
        looked(traffic, dict.fromkeys(cameras, round(traffic.rate_hz)))
    assert set(rates) == {13.0}
