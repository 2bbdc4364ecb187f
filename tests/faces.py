"""Real pictures of real faces for tests, encoded in memory: nothing of them is written anywhere."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emdr_stream.errors import ModelRefused
from emdr_stream.vision.model_file import open_landmarker

Rgb = NDArray[np.uint8]


def landmarker_or_skip() -> Path:
    """MediaPipe's model; without it a developer's run skips the test, a run with CI set fails."""
    try:
        return open_landmarker(None)
    except ModelRefused as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def still(folder: Path, name: str, longest: int = 640) -> Rgb:
    """A picture of `shared/data/stills`, at most `longest` pixels on its longer side."""
    bgr = cv2.imread(str(folder / "stills" / name))
    assert bgr is not None, f"{name} is missing"
    scale = min(1.0, longest / max(bgr.shape[:2]))
    small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[:, :, ::-1], dtype=np.uint8)


def video(folder: Path, name: str, *, size: tuple[int, int] | None = (640, 480), every: int = 1) -> list[Rgb]:
    """The frames of a file of `shared/data/video`, `size` as width and height."""
    source = cv2.VideoCapture(str(folder / "video" / name))
    frames: list[Rgb] = []
    number = 0
    while True:
        there, bgr = source.read()
        if not there:
            break
        if number % every == 0:
            seen = bgr if size is None else cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
            frames.append(np.ascontiguousarray(seen[:, :, ::-1], dtype=np.uint8))
        number += 1
    source.release()
    assert frames, f"{name} is missing"
    return frames


def jpeg(rgb: Rgb, quality: int = 75) -> bytes:
    """As a browser's canvas would send it."""
    done, content = cv2.imencode(".jpg", np.ascontiguousarray(rgb[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return content.tobytes()
