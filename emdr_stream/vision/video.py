"""A video file or a camera of this machine goes in, its frames come out one by one; none is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from emdr_stream.errors import ConfigurationError
from emdr_stream.vision.decode import Rgb

_USUAL_FPS = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One frame: its number from 0, its time in the video in milliseconds, its pixels."""

    number: int
    ts_ms: float
    rgb: Rgb


class Video:
    """An open video; a context manager."""

    def __init__(self, source: Path | int) -> None:
        """`source`: a file, or the number of a camera. Raises ConfigurationError when nothing can be read of it."""
        self._live = isinstance(source, int)
        self._capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
        if not self._capture.isOpened():
            what = f"camera {source} cannot be opened" if self._live else f"{source} is no picture and no video"
            raise ConfigurationError(what)
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if 0.1 < fps < 1_000 else _USUAL_FPS
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frames: int | None = count if count > 0 and not self._live else None
        """How many there are, as far as the file says."""
        self.problem: str | None = None
        """Why `read` ended before the end of the video."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._capture.release()

    def read(self, every: int = 1) -> Iterator[VideoFrame]:
        """Every `every`-th frame, until the video ends. Frames that are left out are not decoded."""
        number = 0
        while self._capture.grab():
            if number % every == 0:
                there, bgr = self._capture.retrieve()
                if not there:
                    self.problem = f"frame {number} cannot be decoded: the rest was not read"
                    return
                rgb = np.ascontiguousarray(bgr[:, :, ::-1], dtype=np.uint8)
                yield VideoFrame(number, number * 1e3 / self.fps, rgb)
            number += 1
        if number == 0:
            self.problem = "shows nothing"
