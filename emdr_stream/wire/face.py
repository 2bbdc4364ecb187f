"""What one look of a camera showed of a face, without the picture: made of a `frame`, or of a `landmarks` message."""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

from emdr_stream.domain import EMOTIONS
from emdr_stream.wire.values import Unit, Value

Signed = Annotated[float, Meta(ge=-1.0, le=1.0)]
"""A number in [-1, 1]."""
Part = Annotated[float, Meta(ge=-2.0, le=3.0)]
"""A part of a picture; a face may lie over its edge."""
Degrees = Annotated[float, Meta(ge=-180.0, le=180.0)]
MOST_FACES: Final = 2
"""Two stands for two or more: nobody counts further."""


class FaceProblem(StrEnum):
    """Why nothing can be read of a picture."""

    NO_FACE = "no_face"
    MANY_FACES = "many_faces"
    TOO_SMALL = "too_small"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    BLURRED = "blurred"
    TURNED_AWAY = "turned_away"
    UNREADABLE = "unreadable"
    """The browser that computed the face's scores does not trust its own picture."""


class HeadPose(Value, kw_only=True, frozen=True):
    """Degrees, 0 facing the camera. `yaw`: to the person's left positive; `pitch`: up positive; `roll`: the head
    leaning to the person's left shoulder positive."""

    yaw: Degrees
    pitch: Degrees
    roll: Degrees


class Gaze(Value, kw_only=True, frozen=True):
    """Where the eyes turn within the head, -1 to 1: `right` from the person's own view, `up`; 0 is straight ahead."""

    right: Signed
    up: Signed


class FacePlace(Value, kw_only=True, frozen=True):
    """Where the face is: `x`, `y` its centre as a part of the picture's width and height, from the upper left corner;
    `height`: from chin to forehead, as a part of the picture's height."""

    x: Part
    y: Part
    height: Annotated[float, Meta(ge=0.0, le=4.0)]


class Expression(Value, kw_only=True, frozen=True):
    """What the model reads of a face. `emotions`: in the order of EMOTIONS, calibrated, summing to 1."""

    emotions: Annotated[tuple[Unit, ...], Meta(min_length=len(EMOTIONS), max_length=len(EMOTIONS))]
    valence: Signed
    arousal: Signed


class FaceView(Value, kw_only=True, frozen=True):
    """One look at the client.

    `problem`: why it cannot be used, None when it can; then everything but `faces` and `quality` may be missing.
    `quality`: 0..1, how far the reading is to be trusted. `eye_closure`: 0 open, 1 closed, the mean of both eyes.
    """

    faces: Annotated[int, Meta(ge=0, le=MOST_FACES)]
    quality: Unit
    problem: FaceProblem | None = None
    expression: Expression | None = None
    eye_closure: Unit | None = None
    gaze: Gaze | None = None
    pose: HeadPose | None = None
    place: FacePlace | None = None
