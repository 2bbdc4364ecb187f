"""A picture, or the figures of a face alone, goes in; what the face shows comes out: emotions, valence, arousal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from emdr_stream.domain import EMOTIONS
from emdr_stream.errors import ModelFailed, ModelRefused
from emdr_stream.inference.graphs import OnnxGraph, Shapes, load_graph
from emdr_stream.inference.manifest import CURRENT, current_versions, default_models_dir
from emdr_stream.vision.crop import SIDE, Pixels, aligned_crop
from emdr_stream.vision.geometry import N_BLENDSHAPES, N_FEATURES, N_POSE, POSE_SCALE, Floats, face_features
from emdr_stream.wire.face import Expression
from emdr_stream.wire.values import ModelRef

FACE_EXPRESSION: Final = "face_expression"
"""Reads the aligned crop together with blendshapes, pose and shape."""
LANDMARKS_EXPRESSION: Final = "face_landmarks_expression"
"""Reads blendshapes and pose alone, for clients that keep every pixel at home."""

PIXELS: Final = "pixels"
FEATURES: Final = "features"
PRESENT: Final = "present"
EMOTIONS_OUT: Final = "emotions"
AFFECT_OUT: Final = "affect"
WEB_EMOTIONS_OUT: Final = "web_emotions"

OUTPUTS: Final[Shapes] = {
    EMOTIONS_OUT: (None, len(EMOTIONS)),
    AFFECT_OUT: (None, 2),
    WEB_EMOTIONS_OUT: (None, len(EMOTIONS)),
}
"""Calibrated probabilities in the order of EMOTIONS, for a camera before which any class is about as likely as another;
valence and arousal in [-1, 1]; the probabilities for a photograph from the web, where most faces are neutral or joyful,
which the service does not use."""
FACE_INPUTS: Final[Shapes] = {PIXELS: (None, SIDE, SIDE), FEATURES: (None, N_FEATURES), PRESENT: (None, 1)}
"""The crop, 0..255; the row of geometry.face_features; 1 where there is such a row, 0 for a face without landmarks."""
LANDMARKS_INPUTS: Final[Shapes] = {FEATURES: (None, N_BLENDSHAPES + N_POSE)}
"""The first columns of the same row."""

_PRESENT: Final = np.ones((1, 1), np.float32)
_ABSENT: Final = np.zeros((1, 1), np.float32)
_NO_FEATURES: Final = np.zeros((1, N_FEATURES), np.float32)


class PictureExpression:
    """Reads expressions in pictures, on the calling thread."""

    __slots__ = ("_faces", "_web")

    def __init__(self, faces: OnnxGraph, *, web: bool = False) -> None:
        """`web`: read photographs from the web rather than a camera's pictures."""
        self._faces = faces
        self._web = web

    @property
    def version(self) -> str:
        """Of the model that reads pictures."""
        return self._faces.version

    @property
    def sha256(self) -> str:
        """Of the model that reads pictures."""
        return self._faces.sha256

    def read(self, rgb: Pixels, landmarks: Floats, blendshapes: Floats, matrix: Floats) -> Expression:
        """What the face in `rgb` [H, W, 3] shows.

        Of the face landmarker: `landmarks` [478, 3] in parts of the picture's width and height, `blendshapes` [52] in
        MediaPipe's order, `matrix` [4, 4], the pose. Raises ModelFailed.
        """
        crop = aligned_crop(rgb, landmarks)
        features = face_features(landmarks, blendshapes, matrix, rgb.shape[1], rgb.shape[0])
        inputs = {PIXELS: crop[None].astype(np.float32), FEATURES: features[None], PRESENT: _PRESENT}
        return _expression(self._faces, inputs, self._web)

    def read_crop(self, crop: Pixels) -> Expression:
        """What a crop [48, 48] of a face shows by its pixels alone: a face in which no landmarks were found.

        Raises ModelFailed.
        """
        inputs = {PIXELS: crop[None].astype(np.float32), FEATURES: _NO_FEATURES, PRESENT: _ABSENT}
        return _expression(self._faces, inputs, self._web)


