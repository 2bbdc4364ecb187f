"""A picture and the landmarks of a face in it go in, a small grey picture comes out: eyes level, always the same size.

Kept in memory alone. The only module of the models' side that knows OpenCV: its warp takes a twentieth of numpy's time.
"""

from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from emdr_stream.vision.geometry import ANCHOR_PLACES, ANCHORS

Pixels: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]

SIDE: Final = 48
"""Pixels of the crop's side: what FER+'s faces have."""
EYE_DISTANCE: Final = 17.4
"""Pixels between the eyes' centres in the crop: the median of FER+'s faces, so that nothing is lost or invented."""
EYES_Y: Final = 15.0
"""The eyes' height in the crop, from above: brows and forehead fit above, an open mouth below."""
_MOST_OVERSAMPLING: Final = 8

_ANCHORS: Final = list(ANCHORS)
_PLACES: Final = ANCHOR_PLACES.astype(np.float64) @ np.array([1.0, 1j])


def aligned_crop(rgb: Pixels, landmarks: Floats, side: int = SIDE) -> Pixels:
    """The face in `rgb` [H, W, 3] as grey [side, side], turned upright and scaled by its anchors. A `side` above SIDE
    shows more around the face at the same scale. What lies beyond the picture repeats its edge.

    `landmarks` [478, 3], of which x and y count, in parts of the picture's width and height.
    """
    turn, shift = _placement(rgb, landmarks, side)
    # The warp reads four pixels for each of its own: a large face is drawn large first, then averaged down.
    finer = min(max(int(0.5 / max(abs(turn), 1e-9) + 0.5), 1), _MOST_OVERSAMPLING)
    turn, shift = turn * finer, (shift + 0.5 + 0.5j) * finer - (0.5 + 0.5j)
    part, corner = _grey_around(rgb, turn, shift, side * finer)
    shift += turn * corner
    warp = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    crop = cv2.warpAffine(part, warp, (side * finer, side * finer), borderMode=cv2.BORDER_REPLICATE)
    if finer > 1:
        crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)


def _grey_around(rgb: Pixels, turn: complex, shift: complex, side: int) -> tuple[Pixels, complex]:
    """The part of the picture that a crop of this side reads, in grey, and where its corner lies: one channel of one
    part is warped in a third of the time."""
    height, width = rgb.shape[:2]
    corners = [(complex(x, y) - shift) / turn for x in (0, side - 1) for y in (0, side - 1)]
    x, y = [c.real for c in corners], [c.imag for c in corners]
    # Two pixels more for the interpolation; never empty, wherever the face is said to be.
    left, right = _clipped(min(x) - 2, width - 1), _clipped(max(x) + 3, width - 1) + 1
    top, bottom = _clipped(min(y) - 2, height - 1), _clipped(max(y) + 3, height - 1) + 1
    part = cv2.cvtColor(rgb[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    return np.asarray(part, np.uint8), complex(left, top)


def _clipped(place: float, most: int) -> int:
    return int(min(max(place, 0), most))


def _placement(rgb: Pixels, landmarks: Floats, side: int) -> tuple[complex, complex]:
    """a, b of crop = a * picture + b, points as complex numbers: the least squares of turning, scaling and shifting.

    Umeyama (1991), doi 10.1109/34.88573, in the plane and without mirroring.
    """
    height, width = rgb.shape[:2]
    x, y = landmarks[_ANCHORS, 0] * width - 0.5, landmarks[_ANCHORS, 1] * height - 0.5
    seen = x.astype(np.float64) + 1j * y
    middle = (side - 1) / 2
    wanted = _PLACES * EYE_DISTANCE + complex(middle, middle - (SIDE - 1) / 2 + EYES_Y)
    offsets = seen - seen.mean()
    turn = complex(np.vdot(offsets, wanted - wanted.mean()) / max(float(np.vdot(offsets, offsets).real), 1e-9)) or 1e-9
    return turn, complex(wanted.mean()) - turn * complex(seen.mean())
