"""Models of any inputs: let in only whole, vouched for, of standard operators, and right on their stored rows."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from emdr_stream.errors import ModelFailed, ModelRefused
from emdr_stream.inference.graphs import load_current_graph, load_graph
from emdr_stream.inference.models import verify_models

INPUTS = {"x": (None, 2, 3), "on": (None, 1)}
OUTPUTS = {"y": (None, 2, 3)}


def doubled() -> onnx.ModelProto:
    """y = 2 x on."""
    weight = numpy_helper.from_array(np.full(1, 2, np.float32), "two")
    nodes = [
        helper.make_node("Unsqueeze", ["on", "axes"], ["wide"]),
        helper.make_node("Mul", ["x", "two"], ["twice"]),
        helper.make_node("Mul", ["twice", "wide"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "doubled",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 3]),
            helper.make_tensor_value_info("on", TensorProto.FLOAT, ["n", 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, 3])],
        [weight, numpy_helper.from_array(np.array([2]), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def released(models: Path, model: onnx.ModelProto, **changes: Any) -> Path:
    """`doubled/1` in the folder, with its manifest, card and vectors (which `changes` replace in part)."""
    folder = models / "doubled" / "1"
    folder.mkdir(parents=True)
    content = model.SerializeToString()
    x = np.arange(12, dtype=float).reshape(2, 2, 3)
    vectors = {
        "inputs": {"x": x.tolist(), "on": [[1.0], [0.0]]},
        "outputs": {"y": (x * [[[2]], [[0]]]).tolist()},
        "tolerance": 1e-6,
        **changes,
    }
    stored = json.dumps(vectors).encode()
    manifest = {
        "name": "doubled",
        "version": "1",
        "file": "model.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "vectors_sha256": hashlib.sha256(stored).hexdigest(),
        "inputs": INPUTS,
        "outputs": OUTPUTS,
    }
    (folder / "model.onnx").write_bytes(content)
    (folder / "vectors.json").write_bytes(stored)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "CARD.md").write_text("# doubled")
    (models / "current.json").write_text('{"doubled": "1"}')
    return folder


def test_a_loaded_graph_computes_for_any_number_of_rows(tmp_path: Path) -> None:
    released(tmp_path, doubled())
    graph = load_current_graph(tmp_path, "doubled", inputs=INPUTS, outputs=OUTPUTS)
    assert graph is not None
    x = np.random.default_rng(1).normal(size=(5, 2, 3)).astype(np.float32)
    [y] = graph.run({"x": x, "on": np.ones((5, 1), np.float32)})
    np.testing.assert_allclose(y, 2 * x)
    assert [v.problem for v in verify_models(tmp_path)] == [None]


def test_what_no_line_names_is_no_model(tmp_path: Path) -> None:
    released(tmp_path, doubled())
    assert load_current_graph(tmp_path, "tripled", inputs=INPUTS, outputs=OUTPUTS) is None


def test_rows_of_another_shape_are_a_failure(tmp_path: Path) -> None:
    graph = load_graph(released(tmp_path, doubled()))
    with pytest.raises(ModelFailed, match=r"\(1, 3, 3\)"):
        graph.run({"x": np.zeros((1, 3, 3), np.float32), "on": np.ones((1, 1), np.float32)})


def test_external_data_and_foreign_operators_are_refused(tmp_path: Path) -> None:
    outside = doubled()
    outside.graph.initializer[0].data_location = TensorProto.EXTERNAL
    outside.graph.initializer[0].external_data.add(key="location", value="secret.bin")
    with pytest.raises(ModelRefused, match="external data"):
        load_graph(released(tmp_path / "a", outside))
    foreign = doubled()
    foreign.graph.node.append(helper.make_node("Evil", ["x"], ["z"], domain="my.ops"))
    with pytest.raises(ModelRefused, match=r"my\.ops"):
        load_graph(released(tmp_path / "b", foreign))


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": {"y": np.zeros((2, 2, 3)).tolist()}},
        {"outputs": {"y": np.zeros((2, 2)).tolist()}},
        {"outputs": {"z": [[1.0]]}},
        {"inputs": {"x": [[[0.0] * 3] * 2]}},
        {"tolerance": 0.5},
    ],
)
def test_stored_rows_that_do_not_fit_refuse_the_model(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ModelRefused):
        load_graph(released(tmp_path, doubled(), **changes))


def test_a_version_without_its_card_is_not_fit(tmp_path: Path) -> None:
    (released(tmp_path, doubled()) / "CARD.md").unlink()
    [verdict] = verify_models(tmp_path)
    assert verdict.problem is not None and "CARD.md" in verdict.problem
