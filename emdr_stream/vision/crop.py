"""A picture and the landmarks of a face in it go in, a small grey picture comes out: eyes level, always the same size.

Kept in memory alone. The only module of the models' side that knows OpenCV: its warp takes a twentieth of numpy's time.
"""

import math
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from emdr_stream.vision.geometry import ANCHOR_PLACES, ANCHORS

Pixels: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]

SIDE: Final = 48
"""Pixels of the crop's side: what FER+'s faces have."""
EYE_DISTANCE: Final = 17.4
"""Pixels between the eyes' centres in the crop: the median of FER+'s faces, so that nothing is lost or invented."""
EYES_Y: Final = 15.0
"""The eyes' height in the crop, from above: brows and forehead fit above, an open mouth below."""
_MOST_OVERSAMPLING: Final = 8

_ANCHORS: Final = list(ANCHORS)
_MOST_STRETCH: Final = 1.6
_PLACES: Final = ANCHOR_PLACES.astype(np.float64) @ np.array([1.0, 1j]) * EYE_DISTANCE
_CENTRE: Final = complex(_PLACES.mean())
_WANTED: Final = _PLACES - _CENTRE


def aligned_crop(rgb: Pixels, landmarks: Floats, side: int = SIDE) -> Pixels:
    """The face in `rgb` [H, W, 3] as grey [side, side], turned upright and scaled by its anchors, in width and in
    height apart. A `side` above SIDE shows more around it at the same scale; beyond the picture its edge is repeated.

    `landmarks` [478, 3], of which x and y count, in parts of the picture's width and height.
    """
    import cv2  # here, so that who reads no pictures needs no OpenCV

    turn, shift = _placement(rgb, landmarks, side)
    # The warp reads four pixels for each of its own: a large face is drawn large first, then averaged down.
    scale = math.sqrt(abs(turn[0, 0] * turn[1, 1] - turn[0, 1] * turn[1, 0]))
    finer = min(max(int(0.5 / scale + 0.5), 1), _MOST_OVERSAMPLING)
    turn, shift = turn * finer, (shift + 0.5) * finer - 0.5
    part, corner = _grey_around(rgb, turn, shift, side * finer)
    warp = np.column_stack([turn, shift + turn @ corner])
    crop = cv2.warpAffine(part, warp, (side * finer, side * finer), borderMode=cv2.BORDER_REPLICATE)
    if finer > 1:
        crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)


def _grey_around(rgb: Pixels, turn: Doubles, shift: Doubles, side: int) -> tuple[Pixels, Doubles]:
    """The part of the picture that a crop of this side reads, in grey, and where its corner [2] lies: one channel of
    a part is warped in a third of the time."""
    height, width = rgb.shape[:2]
    (a, b), (c, d) = turn.tolist()
    (e, f), size = shift.tolist(), a * d - b * c
    corners = [(x - e, y - f) for x in (0, side - 1) for y in (0, side - 1)]
    across, down = [(d * x - b * y) / size for x, y in corners], [(a * y - c * x) / size for x, y in corners]
    left, right, top, bottom = min(across), max(across), min(down), max(down)
    # Two pixels more for the interpolation; never empty, wherever the face is said to be.
    x1, x2 = _clipped(left - 2, width - 1), _clipped(right + 3, width - 1) + 1
    y1, y2 = _clipped(top - 2, height - 1), _clipped(bottom + 3, height - 1) + 1
    import cv2

    return np.asarray(cv2.cvtColor(rgb[y1:y2, x1:x2], cv2.COLOR_RGB2GRAY), np.uint8), np.array([x1, y1], np.float64)


def _clipped(place: float, most: int) -> int:
    return int(min(max(place, 0), most))


def _placement(rgb: Pixels, landmarks: Floats, side: int) -> tuple[Doubles, Doubles]:
    """A [2, 2] and b [2] of crop = A * picture + b: least squares of turning and shifting, and of width and height.

    First the similarity of Umeyama (1991), doi 10.1109/34.88573, in the plane and without mirroring; then each axis of
    the upright face has a scale of its own. So a squeezed picture, or a long face, fills the crop as others do.
    """
    height, width = rgb.shape[:2]
    x, y = landmarks[_ANCHORS, 0] * width - 0.5, landmarks[_ANCHORS, 1] * height - 0.5
    seen = x.astype(np.float64) + 1j * y
    middle = seen.mean()
    offsets = seen - middle
    turn = complex(np.vdot(offsets, _WANTED)) / max(float(np.vdot(offsets, offsets).real), 1e-9) or 1e-9
    upright = offsets * turn
    across = _axis(upright.real, _WANTED.real)
    down = _axis(upright.imag, _WANTED.imag)
    both = np.array([[across * turn.real, -across * turn.imag], [down * turn.imag, down * turn.real]])
    centre = (side - 1) / 2
    place = np.array([centre + _CENTRE.real, centre - (SIDE - 1) / 2 + EYES_Y + _CENTRE.imag])
    return both, place - both @ np.array([middle.real, middle.imag])


def _axis(seen: Doubles, wanted: Doubles) -> float:
    """The factor of one axis, within what faces and pictures can be."""
    factor = float(seen @ wanted) / max(float(seen @ seen), 1e-9)
    return min(max(factor, 1 / _MOST_STRETCH), _MOST_STRETCH)
