"""In: a calibrated network and what is known of it. Out: a version folder that the service loads, and `current.json`.

Everything written depends on the arguments alone: the same training gives the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import Thresholds
from emdr_stream.pipeline.features import FEATURE_NAMES, N_FEATURES
from training.calibration import Calibration
from training.graph import BATCH, INPUT, OUTPUTS, build_graph
from training.network import CHANGE, CRISIS, N_STATES, RISK, Network, activated

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Features = NDArray[np.float32]

NAME: Final = "emotion_safety"
TOLERANCE: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Record:
    """What stands in the manifest for people. `command` made the model; `metrics` are written by the evaluation;
    `validation`: what the thresholds came to where they were chosen."""

    version: str
    command: str
    seed: int
    data: str
    metrics: dict[str, Json] = field(default_factory=dict)
    created: str | None = None
    validation: dict[str, Json] = field(default_factory=dict)


def expected_outputs(network: Network, features: Features) -> dict[str, Features]:
    """What the graph of a calibrated network must say of `features` (n, N_FEATURES), by output name."""
    said = activated(network.outputs(features))
    return {
        "emotion_state": said[:, :N_STATES],
        "safety_risk": said[:, RISK],
        "safety_crisis": said[:, CRISIS],
        "predicted_change": said[:, CHANGE],
    }


def stored_vectors(features: Features) -> Features:
    """A batch to remember (BATCH, N_FEATURES): real rows, zeros, and a row beyond the clipping on either side."""
    spread = np.linspace(0, len(features) - 1, BATCH - 3).astype(np.int64)
    edges = np.stack([np.zeros(N_FEATURES), np.full(N_FEATURES, 50.0), np.full(N_FEATURES, -50.0)])
    return np.concatenate([features[spread], edges.astype(np.float32)])


def write_version(models: Path, network: Network, calibration: Calibration, features: Features, record: Record) -> Path:
    """Write `models/emotion_safety/<version>/`, all but the card, and return it; `features` are rows to choose from."""
    folder = models / NAME / record.version
    folder.mkdir(parents=True, exist_ok=True)
    graph = build_graph(network)
    (folder / "model.onnx").write_bytes(graph)
    rows = stored_vectors(features)
    outputs = {name: _listed(values) for name, values in expected_outputs(network, rows).items()}
    vectors: dict[str, Json] = {"features": _listed(rows), "outputs": dict(outputs), "tolerance": TOLERANCE}
    vector_bytes = encoded(vectors, indent=None)
    (folder / "vectors.json").write_bytes(vector_bytes)
    manifest = _manifest(record, calibration, graph, vector_bytes)
    (folder / "manifest.json").write_bytes(encoded(manifest))
    return folder


def put_in_use(models: Path, version: str, name: str = NAME) -> None:
    """Name `version` of `name` in `current.json`, leaving the other models' entries as they are."""
    path = models / "current.json"
    current: dict[str, Json] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_bytes(encoded({**current, name: version}))


def _manifest(record: Record, calibration: Calibration, graph: bytes, vectors: bytes) -> dict[str, Json]:
    limits = Thresholds()
    manifest: dict[str, Json] = {
        "name": NAME,
        "version": record.version,
        "file": "model.onnx",
        "sha256": hashlib.sha256(graph).hexdigest(),
        "vectors": "vectors.json",
        "vectors_sha256": hashlib.sha256(vectors).hexdigest(),
        "inputs": {INPUT: [None, N_FEATURES]},
        "outputs": {name: [None, *shape] for name, shape in OUTPUTS.items()},
        "feature_names": list(FEATURE_NAMES),
        "thresholds": {
            "risk": limits.risk,
            "crisis_pause": limits.crisis_pause,
            "crisis_immediate": limits.crisis_immediate,
        },
        "training": {"command": record.command, "seed": record.seed, "data": record.data},
        "calibration": {
            "state_temperature": calibration.temperature,
            "risk_platt": list(calibration.risk),
            "crisis_platt": list(calibration.crisis),
            "risk_and_crisis_moved": list(calibration.moved),
        },
        "validation": record.validation,
        "metrics": record.metrics,
    }
    if record.created is not None:
        manifest["created"] = record.created
    return manifest


def _listed(values: Features) -> Json:
    listed: Json = values.tolist()
    return listed


def encoded(value: Mapping[str, Json], indent: int | None = 1) -> bytes:
    """JSON as all files of a model are written."""
    return (json.dumps(value, indent=indent, ensure_ascii=False) + "\n").encode()
