"""Pixels and the followed face go in; how many people are before the camera comes out, looked at now and then."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from emdr_stream.vision.found import DetectedFace
from emdr_stream.wire.face import MOST_FACES

LEAST_SCORE: Final = 0.6
"""Below this the detector takes hands and curtains for faces."""
LOOK_EVERY_MS: Final = 1_000.0
"""A look costs a quarter of a reading. The session waits for a second of two faces before it pauses, so nothing is won
by looking oftener."""
LOOK_AGAIN_MS: Final = 200.0
"""While two are seen: the end of it should be noticed soon."""


class Detector(Protocol):
    """Finds faces in one picture."""

    def look(self, rgb: NDArray[np.uint8]) -> Sequence[DetectedFace]: ...


class Company:
    """Whether the client is alone before one camera. Counts to two."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._faces = 1
        self._looked_ms: float | None = None

    def count(self, rgb: NDArray[np.uint8], landmarks: NDArray[np.float32], ts_ms: float) -> int:
        """1 or 2. `landmarks`: float32 [478, 3], the followed face's, as parts of the picture's width and height."""
        patience_ms = LOOK_EVERY_MS if self._faces < MOST_FACES else LOOK_AGAIN_MS
        # A clock that jumped back is a reason to look, too.
        if self._looked_ms is None or not 0 <= ts_ms - self._looked_ms < patience_ms:
            self._looked_ms = ts_ms
            low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
            others = sum(not _within(face, low, high) for face in self._detector.look(rgb))
            self._faces = min(MOST_FACES, 1 + others)
        return self._faces

    def nobody(self) -> None:
        """The followed face was lost: who comes next is looked at anew."""
        self._faces = 1
        self._looked_ms = None


def _within(face: DetectedFace, low: NDArray[np.float32], high: NDArray[np.float32]) -> bool:
    """Whether a detected face is the followed one: its middle lies within the other's box."""
    x, y = face.left + face.width / 2, face.top + face.height / 2
    return bool(low[0] <= x <= high[0] and low[1] <= y <= high[1])
