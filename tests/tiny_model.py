"""A folder and a seed go in, a models folder with a tiny ONNX model of the real shape comes out."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emdr_stream.domain import MEMORY_UNITS

Answers = dict[str, np.ndarray]
NAME = "emotion_safety"
HEADS = {"emotion_state": 5, "safety_risk": 0, "safety_crisis": 0, "predicted_change": 3}
OPSET = 17
IR_VERSION = 9
TOLERANCE = 1e-5
"""Wide rows are summed in single precision."""


def tiny_model(width: int = 6, seed: int = 0, remembers: bool = False) -> onnx.ModelProto:
    """features [B, width] → the four heads, each one matrix and a squashing; with a memory [B, MEMORY_UNITS], what is
    remembered after a row is half of what was before and all of the row, squashed, and the heads hear that instead."""
    rng = np.random.default_rng(seed)
    nodes, weights, outputs = [], [], []
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", width])]
    heard, hears = "features", width
    if remembers:
        weights.append(numpy_helper.from_array(np.float32(0.5), "half"))
        matrix = rng.normal(0, 0.3, (width, MEMORY_UNITS)).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, "memory_w"))
        nodes.append(helper.make_node("Mul", ["memory", "half"], ["faded"]))
        nodes.append(helper.make_node("MatMul", ["features", "memory_w"], ["memory_x"]))
        nodes.append(helper.make_node("Add", ["faded", "memory_x"], ["memory_sum"]))
        nodes.append(helper.make_node("Tanh", ["memory_sum"], ["memory_next"]))
        inputs.append(helper.make_tensor_value_info("memory", TensorProto.FLOAT, ["rows", MEMORY_UNITS]))
        outputs.append(helper.make_tensor_value_info("memory_next", TensorProto.FLOAT, ["rows", MEMORY_UNITS]))
        heard, hears = "memory_next", MEMORY_UNITS
    for head, size in HEADS.items():
        matrix = rng.normal(0, 0.3, (hears, max(size, 1))).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"{head}_w"))
        nodes.append(helper.make_node("MatMul", [heard, f"{head}_w"], [f"{head}_x"]))
        if head == "emotion_state":
            nodes.append(helper.make_node("Softmax", [f"{head}_x"], [head], axis=1))
        elif size:
            nodes.append(helper.make_node("Tanh", [f"{head}_x"], [head]))
        else:
            nodes.append(helper.make_node("Sigmoid", [f"{head}_x"], [f"{head}_p"]))
            nodes.append(helper.make_node("Squeeze", [f"{head}_p", "axis"], [head]))
        shape = ["rows", size] if size else ["rows"]
        outputs.append(helper.make_tensor_value_info(head, TensorProto.FLOAT, shape))
    weights.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def tiny_answers(model: onnx.ModelProto, features: np.ndarray, memory: np.ndarray | None = None) -> Answers:
    """What the model must say, by numpy; `memory`: of a model that has one."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    heard, kept = features.astype(np.float64), {}
    if memory is not None:
        heard = np.tanh(memory / 2 + heard @ weights["memory_w"])
        kept = {"memory_next": heard}
    raw = {head: heard @ weights[f"{head}_w"] for head in HEADS}
    exp = np.exp(raw["emotion_state"] - raw["emotion_state"].max(axis=1, keepdims=True))
    sigmoid = {head: 1 / (1 + np.exp(-raw[head][:, 0])) for head in ("safety_risk", "safety_crisis")}
    return {
        "emotion_state": exp / exp.sum(axis=1, keepdims=True),
        **sigmoid,
        "predicted_change": np.tanh(raw["predicted_change"]),
        **kept,
    }


def write_release(
    models_dir: Path,
    *,
    version: str = "1",
    width: int = 6,
    feature_names: list[str] | None = None,
    remembers: bool = False,
    model_bytes: Callable[[onnx.ModelProto], bytes] = lambda model: model.SerializeToString(),
    **changes: Any,
) -> Path:
    """Write model, vectors, card, manifest (with `changes`) and current.json; gives the version's folder."""
    folder = models_dir / NAME / version
    folder.mkdir(parents=True, exist_ok=True)
    model = tiny_model(width, remembers=remembers)
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(4, width)).astype(np.float32)
    memory = rng.uniform(-1, 1, (4, MEMORY_UNITS)).astype(np.float32) if remembers else None
    answers = {head: values.tolist() for head, values in tiny_answers(model, rows, memory).items()}
    told = {"features": rows.tolist()} | ({} if memory is None else {"memory": memory.tolist()})
    data = model_bytes(model)
    vectors = json.dumps({**told, "outputs": answers, "tolerance": TOLERANCE}).encode()
    inputs = {"features": [None, width]} | ({"memory": [None, MEMORY_UNITS]} if remembers else {})
    outputs = {head: [None, size] if size else [None] for head, size in HEADS.items()}
    outputs |= {"memory_next": [None, MEMORY_UNITS]} if remembers else {}
    (folder / "model.onnx").write_bytes(data)
    (folder / "vectors.json").write_bytes(vectors)
    (folder / "CARD.md").write_text("# A model for tests\n")
    write_manifest(
        folder,
        {
            "name": NAME,
            "version": version,
            "file": "model.onnx",
            "sha256": hashlib.sha256(data).hexdigest(),
            "inputs": inputs,
            "outputs": outputs,
            "vectors": "vectors.json",
            "vectors_sha256": hashlib.sha256(vectors).hexdigest(),
            "feature_names": feature_names or [f"f{number}" for number in range(width)],
            "training": {"command": "none: made for tests"},
            **changes,
        },
    )
    (models_dir / "current.json").write_text(json.dumps({NAME: version}))
    return folder


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest))


def rewrite_vectors(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the stored vectors and vouch for the change."""
    vectors = json.loads((folder / "vectors.json").read_text())
    change(vectors)
    data = json.dumps(vectors).encode()
    (folder / "vectors.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    write_manifest(folder, {**manifest, "vectors_sha256": hashlib.sha256(data).hexdigest()})
