"""What one picture showed and how long that took, and the port of the expression model; no package is needed here."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emdr_stream.wire.face import Expression, FaceView


class ExpressionReader(Protocol):
    """The expression model, as the reader needs it."""

    def read(
        self,
        rgb: NDArray[np.uint8],
        landmarks: NDArray[np.float32],
        blendshapes: NDArray[np.float32],
        matrix: NDArray[np.float32],
    ) -> Expression | None:
        """`rgb`: uint8 [height, width, 3]; `landmarks`: float32 [478, 3], parts of width and height; `blendshapes`:
        float32 [52]; `matrix`: float32 [4, 4]. None: nothing can be said."""
        ...


@dataclass(frozen=True, slots=True)
class FaceReading:
    """One picture read: what it showed, and how long decoding, the landmarks and the expression took, and how long it
    waited before that."""

    view: FaceView
    decode_ms: float
    face_ms: float
    expression_ms: float
    queue_ms: float = 0.0
