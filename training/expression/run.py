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

from training.expression.calibration import (
    Answers,
    Calibration,
    Calibrations,
    answers,
    calibrate,
    calibrate_camera,
    calibration_error,
    macro_f1,
    mean_recall,
    three_recalls,
)
from training.expression.config import Recipe
from training.expression.dataset import Faces, synthetic_faces, web_faces
from training.expression.export import Made, export_faces, export_landmarks
from training.expression.faces import TRAIN, UNSURE, VALID
from training.expression.network import ExpressionNetwork
from training.expression.plain import LandmarksNetwork, landmarks_outputs, train_landmarks
from training.expression.train import built, outputs, train
from training.run import Progress, counted

FIRST: Final = "first"
SHIPPED: Final = "small"
LANDMARKS: Final = "landmarks"
FLOOR: Final = 0.815
"""Accuracy on FER+ (valid) that the correction of the prior must leave: the must of 0.80 and two standard errors."""
LANDMARKS_FLOOR: Final = 0.70
LANDMARKS_HEDGE: Final = 0.15
"""A smile's blendshapes may be a grimace's: what reads nothing else is never surer than 0.87."""
FOLDS: Final = 4
"""Of the trainable synthetic faces, one of so many is kept to look at and never trained on."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is trained on, and what is chosen on and looked at: web faces, and generated ones."""

    faces: Faces
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
    return Material(faces, valid, generated.take(kept), web.votes.mean(0))


def make(
    recipes: dict[str, Recipe],
    data: Path,
    landmarker: Path,
    cache: Path,
    models: Path,
    made: Made,
    progress: Progress,
) -> dict[str, float]:
    """Train, calibrate, export and put in use. Returns the figures on what was chosen on, by name."""
    material = gather(data, landmarker, cache, progress)
    first = _trained(FIRST, recipes, None, material, cache, progress)
    network = _trained(SHIPPED, recipes, first, material, cache, progress)
    web = answers(outputs(network, material.web), material.web)
    other = answers(outputs(network, material.other), material.other)
    calibrations = Calibrations(calibrate_camera(web, other, material.prior), calibrate(web, material.prior, FLOOR))
    export_faces(models, network, calibrations, made)
    blind = train_landmarks(recipes[LANDMARKS], material.faces)
    hedged = _calibrated_landmarks(blind, material)
    export_landmarks(models, blind, hedged, made)
    judged = {**judged_on("valid", web, calibrations.web), **judged_on("fold", other, calibrations.camera)}
    return {
        **judged,
        **judged_by_three("valid_meant", web, calibrations.camera),
        **judged_by_three("fold", other, calibrations.camera),
    }


def make_landmarks(
    recipe: Recipe, data: Path, landmarker: Path, cache: Path, models: Path, made: Made, progress: Progress
) -> dict[str, float]:
    """The small network that sees no pixels, alone: minutes, where the one with pixels takes hours."""
    material = gather(data, landmarker, cache, progress)
    progress.begin("training: landmarks", 1)
    network = train_landmarks(recipe, material.faces)
    progress.reach(1)
    calibrations = _calibrated_landmarks(network, material)
    export_landmarks(models, network, calibrations, made)
    found = material.web.take(material.web.found)
    return judged_on("valid", answers(landmarks_outputs(network, found.features), found), calibrations.web)


def judged_on(name: str, faces: Answers, calibration: Calibration) -> dict[str, float]:
    """How what raters saw is read."""
    clear = faces.label != UNSURE
    chances, label = calibration.chances(faces.said[clear]), faces.label[clear]
    return {
        f"{name}_accuracy": float((chances.argmax(1) == label).mean()),
        f"{name}_macro_f1": macro_f1(chances.argmax(1), label),
        f"{name}_mean_recall": mean_recall(chances.argmax(1), label),
        f"{name}_ece": calibration_error(chances, label),
    }


def judged_by_three(name: str, faces: Answers, calibration: Calibration) -> dict[str, float]:
    """The recalls of joy, neutral and distress as they were meant."""
    known = faces.intent != UNSURE
    recalls = three_recalls(calibration.chances(faces.said[known]), faces.intent[known])
    return {
        f"{name}_{group}": recall for group, recall in zip(("positive", "neutral", "distress"), recalls, strict=True)
    }


def _calibrated_landmarks(network: LandmarksNetwork, material: Material) -> Calibrations:
    found = material.web.take(material.web.found)
    web = answers(landmarks_outputs(network, found.features), found)
    hedged = dataclasses.replace(calibrate(web, material.prior, LANDMARKS_FLOOR), hedge=LANDMARKS_HEDGE)
    # Without pixels as much distress as a camera's answer must find is found only by calling nearly every face
    # distressed: here both answers are the web's.
    return Calibrations(hedged, hedged)


def _trained(
    name: str,
    recipes: dict[str, Recipe],
    start: ExpressionNetwork | None,
    material: Material,
    cache: Path,
    progress: Progress,
) -> ExpressionNetwork:
    recipe = recipes[name]
    path = cache / f"{name}-{recipe_hash(recipe)}.pt"
    if path.is_file():
        network = built(recipe)
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    progress.begin(f"training: {name}", recipe.epochs)
    network = train(recipe, material.faces, lambda epoch, _: progress.reach(epoch), start)
    torch.save(network.state_dict(), path)
    return network


def recipe_hash(recipe: Recipe) -> str:
    """Twelve digits that tell one recipe from another."""
    return hashlib.sha256(json.dumps(dataclasses.asdict(recipe)).encode()).hexdigest()[:12]
