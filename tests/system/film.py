"""A real face's video in, a camera for Chromium out whose mood a test chooses while it runs: calm, or smiling.

Chromium maps the file of a fake camera into memory and plays it over and over. All pictures have the same length here,
so that others can take their places while it plays; the file lies in memory and is gone with the browser.
"""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_PLACES: Final = 45
"""Pictures in the file: a second and a half."""
_SLOT_BYTES: Final = 64 * 1024
_MOST_COMMENT: Final = 65_000


class Mood(Enum):
    """Frames of `single_face.mp4`, first and last: a face at rest begins to smile after half a second."""

    CALM = (0, 14)
    SMILING = (22, 66)


class Film:
    """What the camera plays now."""

    def __init__(self, video: Path, folder: Path) -> None:
        self.path = folder / "camera.mjpeg"
        pictures = _pictures(video)
        self._wall = _padded(np.full_like(pictures[0], 128))
        self._moods = {mood: _there_and_back(pictures[mood.value[0] : mood.value[1] + 1]) for mood in Mood}
        self.path.write_bytes(b"".join(self._moods[Mood.CALM]))

    def show(self, mood: Mood) -> None:
        """From the next picture on; each place is written whole."""
        self._play(self._moods[mood])

    def leave(self) -> None:
        """The person goes: what is left is a grey wall."""
        self._play([self._wall] * _PLACES)

    def _play(self, pictures: Sequence[bytes]) -> None:
        with self.path.open("r+b", buffering=0) as places:
            for picture in pictures:
                places.write(picture)


def _pictures(video: Path) -> list[Picture]:
    reader = cv2.VideoCapture(str(video))
    found = []
    while True:
        there, picture = reader.read()
        if not there:
            break
        found.append(np.asarray(picture, dtype=np.uint8))
    reader.release()
    assert len(found) > Mood.SMILING.value[1], f"{video} is missing, or is another one"
    return found


def _there_and_back(pictures: Sequence[Picture]) -> list[bytes]:
    """As many as there are places, without a jump between two of them."""
    turn = [*pictures, *pictures[-2:0:-1]]
    return [_padded(turn[place % len(turn)]) for place in range(_PLACES)]


def _padded(picture: Picture) -> bytes:
    """A JPEG of exactly the length of a place: comments after its first marker fill it up."""
    done, encoded = cv2.imencode(".jpg", picture)
    assert done
    jpeg = encoded.tobytes()
    left = _SLOT_BYTES - len(jpeg)
    comments = []
    while left > 0:
        # Marker and length take four bytes; what is left after this comment must have room for them, too.
        size = left if left <= _MOST_COMMENT else min(_MOST_COMMENT, left - 4)
        comments.append(b"\xff\xfe" + (size - 2).to_bytes(2, "big") + bytes(size - 4))
        left -= size
    assert left == 0, "the picture is too large for its place"
    return jpeg[:2] + b"".join(comments) + jpeg[2:]
