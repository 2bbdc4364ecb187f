"""Version 1 of face_expression, its elders and a data folder go in, version 2 comes out in the models folder.

What was trained is kept in the cache folder under the hash of what made it, so that a run that was cut off goes on
where it stopped.
"""

import copy
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from emdr_stream.vision.expression import FACE_EXPRESSION, LANDMARKS_EXPRESSION
from training.expression.augment import centred
from training.expression.calibration import JOY, Calibrations, answers, calibrate, mean_recall
from training.expression.camera import calibrate_third, grimaces, groups, holds
from training.expression.choice import State, apart, best
from training.expression.config import Recipe
from training.expression.dataset import Faces
from training.expression.distil import Class, Lesson, distilled, smiles
from training.expression.elders import Elders, begun
from training.expression.export import Made, export_faces
from training.expression.landmarks import Floats
from training.expression.network import TaughtNetwork
from training.expression.run import Material, gather, judged_by_three, judged_on
from training.expression.train import outputs
from training.run import Progress

FIRST: Final = "1"
"""The version of both readers that this one goes on from."""
SECOND: Final = "second"
FLOOR: Final = 0.83
"""Accuracy on FER+ (valid) that the web's answer must keep: the must of 0.80, and what FER+'s test split turned out to
be read less well."""
Weights = dict[str, torch.Tensor]
_EVALUATION_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything comes from: the data folder, MediaPipe's model, the models folder with version 1 of both
    readers, the folder with the other elders, and the folder for what can be resumed."""

    data: Path
    landmarker: Path
    first: Path
    elders: Path
    cache: Path


def make_second(
    recipe: Recipe, lesson: Lesson, sources: Sources, models: Path, made: Made, progress: Progress
) -> dict[str, float]:
    """Teach, choose, calibrate, export and put in use. Returns the figures on what was chosen on, by name.

    Raises OSError, and ModelRefused when version 1 is not what its manifest vouches for.
    """
    material = gather(sources.data, sources.landmarker, sources.cache, progress)
    blind = sources.first / LANDMARKS_EXPRESSION / FIRST
    elders = Elders(recipe, sources.first / FACE_EXPRESSION / FIRST, sources.elders)
    start = begun(elders)
    path = sources.cache / f"{SECOND}-{_hash(recipe, lesson)}.pt"
    if not path.is_file():
        progress.begin(f"training: {SECOND}", recipe.epochs)
        taught = Class(recipe, lesson, material.faces, smiles(material.faces, blind), elders)
        kept = distilled(taught, start, lambda epoch, _: progress.reach(epoch))
        torch.save([network.state_dict() for network in kept], path)
    judge = Judge(material, smiles(material.web, blind), elders)
    tried = [judge.tried(_with(start, state)) for state in torch.load(path, weights_only=True)]
    chosen = tried[best([one.state for one in tried])]
    export_faces(models, chosen.network, chosen.calibrations, made)
    return chosen.figures


@dataclass(frozen=True, slots=True)
class Tried:
    """A state of the network with its corrections, and how it does on what may be chosen on."""

    network: TaughtNetwork
    state: State
    calibrations: Calibrations
    figures: dict[str, float]


class Judge:
    """Tries states on faces that were not trained on."""

    def __init__(self, material: Material, smiling: Floats, elders: Elders) -> None:
        """`smiling`: as `smiles`, of the web faces."""
        self._material = material
        self._smiling = smiling
        self._wanted = [_together(elders, faces) for faces in (material.web, material.other)]

    def tried(self, network: TaughtNetwork) -> Tried:
        """Its corrections chosen, its figures taken."""
        material = self._material
        web = answers(outputs(network, material.web), material.web)
        other = answers(outputs(network, material.other), material.other)
        judged = groups(web, other)
        grimacing = grimaces(web, material.web, self._smiling)
        calibrations = Calibrations(calibrate_third(judged, grimacing), calibrate(web, material.prior, FLOOR))
        camera = calibrations.camera
        far = (apart(web.said, self._wanted[0]), apart(other.said, self._wanted[1]))
        figures = {
            "apart_valid": far[0],
            "apart_fold": far[1],
            **judged_on("valid", web, calibrations.web),
            **judged_on("fold", other, camera),
            **judged_by_three("valid_meant", web, camera),
            **judged_by_three("fold", other, camera),
            "valid_meant_mean_recall": mean_recall(camera.logits(judged[1].said).argmax(1), judged[1].true),
            "valid_grimaces": float(len(grimacing)),
            "valid_grimaces_as_joy": float((camera.logits(grimacing).argmax(1) == JOY).mean()),
            "valid_grimaces_joy": float(camera.chances(grimacing)[:, JOY].mean()),
        }
        kept = holds(camera, judged, grimacing) and figures["valid_accuracy"] >= FLOOR
        return Tried(network, State(far, kept), calibrations, {**figures, "holds": float(kept)})


def _together(elders: Elders, faces: Faces) -> Floats:
    """[n, 7] logs of the chances of the elders' camera's answer on plain crops."""
    parts = []
    for rows in np.array_split(np.arange(len(faces)), max(len(faces) // _EVALUATION_BATCH, 1)):
        some = faces.take(rows)
        present = torch.from_numpy(some.found.astype(np.float32))[:, None]
        said = elders.said(centred(torch.from_numpy(some.edged)), torch.from_numpy(some.features), present)
        # A mean of logs is that of chances only once they sum to 1 again.
        parts.append(said.camera.log_softmax(1).numpy())
    return np.concatenate(parts)


def _with(start: TaughtNetwork, weights: Weights) -> TaughtNetwork:
    network = copy.deepcopy(start)
    network.load_state_dict(weights)
    return network.eval()


def _hash(recipe: Recipe, lesson: Lesson) -> str:
    made_of = [dataclasses.asdict(recipe), dataclasses.asdict(lesson)]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]
