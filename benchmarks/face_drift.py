"""A folder of real pictures goes in; how far the 52 scores move when they are made worse comes out, as a table.

It is where the limits in `emdr_stream/vision/quality.py` and the rule for decoding at half size come from. Faces are
drawn at a height in pixels on grey 640x480 and encoded as JPEG, or blurred by a Gaussian of a part of their height.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.face_pictures import GREY, QUALITY, SIZE
from emdr_stream.domain import Limits
from emdr_stream.vision.decode import Rgb, decode
from emdr_stream.vision.found import FoundFace
from emdr_stream.vision.landmarker import Landmarker
from emdr_stream.vision.light import face_light
from emdr_stream.vision.model_file import open_landmarker
from emdr_stream.vision.pose import eye_closure, face_place

HEIGHTS_PX = (250, 190, 125, 90, 70, 55)
BLURS = (0.0, 0.01, 0.015, 0.02, 0.03)
_LONGEST = 640
_LOOKS = 4
_LIMITS = Limits()


def drift(data: Path) -> None:
    """Print both tables; a minute."""
    model = open_landmarker(None)
    originals = [(rgb, found) for rgb in _pictures(data) if (found := _find(model, rgb)) is not None]
    print(f"{len(originals)} pictures; mean change of the scores against the same picture as it is")
    print("face height, px    found   JPEG q75   JPEG q75, decoded at half size")
    for height in HEIGHTS_PX:
        drawn = [_drawn(rgb, found, height) for rgb, found in originals]
        plain = [_find(model, rgb) for rgb in drawn]
        jpegs = [_jpeg(rgb) for rgb in drawn]
        whole = _change(model, plain, [decode(jpeg, _LIMITS) for jpeg in jpegs])
        halved = _change(model, plain, [decode(jpeg, _LIMITS, halved=True) for jpeg in jpegs])
        print(f"{height:15} {sum(found is not None for found in plain):8} {whole:10.4f} {halved:10.4f}")
    print("blur, part of the face's height    change   eyes seem shut by   measured blur, least and most")
    for part in BLURS:
        worse = [(_blurred(rgb, found, part), found) for rgb, found in originals]
        found_again = [(rgb, before, after) for rgb, before in worse if (after := _find(model, rgb)) is not None]
        change = np.mean([_moved(before, after) for _, before, after in found_again])
        shut = np.mean([_shut(after) - _shut(before) for _, before, after in found_again])
        blur = [face_light(rgb, after.landmarks).blur for rgb, _, after in found_again]
        print(f"{part:30.3f} {change:10.4f} {shut:14.2f} {min(blur):20.2f} {max(blur):6.2f}")


def _pictures(data: Path) -> Iterator[Rgb]:
    performers = sorted(path for path in (data / "faces" / "performers").rglob("*") if path.suffix in {".jpg", ".png"})
    stills = sorted(path for path in (data / "stills").glob("*.jpg") if "two" not in path.name)
    for path in [*stills, *performers[::60]]:
        bgr = cv2.imread(str(path))
        if bgr is not None:
            scale = min(1.0, _LONGEST / max(bgr.shape[:2]))
            small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            yield np.ascontiguousarray(small[:, :, ::-1], dtype=np.uint8)


def _find(model: Path, rgb: Rgb) -> FoundFace | None:
    """With a landmarker of its own, after a few looks: the first of a video is rougher."""
    landmarker = Landmarker(model)
    found = [landmarker.find(rgb, 100.0 * number) for number in range(_LOOKS)][-1]
    landmarker.close()
    return found


def _height_px(rgb: Rgb, found: FoundFace) -> float:
    return float(face_place(found.landmarks, rgb.shape[1], rgb.shape[0]).height * rgb.shape[0])


def _drawn(rgb: Rgb, found: FoundFace, height: float) -> Rgb:
    """The face in the middle of the canvas, cut where the picture is larger."""
    scale = height / _height_px(rgb, found)
    middle = found.landmarks[:, :2].mean(axis=0) * (rgb.shape[1], rgb.shape[0]) * scale
    shift = np.array([[scale, 0, SIZE[0] / 2 - middle[0]], [0, scale, SIZE[1] / 2 - middle[1]]], np.float32)
    ready = rgb if scale >= 1 else cv2.GaussianBlur(rgb, (0, 0), 0.4 / scale)
    grey = (GREY, GREY, GREY)
    return np.ascontiguousarray(cv2.warpAffine(ready, shift, SIZE, borderValue=grey), dtype=np.uint8)


def _blurred(rgb: Rgb, found: FoundFace, part: float) -> Rgb:
    sigma = part * _height_px(rgb, found)
    return rgb if sigma == 0 else np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8)


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _change(model: Path, before: list[FoundFace | None], pictures: list[Rgb]) -> float:
    found = zip(before, pictures, strict=True)
    pairs = [(one, other) for one, rgb in found if one is not None and (other := _find(model, rgb)) is not None]
    return float(np.mean([_moved(one, other) for one, other in pairs])) if pairs else float("nan")


def _shut(found: FoundFace) -> float:
    return eye_closure(found.blendshapes)


def _moved(one: FoundFace, other: FoundFace) -> float:
    return float(np.abs(one.blendshapes - other.blendshapes).mean())
