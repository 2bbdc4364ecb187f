"""A video file goes in, its frames come out as a webcam would give them: pixels, and JPEG bytes, 640x480; in memory."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (640, 480)
QUALITY = 75
GREY = 110


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """The same frames twice: as uint8 [480, 640, 3] in the order red, green, blue, and as JPEG."""

    pixels: list[NDArray[np.uint8]]
    jpegs: list[bytes]


def pictures(video: Path, scale: float = 1.0) -> Pictures:
    """All frames of a video. `scale`: how large they are drawn, the rest being grey, so that the face is smaller.

    The pixels are those of the JPEGs: both sides of a comparison see the same.
    """
    source = cv2.VideoCapture(str(video))
    pixels: list[NDArray[np.uint8]] = []
    jpegs = []
    while True:
        there, frame = source.read()
        if not there:
            break
        canvas = np.full((SIZE[1], SIZE[0], 3), GREY, np.uint8)
        small = cv2.resize(frame, (int(SIZE[0] * scale), int(SIZE[1] * scale)), interpolation=cv2.INTER_AREA)
        top, left = (SIZE[1] - small.shape[0]) // 2, (SIZE[0] - small.shape[1]) // 2
        canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
        content = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        jpegs.append(content.tobytes())
        pixels.append(np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR_RGB), np.uint8))
    source.release()
    if not jpegs:
        raise SystemExit(f"{video} shows nothing: name a video file with --video")
    return Pictures(pixels, jpegs)
