"""A folder of any model but the hot path's goes in, a graph that was checked and tried on its stored rows comes out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from emdr_stream.errors import ModelFailed, ModelRefused
from emdr_stream.inference.manifest import (
    CURRENT,
    MANIFEST,
    Manifest,
    Shape,
    current_versions,
    read_graph_vectors,
    read_manifest,
    read_model,
)
from emdr_stream.inference.runtime import open_session, refuse_forbidden

Rows: TypeAlias = npt.NDArray[np.float32]
Shapes: TypeAlias = Mapping[str, Shape]
"""Names of inputs or outputs in order, and the shape of each, None for the number of rows."""


class OnnxGraph:
    """One graph of float32 inputs and outputs, run on the calling thread."""

    __slots__ = ("_run", "names", "sha256", "version")

    def __init__(self, session: Any, names: list[str], version: str, sha256: str) -> None:
        self._run = session.run
        self.names = names
        """Of the outputs, in the order in which `run` gives them."""
        self.version = version
        self.sha256 = sha256

    def run(self, inputs: Mapping[str, Rows]) -> list[Rows]:
        """The outputs in the order of `names`. Raises ModelFailed, also for inputs of another shape or type."""
        try:
            said: list[Rows] = self._run(self.names, inputs)
        except Exception as problem:  # the runtime's exceptions share no other base
            shapes = {name: (rows.shape, str(rows.dtype)) for name, rows in inputs.items()}
            raise ModelFailed(f"the model failed on {shapes}") from problem
        return said


def load_current_graph(models_dir: Path, name: str, *, inputs: Shapes, outputs: Shapes) -> OnnxGraph | None:
    """The version of `name` that `current.json` names; None when it names none. Raises ModelRefused, as load_graph."""
    version = current_versions(models_dir).get(name)
    if version is None:
        return None
    return load_graph(models_dir / name / version, inputs=inputs, outputs=outputs)


def load_graph(version_dir: Path, *, inputs: Shapes | None = None, outputs: Shapes | None = None) -> OnnxGraph:
    """Check, load and try one version; `inputs`, `outputs`: what the caller needs, any when None. The
    outputs come in the caller's order.

    Raises ModelRefused, which names the file and the mend.
    """
    manifest = read_manifest(version_dir)
    _refuse_other(version_dir / MANIFEST, manifest, inputs, outputs)
    path = version_dir / manifest.file
    data = read_model(version_dir, manifest)
    refuse_forbidden(path, data)
    session = open_session(path, data)
    _refuse_unlike(path, session, manifest)
    graph = OnnxGraph(session, list(outputs or manifest.outputs), manifest.version, manifest.sha256)
    try:
        _try(version_dir, manifest, graph)
    except ModelFailed as problem:
        raise ModelRefused(f"{path} loads but cannot run ({problem}): export it anew") from problem
    return graph


def _refuse_other(path: Path, manifest: Manifest, inputs: Shapes | None, outputs: Shapes | None) -> None:
    wanted = (manifest.inputs if inputs is None else inputs, manifest.outputs if outputs is None else outputs)
    if (manifest.inputs, manifest.outputs) != wanted:
        raise ModelRefused(
            f"{path} promises inputs {manifest.inputs} and outputs {manifest.outputs}, but this version of the service "
            f"needs {wanted[0]} and {wanted[1]}: use the model that came with it ({CURRENT} names it)"
        )


def _refuse_unlike(path: Path, session: Any, manifest: Manifest) -> None:
    """The graph must have the inputs of its manifest, and at least its outputs, all float32."""
    inputs = {node.name: (node.type, tuple(node.shape[1:])) for node in session.get_inputs()}
    outputs = {(node.name, node.type) for node in session.get_outputs()}
    promised = {name: ("tensor(float)", tuple(shape[1:])) for name, shape in manifest.inputs.items()}
    if inputs != promised or not outputs >= {(name, "tensor(float)") for name in manifest.outputs}:
        raise ModelRefused(
            f"{path} has inputs {inputs} and outputs {sorted(outputs)}, unlike its manifest: export it anew"
        )


def _try(version_dir: Path, manifest: Manifest, graph: OnnxGraph) -> None:
    """Run the stored rows, together and the first alone, and compare. Raises ModelRefused."""
    vectors = read_graph_vectors(version_dir, manifest)
    path = version_dir / manifest.vectors
    try:
        inputs = {name: np.array(vectors.inputs[name], np.float32) for name in manifest.inputs}
        stored = [np.array(vectors.outputs[name], np.float64) for name in graph.names]
    except (KeyError, ValueError, TypeError):
        raise ModelRefused(f"{path} is no table of rows of each input and output: write it anew") from None
    for rows in (slice(None), slice(1)):
        some = {name: array[rows] for name, array in inputs.items()}
        for name, said, wanted in zip(graph.names, graph.run(some), stored, strict=True):
            _compare(path, name, said, wanted[rows], manifest.outputs[name], vectors.tolerance)


def _compare(
    path: Path, name: str, said: Rows, wanted: npt.NDArray[np.float64], shape: Shape, tolerance: float
) -> None:
    if said.shape != wanted.shape or said.shape[1:] != tuple(shape[1:]):
        raise ModelRefused(f"{path}: `{name}` has shape {said.shape}, stored is {wanted.shape}, promised {shape}")
    difference = float(np.abs(said - wanted).max(initial=0.0))
    if not difference <= tolerance:
        raise ModelRefused(
            f"{path}: `{name}` differs from what is stored by {difference:.2g}, more than {tolerance:g}: this machine "
            "or ONNX Runtime computes otherwise than where the model was validated; validate it here first"
        )
