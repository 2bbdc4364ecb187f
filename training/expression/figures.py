"""What was said of the pictures of each set goes in, the figures of the table in the data's README come out."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import EMOTIONS
from training.expression.calibration import (
    GROUP,
    JOY,
    NEUTRAL,
    SURPRISE,
    calibration_error,
    concordance,
    macro_f1,
    three_recalls,
)
from training.expression.landmarks import Floats
from training.expression.looks import CKPLUS, FERPLUS, PERFORMERS, STILLS, SYNTHETIC, Looks
from training.package import Json

_SAD_OR_AFRAID: Final = (EMOTIONS.index("sadness"), EMOTIONS.index("fear"))

READERS: Final = ("ours", "fer", "blind", "camera")
"""The model that sees pixels, the peer, our model that sees blendshapes and pose alone; on web faces, which the first
and the third read as such, also what the model that sees pixels says of them as of a camera's."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How one reader did on one set of n pictures. Rows of `confusion` are true classes, columns what was read."""

    n: int
    accuracy: float
    macro_f1: float
    calibration_error: float
    recall: dict[str, float]
    precision: dict[str, float]
    confusion: list[list[int]]

    def plain(self) -> dict[str, Json]:
        """For JSON, rounded to what the pictures can tell."""
        return {
            "n": self.n,
            "accuracy": round(self.accuracy, 4),
            "macro_f1": round(self.macro_f1, 4),
            "ece": round(self.calibration_error, 4),
            "recall": {k: round(v, 3) for k, v in self.recall.items()},
            "precision": {k: round(v, 3) for k, v in self.precision.items()},
            "confusion": [list(row) for row in self.confusion],
        }


def figures(chances: Floats, label: NDArray[np.int64]) -> Figures:
    """Of probabilities [n, 7] for the true classes [n]. Macro F1 is over the classes that occur."""
    read = chances.argmax(1)
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    np.add.at(confusion, (label, read), 1)
    hits, true, said = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    occurs = [i for i in range(len(EMOTIONS)) if true[i]]
    return Figures(
        len(label),
        float((read == label).mean()),
        macro_f1(read, label),
        calibration_error(chances, label),
        {EMOTIONS[i]: float(hits[i] / true[i]) for i in occurs},
        {EMOTIONS[i]: float(hits[i] / max(int(said[i]), 1)) for i in occurs},
        confusion.tolist(),
    )


def three_way(chances: Floats, label: NDArray[np.int64]) -> dict[str, Json]:
    """Positive (joy), neutral, or distress (sadness, anger, fear, disgust): accuracy, and the recall of each.

    Pictures of surprise, which is either, are left out, and so is its probability.
    """
    kept = label != SURPRISE
    recalls = three_recalls(chances, label)
    names = ("positive", "neutral", "distress")
    recall = {f"{name}_recall": round(found, 4) for name, found in zip(names, recalls, strict=True)}
    counts = np.bincount(GROUP[label[kept]], minlength=3)
    return {"n": int(kept.sum()), "accuracy": round(float(counts @ recalls / kept.sum()), 4), **recall}


def by_set(sets: dict[str, Looks]) -> dict[str, Json]:
    """Every figure of every reader, by the name of the set."""
    report: dict[str, Json] = {}
    for name, looks in sets.items():
        part: dict[str, Json] = {"pictures": len(looks.names), "found": round(float(looks.found.mean()), 4)}
        for reader in READERS:
            chances = getattr(looks, reader)
            if chances is not None:
                part[reader] = _of_reader(name, looks, chances)
        if name == SYNTHETIC:
            known = ~np.isnan(looks.felt[:, 0])
            said, true = looks.affect[known], looks.felt[known]
            part["affect"] = {
                "n": int(known.sum()),
                "valence_ccc": round(concordance(said[:, 0], true[:, 0]), 4),
                "arousal_ccc": round(concordance(said[:, 1], true[:, 1]), 4),
            }
        report[name] = part
    return report


def _of_reader(name: str, looks: Looks, chances: Floats) -> dict[str, Json]:
    if name == STILLS:
        return {file: _said(row) for file, row in zip(looks.names, chances, strict=True)}
    kept = looks.label >= 0
    part = figures(chances[kept], looks.label[kept]).plain()
    if name == FERPLUS:
        agreed = kept & looks.agreed
        part["agreed"] = figures(chances[agreed], looks.label[agreed]).plain()
    if name == CKPLUS:
        # The set has no neutral face and the six others are known: the second reading leaves neutral out.
        six = np.delete(chances, NEUTRAL, axis=1)
        part["accuracy_of_six"] = round(float((six.argmax(1) == looks.label).mean(where=kept)), 4)
    if name == PERFORMERS:
        part["performed"] = part.copy()
        part.update(figures(chances[looks.seen >= 0], looks.seen[looks.seen >= 0]).plain())
        part["three_way"] = three_way(chances, looks.seen)
        part["grimaces"] = grimaces(chances, looks)
    return part


def grimaces(chances: Floats, looks: Looks) -> dict[str, Json]:
    """Of performers whom raters saw as sad or afraid: the mean P(joy), and how many were read as joyful."""
    sad = np.isin(looks.seen, _SAD_OR_AFRAID)
    joy = chances[sad, JOY]
    read = (chances[sad].argmax(1) == JOY).mean()
    return {"n": int(sad.sum()), "mean_joy": round(float(joy.mean()), 4), "read_as_joy": round(float(read), 4)}


def _said(row: Floats) -> Json:
    return {emotion: round(float(chance), 3) for emotion, chance in zip(EMOTIONS, row, strict=True)}
