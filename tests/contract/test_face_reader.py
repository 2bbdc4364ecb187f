"""The reader on real faces: what it says of them, and that cameras do not hear of each other."""

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from emdr_stream.domain import EMOTIONS, Limits
from emdr_stream.errors import ImageRejected
from emdr_stream.vision.landmarker import N_BLENDSHAPES, N_LANDMARKS, FaceCounter, Landmarker
from emdr_stream.vision.reader import LIGHT_EVERY_MS, Equipment, FaceReader
from emdr_stream.vision.reading import FaceReading
from emdr_stream.wire.face import Expression, FaceProblem, FaceView
from tests.faces import Rgb, jpeg, landmarker_or_skip, still, video

STEP_MS = 100.0


@pytest.fixture(scope="module")
def equipment() -> Iterator[Equipment]:
    with_detector = Equipment.load(landmarker_or_skip(), None, Limits(), time.perf_counter)
    yield with_detector
    with_detector.counter.close()


@pytest.fixture
def reader(equipment: Equipment) -> Iterator[FaceReader]:
    reader = FaceReader(equipment)
    yield reader
    reader.close()


def seen(reader: FaceReader, rgb: Rgb, times: int = 3) -> FaceView:
    """What the reader says when it has looked at the same picture for a while; light is measured now and then."""
    return [reader.look(rgb, 10 + 400.0 * number).view for number in range(times)][-1]


def on_canvas(rgb: Rgb, scale: float, place: tuple[float, float] = (0.5, 0.5)) -> Rgb:
    """A picture made smaller and put on grey, 640x480; `place` 0..1 from the upper left corner."""
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((480, 640, 3), 110, np.uint8)
    top, left = int((480 - small.shape[0]) * place[1]), int((640 - small.shape[1]) * place[0])
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def test_a_calm_face_has_a_view_that_can_be_used(reader: FaceReader, test_data: Path) -> None:
    view = seen(reader, still(test_data, "single_face.jpg"))
    assert (view.faces, view.problem) == (1, None)
    assert view.quality > 0.9
    assert view.pose is not None and max(abs(view.pose.yaw), abs(view.pose.pitch), abs(view.pose.roll)) < 15
    assert view.eye_closure is not None and view.eye_closure < 0.4
    assert view.place is not None
    assert view.place.x == pytest.approx(0.49, abs=0.03)
    assert view.place.height == pytest.approx(0.40, abs=0.05)
    assert view.expression is None, "no model was given"


def test_a_video_without_a_face_shows_none(reader: FaceReader, test_data: Path) -> None:
    frames = video(test_data, "no_face.mp4", every=4)
    views = [reader.look(rgb, STEP_MS * number).view for number, rgb in enumerate(frames)]
    assert {(view.faces, view.problem, view.quality) for view in views} == {(0, FaceProblem.NO_FACE, 0.0)}


def test_a_face_that_leaves_is_missed_within_a_few_frames(reader: FaceReader, test_data: Path) -> None:
    frames = video(test_data, "face_noface.mov", size=None)
    faces = [reader.look(rgb, STEP_MS * number).view.faces for number, rgb in enumerate(frames)]
    assert set(faces[:70]) == {1}
    assert faces[74:].count(1) <= 1, "one frame of 95 shows something that passes for a small face"


def test_two_people_are_told_and_then_nothing_is_read_of_either(reader: FaceReader, test_data: Path) -> None:
    view = reader.look(still(test_data, "two_people.jpg"), 0.0).view
    assert (view.faces, view.problem, view.quality, view.expression) == (2, FaceProblem.MANY_FACES, 0.0, None)


def test_a_second_person_is_seen_within_two_seconds_and_missed_when_gone(reader: FaceReader, test_data: Path) -> None:
    face = still(test_data, "single_face.jpg")
    alone = on_canvas(face, 0.5, (0.0, 0.5))
    both = alone.copy()
    both[:, 320:] = on_canvas(face, 0.5, (1.0, 0.5))[:, 320:]
    clock = iter(range(0, 100_000, 100))
    before = {reader.look(alone, next(clock)).view.faces for _ in range(25)}
    during = [reader.look(both, next(clock)).view.faces for _ in range(25)]
    after = [reader.look(alone, next(clock)).view.faces for _ in range(15)]
    assert before == {1}
    assert set(during[20:]) == {2}
    assert set(after[3:]) == {1}


def test_a_head_turned_in_the_picture_has_that_roll(reader: FaceReader, test_data: Path) -> None:
    face = still(test_data, "single_face.jpg")
    height, width = face.shape[:2]
    upright = seen(reader, face)
    for degrees in (20, -20):  # clockwise in the picture is towards the person's left shoulder
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
        turned = seen(reader, np.asarray(cv2.warpAffine(face, turn, (width, height)), np.uint8))
        assert turned.pose is not None and upright.pose is not None
        assert turned.pose.roll - upright.pose.roll == pytest.approx(degrees, abs=4)
        assert turned.pose.yaw - upright.pose.yaw == pytest.approx(0, abs=5)