class LandmarksExpression:
    """Reads expressions without a pixel, on the calling thread."""

    __slots__ = ("_landmarks", "_web")

    def __init__(self, landmarks: OnnxGraph, *, web: bool = False) -> None:
        """`web`: as of PictureExpression."""
        self._landmarks = landmarks
        self._web = web

    def read_landmarks(self, blendshapes: Floats, pose: tuple[float, float, float]) -> Expression:
        """What a face shows by its blendshapes [52] and pose (yaw, pitch, roll in degrees, as in HeadPose) alone.

        Much less sure than pixels: a grimace of pain can look like a smile. Raises ModelFailed.
        """
        row = np.empty((1, N_BLENDSHAPES + N_POSE), np.float32)
        row[0, :N_BLENDSHAPES] = blendshapes
        row[0, N_BLENDSHAPES:] = pose
        row[0, N_BLENDSHAPES:] *= POSE_SCALE
        return _expression(self._landmarks, {FEATURES: row}, self._web)


class OnnxExpression(PictureExpression):
    """Both readers of expressions."""

    __slots__ = ("read_landmarks",)

    def __init__(self, faces: OnnxGraph, landmarks: OnnxGraph, *, web: bool = False) -> None:
        """`web`: as of PictureExpression."""
        super().__init__(faces, web=web)
        self.read_landmarks = LandmarksExpression(landmarks, web=web).read_landmarks


def load_expression(models_dir: Path | None = None, *, web: bool = False) -> OnnxExpression | None:
    """The readers of expressions that are in use, in the package's own folder of models when None; `web`: as above.

    None when `current.json` names no `face_expression`. Raises ModelRefused when a model is named and unfit.
    """
    folder = models_dir or default_models_dir()
    current = current_versions(folder)
    if FACE_EXPRESSION not in current:
        return None
    if LANDMARKS_EXPRESSION not in current:
        raise ModelRefused(
            f"{folder / CURRENT} names {FACE_EXPRESSION} but no {LANDMARKS_EXPRESSION}: restore both from the release"
        )
    faces = _picture_graph(folder, current[FACE_EXPRESSION])
    return OnnxExpression(faces, _landmarks_graph(folder, current[LANDMARKS_EXPRESSION]), web=web)


def load_picture_expression(models_dir: Path, reader: ModelRef) -> PictureExpression:
    """One version of `face_expression`. Raises ModelRefused, also where the folder holds another model by its name."""
    graph = _picture_graph(models_dir, reader.version)
    if graph.sha256 != reader.sha256:
        raise ModelRefused(
            f"{models_dir / FACE_EXPRESSION / reader.version} holds another model than the one that was put in use: "
            "give it a version of its own"
        )
    return PictureExpression(graph)


def load_landmarks_expression(models_dir: Path, version: str) -> LandmarksExpression:
    """One version of `face_landmarks_expression`. Raises ModelRefused."""
    return LandmarksExpression(_landmarks_graph(models_dir, version))


def _picture_graph(models_dir: Path, version: str) -> OnnxGraph:
    return load_graph(models_dir / FACE_EXPRESSION / version, inputs=FACE_INPUTS, outputs=OUTPUTS)


def _landmarks_graph(models_dir: Path, version: str) -> OnnxGraph:
    return load_graph(models_dir / LANDMARKS_EXPRESSION / version, inputs=LANDMARKS_INPUTS, outputs=OUTPUTS)


def _expression(graph: OnnxGraph, inputs: Mapping[str, Floats], web: bool) -> Expression:
    camera, affect, photograph = graph.run(inputs)
    chances = (photograph if web else camera)[0].tolist()
    valence, arousal = affect[0].tolist()
    # One NaN makes the sum NaN: a broken reading is never a face.
    if not abs(sum(chances) - 1.0) < 1e-3 or valence != valence or arousal != arousal:
        raise ModelFailed("the model of expressions gave no probabilities")
    return Expression(emotions=tuple(chances), valence=valence, arousal=arousal)
