"""A folder, a name and a version go in, a tiny model of one input and one output comes out, as a release has it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_graph(models_dir: Path, name: str, version: str, **told: Any) -> Path:
    """y = 2 x; `told` goes into the manifest."""
    folder = models_dir / name / version
    folder.mkdir(parents=True)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["y"])],
        "doubled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.full(1, 2, np.float32), "two")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content = bytes(model.SerializeToString())
    vectors = json.dumps({"inputs": {"x": [[1.0, 2.0]]}, "outputs": {"y": [[2.0, 4.0]]}}).encode()
    manifest = {
        "name": name,
        "version": version,
        "file": "model.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "vectors_sha256": hashlib.sha256(vectors).hexdigest(),
        "inputs": {"x": [None, 2]},
        "outputs": {"y": [None, 2]},
        **told,
    }
    (folder / "model.onnx").write_bytes(content)
    (folder / "vectors.json").write_bytes(vectors)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "CARD.md").write_text(f"# {name} {version}: a model for tests\n")
    return folder