def test_a_mirrored_picture_mirrors_yaw_roll_and_gaze_alone(reader: FaceReader, test_data: Path) -> None:
    face = still(test_data, "stock-emotions-a-2.jpg")  # turned to her left, and looking there
    plain = seen(reader, face)
    mirrored = seen(reader, np.ascontiguousarray(face[:, ::-1]))
    assert plain.pose is not None and mirrored.pose is not None
    assert plain.gaze is not None and mirrored.gaze is not None
    assert plain.pose.yaw > 20
    assert mirrored.pose.yaw == pytest.approx(-plain.pose.yaw, abs=6)
    assert mirrored.pose.roll == pytest.approx(-plain.pose.roll, abs=4)
    assert mirrored.pose.pitch == pytest.approx(plain.pose.pitch, abs=4)
    assert plain.gaze.right * mirrored.gaze.right < 0


def test_a_head_that_turns_from_side_to_side_has_yaw_of_both_signs(reader: FaceReader, test_data: Path) -> None:
    frames = video(test_data, "intel_head-pose-female.gif", size=None)
    poses = [reader.look(rgb, STEP_MS * number).view.pose for number, rgb in enumerate(frames)]
    yaws = [pose.yaw for pose in poses if pose is not None]
    assert len(yaws) > 20
    assert min(yaws) < -35 and max(yaws) > 25


def test_what_the_camera_does_to_a_face_is_named(reader: FaceReader, test_data: Path) -> None:
    face = still(test_data, "single_face.jpg")
    spoilt = {
        FaceProblem.TOO_DARK: (face * 0.05).astype(np.uint8),
        FaceProblem.TOO_BRIGHT: np.clip(face.astype(int) + 180, 0, 255).astype(np.uint8),
        FaceProblem.BLURRED: np.asarray(cv2.GaussianBlur(face, (0, 0), 7), np.uint8),
    }
    for problem, rgb in spoilt.items():
        view = seen(reader, rgb)
        assert (view.problem, view.quality) == (problem, 0.0)
        assert view.place is not None, "where the face is may still be wanted"
    small = seen(reader, np.ascontiguousarray(cv2.resize(on_canvas(face, 0.35), (240, 180)), dtype=np.uint8))
    assert small.problem is FaceProblem.TOO_SMALL


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_quality_falls_with_blur(reader: FaceReader, test_data: Path, strength: int) -> None:
    face = still(test_data, "single_face.jpg")
    sharper = seen(reader, np.asarray(cv2.GaussianBlur(face, (0, 0), strength), np.uint8)).quality
    assert seen(reader, np.asarray(cv2.GaussianBlur(face, (0, 0), strength + 3), np.uint8)).quality < sharper


def test_sharp_faces_in_fair_light_are_trusted(equipment: Equipment, test_data: Path) -> None:
    folder = test_data / "faces" / "performers"
    pictures = sorted(path for path in folder.rglob("*") if path.suffix in {".jpg", ".png"})[::40]
    assert len(pictures) > 10
    for picture in pictures:
        reader = FaceReader(equipment)
        bgr = np.asarray(cv2.imread(str(picture)), np.uint8)
        view = reader.look(np.ascontiguousarray(bgr[:, :, ::-1]), 0.0).view
        reader.close()
        assert (view.problem, view.faces) == (None, 1)
        assert view.quality > 0.9


def test_half_the_pixels_give_nearly_the_same_view(equipment: Equipment, test_data: Path) -> None:
    """A large face is decoded at half size from the second picture on."""
    frames = video(test_data, "single_face.mp4", every=2)
    by_pixels, by_bytes = FaceReader(equipment), FaceReader(equipment)
    whole = [by_pixels.look(rgb, STEP_MS * number).view for number, rgb in enumerate(frames)]
    halved = [by_bytes.read(jpeg(rgb), STEP_MS * number).view for number, rgb in enumerate(frames)]
    by_pixels.close()
    by_bytes.close()
    for one, other in zip(whole, halved, strict=True):
        assert (one.faces, one.problem) == (other.faces, other.problem) == (1, None)
        assert one.place is not None and other.place is not None
        assert one.place.height == pytest.approx(other.place.height, rel=0.03)
        assert one.pose is not None and other.pose is not None
        assert one.pose.yaw == pytest.approx(other.pose.yaw, abs=3)
    closed = [abs((one.eye_closure or 0) - (other.eye_closure or 0)) for one, other in zip(whole, halved, strict=True)]
    assert float(np.mean(closed)) < 0.03


