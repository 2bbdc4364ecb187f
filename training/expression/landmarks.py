"""Pictures go in, what the face landmarker reads of them comes out, kept in a cache outside the repository.

The cache holds figures only: landmarks, blendshapes and pose matrices, never a picture.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from numpy.typing import NDArray

from emdr_stream.vision.geometry import ANCHOR_PLACES, ANCHORS, N_BLENDSHAPES, N_LANDMARKS
from training.expression.faces import Pixels

Floats = NDArray[np.float32]
Reading = tuple[Floats, Floats, Floats]
"""Landmarks [478, 3], blendshapes [52] and pose matrix [4, 4] of one face."""
Tick = Callable[[int, int], None]

PLAIN_EYE_DISTANCE: Final = 0.36
PLAIN_EYES: Final = (0.5, 0.39)
"""Where the eyes lie in a face of FER+ on average: their distance and their middle, in parts of the side."""
LANDMARKER_SHA256: Final = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
GREY: Final = 127
ENLARGED: Final = ((192, 64), (256, 128), (160, 48))
"""Side in pixels of an enlarged small picture, and the grey border around it; tried in turn until a face is found.
The first finds 96 % of FER+'s faces, twice as many of the rest as repeating the edge pixels would."""
_CHUNK: Final = 2000


@dataclass(frozen=True, slots=True)
class FaceReadings:
    """What was read of n pictures. `found` [n]; `landmarks` [n, 478, 3] in parts of the *unpadded* picture's width
    and height; `blendshapes` [n, 52]; `matrices` [n, 4, 4]. Zeros where no face was found."""

    found: NDArray[np.bool_]
    landmarks: Floats
    blendshapes: Floats
    matrices: Floats


class Landmarker:
    """MediaPipe's FaceLandmarker in image mode, one face. Use as a context manager."""

    def __init__(self, model: Path) -> None:
        """Raises OSError when `model` is missing, ValueError when it is not the file that this project pins."""
        data = model.read_bytes()
        if hashlib.sha256(data).hexdigest() != LANDMARKER_SHA256:
            raise ValueError(f"{model} is not the pinned face_landmarker.task")
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=data),
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
            num_faces=1,
        )
        self._landmarker = vision.FaceLandmarker.create_from_options(options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._landmarker.close()

    def read(self, rgb: Pixels) -> Reading | None:
        """Of the face in `rgb` [H, W, 3]; None without a face."""
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))
        result = self._landmarker.detect(picture)
        if not result.face_landmarks:
            return None
        landmarks = np.array([(point.x, point.y, point.z) for point in result.face_landmarks[0]], np.float32)
        blendshapes = np.array([shape.score for shape in result.face_blendshapes[0]], np.float32)
        return landmarks, blendshapes, np.asarray(result.facial_transformation_matrixes[0], np.float32)


def default_landmarker() -> Path:
    """Where the model is looked for: EMDR_LANDMARKER_FILE, or this environment's share/emdr-stream."""
    configured = os.environ.get("EMDR_LANDMARKER_FILE")
    return Path(configured) if configured else Path(sys.prefix) / "share" / "emdr-stream" / "face_landmarker.task"


def padded(picture: Pixels, side: int, border: int) -> Pixels:
    """A small picture [h, w] or [h, w, 3] enlarged to `side` and framed in grey, as RGB [side + 2 border, ...]."""
    rgb = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
    large = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_CUBIC)
    value = (GREY, GREY, GREY)
    return np.asarray(
        cv2.copyMakeBorder(large, border, border, border, border, cv2.BORDER_CONSTANT, value=value), np.uint8
    )


def read_small(landmarker: Landmarker, picture: Pixels) -> Reading | None:
    """As Landmarker.read for a picture of a face alone, too small for the detector; landmarks are in parts of it."""
    for side, border in ENLARGED:
        reading = landmarker.read(padded(picture, side, border))
        if reading is not None:
            landmarks, blendshapes, matrix = reading
            landmarks[:, :2] = (landmarks[:, :2] * (side + 2 * border) - border) / side
            landmarks[:, 2] *= (side + 2 * border) / side
            return landmarks, blendshapes, matrix
    return None


def plain_landmarks() -> Floats:
    """[478, 3], of which the anchors count: where they lie on average in a web face, for one in which none is found."""
    landmarks = np.zeros((N_LANDMARKS, 3), np.float32)
    landmarks[list(ANCHORS), :2] = ANCHOR_PLACES * PLAIN_EYE_DISTANCE + np.array(PLAIN_EYES, np.float32)
    return landmarks


def read_all(
    pictures: Iterable[Callable[[], Pixels]], count: int, landmarker: Path, small: bool, cache: Path, tick: Tick
) -> FaceReadings:
    """Read `count` pictures, or find them in `cache` (a path without suffix), which is written chunk by chunk so that
    a run that was cut off goes on where it stopped. `small`: faces too small for the detector are enlarged.

    Raises OSError and ValueError as Landmarker does.
    """
    cache.parent.mkdir(parents=True, exist_ok=True)
    whole = cache.with_suffix(".npz")
    if whole.is_file():
        stored = np.load(whole)
        if len(stored["found"]) == count:
            return FaceReadings(stored["found"], stored["landmarks"], stored["blendshapes"], stored["matrices"])
    parts = []
    waiting = list(pictures)
    with Landmarker(landmarker) as reader:
        for start in range(0, count, _CHUNK):
            parts.append(_chunk(waiting[start : start + _CHUNK], reader, small, Path(f"{cache}.{start}.npz")))
            tick(min(start + _CHUNK, count), count)
    joined = FaceReadings(*(np.concatenate([getattr(part, name) for part in parts]) for name in FaceReadings.__slots__))
    np.savez(whole, **{name: getattr(joined, name) for name in FaceReadings.__slots__})
    for start in range(0, count, _CHUNK):
        Path(f"{cache}.{start}.npz").unlink()
    return joined


def _chunk(pictures: list[Callable[[], Pixels]], reader: Landmarker, small: bool, path: Path) -> FaceReadings:
    if path.is_file():
        stored = np.load(path)
        return FaceReadings(*(stored[name] for name in FaceReadings.__slots__))
    n = len(pictures)
    chunk = FaceReadings(
        np.zeros(n, np.bool_),
        np.zeros((n, N_LANDMARKS, 3), np.float32),
        np.zeros((n, N_BLENDSHAPES), np.float32),
        np.zeros((n, 4, 4), np.float32),
    )
    for i, picture in enumerate(pictures):
        reading = read_small(reader, picture()) if small else reader.read(picture())
        if reading is not None:
            chunk.found[i] = True
            chunk.landmarks[i], chunk.blendshapes[i], chunk.matrices[i] = reading
    np.savez(path, **{name: getattr(chunk, name) for name in FaceReadings.__slots__})
    return chunk
