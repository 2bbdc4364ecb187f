"""Pixels of one camera go in, the landmarks of its face come out; the only file that knows MediaPipe.

Video mode with one face: the face is followed from frame to frame, so that the detector runs only when it was lost, and
landmarks are smoothed over time. A second face is looked for by a detector of its own (`FaceCounter`), now and then:
`num_faces=2` would run the detector on every frame, a fifth more time, and switch the smoothing off.
"""

import ctypes
import math
import zipfile
from pathlib import Path
from typing import Any, Final

import mediapipe
import numpy as np
from mediapipe.tasks.python import vision
from mediapipe.tasks.python.components.containers.category_c import MpCategoryC
from mediapipe.tasks.python.components.containers.landmark_c import MpNormalizedLandmarkC
from mediapipe.tasks.python.core.base_options import BaseOptions
from mediapipe.tasks.python.core.mediapipe_c_bindings import load_raw_library
from mediapipe.tasks.python.vision.face_landmarker import MpFaceLandmarkerResultC
from numpy.typing import NDArray

from emdr_stream.vision.found import DetectedFace, FoundFace

N_LANDMARKS: Final = 478
N_BLENDSHAPES: Final = 52
_MATRIX: Final = 16
_OK: Final = 0
_USUAL_STEP_MS: Final = 33
_LONGEST_STEP_MS: Final = 1_000

# Where the numbers lie in MediaPipe's own structs: read in one piece each. Its Python classes make 530 objects of a
# face, which takes as long as half of the decoding.
_XYZ: Final = np.dtype(
    {
        "names": ["xyz"],
        "formats": [(np.float32, 3)],
        "offsets": [MpNormalizedLandmarkC.x.offset],
        "itemsize": ctypes.sizeof(MpNormalizedLandmarkC),
    }
)
_SCORE: Final = np.dtype(
    {
        "names": ["score"],
        "formats": [np.float32],
        "offsets": [MpCategoryC.score.offset],
        "itemsize": ctypes.sizeof(MpCategoryC),
    }
)


class Landmarker:
    """The landmarks of one camera's face over time; about 20 MiB. Close it, and use it from one thread."""

    def __init__(self, model: Path) -> None:
        """`model`: what `open_landmarker` gave."""
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=1,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        self._task: Any = vision.FaceLandmarker.create_from_options(options)
        # Its own calls go through a thread of their own, there and back; one thread uses this object anyway.
        self._library: Any = load_raw_library()
        self._client_ms = 0.0
        self._own_ms = 0

    def find(self, rgb: NDArray[np.uint8], ts_ms: float) -> FoundFace | None:
        """The face in these pixels (uint8 [height, width, 3]), or None. `ts_ms`: the camera's clock, which may jump."""
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, rgb)
        result = MpFaceLandmarkerResultC()
        error = ctypes.c_char_p()
        status = self._library.MpFaceLandmarkerDetectForVideo(
            self._task._handle,
            image._image_ptr,
            None,
            self._advance(ts_ms),
            ctypes.byref(result),
            ctypes.byref(error),
        )
        if status != _OK:
            if error.value is not None:
                self._library.MpErrorFree(error)
            raise RuntimeError(f"MediaPipe cannot look at a picture (status {status})")
        try:
            return _copied(result) if result.face_landmarks_count else None
        finally:
            self._library.MpFaceLandmarkerCloseResult(ctypes.byref(result))

    def close(self) -> None:
        """Free the graph; nothing may be found afterwards."""
        self._task.close()

    def _advance(self, ts_ms: float) -> int:
        """Our own clock, which only rises, whatever the camera's does: MediaPipe refuses a time that does not, and its
        smoothing takes the step for how far the face may have moved."""
        step = ts_ms - self._client_ms
        self._client_ms = ts_ms
        if not math.isfinite(step) or step <= 0:
            step = _USUAL_STEP_MS
        self._own_ms += max(1, int(min(step, _LONGEST_STEP_MS)))
        return self._own_ms


class FaceCounter:
    """How many faces a picture shows; without memory, so that one serves all cameras. Close it."""

    def __init__(self, model: Path, *, least_score: float) -> None:
        """`model`: what `open_landmarker` gave; the detector is part of it."""
        with zipfile.ZipFile(model) as bundle:
            detector = bundle.read("face_detector.tflite")
        options = vision.FaceDetectorOptions(
            base_options=BaseOptions(model_asset_buffer=detector),
            running_mode=vision.RunningMode.IMAGE,
            min_detection_confidence=least_score,
        )
        self._task: Any = vision.FaceDetector.create_from_options(options)

    def look(self, rgb: NDArray[np.uint8]) -> list[DetectedFace]:
        """The faces in these pixels (uint8 [height, width, 3]), the surest first."""
        height, width = rgb.shape[:2]
        found = self._task.detect(mediapipe.Image(mediapipe.ImageFormat.SRGB, rgb)).detections
        faces = [
            DetectedFace(
                float(one.categories[0].score),
                one.bounding_box.origin_x / width,
                one.bounding_box.origin_y / height,
                one.bounding_box.width / width,
                one.bounding_box.height / height,
            )
            for one in found
        ]
        return sorted(faces, key=lambda face: -face.score)

    def close(self) -> None:
        self._task.close()


def _copied(result: Any) -> FoundFace | None:
    """The first face, copied out of memory that MediaPipe is about to free; None when its numbers are none."""
    points, scores = result.face_landmarks[0], result.face_blendshapes[0]
    matrix = result.facial_transformation_matrixes[0]
    if (points.landmarks_count, scores.categories_count, matrix.rows * matrix.cols) != (
        N_LANDMARKS,
        N_BLENDSHAPES,
        _MATRIX,
    ):
        raise RuntimeError("MediaPipe gave a face of another form")
    face = FoundFace(
        _structs(points.landmarks, N_LANDMARKS, _XYZ)["xyz"].copy(),
        _structs(scores.categories, N_BLENDSHAPES, _SCORE)["score"].copy(),
        _structs(matrix.data, _MATRIX, np.dtype(np.float32)).reshape(4, 4).T.copy(),
    )
    total = float(face.landmarks.sum() + face.blendshapes.sum() + face.matrix.sum())
    return face if math.isfinite(total) else None


def _structs(pointer: Any, count: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """`count` structs from `pointer` on, as they lie."""
    address = ctypes.cast(pointer, ctypes.c_void_p).value
    if address is None:
        raise RuntimeError("MediaPipe gave a face without numbers")
    memory = (ctypes.c_char * (count * kind.itemsize)).from_address(address)
    lying: NDArray[Any] = np.frombuffer(memoryview(memory), kind)
    return lying
