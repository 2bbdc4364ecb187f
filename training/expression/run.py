"""A data folder and recipes go in, both models of expressions come out in the models folder, calibrated.

Each trained network is kept in the cache folder under the hash of what made it, so that a run that was cut off goes on
where it stopped.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from training.expression.calibration import Answers, Calibration, answers, calibrate, calibration_error, macro_f1
from training.expression.config import Recipe
from training.expression.dataset import Faces, synthetic_faces, web_faces
from training.expression.export import Made, export_faces, export_landmarks
from training.expression.faces import TRAIN, UNSURE, VALID
from training.expression.losses import Teaching
from training.expression.network import ExpressionNetwork
from training.expression.plain import landmarks_outputs, train_landmarks
from training.expression.train import built, outputs, train
from training.run import Progress, counted

SHIPPED: Final = "small"
TEACHERS: Final = ("teacher",)
LANDMARKS: Final = "landmarks"
FLOOR: Final = 0.825
"""Accuracy on FER+ (valid) that the correction of the prior must leave."""
LANDMARKS_FLOOR: Final = 0.70
LANDMARKS_HEDGE: Final = 0.15
"""A smile's blendshapes may be a grimace's: what reads nothing else is never surer than 0.87."""
FOLDS: Final = 4
"""Of the trainable synthetic faces, one of so many is kept to look at and never trained on."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is trained on, which of it is generated, and what is chosen on: web faces, and generated ones."""

    faces: Faces
    synthetic: NDArray[np.bool_]
    web: Faces
    other: Faces
    prior: NDArray[np.float32]


def gather(data: Path, landmarker: Path, cache: Path, progress: Progress) -> Material:
    """Read the trainable sets. Raises OSError when a set is missing."""
    tick = counted(progress, "finding landmarks of web faces")
    web = web_faces(data, landmarker, cache, TRAIN, tick)
    valid = web_faces(data, landmarker, cache, VALID, tick)
    generated = synthetic_faces(data, landmarker, cache, counted(progress, "finding landmarks of generated faces"))
    kept = np.arange(len(generated)) % FOLDS == 0
    used = generated.take(~kept)
    faces = web.joined(used)
    return Material(faces, np.arange(len(faces)) >= len(web), valid, generated.take(kept), web.votes.mean(0))


def make(
    recipes: dict[str, Recipe], data: Path, landmarker: Path, cache: Path, models: Path, made: Made, progress: Progress
) -> dict[str, float]:
    """Train, calibrate, export and put in use. Returns the figures on what was chosen on, by name."""
    material = gather(data, landmarker, cache, progress)
    shipped = recipes[SHIPPED]
    teaching = None
    if shipped.taught > 0:
        teachers = [_trained(name, recipes[name], material, cache, progress, None) for name in TEACHERS]
        teaching = _taught(teachers, material)
    network = _trained(SHIPPED, shipped, material, cache, progress, teaching)
    web = answers(outputs(network, material.web), material.web)
    calibration = calibrate(web, material.prior, FLOOR)
    export_faces(models, network, calibration, made)
    blind = train_landmarks(recipes[LANDMARKS], material.faces, material.synthetic)
    hedged = _calibrated_landmarks(blind, material)
    export_landmarks(models, blind, hedged, made)
    other = answers(outputs(network, material.other), material.other)
    return {**_judged("valid", web, calibration), **_judged("fold", other, calibration)}


def _judged(name: str, faces: Answers, calibration: Calibration) -> dict[str, float]:
    clear = faces.label != UNSURE
    chances, label = calibration.chances(faces.said[clear]), faces.label[clear]
    return {
        f"{name}_accuracy": float((chances.argmax(1) == label).mean()),
        f"{name}_macro_f1": macro_f1(chances.argmax(1), label),
        f"{name}_ece": calibration_error(chances, label),
    }


def _calibrated_landmarks(network: torch.nn.Module, material: Material) -> Calibration:
    found = material.web.take(material.web.found)
    web = answers(landmarks_outputs(network, found.features), found)
    return dataclasses.replace(calibrate(web, material.prior, LANDMARKS_FLOOR), hedge=LANDMARKS_HEDGE)


def _trained(
    name: str, recipe: Recipe, material: Material, cache: Path, progress: Progress, teaching: Teaching | None
) -> ExpressionNetwork:
    path = cache / f"{name}-{_hash(recipe, teaching)}.pt"
    if path.is_file():
        network = built(recipe)
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    progress.begin(f"training {name}", recipe.epochs)
    network = train(recipe, material.faces, material.synthetic, lambda epoch, _: progress.reach(epoch), teaching)
    torch.save(network.state_dict(), path)
    return network


def _taught(teachers: list[ExpressionNetwork], material: Material) -> Teaching:
    """The mean of the teachers' probabilities, over both sides of each face."""
    said = [outputs(t, material.faces, mirror=mirror) for t in teachers for mirror in (False, True)]
    votes = [torch.softmax(torch.from_numpy(s[:, :7]), 1).numpy() for s in said]
    intent = [torch.softmax(torch.from_numpy(s[:, 7:14]), 1).numpy() for s in said]
    return Teaching(np.mean(votes, axis=0), np.mean(intent, axis=0))


def _hash(recipe: Recipe, teaching: Teaching | None) -> str:
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(recipe)).encode())
    if teaching is not None:
        digest.update(teaching.votes.tobytes())
    return digest.hexdigest()[:12]
