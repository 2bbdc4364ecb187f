"""A camera's pictures go in, one after the other; a reading of the face in each comes out, with the time it took."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import Limits
from emdr_stream.vision.counting import LEAST_SCORE, Company
from emdr_stream.vision.decode import decode
from emdr_stream.vision.found import FaceLight, FoundFace
from emdr_stream.vision.landmarker import FaceCounter, Landmarker
from emdr_stream.vision.light import face_light
from emdr_stream.vision.pose import eye_closure, face_place, gaze, head_pose
from emdr_stream.vision.quality import face_quality
from emdr_stream.vision.reading import ExpressionReader, FaceReading
from emdr_stream.wire.face import Expression, FaceProblem, FaceView

Seconds = float
Clock = Callable[[], Seconds]

HALVE_FROM_PX: Final = 200.0
WHOLE_BELOW_PX: Final = 176.0
"""A picture is decoded at half size while its face is at least this tall in the whole one: 88 pixels are left. Of a
face of 190 pixels, JPEG compression at quality 75 moves the 52 scores by 0.0024 in the mean, and halving adds 0.003; of
one of 125 it is 0.004 and 0.005 (`python -m benchmarks face-drift`). Two limits, so that a face between them does not
flicker."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the readers of one process share. `landmarker`: what `open_landmarker` gave; `clock`: in seconds."""

    landmarker: Path
    counter: FaceCounter
    expression: ExpressionReader | None
    limits: Limits
    clock: Clock

    @classmethod
    def load(cls, landmarker: Path, expression: ExpressionReader | None, limits: Limits, clock: Clock) -> "Equipment":
        """Loads the detector; some 20 ms."""
        return cls(landmarker, FaceCounter(landmarker, least_score=LEAST_SCORE), expression, limits, clock)


LIGHT_EVERY_MS: Final = 500.0
"""How often brightness and blur are measured, by the camera's clock: a room's light and a lens's focus change slowly,
and a measurement takes 0.3 ms beside the landmarker, a thirtieth of a reading."""


class FaceReader:
    """Reads one camera's pictures. It remembers the face it follows, and no picture. Close it."""

    def __init__(self, equipment: Equipment) -> None:
        self.expression = equipment.expression
        """Who reads the next picture's expression; None: nobody."""
        self._equipment = equipment
        self._clock = equipment.clock
        self._landmarker = Landmarker(equipment.landmarker)
        self._company = Company(equipment.counter)
        self._halved = False
        self._light: FaceLight | None = None
        self._light_ms = 0.0

    def read(self, image: bytes, ts_ms: float) -> FaceReading:
        """Read a JPEG, PNG or WebP. `ts_ms`: the camera's clock. Raises ImageRejected."""
        started = self._clock()
        halved = self._halved
        rgb = decode(image, self._equipment.limits, halved=halved)
        return self._look(rgb, ts_ms, 2 if halved else 1, (self._clock() - started) * 1e3)

    def look(self, rgb: NDArray[np.uint8], ts_ms: float) -> FaceReading:
        """The same for pixels: uint8 [height, width, 3], contiguous."""
        return self._look(rgb, ts_ms, 1, 0.0)

    def close(self) -> None:
        """Free what follows the face, some 20 MiB; nothing may be read afterwards."""
        self._landmarker.close()

    def _look(self, rgb: NDArray[np.uint8], ts_ms: float, divisor: int, decode_ms: float) -> FaceReading:
        started = self._clock()
        face = self._landmarker.find(rgb, ts_ms)
        if face is None:
            self._halved = False
            self._light = None
            self._company.nobody()
            nobody = FaceView(faces=0, quality=0.0, problem=FaceProblem.NO_FACE)
            return FaceReading(nobody, decode_ms, (self._clock() - started) * 1e3, 0.0)
        view = self._view(rgb, face, ts_ms, divisor)
        found = self._clock()
        expression = self._expression(rgb, face) if view.problem is None else None
        if expression is not None:
            view = FaceView(
                faces=view.faces,
                quality=view.quality,
                expression=expression,
                eye_closure=view.eye_closure,
                gaze=view.gaze,
                pose=view.pose,
                place=view.place,
            )
        return FaceReading(view, decode_ms, (found - started) * 1e3, (self._clock() - found) * 1e3)

    def _view(self, rgb: NDArray[np.uint8], face: FoundFace, ts_ms: float, divisor: int) -> FaceView:
        """Everything but the expression. A face that cannot be used is placed all the same: a person may want to know
        where the camera should be turned."""
        height, width = rgb.shape[:2]
        place, pose = face_place(face.landmarks, width, height), head_pose(face.matrix)
        height_px = place.height * height * divisor
        self._halved = height_px >= (WHOLE_BELOW_PX if self._halved else HALVE_FROM_PX)
        quality, problem = face_quality(height_px, self._lit(rgb, face, ts_ms), pose)
        faces = self._company.count(rgb, face.landmarks, ts_ms)
        if faces > 1:  # nobody knows whose face is followed
            quality, problem = 0.0, FaceProblem.MANY_FACES
        return FaceView(
            faces=faces,
            quality=quality,
            problem=problem,
            eye_closure=eye_closure(face.blendshapes),
            gaze=gaze(face.blendshapes),
            pose=pose,
            place=place,
        )

    def _lit(self, rgb: NDArray[np.uint8], face: FoundFace, ts_ms: float) -> FaceLight:
        """A clock that jumped back is a reason to measure, too."""
        if self._light is None or not 0 <= ts_ms - self._light_ms < LIGHT_EVERY_MS:
            self._light, self._light_ms = face_light(rgb, face.landmarks), ts_ms
        return self._light

    def _expression(self, rgb: NDArray[np.uint8], face: FoundFace) -> Expression | None:
        model = self.expression
        return None if model is None else model.read(rgb, face.landmarks, face.blendshapes, face.matrix)
