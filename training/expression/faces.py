"""The folder of face sets goes in, pictures with their labels come out: what may train apart from what may only judge.

Licences and splits are those of the data folder's README. `TRAINED_ON` names the sets that weights may come from; the
others are read by the evaluation alone.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import EMOTIONS

Pixels = NDArray[np.uint8]

FERPLUS: Final = "ferplus"
SYNTHETIC: Final = "synthetic"
PERFORMERS: Final = "performers"
CKPLUS: Final = "ckplus"
TRAINED_ON: Final = (FERPLUS, SYNTHETIC)
SETS: Final = (FERPLUS, SYNTHETIC, PERFORMERS, CKPLUS)

FER_VOTES: Final = ("happiness", "sadness", "anger", "fear", "surprise", "disgust", "neutral")
"""FER+'s names of votes, in the order of EMOTIONS."""
_FOLDERS: Final = {
    "happy": "joy",
    "sad": "sadness",
    "sadness": "sadness",
    "angry": "anger",
    "anger": "anger",
    "fear": "fear",
    "surprise": "surprise",
    "disgust": "disgust",
    "neutral": "neutral",
}
TRAIN, VALID, TEST = 0, 1, 2
UNSURE: Final = -1


@dataclass(frozen=True, slots=True)
class FerPlus:
    """Web faces, n of them. `images` [n, 48, 48]; `votes` [n, 7] in the order of EMOTIONS, raters;
    `other` [n]: votes for contempt, `unsure` [n]: for unknown or no face; `intent` [n]: the word by which FER2013 found
    the picture, an index into EMOTIONS or UNSURE; `split` [n]: TRAIN, VALID or TEST."""

    images: Pixels
    votes: NDArray[np.float32]
    other: NDArray[np.float32]
    unsure: NDArray[np.float32]
    intent: NDArray[np.int64]
    split: NDArray[np.int64]

    def label(self) -> NDArray[np.int64]:
        """[n] index into EMOTIONS of the class with most votes; UNSURE where contempt, unknown or no face has as many,
        or where two classes share the first place."""
        best = self.votes.max(1)
        tied = (self.votes == best[:, None]).sum(1) > 1
        lost = np.maximum(self.other, self.unsure) >= best
        return np.where(tied | lost, UNSURE, self.votes.argmax(1))

    def agreed(self) -> NDArray[np.bool_]:
        """[n] whether more than half of the raters chose one of the seven: FER+'s own "majority"."""
        total = self.votes.sum(1) + self.other + self.unsure
        agreed: NDArray[np.bool_] = self.votes.max(1) > total / 2
        return agreed


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture on disk. `label`: index into EMOTIONS, UNSURE when it is none of the seven.
    `affect`: valence and arousal, where the set has them. `person`: who is in it, "" when unknown."""

    path: Path
    label: int
    person: str = ""
    affect: tuple[float, float] | None = None
    seen: int = UNSURE
    """What most raters saw, where it differs from what was performed."""

    @property
    def held_out(self) -> bool:
        """Whether a synthetic picture belongs to the half that may never train."""
        return int(hashlib.sha256(self.path.name.encode()).hexdigest()[-1], 16) % 2 == 0


def read_ferplus(data: Path) -> FerPlus:
    """Raises OSError when the folder lacks the set."""
    stored = np.load(data / "faces" / FERPLUS / "images.npz", allow_pickle=False)
    names = [str(name) for name in stored["vote_names"]]
    votes = stored["votes"].astype(np.float32)
    columns = [names.index(name) for name in FER_VOTES]
    found = stored["fer2013_label"].astype(np.int64)
    order = np.array([_index(_FOLDERS[str(name)]) for name in stored["classes"]])
    return FerPlus(
        stored["images"],
        votes[:, columns],
        votes[:, names.index("contempt")],
        votes[:, names.index("unknown")] + votes[:, names.index("NF")],
        np.where(found < 0, UNSURE, order[found]),
        stored["split"].astype(np.int64),
    )


def read_pictures(data: Path, name: str) -> list[Picture]:
    """The pictures of SYNTHETIC, PERFORMERS or CKPLUS in a fixed order. Raises OSError when the folder lacks them."""
    folder = data / "faces" / name
    return list({SYNTHETIC: _synthetic, PERFORMERS: _performers, CKPLUS: _ckplus}[name](folder))


def read_rgb(path: Path) -> Pixels:
    """[H, W, 3] RGB. Raises OSError when it is no picture."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise OSError(f"{path} is no picture")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _synthetic(folder: Path) -> Iterator[Picture]:
    with (folder / "dataset_sheet.csv").open(newline="", encoding="utf-8") as file:
        # The sheet names PNG files of the source; the pictures here are JPEG files of the same names.
        sheet = {Path(row["subDirectory_filePath"]).stem: row for row in csv.DictReader(file)}
    for path in sorted(folder.glob("*/*.jpg")):
        row = sheet.get(path.stem)
        affect = None if row is None else (float(row["valence"]), float(row["arousal"]))
        yield Picture(path, _index(_FOLDERS[path.parent.name]), affect=affect)


def _performers(folder: Path) -> Iterator[Picture]:
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            performed, seen = (_FOLDERS.get(row[column], "") for column in ("performed", "rated_argmax"))
            yield Picture(folder / "images" / row["file"], _index(performed), row["subject"], seen=_index(seen))


def _ckplus(folder: Path) -> Iterator[Picture]:
    for path in sorted(folder.glob("*/*.png")):
        yield Picture(path, _index(_FOLDERS.get(path.parent.name, "")), path.name.split("_")[0])


def _index(emotion: str) -> int:
    return EMOTIONS.index(emotion) if emotion in EMOTIONS else UNSURE
