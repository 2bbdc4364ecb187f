"""Which models are let in: whole, vouched for, of the standard's operators, and right on stored rows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from emdr_stream.domain import MEMORY_UNITS
from emdr_stream.errors import ConfigurationError, ModelFailed, ModelRefused
from emdr_stream.inference.models import load_current, load_model, verify_models
from emdr_stream.inference.onnx_file import MalformedModel, forbidden_parts
from tests.tiny_model import IR_VERSION, OPSET, rewrite_vectors, tiny_answers, tiny_model, write_manifest, write_release

TINY = tiny_model().SerializeToString()


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(ModelRefused) as refused:
        load_model(folder, **options)
    assert isinstance(refused.value, ConfigurationError)
    return str(refused.value)


def externalised(model: onnx.ModelProto) -> bytes:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    return bytes(model.SerializeToString())


def externalised_in_a_branch(model: onnx.ModelProto) -> bytes:
    weight = numpy_helper.from_array(np.zeros((2, 2), np.float32), "inner")
    weight.external_data.add(key="location", value="../secret.bin")
    then = helper.make_graph(
        [], "then", [], [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [2, 2])], [weight]
    )
    model.graph.node.append(helper.make_node("If", ["axis"], ["unused"], then_branch=then, else_branch=then))
    return bytes(model.SerializeToString())


def external_constant(model: onnx.ModelProto) -> bytes:
    constant = numpy_helper.from_array(np.zeros(2, np.float32), "c")
    constant.data_location = TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=constant))
    return bytes(model.SerializeToString())


def with_custom_operator(model: onnx.ModelProto) -> bytes:
    model.graph.node.append(helper.make_node("Evil", ["features"], ["unused"], domain="my.ops"))
    return bytes(model.SerializeToString())


def with_custom_opset(model: onnx.ModelProto) -> bytes:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return bytes(model.SerializeToString())


def with_function(model: onnx.ModelProto) -> bytes:
    node = helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(helper.make_function("", "F", ["a"], ["b"], [node], [helper.make_opsetid("", OPSET)]))
    return bytes(model.SerializeToString())


NO_MEMORY = np.zeros((7, MEMORY_UNITS), np.float32)


@pytest.mark.parametrize("remembers", [False, True])
def test_a_loaded_model_says_what_numpy_says(tmp_path: Path, remembers: bool) -> None:
    write_release(tmp_path, remembers=remembers)
    model = load_current(tmp_path, feature_names=[f"f{number}" for number in range(6)])
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(7, 6)).astype(np.float32)
    memory = rng.uniform(-1, 1, (7, MEMORY_UNITS)).astype(np.float32)
    wanted = tiny_answers(tiny_model(remembers=remembers), rows, memory if remembers else None)
    for graph in (model.graph, model.graph.bound(7)):
        said = graph.run(rows, memory)
        parts = [part for part in said if part is not None]
        assert [part.shape for part in parts[:4]] == [(7, 5), (7,), (7,), (7, 3)]
        assert {part.dtype for part in parts} == {np.dtype(np.float32)}
        for actual, name in zip(parts, wanted, strict=True):
            np.testing.assert_allclose(actual, wanted[name], atol=1e-6)
        assert (said.memory is not None) == remembers
    assert (model.name, model.version, len(model.sha256), model.graph.width) == ("emotion_safety", "1", 64, 6)
    assert model.graph.remembers == remembers


@pytest.mark.parametrize("batch", [np.zeros((2, 5), np.float32), np.zeros((2, 6), np.float64), np.zeros(6, np.float32)])
def test_a_batch_of_another_kind_is_a_failure_of_the_model(tmp_path: Path, batch: Any) -> None:
    predictor = load_model(write_release(tmp_path)).graph
    with pytest.raises(ModelFailed, match="shape"):
        predictor.run(batch, NO_MEMORY)


def _narrower(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest | {"inputs": {**manifest["inputs"], "memory": [None, 8]}}


def _secretive(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest | {"outputs": {name: each for name, each in manifest["outputs"].items() if name != "memory_next"}}


def _forgetful(manifest: dict[str, Any]) -> dict[str, Any]:
    """Promises none, where the graph has one."""
    inputs = {"features": manifest["inputs"]["features"]}
    return _secretive(manifest) | {"inputs": inputs}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_narrower, "'memory': (None, 96)"),
        (_secretive, "memory_next"),
        (_forgetful, "unlike its manifest"),
    ],
)
def test_a_memory_of_another_form_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], named: str
) -> None:
    folder = write_release(tmp_path, remembers=True)
    write_manifest(folder, change(json.loads((folder / "manifest.json").read_text())))
    assert named in refusal(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda vectors: vectors.pop("memory"), "needs a `memory` of (4, 96)"),
        (lambda vectors: vectors["memory"].pop(), "needs a `memory`"),
        (lambda vectors: vectors["outputs"].pop("memory_next"), "memory_next"),
        (lambda vectors: vectors["outputs"]["memory_next"][0].__setitem__(3, 0.123), "`memory_next` differs"),
        (lambda vectors: vectors["memory"][0].__setitem__(3, 0.5), "differs from what is stored"),
    ],
)
def test_what_is_stored_of_a_memory_is_tried_too(tmp_path: Path, change: Callable[[Any], Any], named: str) -> None:
    folder = write_release(tmp_path, remembers=True)
    rewrite_vectors(folder, change)
    assert named in refusal(folder)


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (externalised, "external data"),
        (externalised_in_a_branch, "external data"),
        (external_constant, "external data"),
        (with_custom_operator, "operators of 'my.ops'"),
        (with_custom_opset, "operators of 'com.microsoft'"),
        (with_function, "functions of its own"),
        (lambda _: b"no protobuf", "no ONNX model"),
        (lambda _: b"", "cannot be loaded"),
        (lambda model: model.SerializeToString()[:-10], "model.onnx"),
    ],
)
def test_a_model_of_a_forbidden_kind_is_refused(
    tmp_path: Path, alter: Callable[[onnx.ModelProto], bytes], named: str
) -> None:
    text = refusal(write_release(tmp_path, model_bytes=alter))
    assert named in text
    assert "model.onnx" in text


def test_external_data_is_refused_although_the_runtime_would_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(np.zeros((6, 5), np.float32).tobytes())
    assert "external data" in refusal(write_release(tmp_path, model_bytes=externalised))


def test_an_altered_model_is_refused(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\x00")
    assert "checksum" in refusal(folder)


def test_altered_vectors_are_refused(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    (folder / "vectors.json").write_text("{}")
    assert "vectors.json" in refusal(folder)


@pytest.mark.parametrize("name", ["model.onnx", "vectors.json", "manifest.json"])
def test_a_missing_file_is_named_with_the_mend(tmp_path: Path, name: str) -> None:
    folder = write_release(tmp_path)
    (folder / name).unlink()
    text = refusal(folder)
    assert name in text
    assert "EMDR_MODEL_DIR" in text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"file": "../other.onnx"}, "file"),
        ({"sha256": "00"}, "sha256"),
        ({"name": "other"}, "other/1"),
        ({"inputs": {"features": [None, 7]}}, "unlike its manifest"),
        ({"inputs": {"x": [None, 6]}}, "the service needs"),
        ({"inputs": {"features": [6]}}, "the service needs"),
        ({"inputs": {}}, "the service needs"),
        ({"outputs": {"emotion_state": [None, 5]}}, "the service needs"),
    ],
)
def test_a_manifest_that_promises_something_else_is_refused(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    assert named in refusal(write_release(tmp_path, **changes))


def test_a_model_of_other_features_is_refused(tmp_path: Path) -> None:
    folder = write_release(tmp_path, feature_names=list("abcdef"))
    load_model(folder, feature_names=list("abcdef"))
    assert "other features" in refusal(folder, feature_names=list("abcdfe"))


def test_a_model_that_says_something_else_than_stored_is_refused(tmp_path: Path) -> None:
    def shift(vectors: dict[str, Any]) -> None:
        vectors["outputs"]["safety_risk"][2] += 1e-4

    folder = write_release(tmp_path)
    rewrite_vectors(folder, shift)
    text = refusal(folder)
    assert "`safety_risk` differs" in text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda vectors: vectors["outputs"].pop("safety_crisis"), "no table"),
        (lambda vectors: vectors["outputs"]["safety_risk"].pop(), "shape"),
        (lambda vectors: vectors["features"][0].pop(), "no table"),
        (lambda vectors: [row.pop() for row in vectors["features"]], "rows of shape (5,)"),
        (lambda vectors: vectors["features"].clear(), "malformed"),
        (lambda vectors: vectors["features"][0].__setitem__(0, None), "not finite"),
        (lambda vectors: vectors.update(tolerance=0.5), "malformed"),
    ],
)
def test_vectors_that_prove_nothing_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    folder = write_release(tmp_path)
    rewrite_vectors(folder, change)
    assert named in refusal(folder)


def test_a_version_that_nobody_named_is_not_loaded(tmp_path: Path) -> None:
    write_release(tmp_path)
    (tmp_path / "current.json").write_text("{}")
    with pytest.raises(ModelRefused, match="names no version of emotion_safety"):
        load_current(tmp_path)
    (tmp_path / "current.json").write_text(json.dumps({"emotion_safety": "../../x"}))
    with pytest.raises(ModelRefused, match="malformed"):
        load_current(tmp_path)


def test_every_version_gets_a_verdict(tmp_path: Path) -> None:
    write_release(tmp_path, version="1")
    (write_release(tmp_path, version="2") / "CARD.md").unlink()
    write_manifest(write_release(tmp_path, version="3"), {})
    (tmp_path / "current.json").write_text(json.dumps({"emotion_safety": "1", "progress": "9"}))
    verdicts = verify_models(tmp_path)
    assert [(verdict.name, verdict.version, verdict.in_use) for verdict in verdicts] == [
        ("emotion_safety", "1", True),
        ("emotion_safety", "2", False),
        ("emotion_safety", "3", False),
        ("progress", "9", True),
    ]
    assert verdicts[0].problem is None
    assert all(
        word in str(verdict.problem)
        for word, verdict in zip(("CARD.md", "malformed", "cannot be read"), verdicts[1:], strict=True)
    )


def test_features_are_asked_of_the_version_in_use_alone(tmp_path: Path) -> None:
    write_release(tmp_path, version="1", feature_names=list("uvwxyz"))
    write_release(tmp_path, version="2", feature_names=list("abcdef"))
    assert [verdict.problem for verdict in verify_models(tmp_path, list("abcdef"))] == [None, None]
    assert "other features" in str(verify_models(tmp_path, list("uvwxyz"))[1].problem)


def test_a_clean_model_holds_nothing_forbidden() -> None:
    assert forbidden_parts(TINY) == set()
    ml = helper.make_model(helper.make_graph([], "g", [], []), opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)])
    assert forbidden_parts(ml.SerializeToString()) == set()
    assert ml.ir_version >= IR_VERSION


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_or_malformed(data: bytes) -> None:
    try:
        forbidden_parts(data)
    except MalformedModel:
        return


@given(st.integers(0, len(TINY) - 1), st.integers(0, 255))
def test_a_changed_byte_is_judged_or_malformed(at: int, byte: int) -> None:
    try:
        forbidden_parts(TINY[:at] + bytes([byte]) + TINY[at + 1 :])
    except MalformedModel:
        return


def test_bottomless_nesting_is_malformed() -> None:
    # A sparse tensor in an attribute of a node of a graph in an attribute of a node …
    data = b""
    for depth in range(120):
        tag = bytes([(6 if depth % 3 == 0 else 5 if depth % 3 == 1 else 1) << 3 | 2])
        length = len(data)
        data = tag + (bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])) + data
    with pytest.raises(MalformedModel):
        forbidden_parts(bytes([7 << 3 | 2, len(data) & 0x7F | 0x80, len(data) >> 7]) + data)
