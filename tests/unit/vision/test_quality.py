"""How far a reading is trusted, and the reasons not to."""

import pytest

from emdr_stream.vision.found import FaceLight
from emdr_stream.vision.quality import face_quality
from emdr_stream.wire.face import FaceProblem, HeadPose

GOOD = FaceLight(brightness=0.5, burnt=0.0, blur=0.5)
AHEAD = HeadPose(yaw=0.0, pitch=0.0, roll=0.0)


def test_a_large_sharp_face_in_fair_light_is_trusted_whole() -> None:
    assert face_quality(200.0, GOOD, AHEAD) == (1.0, None)


@pytest.mark.parametrize(
    ("height_px", "light", "pose", "problem"),
    [
        (30.0, GOOD, AHEAD, FaceProblem.TOO_SMALL),
        (200.0, FaceLight(brightness=0.03, burnt=0.0, blur=0.5), AHEAD, FaceProblem.TOO_DARK),
        (200.0, FaceLight(brightness=0.95, burnt=0.8, blur=0.5), AHEAD, FaceProblem.TOO_BRIGHT),
        (200.0, FaceLight(brightness=0.5, burnt=0.0, blur=0.9), AHEAD, FaceProblem.BLURRED),
        (200.0, GOOD, HeadPose(yaw=-60.0, pitch=0.0, roll=0.0), FaceProblem.TURNED_AWAY),
        (200.0, GOOD, HeadPose(yaw=0.0, pitch=50.0, roll=0.0), FaceProblem.TURNED_AWAY),
    ],
)
def test_each_problem_has_its_cause_and_takes_all_trust(
    height_px: float, light: FaceLight, pose: HeadPose, problem: FaceProblem
) -> None:
    assert face_quality(height_px, light, pose) == (0.0, problem)


def test_trust_falls_steadily_from_good_to_useless() -> None:
    trust = [face_quality(200.0, GOOD, HeadPose(yaw=float(yaw), pitch=0.0, roll=0.0))[0] for yaw in range(0, 60, 5)]
    assert trust == sorted(trust, reverse=True)
    assert trust[0] == 1.0 and trust[-1] == 0.0


def test_a_head_that_leans_is_trusted() -> None:
    assert face_quality(200.0, GOOD, HeadPose(yaw=0.0, pitch=0.0, roll=40.0)) == (1.0, None)


def test_weak_causes_add_up() -> None:
    turned = HeadPose(yaw=40.0, pitch=0.0, roll=0.0)
    small = face_quality(60.0, GOOD, AHEAD)[0]
    assert face_quality(60.0, GOOD, turned)[0] < small
