"""A model that can be foreseen, in the real form: fear far above the baseline is a crisis, lost attention a shutdown.

Another emotion can take the place of fear, where a real face is to bring the crisis about: videos show smiles.

It stands in for the trained one where a test asks what the service does about a score, and not what the score is.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emdr_stream.domain import MODEL_STATES
from emdr_stream.pipeline.features import FEATURE_NAMES, N_FEATURES

Floats = NDArray[np.float32]

_NAME: Final = "emotion_safety"
_ATTENTION: Final = FEATURE_NAMES.index("level_attention_5s")
_FEARFUL: Final = 3.0
"""Baseline deviations of the emotion at which the crisis probability is one half."""
_AWAY: Final = -3.0
"""Baseline deviations of attention at which hypoarousal is as likely as all else."""
_HYPO: Final = 3
_SIZES: Final = {"emotion_state": len(MODEL_STATES), "safety_risk": 1, "safety_crisis": 1, "predicted_change": 3}


def _weights(fearful: float, emotion: str) -> dict[str, tuple[Floats, Floats]]:
    """Matrix (N_FEATURES, size) and bias (size,) of each head."""
    parts = {
        head: (np.zeros((N_FEATURES, size), np.float32), np.zeros(size, np.float32)) for head, size in _SIZES.items()
    }
    for head, offset in (("safety_risk", 1.0), ("safety_crisis", 0.0)):
        matrix, bias = parts[head]
        matrix[FEATURE_NAMES.index(f"level_{emotion}_5s")], bias[:] = 2.0, offset - 2.0 * fearful
    matrix, bias = parts["emotion_state"]
    matrix[_ATTENTION, _HYPO], bias[:] = -2.0, -4.0
    bias[0], bias[_HYPO] = 0.0, 2.0 * _AWAY
    return parts


def _graph(fearful: float, emotion: str) -> onnx.ModelProto:
    nodes, tensors, outputs = [], [numpy_helper.from_array(np.array([1], np.int64), "axis")], []
    for head, (matrix, bias) in _weights(fearful, emotion).items():
        tensors += [numpy_helper.from_array(matrix, f"{head}_w"), numpy_helper.from_array(bias, f"{head}_b")]
        nodes.append(helper.make_node("Gemm", ["features", f"{head}_w", f"{head}_b"], [f"{head}_x"]))
        nodes += _squashed(head)
        shape = ["rows"] if head.startswith("safety") else ["rows", _SIZES[head]]
        outputs.append(helper.make_tensor_value_info(head, TensorProto.FLOAT, shape))
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", N_FEATURES])]
    graph = helper.make_graph(nodes, "plain", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _squashed(head: str) -> list[onnx.NodeProto]:
    if head == "emotion_state":
        return [helper.make_node("Softmax", [f"{head}_x"], [head], axis=1)]
    if head == "predicted_change":
        return [helper.make_node("Tanh", [f"{head}_x"], [head])]
    return [
        helper.make_node("Sigmoid", [f"{head}_x"], [f"{head}_p"]),
        helper.make_node("Squeeze", [f"{head}_p", "axis"], [head]),
    ]


def _answers(rows: Floats, fearful: float, emotion: str) -> dict[str, list[float | list[float]]]:
    """What the graph must say of `rows`, by numpy."""
    raw = {head: rows.astype(np.float64) @ matrix + bias for head, (matrix, bias) in _weights(fearful, emotion).items()}
    states = np.exp(raw["emotion_state"] - raw["emotion_state"].max(axis=1, keepdims=True))
    return {
        "emotion_state": (states / states.sum(axis=1, keepdims=True)).tolist(),
        "safety_risk": (1.0 / (1.0 + np.exp(-raw["safety_risk"][:, 0]))).tolist(),
        "safety_crisis": (1.0 / (1.0 + np.exp(-raw["safety_crisis"][:, 0]))).tolist(),
        "predicted_change": np.tanh(raw["predicted_change"]).tolist(),
    }


def write_plain_model(
    models_dir: Path, version: str = "1", *, emotion: str = "fear", fearful: float = _FEARFUL, **told: Any
) -> Path:
    """Write the model, its vectors, card and manifest with what is `told`, as a release has them; the first version is
    in use. `fearful`: baseline deviations of the emotion at which the crisis probability is one half."""
    folder = models_dir / _NAME / version
    folder.mkdir(parents=True)
    rows = np.random.default_rng(1).normal(size=(4, N_FEATURES)).astype(np.float32)
    graph = _graph(fearful, emotion).SerializeToString()
    vectors = json.dumps({"features": rows.tolist(), "outputs": _answers(rows, fearful, emotion)}).encode()
    shapes = {head: [None] if head.startswith("safety") else [None, size] for head, size in _SIZES.items()}
    manifest = {
        "name": _NAME,
        "version": version,
        "file": "model.onnx",
        "sha256": hashlib.sha256(graph).hexdigest(),
        "inputs": {"features": [None, N_FEATURES]},
        "outputs": shapes,
        "vectors": "vectors.json",
        "vectors_sha256": hashlib.sha256(vectors).hexdigest(),
        "feature_names": list(FEATURE_NAMES),
        **told,
    }
    (folder / "model.onnx").write_bytes(graph)
    (folder / "vectors.json").write_bytes(vectors)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "CARD.md").write_text("# A model for tests\n")
    if not (models_dir / "current.json").is_file():
        (models_dir / "current.json").write_text(json.dumps({_NAME: version}))
    return folder


def add_shipped(models_dir: Path, shipped: Path, *names: str) -> None:
    """Put models of the package beside it, each in the version in use: those that read faces, for real cameras."""
    in_use = json.loads((shipped / "current.json").read_text())
    current = models_dir / "current.json"
    for name in names:
        shutil.copytree(shipped / name / in_use[name], models_dir / name / in_use[name])
    current.write_text(json.dumps(json.loads(current.read_text()) | {name: in_use[name] for name in names}))
