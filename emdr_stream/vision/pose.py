"""A found face's matrix, scores and points go in; head pose, gaze, eye closure and place come out; pure numpy.

Directions are the person's own, whichever way the picture shows them: in a picture that is not mirrored, the person's
left is on its right.
"""

import math
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emdr_stream.vision import geometry
from emdr_stream.wire.face import FacePlace, Gaze, HeadPose

Floats: TypeAlias = NDArray[np.float32]

# MediaPipe's blendshapes, by their place among the 52: `Blendshapes` of its face_landmarker.py.
_BLINK_LEFT, _BLINK_RIGHT = 9, 10
_DOWN_LEFT, _DOWN_RIGHT = 11, 12
_IN_LEFT, _IN_RIGHT = 13, 14
_OUT_LEFT, _OUT_RIGHT = 15, 16
_UP_LEFT, _UP_RIGHT = 17, 18
_FOREHEAD: Final = 10
_CHIN: Final = 152
"""Points of the face mesh: the middle of the hairline, and the chin."""


def head_pose(matrix: Floats) -> HeadPose:
    """`matrix`: float32 [4, 4], from the face to the camera (x to the picture's right, y up, the camera along -z).

    The rotation is R = Ry(yaw) · Rx(-pitch) · Rz(-roll), relative to the camera's axis. MediaPipe fits the face as if
    it were seen without perspective: a face that looks into the camera from a quarter of the picture's width beside
    its middle reads some 7 degrees of yaw.
    """
    yaw, pitch, roll = geometry.head_pose(matrix)
    return HeadPose(yaw=yaw, pitch=pitch, roll=roll)


def gaze(blendshapes: Floats) -> Gaze:
    """`blendshapes`: float32 [52]. The mean of both eyes; an eye's own scores are of how far it turns, 0..1."""
    b = blendshapes
    right = (b[_IN_LEFT] - b[_OUT_LEFT] + b[_OUT_RIGHT] - b[_IN_RIGHT]) / 2
    up = (b[_UP_LEFT] - b[_DOWN_LEFT] + b[_UP_RIGHT] - b[_DOWN_RIGHT]) / 2
    return Gaze(right=_within(float(right), -1.0), up=_within(float(up), -1.0))


def eye_closure(blendshapes: Floats) -> float:
    """`blendshapes`: float32 [52]. The mean of both eyes' blink scores, 0 open to 1 closed."""
    return _within(float(blendshapes[_BLINK_LEFT] + blendshapes[_BLINK_RIGHT]) / 2, 0.0)


def face_place(landmarks: Floats, width: int, height: int) -> FacePlace:
    """`landmarks`: float32 [478, 3] as parts of a picture of this size in pixels."""
    x, y = landmarks[:, 0], landmarks[:, 1]
    across, down = landmarks[_FOREHEAD, :2] - landmarks[_CHIN, :2]
    return FacePlace(
        x=float(x.min() + x.max()) / 2,
        y=float(y.min() + y.max()) / 2,
        height=math.hypot(float(across) * width, float(down) * height) / height,
    )


def _within(value: float, least: float) -> float:
    return min(1.0, max(least, value))
