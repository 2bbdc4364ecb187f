"""Face scores that a browser computed in, a view of the face out: the same as of a picture, without one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from emdr_stream.errors import ModelFailed
from emdr_stream.inference.choice import Choice, read_choice
from emdr_stream.inference.manifest import current_versions
from emdr_stream.vision.expression import LANDMARKS_EXPRESSION, load_landmarks_expression
from emdr_stream.vision.found import FaceLight
from emdr_stream.vision.pose import Floats, eye_closure, gaze
from emdr_stream.vision.quality import face_quality
from emdr_stream.wire.face import MOST_FACES, Expression, FaceProblem, FaceView
from emdr_stream.wire.stream import Landmarks

_AHEAD: Final = (0.0, 0.0, 0.0)
_WITHOUT_POSE: Final = 0.6
"""Trust in scores of a head of which nobody knows how it is turned; the model takes it to look ahead."""
_TALL_PX: Final = 1e3
_FAIR: Final = FaceLight(brightness=0.5, burnt=0.0, blur=0.0)
"""Size and light are the browser's to judge: it alone sees the picture."""


class ScoresReader(Protocol):
    """The expression model that needs no pixels."""

    def read_landmarks(self, blendshapes: Floats, pose: tuple[float, float, float]) -> Expression:
        """`blendshapes`: float32 [52] in MediaPipe's order; `pose`: yaw, pitch, roll in degrees."""


class BrowserFaces:
    """Reads `landmarks` messages. What the browser says of its picture's quality is all that is known of it."""

    def __init__(self, model: ScoresReader) -> None:
        self._model = model

    def read(self, message: Landmarks) -> FaceView:
        found = message.blendshapes
        faces = min(MOST_FACES, (found is not None) if message.faces is None else message.faces)
        if faces > 1:
            return FaceView(faces=MOST_FACES, quality=0.0, problem=FaceProblem.MANY_FACES)
        if faces == 0:
            return FaceView(faces=0, quality=0.0, problem=FaceProblem.NO_FACE)
        if found is None or message.quality <= 0:
            return FaceView(faces=1, quality=0.0, problem=FaceProblem.UNREADABLE)
        pose, trust = message.pose, _WITHOUT_POSE
        if pose is not None:
            trust, problem = face_quality(_TALL_PX, _FAIR, pose)
            if problem is not None:
                return FaceView(faces=1, quality=0.0, problem=problem, pose=pose, place=message.place)
        scores = np.array(found, dtype=np.float32)
        return FaceView(
            faces=1,
            quality=message.quality * trust,
            expression=self._expression(scores, _AHEAD if pose is None else (pose.yaw, pose.pitch, pose.roll)),
            eye_closure=eye_closure(scores),
            gaze=gaze(scores),
            pose=pose,
            place=message.place,
        )

    def _expression(self, scores: Floats, pose: tuple[float, float, float]) -> Expression | None:
        try:
            return self._model.read_landmarks(scores, pose)
        except ModelFailed:
            return None  # missing, as of a picture whose expression cannot be read


class SharedBrowserFaces:
    """Reads each session's messages by the version that is chosen for it."""

    def __init__(self, choice: Choice, readers: Mapping[str, BrowserFaces]) -> None:
        """`readers`: by version, of every version of `choice`."""
        self._choice = choice
        self._readers = readers

    def read(self, message: Landmarks, session_id: str) -> FaceView:
        return self._readers[self._choice.of(session_id).version].read(message)


def load_browser_faces(models_dir: Path, version: str | None = None) -> BrowserFaces | None:
    """The version in use where none is named; None where there is none. Raises ModelRefused for one that is unfit."""
    version = version or current_versions(models_dir).get(LANDMARKS_EXPRESSION)
    return None if version is None else BrowserFaces(load_landmarks_expression(models_dir, version))


def load_shared_faces(models_dir: Path) -> SharedBrowserFaces | None:
    """The version in use and the one that has a share. None where there is none. Raises ModelRefused."""
    choice = read_choice(models_dir, LANDMARKS_EXPRESSION)
    if choice is None:
        return None
    readers = {ref.version: load_browser_faces(models_dir, ref.version) for ref in choice.all}
    found = {version: reader for version, reader in readers.items() if reader is not None}
    return SharedBrowserFaces(choice, found) if len(found) == len(choice.all) else None
