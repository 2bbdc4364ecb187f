"""A models folder and a version go in, a model of pictures comes out that sees anger in every face: by its readings a
test knows which version read a picture."""

import hashlib
import json
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emdr_stream.domain import EMOTIONS
from emdr_stream.vision.crop import SIDE
from emdr_stream.vision.expression import FACE_EXPRESSION
from emdr_stream.vision.geometry import N_FEATURES
from tests.tiny_model import write_manifest

ANGER: Final = EMOTIONS.index("anger")
SURE: Final = 0.9
"""What it says of anger is above, and what the shipped model says of the faces of our videos is far below."""

_WEIGHTS: Final = {
    "emotions": np.eye(1, len(EMOTIONS), ANGER) * 8,
    "affect": np.array([[-1.0, 1.0]]),
    "web_emotions": np.eye(1, len(EMOTIONS), ANGER) * 8,
}


def write_angry_reader(models_dir: Path, version: str = "2") -> Path:
    """Write model, stored answers, card and manifest, as a release has them; gives the version's folder."""
    folder = models_dir / FACE_EXPRESSION / version
    folder.mkdir(parents=True)
    data = bytes(_graph().SerializeToString())
    present = np.array([[1.0], [0.0]])
    rows = {"pixels": np.zeros((2, SIDE, SIDE)), "features": np.zeros((2, N_FEATURES)), "present": present}
    said = {name: _squashed(name, present @ weights).tolist() for name, weights in _WEIGHTS.items()}
    vectors = json.dumps({"inputs": {name: row.tolist() for name, row in rows.items()}, "outputs": said}).encode()
    (folder / "model.onnx").write_bytes(data)
    (folder / "vectors.json").write_bytes(vectors)
    (folder / "CARD.md").write_text("# A model for tests\n")
    write_manifest(
        folder,
        {
            "name": FACE_EXPRESSION,
            "version": version,
            "file": "model.onnx",
            "sha256": hashlib.sha256(data).hexdigest(),
            "vectors_sha256": hashlib.sha256(vectors).hexdigest(),
            "inputs": {name: [None, *row.shape[1:]] for name, row in rows.items()},
            "outputs": {name: [None, weights.shape[1]] for name, weights in _WEIGHTS.items()},
            # Figures and a target that it reaches, so that it may be promoted.
            "metrics": {"faces": {"angry": 1.0}},
            "targets": [{"name": "faces.angry", "must": 0.9, "at_least": True}],
        },
    )
    return folder


def _graph() -> onnx.ModelProto:
    """Of its inputs it looks at `present` alone."""
    nodes, tensors, outputs = [], [], []
    for name, weights in _WEIGHTS.items():
        tensors.append(numpy_helper.from_array(weights.astype(np.float32), f"{name}_w"))
        nodes.append(helper.make_node("MatMul", ["present", f"{name}_w"], [f"{name}_x"]))
        squash = {"axis": 1} if name != "affect" else {}
        nodes.append(helper.make_node("Tanh" if name == "affect" else "Softmax", [f"{name}_x"], [name], **squash))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", weights.shape[1]]))
    inputs = [
        helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["rows", SIDE, SIDE]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", N_FEATURES]),
        helper.make_tensor_value_info("present", TensorProto.FLOAT, ["rows", 1]),
    ]
    graph = helper.make_graph(nodes, "angry", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _squashed(name: str, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(raw)
    return np.asarray(np.tanh(raw) if name == "affect" else powers / powers.sum(axis=1, keepdims=True))
