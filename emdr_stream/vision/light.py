"""Pixels and a face's points go in; how bright and how blurred the face is comes out."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE: Final = 96
"""Faces are compared at this size, in pixels: otherwise a face would be sharper the farther it is."""
_BURNT: Final = 250
"""From here on a pixel tells nothing of what was there, of 255."""
_REBLUR: Final = 5
"""Width of the box, in pixels of the face at _SIDE, that a face is blurred with once more."""


@dataclass(frozen=True, slots=True)
class FaceLight:
    """How a face is lit and drawn. `brightness`: its mean luma, 0..1. `burnt`: part of its pixels that are white, 0..1.

    `blur`: 0..1, how much of the steps between neighbouring pixels is left when the face is blurred once more; what is
    sharp loses most (Crete et al. 2007, "The blur effect: perception and estimation with a new no-reference perceptual
    blur metric"). Unlike the variance of a Laplacian it does not take smooth skin for blur.
    """

    brightness: float
    burnt: float
    blur: float


def face_light(rgb: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> FaceLight:
    """`rgb`: uint8 [height, width, 3]; `landmarks`: float32 [478, 3], parts of width and height."""
    height, width = rgb.shape[:2]
    left, top = (landmarks[:, :2].min(axis=0) * (width, height)).astype(int)
    right, bottom = (landmarks[:, :2].max(axis=0) * (width, height)).astype(int) + 1
    face = rgb[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    side = min(_SIDE, *face.shape[:2])
    if side <= _REBLUR:
        return FaceLight(0.0, 0.0, 1.0)
    luma = cv2.cvtColor(cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return FaceLight(
        brightness=float(cv2.mean(luma)[0]) / 255,
        burnt=cv2.countNonZero(cv2.threshold(luma, _BURNT - 1, 1, cv2.THRESH_BINARY)[1]) / luma.size,
        blur=max(_left_over(luma), _left_over(cv2.transpose(luma))),
    )


def _left_over(luma: cv2.typing.MatLike) -> float:
    """The part of the steps along the rows that a second blur does not take away."""
    again = cv2.blur(luma, (_REBLUR, 1))
    steps = cv2.absdiff(luma[:, 1:], luma[:, :-1])
    steps_again = cv2.absdiff(again[:, 1:], again[:, :-1])
    total = cv2.sumElems(steps)[0]
    taken = cv2.sumElems(cv2.subtract(steps, steps_again))[0]  # of unsigned bytes: never below 0
    return 1.0 - taken / total if total > 0 else 1.0
