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
    warp = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    large = cv2.warpAffine(rgb, warp, (side * finer, side * finer), borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(large, cv2.COLOR_RGB2GRAY)
    if finer > 1:
        grey = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


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
    turn = complex(np.vdot(offsets, wanted - wanted.mean()) / max(float(np.vdot(offsets, offsets).real), 1e-9))
    return turn, complex(wanted.mean()) - turn * complex(seen.mean())
