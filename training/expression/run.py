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

from training.expression.calibration import Calibration, answers, calibrate, calibration_error, macro_f1
from training.expression.config import Recipe
from training.expression.dataset import Faces, synthetic_faces, web_faces
from training.expression.export import Made, export_faces, export_landmarks
from training.expression.faces import TRAIN, VALID
from training.expression.losses import Teaching
from training.expression.network import ExpressionNetwork
from training.expression.plain import landmarks_outputs, train_landmarks
from training.expression.train import built, outputs, train
from training.run import Progress, counted

SHIPPED: Final = "small"
TEACHERS: Final = ("large",)
LANDMARKS: Final = "landmarks"
SLACK: Final = 0.006
"""How much of FER+'s validation accuracy the correction of the prior may cost."""
FOLDS: Final = 4
"""Of the trainable synthetic faces, one of so many is kept for calibration and never trained on."""


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
    web, other = (answers(outputs(network, faces), faces) for faces in (material.web, material.other))
    calibration = calibrate(web, other, material.prior, SLACK)
    export_faces(models, network, calibration, made)
    chances = calibration.chances(web.said)
    blind = train_landmarks(recipes[LANDMARKS], material.faces, material.synthetic)
    hedged = _calibrated_landmarks(blind, material)
    export_landmarks(models, blind, hedged, made)
    return {
        "valid_accuracy": float((chances.argmax(1) == web.label).mean()),
        "valid_macro_f1": macro_f1(chances.argmax(1), web.label),
        "valid_ece": calibration_error(chances, web.label),
        "fold_accuracy": float((calibration.logits(other.said).argmax(1) == other.label).mean()),
        "intent": calibration.intent,
        "prior_power": calibration.prior_power,
        "temperature": calibration.temperature,
    }


def _calibrated_landmarks(network: torch.nn.Module, material: Material) -> Calibration:
    found = material.web.take(material.web.found)
    web, other = (answers(landmarks_outputs(network, f.features), f) for f in (found, material.other))
    return calibrate(web, other, material.prior, SLACK)


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
