"""The evaluation's pictures go in, what the service's own code and a peer say of each come out.

The way is the service's: landmarker, crop, ONNX Runtime. Nothing is read from the cache of the training.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.vision.crop import aligned_crop
from emdr_stream.vision.expression import OnnxExpression
from emdr_stream.vision.geometry import head_pose
from emdr_stream.wire.face import Expression
from training.expression.faces import (
    CKPLUS,
    FERPLUS,
    PERFORMERS,
    SYNTHETIC,
    TEST,
    UNSURE,
    Pixels,
    read_ferplus,
    read_pictures,
    read_rgb,
)
from training.expression.landmarks import ENLARGED, Floats, Landmarker, Reading, padded, plain_landmarks
from training.expression.peers import Fer

Tick = Callable[[int, int], None]

STILLS: Final = "stills"
BOX: Final = 0.85
"""Side of the square that `fer` is given, in sides of the landmarks' square: about what its own detector finds."""


@dataclass(frozen=True, slots=True)
class Looks:
    """n pictures of one set. `label`, `seen` [n]: index into EMOTIONS, UNSURE when it has none; `seen` is what raters
    saw of what was performed. `ours`, `blind` (without pixels), `fer` [n, 7]; `camera` [n, 7]: ours as a camera's,
    where `ours` is as a web photograph's; `affect` [n, 2] ours, `felt` [n, 2] true, NaN when unknown; `found` [n]:
    whether the landmarker found a face; `names` of the files."""

    names: list[str]
    label: NDArray[np.int64]
    seen: NDArray[np.int64]
    found: NDArray[np.bool_]
    ours: Floats
    blind: Floats
    fer: Floats | None
    camera: Floats | None
    affect: Floats
    felt: Floats
    agreed: NDArray[np.bool_]

    def where(self, rows: NDArray[np.bool_]) -> "Looks":
        """Some of them."""
        return replace(
            self,
            names=[name for name, kept in zip(self.names, rows, strict=True) if kept],
            label=self.label[rows],
            seen=self.seen[rows],
            found=self.found[rows],
            ours=self.ours[rows],
            blind=self.blind[rows],
            fer=None if self.fer is None else self.fer[rows],
            camera=None if self.camera is None else self.camera[rows],
            affect=self.affect[rows],
            felt=self.felt[rows],
            agreed=self.agreed[rows],
        )


@dataclass(frozen=True, slots=True)
class _Shown:
    """One picture to be looked at. `small`: too small for the detector."""

    name: str
    picture: Callable[[], Pixels]
    small: bool
    label: int
    seen: int = UNSURE
    felt: tuple[float, float] = (np.nan, np.nan)
    agreed: bool = True


class Observer:
    """Looks at pictures with everything that is compared."""

    def __init__(self, camera: OnnxExpression, web: OnnxExpression, landmarker: Landmarker, fer: Fer | None) -> None:
        """`web`: reads FERPLUS, whose prior is known to be that of photographs from the web; `camera` the rest."""
        self._camera = camera
        self._web = web
        self._landmarker = landmarker
        self._fer = fer

    def set(self, data: Path, name: str, tick: Tick) -> Looks:
        """Every picture of FERPLUS (test), SYNTHETIC (held-out half), PERFORMERS, CKPLUS or STILLS."""
        shown = list(_shown(data, name))
        rows = []
        for n, one in enumerate(shown):
            rows.append(self._look(one, self._web if name == FERPLUS else self._camera))
            if n % 50 == 49 or n + 1 == len(shown):
                tick(n + 1, len(shown))
        found, ours, blind, fer, camera = (list(column) for column in zip(*rows, strict=True))
        return Looks(
            [one.name for one in shown],
            np.array([one.label for one in shown]),
            np.array([one.seen for one in shown]),
            np.array(found, np.bool_),
            np.array([e.emotions for e in ours], np.float32),
            np.array([e.emotions for e in blind], np.float32),
            None if self._fer is None else np.stack(fer),
            np.array([e.emotions for e in camera], np.float32) if name == FERPLUS else None,
            np.array([(e.valence, e.arousal) for e in ours], np.float32),
            np.array([one.felt for one in shown], np.float32),
            np.array([one.agreed for one in shown], np.bool_),
        )

    def _look(
        self, one: _Shown, reader: OnnxExpression
    ) -> tuple[bool, Expression, Expression, Floats | None, Expression]:
        picture = one.picture()
        rgb, reading = self._read(picture, one.small)
        if reading is None:
            grey = aligned_crop(rgb, plain_landmarks())
            even = Expression(emotions=(1 / 7,) * 7, valence=0.0, arousal=0.0)
            fer = None if self._fer is None else self._fer.read_crop(np.asarray(rgb.mean(2), np.uint8))
            return False, reader.read_crop(grey), even, fer, self._camera.read_crop(grey)
        landmarks, blendshapes, matrix = reading
        ours = reader.read(rgb, landmarks, blendshapes, matrix)
        camera = ours if reader is self._camera else self._camera.read(rgb, landmarks, blendshapes, matrix)
        blind = reader.read_landmarks(blendshapes, head_pose(matrix))
        fer = None if self._fer is None else self._fer.read(rgb, _box(rgb, landmarks))
        return True, ours, blind, fer, camera

    def _read(self, picture: Pixels, small: bool) -> tuple[Pixels, Reading | None]:
        """The picture that was read, enlarged and framed where it is small, and the reading of it."""
        if not small:
            return picture, self._landmarker.read(picture)
        for side, border in ENLARGED:
            large = padded(picture, side, border)
            reading = self._landmarker.read(large)
            if reading is not None:
                return large, reading
        return padded(picture, ENLARGED[0][0], 0), None


def _box(rgb: Pixels, landmarks: Floats) -> tuple[int, int, int, int]:
    points = landmarks[:, :2] * np.array([rgb.shape[1], rgb.shape[0]], np.float32)
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) * BOX
    x, y = (low + high) / 2 - side / 2
    return int(x), int(y), int(side), int(side)


def _shown(data: Path, name: str) -> Iterator[_Shown]:
    if name == FERPLUS:
        web = read_ferplus(data)
        labels, agreed = web.label(), web.agreed()
        for i in np.flatnonzero(web.split == TEST):
            yield _Shown(str(i), lambda i=i: web.images[i], True, int(labels[i]), agreed=bool(agreed[i]))  # type: ignore[misc]
    elif name == STILLS:
        for path in sorted((data / STILLS).glob("*.jpg")):
            yield _Shown(path.name, lambda path=path: read_rgb(path), False, UNSURE)  # type: ignore[misc]
    else:
        for p in read_pictures(data, name):
            if name == SYNTHETIC and not p.held_out:
                continue
            felt = p.affect or (np.nan, np.nan)
            small = name == CKPLUS
            yield _Shown(p.path.name, lambda p=p: read_rgb(p.path), small, p.label, p.seen, felt)  # type: ignore[misc]


__all__ = ["CKPLUS", "FERPLUS", "PERFORMERS", "STILLS", "SYNTHETIC", "Looks", "Observer"]
