"""Real videos and pictures in, the JPEGs that a browser would send out: in memory alone."""

from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def video(path: Path, every: int = 1) -> list[Pixels]:
    """Each `every`-th frame as BGR pixels."""
    capture = cv2.VideoCapture(str(path))
    try:
        read = iter(capture.read, (False, None))
        frames = [np.asarray(frame, dtype=np.uint8) for kept, frame in read if kept]
    finally:
        capture.release()
    assert frames, f"no frames in {path.name}"
    return frames[::every]


def still(path: Path, width: int = 640) -> Pixels:
    """A picture, made as wide as a camera's."""
    pixels = cv2.imread(str(path))
    assert pixels is not None, f"no picture in {path.name}"
    height = round(pixels.shape[0] * width / pixels.shape[1])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def jpeg(pixels: Pixels, quality: int = 80) -> bytes:
    encoded, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert encoded
    return bytes(data)


def jpegs(frames: Iterable[Pixels]) -> list[bytes]:
    return [jpeg(frame) for frame in frames]


def round_and_round(pictures: Iterable[bytes], count: int) -> Iterator[bytes]:
    """So many pictures, from the beginning again where they end."""
    return islice(cycle(pictures), count)
