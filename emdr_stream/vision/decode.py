"""Bytes of a picture go in, its pixels come out; no byte reaches a decoder before its headers were found harmless."""

import os
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import Limits
from emdr_stream.errors import ImageRejected
from emdr_stream.vision.head import SEND, PictureFormat, PictureHead, damaged
from emdr_stream.vision.picture import picture_head
from emdr_stream.vision.png import refuse_long_pixels

Rgb: TypeAlias = NDArray[np.uint8]
"""Pixels, uint8 [height, width, 3], contiguous; red, green, blue."""

_MOST_PIXELS: Final = 1 << 26
_LONGEST_SIDE: Final = 1 << 14
# OpenCV reads these when it is loaded. A second line of defence, far above any limit of ours: what must not be decoded
# is refused by its headers.
for _name, _value in (("PIXELS", _MOST_PIXELS), ("WIDTH", _LONGEST_SIDE), ("HEIGHT", _LONGEST_SIDE)):
    os.environ.setdefault(f"OPENCV_IO_MAX_IMAGE_{_name}", str(_value))

import cv2  # noqa: E402 - not before its limits are set

cv2.setNumThreads(1)  # one picture is too small for more, and the other cores belong to other workers

_WHOLE: Final[Any] = cv2.IMREAD_COLOR_RGB
# OpenCV's names are for BGR: its IMREAD_REDUCED_COLOR_2 less the flag for colour, with the flag for RGB.
_HALVED: Final[Any] = cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB


def decode(image: bytes, limits: Limits, *, halved: bool = False) -> Rgb:
    """The pixels of a JPEG, PNG or WebP, turned upright as its EXIF says.

    `halved`: at half of the width and height, rounded up, which for a JPEG costs a third. Raises ImageRejected.
    """
    head = picture_head(image, limits)
    if head.format is PictureFormat.PNG:
        refuse_long_pixels(image)
    try:
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), _HALVED if halved else _WHOLE)
    except cv2.error:  # its text may quote the file
        pixels = None
    if pixels is None:
        raise damaged(head.format, "its pixels cannot be decoded")
    if not _fits(pixels.shape, head, 2 if halved else 1):
        raise ImageRejected("the picture's pixels do not fit its headers", SEND)
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def _fits(shape: tuple[int, ...], head: PictureHead, divisor: int) -> bool:
    across, down = -(-head.width // divisor), -(-head.height // divisor)
    return shape in {(down, across, 3), (across, down, 3)}
