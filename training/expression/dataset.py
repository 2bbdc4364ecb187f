"""Face sets and what the landmarker read of them go in, arrays to train on come out: crops, features, soft targets.

Nothing here reads an evaluation set. The arrays hold pictures, so they live in memory alone.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import EMOTIONS
from emdr_stream.vision.crop import aligned_crop
from emdr_stream.vision.geometry import N_FEATURES, face_features
from training.expression.faces import (
    FERPLUS,
    SYNTHETIC,
    TEST,
    Pixels,
    read_ferplus,
    read_pictures,
    read_rgb,
)
from training.expression.landmarks import ENLARGED, Floats, Tick, padded, plain_landmarks, read_all

WIDE: Final = 64
"""Pixels of a training crop's side: the crop of the service with room for turning, shifting and scaling."""
N_CLASSES: Final = len(EMOTIONS)


@dataclass(frozen=True, slots=True)
class Faces:
    """n faces. `edged`, `framed` [n, WIDE, WIDE]: crops with the edge repeated, or a grey frame, beyond it.
    `features` [n, N_FEATURES], `found` [n]; `votes` [n, 7]: soft target, sums to 1; `intent` [n]: the class that was
    searched for or ordered when the picture was made, UNSURE when unknown; `affect` [n, 2]: valence, arousal, NaN when
    it must come from the votes; `generated` [n]: whether nobody ever had this face."""

    edged: Pixels
    framed: Pixels
    features: Floats
    found: NDArray[np.bool_]
    votes: Floats
    intent: NDArray[np.int64]
    affect: Floats
    generated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.edged)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """The chosen faces."""
        return type(self)(*(getattr(self, name)[rows] for name in Faces.__slots__))

    def joined(self, other: "Faces") -> "Faces":
        """These and the others, in this order."""
        return Faces(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in Faces.__slots__))


def web_faces(data: Path, landmarker: Path, cache: Path, split: int, tick: Tick) -> Faces:
    """FER+'s faces of TRAIN or VALID on which a class of the seven has votes. Raises ValueError for TEST."""
    if split == TEST:
        raise ValueError("the test split is read by the evaluation alone")
    web = read_ferplus(data)
    pictures = [partial(_picked, web.images, i) for i in range(len(web.images))]
    readings = read_all(pictures, len(pictures), landmarker, True, cache / FERPLUS, tick)
    # Where half of the raters or more saw contempt, or no emotion that they knew, seven classes say nothing.
    kept = (web.split == split) & (web.votes.sum(1) > web.other + web.unsure)
    rows = np.flatnonzero(kept)
    plain = plain_landmarks()
    edged = np.empty((len(rows), WIDE, WIDE), np.uint8)
    framed = np.empty_like(edged)
    features = np.zeros((len(rows), N_FEATURES), np.float32)
    side, border = ENLARGED[0]
    for n, i in enumerate(rows):
        found = readings.found[i]
        landmarks = readings.landmarks[i] if found else plain
        large = padded(web.images[i], side, border)
        edged[n] = aligned_crop(large[border:-border, border:-border], landmarks, WIDE)
        framed[n] = aligned_crop(large, in_padded(landmarks, side, border), WIDE)
        if found:
            features[n] = face_features(landmarks, readings.blendshapes[i], readings.matrices[i], 48, 48)
    votes = web.votes[rows] / web.votes[rows].sum(1, keepdims=True)
    intent = web.intent[rows]
    return Faces(
        edged,
        framed,
        features,
        readings.found[rows],
        votes,
        intent,
        np.full((len(rows), 2), np.nan, "f"),
        np.zeros(len(rows), np.bool_),
    )


def synthetic_faces(data: Path, landmarker: Path, cache: Path, tick: Tick) -> Faces:
    """The half of the synthetic faces that may train, those without a label of affect included."""
    pictures = read_pictures(data, SYNTHETIC)
    readings = read_all([partial(read_rgb, picture.path) for picture in pictures], len(pictures), landmarker, False,
                        cache / SYNTHETIC, tick)  # fmt: skip
    rows = [i for i, picture in enumerate(pictures) if not picture.held_out and readings.found[i]]
    edged = np.empty((len(rows), WIDE, WIDE), np.uint8)
    features = np.empty((len(rows), N_FEATURES), np.float32)
    for n, i in enumerate(rows):
        rgb = read_rgb(pictures[i].path)
        edged[n] = aligned_crop(rgb, readings.landmarks[i], WIDE)
        read = (readings.landmarks[i], readings.blendshapes[i], readings.matrices[i])
        features[n] = face_features(*read, rgb.shape[1], rgb.shape[0])
    intent = np.array([pictures[i].label for i in rows], np.int64)
    affect = np.array([pictures[i].affect or (np.nan, np.nan) for i in rows], np.float32)
    votes = np.eye(N_CLASSES, dtype=np.float32)[intent]
    return Faces(
        edged, edged, features, np.ones(len(rows), np.bool_), votes, intent, affect, np.ones(len(rows), np.bool_)
    )


def _picked(images: Pixels, i: int) -> Pixels:
    return images[i]


def in_padded(landmarks: Floats, side: int, border: int) -> Floats:
    """Landmarks in parts of a picture, in parts of the same picture `padded` to `side` with `border`."""
    whole = side + 2 * border
    moved = landmarks * np.float32(side / whole)
    moved[:, :2] += border / whole
    return np.asarray(moved, np.float32)
