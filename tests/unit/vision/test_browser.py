"""What a browser's face model found becomes the same view as a picture's."""

from math import degrees
from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np
import pytest

from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.vision.browser import BrowserFaces, load_browser_faces
from emdr_stream.wire.face import FaceProblem, HeadPose
from emdr_stream.wire.stream import N_BLENDSHAPES, Landmarks
from tests.speakers import GROUPS, speaker_looks

STILL = [0.02] * N_BLENDSHAPES
AHEAD = HeadPose(yaw=0.0, pitch=0.0, roll=0.0)
BLINK_LEFT, BLINK_RIGHT = 9, 10


@pytest.fixture(scope="module")
def faces() -> BrowserFaces:
    loaded = load_browser_faces(default_models_dir())
    assert loaded is not None
    return loaded


def showing(**scores: float) -> list[float]:
    """Scores of a face that shows something: names as in the constants above."""
    row = np.full(N_BLENDSHAPES, 0.02)
    for name, score in scores.items():
        row[globals()[name]] = score
    return [float(score) for score in row]


def test_no_scores_or_no_faces_are_nobody(faces: BrowserFaces) -> None:
    for message in (Landmarks(ts=1.0), Landmarks(ts=1.0, faces=0, blendshapes=STILL)):
        view = faces.read(message)
        assert (view.faces, view.problem, view.expression) == (0, FaceProblem.NO_FACE, None)


def test_a_face_without_its_scores_is_there_and_cannot_be_read(faces: BrowserFaces) -> None:
    # It was told as a lost face, and the looks of the next quarter of a second did not count.
    view = faces.read(Landmarks(ts=1.0, faces=1, quality=0.0))
    assert (view.faces, view.problem, view.expression) == (1, FaceProblem.UNREADABLE, None)


def test_more_than_one_face_is_nobodys_reading(faces: BrowserFaces) -> None:
    view = faces.read(Landmarks(ts=1.0, faces=3, blendshapes=STILL))
    assert (view.faces, view.problem, view.expression) == (2, FaceProblem.MANY_FACES, None)


def test_a_speakers_smile_is_told_from_their_still_face_by_scores_alone(faces: BrowserFaces, test_data: Path) -> None:
    looks = [look for group in GROUPS for look in speaker_looks(test_data / "speakers", group, 30.0)]
    joys: dict[str, list[float]] = {"joy": [], "neutral": []}
    for look in looks:
        shown = max(look.emotions, key=lambda name: look.emotions[name])
        if shown in joys and look.emotions[shown] > 0.8:
            pitch, roll, yaw = (degrees(angle) for angle in look.pose)
            pose = HeadPose(yaw=yaw, pitch=pitch, roll=roll)
            expression = faces.read(Landmarks(ts=1.0, blendshapes=list(look.scores), pose=pose)).expression
            assert expression is not None
            joys[shown].append(expression.emotions[0])
    assert min(len(found) for found in joys.values()) > 5
    assert fmean(joys["joy"]) > fmean(joys["neutral"]) + 0.2


def test_eyes_and_gaze_come_from_the_scores(faces: BrowserFaces) -> None:
    view = faces.read(Landmarks(ts=1.0, blendshapes=showing(BLINK_LEFT=0.9, BLINK_RIGHT=0.7), pose=AHEAD))
    assert view.eye_closure == pytest.approx(0.8)
    assert view.gaze is not None


@pytest.mark.parametrize(("yaw", "problem"), [(0.0, None), (40.0, None), (70.0, FaceProblem.TURNED_AWAY)])
def test_a_head_that_is_turned_is_trusted_less_and_then_not_at_all(
    faces: BrowserFaces, yaw: float, problem: FaceProblem | None
) -> None:
    pose = HeadPose(yaw=yaw, pitch=0.0, roll=0.0)
    view = faces.read(Landmarks(ts=1.0, blendshapes=STILL, pose=pose, quality=0.8))
    assert view.problem is problem
    assert view.quality == pytest.approx({0.0: 0.8, 40.0: 0.48, 70.0: 0.0}[yaw])


def test_a_message_on_the_wire_has_all_scores_or_none() -> None:
    with pytest.raises(msgspec.ValidationError, match="blendshapes"):
        msgspec.convert({"type": "landmarks", "ts": 1.0, "blendshapes": [0.1] * 51}, Landmarks)
    with pytest.raises(msgspec.ValidationError, match="blendshapes"):
        msgspec.convert({"type": "landmarks", "ts": 1.0, "blendshapes": [1.5] * 52}, Landmarks)


def test_two_faces_without_scores_are_two_faces(faces: BrowserFaces) -> None:
    assert faces.read(Landmarks(ts=1.0, faces=2)).problem is FaceProblem.MANY_FACES


def test_a_picture_that_the_browser_does_not_trust_is_no_sight(faces: BrowserFaces) -> None:
    view = faces.read(Landmarks(ts=1.0, blendshapes=STILL, pose=AHEAD, quality=0.0))
    assert (view.problem, view.expression) == (FaceProblem.UNREADABLE, None)


def test_without_a_pose_the_scores_are_trusted_less(faces: BrowserFaces) -> None:
    assert faces.read(Landmarks(ts=1.0, blendshapes=STILL)).quality == pytest.approx(0.6)


def test_scores_that_are_no_numbers_leave_the_expression_missing(faces: BrowserFaces) -> None:
    view = faces.read(Landmarks(ts=1.0, blendshapes=[float("nan")] * N_BLENDSHAPES, pose=AHEAD))
    assert view.expression is None
