"""Trained networks with their corrections go in, version folders that the service loads come out.

The graphs give probabilities: corrections, softmax and tanh are inside. The stored vectors hold noise and gradients,
never a face.
"""

import hashlib
import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from emdr_stream.inference.graphs import Shapes, load_graph
from emdr_stream.vision.crop import SIDE
from emdr_stream.vision.expression import (
    EMOTIONS_OUT,
    FACE_EXPRESSION,
    FACE_INPUTS,
    FEATURES,
    LANDMARKS_EXPRESSION,
    LANDMARKS_INPUTS,
    OUTPUTS,
    PIXELS,
    PRESENT,
    WEB_EMOTIONS_OUT,
)
from emdr_stream.vision.geometry import N_BLENDSHAPES, N_FEATURES, N_POSE
from training.expression.calibration import Calibration, Calibrations
from training.expression.landmarks import Floats
from training.expression.network import FELT, MEANT, N_CLASSES, SEEN, THIRD, ExpressionNetwork
from training.expression.plain import LandmarksNetwork
from training.package import Json, put_in_use

OPSET: Final = 17
TOLERANCE: Final = 1e-4
_ROWS: Final = 6
Said = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Made:
    """How a model was made, for people: the command, the seed, what it was trained on."""

    version: str
    command: str
    seed: int
    data: str


class Corrected(nn.Module):
    """Logits of the network to calibrated probabilities [n, 7]."""

    log_prior: Tensor

    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        self.intent = calibration.intent
        self.seen = calibration.seen
        self.third = calibration.third
        self.temperature = calibration.temperature
        self.hedge = calibration.hedge
        self.register_buffer("log_prior", torch.from_numpy(calibration.correction()))

    def forward(self, said: Tensor) -> Tensor:
        """[n, N_OUT], with the third answer where that counts, to [n, 7]."""
        chances = torch.softmax(self.logits(said), 1)
        return chances * (1 - self.hedge) + self.hedge / N_CLASSES

    def logits(self, said: Tensor) -> Tensor:
        """[n, 7], of which the softmax is taken."""
        joined = self.seen * said[:, SEEN] + self.intent * said[:, MEANT]
        if self.third:
            joined = joined + self.third * said[:, THIRD]
        joined = joined / (self.seen + self.intent + self.third)
        return (joined - self.log_prior) / self.temperature


class Answered(nn.Module):
    """Logits of the network to every output, in the order of OUTPUTS."""

    def __init__(self, calibrations: Calibrations) -> None:
        super().__init__()
        self.camera = Corrected(calibrations.camera)
        self.web = Corrected(calibrations.web)

    def forward(self, said: Tensor) -> Said:
        """[n, N_OUT] to probabilities, affect [n, 2], and probabilities of a web face."""
        return self.camera(said), torch.tanh(said[:, FELT]), self.web(said)


class FaceGraph(nn.Module):
    """What is exported of the network that sees pixels."""

    def __init__(self, network: ExpressionNetwork, calibrations: Calibrations) -> None:
        super().__init__()
        self.network = network
        self.answered = Answered(calibrations)

    def forward(self, pixels: Tensor, features: Tensor, present: Tensor) -> Said:
        """`pixels` [n, 48, 48], `features` [n, N_FEATURES], `present` [n, 1]."""
        said: Said = self.answered(self.network(pixels.unsqueeze(1), features, present))
        return said


class LandmarksGraph(nn.Module):
    """What is exported of the network without pixels."""

    def __init__(self, network: LandmarksNetwork, calibrations: Calibrations) -> None:
        super().__init__()
        self.network = network
        self.answered = Answered(calibrations)

    def forward(self, features: Tensor) -> Said:
        """`features` [n, 55]."""
        said: Said = self.answered(self.network(features))
        return said


def export_faces(models: Path, network: ExpressionNetwork, calibrations: Calibrations, made: Made) -> Path:
    """Write `face_expression`, load it as the service does, and put it in use. Raises ModelRefused."""
    draw = np.random.default_rng(7)
    present = np.ones((_ROWS, 1), np.float32)
    present[-1] = 0.0
    rows = {
        PIXELS: np.stack([_pattern(n, draw) for n in range(_ROWS)]),
        FEATURES: draw.uniform(0, 0.6, (_ROWS, N_FEATURES)).astype(np.float32).round(4) * present,
        PRESENT: present,
    }
    graph = FaceGraph(network.eval(), calibrations).eval()
    return _write(models, FACE_EXPRESSION, graph, rows, FACE_INPUTS, calibrations, made)


