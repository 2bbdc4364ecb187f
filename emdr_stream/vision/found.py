"""What the landmarker and the detector tell of a face in a picture, as plain values."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """A face as MediaPipe found it.

    `landmarks`: float32 [478, 3], x and y as parts of the picture's width and height, z in the scale of x.
    `blendshapes`: float32 [52], 0..1, in MediaPipe's order (0 is `_neutral`). `matrix`: float32 [4, 4], from the
    canonical face to the camera, in centimetres; the camera looks along -z, y is up.
    """

    landmarks: Floats
    blendshapes: Floats
    matrix: Floats


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """A face that the detector sees: its score 0..1, and its box as parts of the picture's width and height."""

    score: float
    left: float
    top: float
    width: float
    height: float
