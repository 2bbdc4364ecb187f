"""A video of a real face in, what a webcam of 640x480 would send of it out: JPEGs, in memory alone."""

import os
from pathlib import Path
from typing import Final

import cv2

QUALITY: Final = 80
"""What browsers call 0.8."""
SIZE: Final = (640, 480)
_VIDEO: Final = Path("video") / "single_face.mp4"


def data_folder() -> Path:
    """Of the recordings that tests use too: EMDR_TEST_DATA, or `shared/data` beside the checkout.

    Raises FileNotFoundError with what to set.
    """
    configured = os.environ.get("EMDR_TEST_DATA")
    folder = Path(configured) if configured else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / _VIDEO).is_file():
        raise FileNotFoundError(f"no {_VIDEO} in {folder}: set EMDR_TEST_DATA to the folder of recordings")
    return folder


def webcam_pixels() -> list["cv2.typing.MatLike"]:
    """Every frame of the video, cut to the shape of a webcam's and scaled to SIZE; BGR."""
    capture = cv2.VideoCapture(str(data_folder() / _VIDEO))
    pictures = []
    while True:
        read, frame = capture.read()
        if not read:
            break
        height, width = frame.shape[:2]
        cut = (width - height * SIZE[0] // SIZE[1]) // 2
        pictures.append(cv2.resize(frame[:, cut : width - cut], SIZE, interpolation=cv2.INTER_LINEAR))
    capture.release()
    return pictures


def webcam_jpegs() -> list[bytes]:
    """The same as a browser encodes them."""
    encoded = [cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]) for pixels in webcam_pixels()]
    return [data.tobytes() for done, data in encoded if done]