def export_landmarks(models: Path, network: LandmarksNetwork, calibrations: Calibrations, made: Made) -> Path:
    """Write `face_landmarks_expression`, load it as the service does, and put it in use. Raises ModelRefused."""
    draw = np.random.default_rng(8)
    features = draw.uniform(0, 0.8, (_ROWS, N_BLENDSHAPES + N_POSE)).astype(np.float32).round(4)
    graph = LandmarksGraph(network.eval(), calibrations).eval()
    return _write(models, LANDMARKS_EXPRESSION, graph, {FEATURES: features}, LANDMARKS_INPUTS, calibrations, made)


def _pattern(n: int, draw: np.random.Generator) -> Floats:
    """A crop [48, 48] of whole numbers that is no face: a slope, waves, or noise."""
    across = np.linspace(0, 1, SIDE)
    if n % 3 == 0:
        picture = 255 * (across[None, :] * (n + 1) / _ROWS + across[:, None]) / 2
    elif n % 3 == 1:
        picture = 127 + 100 * np.sin(across[None, :] * 9 * n) * np.cos(across[:, None] * 7)
    else:
        picture = draw.uniform(0, 255, (SIDE, SIDE))
    return np.asarray(picture.round(), np.float32)


def _write(
    models: Path,
    name: str,
    graph: nn.Module,
    rows: dict[str, Floats],
    inputs: Shapes,
    calibrations: Calibrations,
    made: Made,
) -> Path:
    folder = models / name / made.version
    folder.mkdir(parents=True, exist_ok=True)
    content = _onnx(graph, rows, inputs)
    (folder / "model.onnx").write_bytes(content)
    with torch.inference_mode():
        said = graph(*(torch.from_numpy(rows[key]) for key in inputs))
    vectors: dict[str, Json] = {
        "inputs": {key: _listed(value) for key, value in rows.items()},
        "outputs": {name: _listed(one.numpy()) for name, one in zip(OUTPUTS, said, strict=True)},
        "tolerance": TOLERANCE,
    }
    vector_bytes = (json.dumps(vectors) + "\n").encode()
    (folder / "vectors.json").write_bytes(vector_bytes)
    manifest = {
        "name": name,
        "version": made.version,
        "file": "model.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "vectors": "vectors.json",
        "vectors_sha256": hashlib.sha256(vector_bytes).hexdigest(),
        "inputs": {key: list(shape) for key, shape in inputs.items()},
        "outputs": {key: list(shape) for key, shape in OUTPUTS.items()},
        "training": {"command": made.command, "seed": made.seed, "data": made.data},
        "calibration": {EMOTIONS_OUT: _plain(calibrations.camera), WEB_EMOTIONS_OUT: _plain(calibrations.web)},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    # The stored answers are torch's: loading compares ONNX Runtime with them.
    load_graph(folder, inputs=inputs, outputs=OUTPUTS)
    put_in_use(models, made.version, name)
    return folder


def _plain(calibration: Calibration) -> dict[str, Json]:
    return {
        "intent": calibration.intent,
        "prior_power": calibration.prior_power,
        "temperature": calibration.temperature,
        "seen": calibration.seen,
        "third": calibration.third,
        "calm": calibration.calm,
        "glad": calibration.glad,
        "hedge": calibration.hedge,
        "log_prior": list(calibration.log_prior),
    }


def _onnx(graph: nn.Module, rows: dict[str, Floats], inputs: Shapes) -> bytes:
    target = io.BytesIO()
    names = [*inputs, *OUTPUTS]
    with warnings.catch_warnings():
        # The newer exporter needs a package more, and gives the same nodes.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            tuple(torch.from_numpy(rows[key]) for key in inputs),
            target,
            input_names=list(inputs),
            output_names=list(OUTPUTS),
            dynamic_axes={key: {0: "n"} for key in names},
            opset_version=OPSET,
            dynamo=False,
        )
    return target.getvalue()


def _listed(values: Floats) -> Json:
    """Whole numbers as such: crops are shorter so."""
    listed: Json = values.astype(int).tolist() if np.array_equal(values, values.round()) else values.tolist()
    return listed
