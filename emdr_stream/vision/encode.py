"""Pixels in, the JPEG that a browser would send of them out: for clients of ours that show a video."""

from typing import Any, Final

import cv2
import numpy as np

from emdr_stream.domain import Limits
from emdr_stream.vision.decode import Rgb

_ENVELOPE_BYTES: Final = 256
_QUALITIES: Final = (80, 60, 40, 20)
"""What browsers call 0.8, and less for a picture that would be too large."""


def jpeg(rgb: Rgb, limits: Limits) -> bytes:
    """`rgb`: uint8 [height, width, 3]. A picture that is too large is made to fit into `limits`, lying or upright."""
    height, width = rgb.shape[:2]
    longer, shorter = max(limits.pixels), min(limits.pixels)
    most = (longer, shorter) if width >= height else (shorter, longer)
    scale = min(1.0, most[0] / width, most[1] / height)
    bgr: Any = rgb[:, :, ::-1]
    if scale < 1.0:
        bgr = cv2.resize(bgr, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_AREA)
    content = b""
    for quality in _QUALITIES:
        content = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(content) < limits.message_bytes - _ENVELOPE_BYTES:
            break
    return content
