"""Landmarks of a face go in; its pose, its shape without the pose, and the row of features of the models come out.

Pure numpy, some tens of microseconds. Coordinates are MediaPipe's: landmarks in parts of the picture's width (x, z) and
height (y), y downwards, z away from the camera; the pose matrix has y upwards and z towards the camera.
"""

import math
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

N_LANDMARKS: Final = 478
N_BLENDSHAPES: Final = 52

ANCHORS: Final = (33, 133, 362, 263, 168, 6, 4, 2, 234, 454)
"""Landmarks that an expression hardly moves: the corners of the eyes, the nose's ridge and base, the ears' edge."""
ANCHOR_PLACES: Final = np.array(
    [
        (-0.713, -0.012),
        (-0.287, 0.012),
        (0.287, 0.012),
        (0.713, -0.012),
        (0.0, -0.076),
        (0.0, 0.050),
        (0.0, 0.466),
        (0.0, 0.681),
        (-1.091, 0.273),
        (1.091, 0.273),
    ],
    np.float32,
)
"""Where they lie in a face seen from the front: x, y from the middle between the eyes, in distances between the eyes'
centres. The mean of 11,600 faces of FER+ (train), turned to the front and made symmetric."""

_PAIRS: Final = (
    *((61, 291), (146, 375), (91, 321), (181, 405), (84, 314), (185, 409), (40, 270), (39, 269), (37, 267)),
    *((78, 308), (88, 318), (87, 317), (80, 310), (82, 312)),
    *((33, 263), (144, 373), (145, 374), (153, 380), (133, 362), (158, 385), (159, 386), (160, 387)),
    *((46, 276), (53, 283), (52, 282), (65, 295), (55, 285), (70, 300), (63, 293), (105, 334), (66, 296), (107, 336)),
    *((98, 327), (64, 294), (50, 280), (205, 425), (207, 427), (216, 436), (212, 432), (117, 346)),
)
_MIDDLE: Final = (0, 13, 14, 17, 2, 4, 9, 152, 200)
SHAPE_POINTS: Final = (*(right for right, _ in _PAIRS), *(left for _, left in _PAIRS), *_MIDDLE)
"""The landmarks that are features: lips, eyes, brows, nostrils, cheeks, chin. The person's right, left, middle."""

N_SHAPE: Final = 2 * len(SHAPE_POINTS)
N_POSE: Final = 3
N_FEATURES: Final = N_BLENDSHAPES + N_POSE + N_SHAPE
POSE_SCALE: Final = 1 / 45.0
"""Features of the pose are degrees times this."""

MIRRORED_BLENDSHAPES: Final = (
    *((1, 2), (4, 5), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16), (17, 18), (19, 20), (21, 22), (24, 26)),
    *((28, 29), (30, 31), (33, 39), (34, 35), (36, 37), (44, 45), (46, 47), (48, 49), (50, 51)),
)
"""Pairs of blendshapes in MediaPipe's order (0 `_neutral` ... 51 `noseSneerRight`) that a mirror exchanges."""

_USED: Final = np.array([*ANCHORS, *SHAPE_POINTS])
_SIZE_X, _SIZE_Y = np.sqrt(np.square(ANCHOR_PLACES - ANCHOR_PLACES.mean(0)).sum(0)).tolist()


def head_pose(matrix: Floats) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of a pose matrix [4, 4], with the signs of wire.face.HeadPose.

    >>> head_pose(np.eye(4, dtype=np.float32))
    (0.0, 0.0, 0.0)
    """
    return _pose(_rotation(matrix))


def frontal_shape(landmarks: Floats, matrix: Floats, width: int, height: int) -> Floats:
    """Where SHAPE_POINTS lie [len, 2] once the head is turned to the camera: x, y from the anchors' centre, each in
    parts of the anchors' spread along it, so that a squeezed picture changes nothing.

    `landmarks` [478, 3] of a picture of `width` x `height` pixels, `matrix` [4, 4].
    """
    return _shape(landmarks, _rotation(matrix), width, height)


def face_features(landmarks: Floats, blendshapes: Floats, matrix: Floats, width: int, height: int) -> Floats:
    """The row [N_FEATURES] of one face: blendshapes, pose, shape."""
    turn = _rotation(matrix)
    yaw, pitch, roll = _pose(turn)
    row = np.empty(N_FEATURES, np.float32)
    row[:N_BLENDSHAPES] = blendshapes
    row[N_BLENDSHAPES : N_BLENDSHAPES + N_POSE] = (yaw * POSE_SCALE, pitch * POSE_SCALE, roll * POSE_SCALE)
    row[N_BLENDSHAPES + N_POSE :] = _shape(landmarks, turn, width, height).ravel()
    return row


def mirrored(rows: Floats) -> Floats:
    """Rows [n, N_FEATURES] of the same faces seen in a mirror: what is left is right, yaw and roll are turned over."""
    order, sign = _MIRROR
    return np.asarray(rows[:, order] * sign, np.float32)


def _rotation(matrix: Floats) -> Floats:
    turn = matrix[:3, :3]
    # The landmarker fits the face's size too: the columns share one length.
    return turn / np.float32(max(math.sqrt(float(turn[:, 2] @ turn[:, 2])), 1e-6))


def _pose(turn: Floats) -> tuple[float, float, float]:
    yaw = math.atan2(turn[0, 2], turn[2, 2])
    pitch = math.asin(min(max(float(turn[1, 2]), -1.0), 1.0))
    roll = math.atan2(-turn[1, 0], turn[1, 1])
    return math.degrees(yaw) + 0.0, math.degrees(pitch) + 0.0, math.degrees(roll) + 0.0


def _shape(landmarks: Floats, turn: Floats, width: int, height: int) -> Floats:
    # The head's rotation undone: the axes of the picture and of the matrix differ in the signs of y and z.
    points = landmarks[_USED] * np.array([width, -height, -width], np.float32)
    anchors = points[: len(ANCHORS)]
    turned = (points - anchors.sum(0) / np.float32(len(ANCHORS))) @ turn[:, :2]
    across, down = turned[: len(ANCHORS), 0], turned[: len(ANCHORS), 1]
    scale_x = _SIZE_X / max(math.sqrt(float(across @ across)), 1e-6)
    scale_y = _SIZE_Y / max(math.sqrt(float(down @ down)), 1e-6)
    return np.asarray(turned[len(ANCHORS) :] * np.array([scale_x, -scale_y], np.float32), np.float32)


def _mirror() -> tuple[npt.NDArray[np.int64], Floats]:
    order = np.arange(N_FEATURES)
    sign = np.ones(N_FEATURES, np.float32)
    for left, right in MIRRORED_BLENDSHAPES:
        order[left], order[right] = right, left
    sign[[N_BLENDSHAPES, N_BLENDSHAPES + 2]] = -1.0
    start, pairs = N_BLENDSHAPES + N_POSE, 2 * len(_PAIRS)
    right_side, left_side = np.arange(start, start + pairs), np.arange(start + pairs, start + 2 * pairs)
    order[right_side], order[left_side] = left_side, right_side
    sign[start::2] = -1.0
    return order, sign


_MIRROR: Final = _mirror()