def test_two_cameras_in_one_process_read_as_if_each_were_alone(equipment: Equipment, test_data: Path) -> None:
    """Equal to the last bit: nothing of one person's face reaches the other's."""
    people = [video(test_data, "single_face.mp4", every=3), video(test_data, "intel_head-pose-male.gif", every=3)]
    pictures = [[jpeg(rgb) for rgb in frames[:15]] for frames in people]

    def read_alone(images: list[bytes]) -> list[FaceView]:
        reader = FaceReader(equipment)
        views = [reader.read(image, STEP_MS * number).view for number, image in enumerate(images)]
        reader.close()
        return views

    alone = [read_alone(images) for images in pictures]
    readers = [FaceReader(equipment), FaceReader(equipment)]
    together: list[list[FaceView]] = [[], []]
    for number, pair in enumerate(zip(*pictures, strict=True)):
        for reader, image, views in zip(readers, pair, together, strict=True):
            views.append(reader.read(image, STEP_MS * number).view)
    for reader in readers:
        reader.close()
    assert together == alone
    assert together[0] != together[1]


def test_a_refused_picture_changes_nothing_for_the_next(equipment: Equipment, test_data: Path) -> None:
    images = [jpeg(rgb) for rgb in video(test_data, "single_face.mp4", every=6)]
    plain, disturbed = FaceReader(equipment), FaceReader(equipment)
    views = []
    for number, image in enumerate(images):
        views.append(disturbed.read(image, STEP_MS * number).view)
        with pytest.raises(ImageRejected):
            disturbed.read(image[:-300], STEP_MS * number + 50)
    assert views == [plain.read(image, STEP_MS * number).view for number, image in enumerate(images)]
    plain.close()
    disturbed.close()


@pytest.mark.parametrize("clock", [[5.0, 4.0, 4.0, 1e13, 0.0, -1e13, 7.5]])
def test_a_camera_whose_clock_jumps_is_read_all_the_same(
    reader: FaceReader, test_data: Path, clock: list[float]
) -> None:
    face = still(test_data, "single_face.jpg")
    assert [reader.look(face, ts_ms).view.faces for ts_ms in clock] == [1] * len(clock)


def test_an_expression_model_sees_pixels_points_and_scores_of_a_usable_face_alone(
    equipment: Equipment, test_data: Path
) -> None:
    asked: list[tuple[tuple[int, ...], ...]] = []
    said = Expression(emotions=(1.0,) + (0.0,) * (len(EMOTIONS) - 1), valence=0.5, arousal=-0.5)

    class Model:
        def read(self, rgb: object, landmarks: object, blendshapes: object, matrix: object) -> Expression:
            asked.append(tuple(np.asarray(part).shape for part in (rgb, landmarks, blendshapes, matrix)))
            return said

    reader = FaceReader(Equipment(equipment.landmarker, equipment.counter, Model(), Limits(), time.perf_counter))
    face = still(test_data, "single_face.jpg")
    readings = [reader.look(rgb, LIGHT_EVERY_MS * n) for n, rgb in enumerate((face, face // 20, np.zeros_like(face)))]
    reader.close()
    assert [reading.view.expression for reading in readings] == [said, None, None]
    assert asked == [(face.shape, (N_LANDMARKS, 3), (N_BLENDSHAPES,), (4, 4))]


def test_what_is_read_of_mediapipes_structs_is_what_its_own_classes_say(test_data: Path) -> None:
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    model = landmarker_or_skip()
    theirs = vision.FaceLandmarker.create_from_options(
        vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
    )
    ours = Landmarker(model)
    for number, rgb in enumerate(video(test_data, "single_face.mp4", every=8)):
        found = ours.find(rgb, 40.0 * (number + 1))
        result = theirs.detect_for_video(mediapipe.Image(mediapipe.ImageFormat.SRGB, rgb), 40 * (number + 1))
        assert found is not None
        points = np.array([[p.x, p.y, p.z] for p in result.face_landmarks[0]], np.float32)
        scores = {c.index: c.score for c in result.face_blendshapes[0]}
        assert np.array_equal(found.landmarks, points)
        assert np.array_equal(found.blendshapes, np.array([scores[i] for i in range(N_BLENDSHAPES)], np.float32))
        assert np.array_equal(found.matrix, result.facial_transformation_matrixes[0].astype(np.float32))
    ours.close()
    theirs.close()


def test_the_counter_sees_each_face_once(test_data: Path) -> None:
    counter = FaceCounter(landmarker_or_skip(), least_score=0.6)
    counts = {
        name: len(counter.look(still(test_data, name)))
        for name in ("single_face.jpg", "stock-emotions-a-2.jpg", "two_people.jpg")
    }
    counter.close()
    assert counts == {"single_face.jpg": 1, "stock-emotions-a-2.jpg": 1, "two_people.jpg": 2}


def test_a_reading_says_where_its_time_went(reader: FaceReader, test_data: Path) -> None:
    reading: FaceReading = reader.read(jpeg(still(test_data, "single_face.jpg")), 0.0)
    assert reading.decode_ms > 0 and reading.face_ms > 0 and reading.expression_ms >= 0
