"""The aligned crop and the features of a face: the same, wherever the face is in the picture and however large."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.vision.crop import EYES_Y, SIDE, Floats, Pixels, aligned_crop
from emdr_stream.vision.geometry import (
    ANCHOR_PLACES,
    ANCHORS,
    MIRRORED_BLENDSHAPES,
    N_BLENDSHAPES,
    N_FEATURES,
    N_LANDMARKS,
    N_POSE,
    SHAPE_POINTS,
    face_features,
    frontal_shape,
    head_pose,
    mirrored,
)

WIDTH, HEIGHT = 640, 480


def turned(degrees: float) -> Floats:
    """The pose of a head that turns to the person's left."""
    a = np.radians(degrees)
    matrix = np.eye(4)
    matrix[:3, :3] = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
    return matrix.astype(np.float32)


def drawn(x: float, y: float, eye_distance: float, angle: float = 0.0) -> tuple[Pixels, Floats]:
    """A picture of a face made of discs at the anchors, and its landmarks: eyes' middle at x, y, tilted by radians."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    places = (ANCHOR_PLACES @ turn * eye_distance + (x, y)).astype(np.float64)
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for n, place in enumerate(places):
        grey = (200, 230, 180, 250, 140, 160, 255, 120, 100, 220)[n]
        centre = tuple(round(float(v) * 16) for v in place)
        cv2.circle(picture, centre, int(eye_distance * 2.4), (grey,) * 3, -1, cv2.LINE_AA, 4)
    landmarks = np.zeros((N_LANDMARKS, 3), np.float32)
    landmarks[list(ANCHORS), :2] = (places + 0.5) / (WIDTH, HEIGHT)
    return picture, landmarks


@pytest.mark.parametrize(
    "face", [(200, 150, 70, 0.0), (430, 310, 70, 0.0), (320, 200, 35, 0.0), (320, 220, 140, 0.0), (320, 220, 70, 0.5)]
)
def test_a_shifted_scaled_or_tilted_face_gives_about_the_same_crop(face: tuple[float, float, float, float]) -> None:
    crop = aligned_crop(*drawn(*face)).astype(int)
    wanted = aligned_crop(*drawn(320, 200, 70)).astype(int)
    assert np.abs(crop - wanted).mean() < 3.0


def test_another_place_of_the_landmarks_gives_another_crop() -> None:
    """The test above can fail: a crop that is off by a fifth of the eyes' distance differs more."""
    picture, landmarks = drawn(320, 200, 70)
    wanted = aligned_crop(picture, landmarks).astype(int)
    landmarks[:, 0] += 14 / WIDTH
    assert np.abs(aligned_crop(picture, landmarks) - wanted).mean() > 5.0


def test_the_eyes_lie_where_they_are_said_to_lie() -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    _, landmarks = drawn(320, 200, 70)
    cv2.circle(picture, (320, 200), 8, (255, 255, 255), -1)
    crop = aligned_crop(picture, landmarks).astype(float)
    y, x = (float((crop * axis).sum() / crop.sum()) for axis in np.mgrid[:SIDE, :SIDE])
    assert x == pytest.approx((SIDE - 1) / 2, abs=0.3)
    assert y == pytest.approx(EYES_Y, abs=0.3)


def test_a_wide_crop_shows_the_same_in_its_middle() -> None:
    picture, landmarks = drawn(300, 200, 60)
    wide = aligned_crop(picture, landmarks, 64)
    assert np.abs(wide[8:-8, 8:-8].astype(int) - aligned_crop(picture, landmarks)).max() <= 1


@given(st.floats(-500, 1200), st.floats(-500, 900), st.floats(0, 900), st.integers(1, 40), st.integers(1, 40))
def test_a_face_anywhere_gives_a_crop(x: float, y: float, eye_distance: float, width: int, height: int) -> None:
    landmarks = np.zeros((N_LANDMARKS, 3), np.float32)
    landmarks[list(ANCHORS), :2] = ANCHOR_PLACES * eye_distance / 500 + np.array([x, y], np.float32) / 500
    assert aligned_crop(np.full((height, width, 3), 9, np.uint8), landmarks).shape == (SIDE, SIDE)


