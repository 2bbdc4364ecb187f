"""In: a calibrated network and what is known of it. Out: a version folder that the service loads, and `current.json`.

Everything written depends on the arguments alone: the same training gives the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import Thresholds
from emdr_stream.errors import ConfigurationError
from emdr_stream.inference.manifest import CURRENT, current_versions
from emdr_stream.inference.models import INPUT, MEMORY, MEMORY_NEXT, outputs_of
from emdr_stream.pipeline.features import FEATURE_NAMES, N_FEATURES
from training.calibration import Calibration
from training.graph import BATCH, build_graph
from training.network import CHANGE, CRISIS, N_STATES, RISK, Network, activated, in_double, taken_in
from training.passes import outputs

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Features = NDArray[np.float32]

NAME: Final = "emotion_safety"
TOLERANCE: Final = 5e-5
_EDGES: Final = (0.0, 1.0, -1.0)


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


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows to ask a model about: `features` (n, N_FEATURES), and what is remembered `before` each (n, units)."""

    features: Features
    before: Features


def expected_outputs(network: Network, asked: Asked) -> dict[str, Features]:
    """What the graph of a calibrated network must say of these rows, by output name: computed in double precision."""
    network = in_double(taken_in(network))
    raw, after = outputs(network, asked.features.astype(np.float64), asked.before.astype(np.float64))
    said = activated(raw)
    found = {
        "emotion_state": said[:, :N_STATES],
        "safety_risk": said[:, RISK],
        "safety_crisis": said[:, CRISIS],
        "predicted_change": said[:, CHANGE],
    }
    kept = found if network.cell is None else {**found, MEMORY_NEXT: after}
    return {name: part.astype(np.float32) for name, part in kept.items()}


def asked_of(features: Sequence[Features], before: Sequence[Features]) -> Asked:
    """A batch to store, of sessions' rows and what was remembered before each: real ones, zeros, and on either side a
    row of high features with a memory as full as it can be."""
    rows, remembered = np.concatenate(features), np.concatenate(before)
    spread = np.linspace(0, len(rows) - 1, BATCH - len(_EDGES)).astype(np.int64)
    edges = np.array(_EDGES, dtype=np.float32)[:, None]
    far, full = np.repeat(50.0 * edges, N_FEATURES, axis=1), np.repeat(edges, remembered.shape[1], axis=1)
    return Asked(np.concatenate([rows[spread], far]), np.concatenate([remembered[spread], full]))


def write_version(models: Path, network: Network, calibration: Calibration, asked: Asked, record: Record) -> Path:
    """Write `models/emotion_safety/<version>/`, all but the card, and return it; its answers to `asked` are stored."""
    folder = models / NAME / record.version
    folder.mkdir(parents=True, exist_ok=True)
    graph = build_graph(network)
    (folder / "model.onnx").write_bytes(graph)
    answers = {name: _listed(values) for name, values in expected_outputs(network, asked).items()}
    remembered: dict[str, Json] = {} if network.cell is None else {MEMORY: _listed(asked.before)}
    vectors: dict[str, Json] = {
        "features": _listed(asked.features),
        **remembered,
        "outputs": dict(answers),
        "tolerance": TOLERANCE,
    }
    vector_bytes = encoded(vectors, indent=None)
    (folder / "vectors.json").write_bytes(vector_bytes)
    manifest = _manifest(record, calibration, graph, vector_bytes, network.units)
    (folder / "manifest.json").write_bytes(encoded(manifest))
    return folder


def put_in_use(models: Path, version: str, name: str = NAME) -> None:
    """Name `version` of `name` in `current.json`, leaving the other models' entries as they are."""
    path = models / "current.json"
    current: dict[str, Json] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_bytes(encoded({**current, name: version}))


def version_in_use(models: Path) -> str:
    """Raises ConfigurationError where none is named, ModelRefused where that cannot be read."""
    version = current_versions(models).get(NAME)
    if version is None:
        raise ConfigurationError(f"{models / CURRENT} names no version of {NAME}: train one, or give --version")
    return version


def _manifest(record: Record, calibration: Calibration, graph: bytes, vectors: bytes, units: int) -> dict[str, Json]:
    limits = Thresholds()
    remembered: dict[str, Json] = {MEMORY: [None, units]} if units else {}
    manifest: dict[str, Json] = {
        "name": NAME,
        "version": record.version,
        "file": "model.onnx",
        "sha256": hashlib.sha256(graph).hexdigest(),
        "vectors": "vectors.json",
        "vectors_sha256": hashlib.sha256(vectors).hexdigest(),
        "inputs": {INPUT: [None, N_FEATURES], **remembered},
        "outputs": {name: [None, *shape] for name, shape in outputs_of(units > 0).items()},
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
