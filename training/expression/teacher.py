"""Pictures of faces go in, what `fer` says of them comes out, softened: targets beside the raters' votes.

`fer` (MIT) learnt FER2013's own labels, on which more faces show distress than raters see in them. It is asked of each
face as it is and as another camera would show it, so that its say is not that of one rendering.
"""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.expression.faces import Pixels
from training.expression.peers import SIDE, Fer

Floats = NDArray[np.float32]

SOFTNESS: Final = 2.0
"""The temperature of a teacher's probabilities (Hinton et al. 2015, arXiv 1503.02531)."""
_COARSE: Final = 28
_GAMMA: Final = 0.7
_SHARPER: Final = 1.0
"""Pixels to which a picture is shrunk; the power of its light; how much of its detail is added once more."""
_BATCH: Final = 256


def taught(fer: Fer, crops: list[Pixels]) -> Floats:
    """[n, 7] soft targets in the order of EMOTIONS; `crops`: grey pictures of faces alone, of any size."""
    parts = []
    for start in range(0, len(crops), _BATCH):
        some = [cv2.resize(crop, (SIDE, SIDE)).astype(np.float32) for crop in crops[start : start + _BATCH]]
        shown = (np.stack([changed(one) for one in some]) for changed in _VARIANTS)
        soft = [np.power(fer.read_batch(pictures), 1 / SOFTNESS) for pictures in shown]
        parts.append(np.mean([one / one.sum(1, keepdims=True) for one in soft], axis=0))
    return np.concatenate(parts).astype(np.float32)


def _coarser(picture: Floats) -> Floats:
    small = cv2.resize(picture, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (SIDE, SIDE)), np.float32)


def _brighter(picture: Floats) -> Floats:
    return np.asarray((picture / 255) ** _GAMMA * 255, np.float32)


def _sharper(picture: Floats) -> Floats:
    return np.asarray(np.clip(picture + (picture - cv2.blur(picture, (3, 3))) * _SHARPER, 0, 255), np.float32)


_VARIANTS: Final[tuple[Callable[[Floats], Floats], ...]] = (np.copy, _coarser, _brighter, _sharper)