def test_the_pose_has_the_signs_of_the_protocol() -> None:
    assert head_pose(turned(20)) == pytest.approx((20, 0, 0), abs=1e-4)
    up = turned(0)
    up[1:3, 1:3] = [[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]]
    assert head_pose(up) == pytest.approx((0, np.degrees(0.3), 0), abs=1e-4)
    to_the_left_shoulder = turned(0)
    to_the_left_shoulder[:2, :2] = [[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]]
    assert head_pose(to_the_left_shoulder) == pytest.approx((0, 0, np.degrees(0.3)), abs=1e-4)


@given(st.floats(-40, 40), st.floats(0.05, 0.4), st.floats(0.2, 0.8))
def test_the_shape_of_a_face_knows_neither_its_pose_nor_its_place(yaw: float, size: float, x: float) -> None:
    points = np.random.default_rng(1).normal(size=(N_LANDMARKS, 3)).astype(np.float32)
    points -= points[list(ANCHORS)].mean(0)
    matrix = turned(yaw)
    # As MediaPipe has it: the picture's y runs down, its z away from the camera.
    seen = (points * (1, -1, -1)) @ matrix[:3, :3].T * (1, -1, -1)
    landmarks = (seen * size + (x, 0.5, 0)).astype(np.float32)
    wanted = frontal_shape(points, np.eye(4, dtype=np.float32), 100, 100)
    np.testing.assert_allclose(frontal_shape(landmarks, matrix, 100, 100), wanted, atol=1e-3)


def test_the_mirror_of_a_mirror_is_the_face() -> None:
    rows = np.random.default_rng(2).normal(size=(5, N_FEATURES)).astype(np.float32)
    np.testing.assert_array_equal(mirrored(mirrored(rows)), rows)
    assert not np.array_equal(mirrored(rows), rows)


def test_a_face_in_a_mirror_has_the_mirrored_features() -> None:
    draw = np.random.default_rng(3)
    landmarks = draw.uniform(0.2, 0.8, (N_LANDMARKS, 3)).astype(np.float32)
    blendshapes = draw.uniform(0, 1, N_BLENDSHAPES).astype(np.float32)
    features = face_features(landmarks, blendshapes, turned(15), 100, 100)
    # The landmarker names the points anew: what was the right corner of the mouth is the left one.
    other = landmarks.copy()
    other[:, 0] = 1 - other[:, 0]
    half = (len(SHAPE_POINTS) - 9) // 2
    right, left = list(SHAPE_POINTS[:half]), list(SHAPE_POINTS[half : 2 * half])
    pairs = [*zip(right, left, strict=True), (33, 263), (133, 362), (234, 454)]
    for a, b in {tuple(sorted(pair)) for pair in pairs}:
        other[[a, b]] = other[[b, a]]
    swapped = blendshapes.copy()
    for a, b in MIRRORED_BLENDSHAPES:
        swapped[[a, b]] = swapped[[b, a]]
    seen = face_features(other, swapped, turned(-15), 100, 100)
    np.testing.assert_allclose(mirrored(features[None])[0], seen, atol=1e-5)


def test_a_row_holds_blendshapes_pose_and_shape() -> None:
    landmarks = np.random.default_rng(4).uniform(0, 1, (N_LANDMARKS, 3)).astype(np.float32)
    row = face_features(landmarks, np.linspace(0, 1, N_BLENDSHAPES, dtype=np.float32), turned(45), 640, 480)
    assert row.shape == (N_BLENDSHAPES + N_POSE + 2 * len(SHAPE_POINTS),)
    assert row[N_BLENDSHAPES - 1] == 1.0
    assert row[N_BLENDSHAPES] == pytest.approx(1.0, abs=1e-5)
