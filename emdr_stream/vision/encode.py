"""Pixels in, the JPEG that a browser would send of them out: for clients of ours that show a video."""

from typing import Any, Final

import cv2
import numpy as np

_QUALITY: Final = 80
"""What browsers call 0.8."""


def jpeg(rgb: "np.typing.NDArray[np.uint8]", most: tuple[int, int]) -> bytes:
    """`rgb`: uint8 [height, width, 3]; `most`: width and height that it is made to fit into, when it is larger."""
    height, width = rgb.shape[:2]
    scale = min(1.0, most[0] / width, most[1] / height)
    bgr: Any = rgb[:, :, ::-1]
    if scale < 1.0:
        bgr = cv2.resize(bgr, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
