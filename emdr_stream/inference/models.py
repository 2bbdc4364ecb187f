"""A folder of `emotion_safety` goes in, a graph that was checked, warmed up and tried on stored rows comes out.

The model of the hot path has a loader of its own, for it runs on batches of sessions; other graphs are in graphs.py,
and `progress`, which is none, in progress_priors.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from emdr_stream.domain import DIMENSIONS, MEMORY_UNITS, MODEL_STATES
from emdr_stream.errors import ModelFailed, ModelRefused
from emdr_stream.inference.batch import Said
from emdr_stream.inference.graphs import load_graph
from emdr_stream.inference.manifest import (
    CARD,
    CURRENT,
    EMOTION_SAFETY,
    MANIFEST,
    Manifest,
    Shape,
    Vectors,
    current_versions,
    read_manifest,
    read_model,
    read_vectors,
)
from emdr_stream.inference.progress_priors import PROGRESS, load_priors
from emdr_stream.inference.runtime import open_session, refuse_forbidden, value_over
from emdr_stream.pipeline.memory import LARGEST
from emdr_stream.wire.values import ModelRef

Rows: TypeAlias = npt.NDArray[np.float32]

INPUT: Final = "features"
MEMORY: Final = "memory"
MEMORY_NEXT: Final = "memory_next"
"""Of a model with a memory: what it is told that it remembered, and what it would remember after the row."""
OUTPUTS: Final[Mapping[str, tuple[int, ...]]] = {
    "emotion_state": (len(MODEL_STATES),),
    "safety_risk": (),
    "safety_crisis": (),
    "predicted_change": (len(DIMENSIONS),),
}
"""Names in order, and the shape of one row of each."""

_OF_MEMORY: Final[Mapping[str, tuple[int, ...]]] = {MEMORY_NEXT: (MEMORY_UNITS,)}


def outputs_of(remembers: bool) -> Mapping[str, tuple[int, ...]]:
    """Names of what a model says, in order, with the shape of one row of each."""
    return {**OUTPUTS, **_OF_MEMORY} if remembers else OUTPUTS


class OnnxModel:
    """One graph, run on the calling thread."""

    __slots__ = ("_names", "_run", "_session", "remembers", "width")

    def __init__(self, session: Any, width: int, remembers: bool = False) -> None:
        self._session = session
        self._run = session.run
        self._names = list(outputs_of(remembers))
        self.width = width
        """F: how many features a row has."""
        self.remembers = remembers
        """Whether it has a memory."""

    def run(self, features: Rows, memory: Rows) -> Said:
        """What it says of features [B, F] and memory [B, MEMORY_UNITS], float32; a model without memory ignores that.

        Probabilities are calibrated. NaN in, or a broken model, may give NaN out: the caller must look.
        Raises ModelFailed, also for a batch of another type or width.
        """
        told = {INPUT: features, MEMORY: memory} if self.remembers else {INPUT: features}
        try:
            return Said(*self._run(self._names, told))
        except Exception as problem:  # the runtime's exceptions share no other base
            raise _failed(features) from problem

    def bound(self, rows: int) -> "BoundModel":
        """The same graph for batches of one fixed size, in memory of its own."""
        return BoundModel(self._session, rows, self.width, self.remembers)


class BoundModel:
    """One graph over batches of one fixed shape. Its memory is bound once: a run allocates little."""

    __slots__ = ("_binding", "_features", "_memory", "_outputs", "_run", "_values")

    def __init__(self, session: Any, rows: int, width: int, remembers: bool = False) -> None:
        self._run = session.run_with_iobinding
        self._features: Rows = np.zeros((rows, width), np.float32)
        self._memory: Rows | None = np.zeros((rows, MEMORY_UNITS), np.float32) if remembers else None
        outputs = {name: np.zeros((rows, *shape), np.float32) for name, shape in outputs_of(remembers).items()}
        inputs = {INPUT: self._features} | ({} if self._memory is None else {MEMORY: self._memory})
        # On the CPU these values are views of our arrays, and must live as long as the binding.
        self._values = {name: value_over(array) for name, array in (*inputs.items(), *outputs.items())}
        self._binding = session.io_binding()
        for name in inputs:
            self._binding.bind_ortvalue_input(name, self._values[name])
        for name in outputs:
            self._binding.bind_ortvalue_output(name, self._values[name])
        self._outputs = Said(*outputs.values())

    def run(self, features: Rows, memory: Rows) -> Said:
        """As OnnxModel.run, to the bit, for the one shape; what is returned is overwritten by the next run."""
        if features.shape != self._features.shape:
            raise ModelFailed(f"the models take batches of shape {self._features.shape}, not {features.shape}")
        np.copyto(self._features, features)
        if self._memory is not None:
            np.copyto(self._memory, memory)
        try:
            self._run(self._binding)
        except Exception as problem:  # the runtime's exceptions share no other base
            raise _failed(features) from problem
        return self._outputs


def _failed(features: Rows) -> ModelFailed:
    return ModelFailed(f"the models failed on a batch of shape {features.shape}, {features.dtype}")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that may be used, with the identity that is told to clients and written beside every decision."""

    name: str
    version: str
    sha256: str
    graph: OnnxModel

    @property
    def reference(self) -> ModelRef:
        return ModelRef(name=self.name, version=self.version, sha256=self.sha256)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `models verify` says of one version; `problem` is None when it is fit for use."""

    name: str
    version: str
    in_use: bool
    sha256: str
    problem: str | None


def load_current(
    models_dir: Path, name: str = EMOTION_SAFETY, *, feature_names: Sequence[str] | None = None, batch_rows: int = 64
) -> LoadedModel:
    """Load the version that `current.json` names. Raises ModelRefused, as load_model does."""
    version = current_versions(models_dir).get(name)
    if version is None:
        raise ModelRefused(f'{models_dir / CURRENT} names no version of {name}: add "{name}": "<version>"')
    return load_model(models_dir / name / version, feature_names=feature_names, batch_rows=batch_rows)


def load_model(version_dir: Path, *, feature_names: Sequence[str] | None = None, batch_rows: int = 64) -> LoadedModel:
    """Check, load, warm up (at 1 row and at `batch_rows`) and try one version.

    `feature_names`: the service's own features in order; a model of others is refused. Raises ModelRefused, which names
    the file and the mend.
    """
    manifest = read_manifest(version_dir)
    path = version_dir / manifest.file
    data = read_model(version_dir, manifest)
    refuse_forbidden(path, data)
    width = _promised_width(version_dir / MANIFEST, manifest, feature_names)
    remembers = MEMORY in manifest.inputs
    graph = OnnxModel(_session(path, data, width, remembers), width, remembers)
    vectors = read_vectors(version_dir, manifest)
    try:
        for rows in (1, batch_rows):
            graph.run(np.zeros((rows, width), np.float32), np.zeros((rows, MEMORY_UNITS), np.float32))
        _try(version_dir / manifest.vectors, vectors, graph)
    except ModelFailed as problem:
        raise ModelRefused(f"{path} loads but cannot run ({problem}): export it anew") from problem
    return LoadedModel(manifest.name, manifest.version, manifest.sha256, graph)


def verify_models(models_dir: Path, feature_names: Sequence[str] | None = None) -> list[Verdict]:
    """Load every version in the folder, and say of each whether it is fit. Raises ModelRefused for the folder.

    `feature_names`: the service's own features; those versions of `emotion_safety` that are in use must have them.
    """
    in_use = current_versions(models_dir)
    named = set(in_use.items())
    present = {(path.parent.parent.name, path.parent.name) for path in models_dir.glob(f"*/*/{MANIFEST}")}
    verdicts = []
    for name, version in sorted(named | present):
        bound = name == EMOTION_SAFETY and (name, version) in named
        verdicts.append(_verdict(models_dir, name, version, (name, version) in named, feature_names if bound else None))
    return verdicts


def verify_version(models_dir: Path, name: str, version: str, feature_names: Sequence[str]) -> str | None:
    """Why a version is not fit for use by this service; None when it is. `feature_names`: the service's own."""
    return _verdict(models_dir, name, version, False, feature_names).problem


def _verdict(models_dir: Path, name: str, version: str, in_use: bool, feature_names: Sequence[str] | None) -> Verdict:
    folder = models_dir / name / version
    sha256, problem = "", None
    try:
        if name == EMOTION_SAFETY:
            sha256 = load_model(folder, feature_names=feature_names).sha256
        elif name == PROGRESS:
            sha256 = load_priors(folder).sha256
        else:
            sha256 = load_graph(folder).sha256
        if not (folder / CARD).is_file():
            problem = f"{folder / CARD} is missing: a model without its card is not to be used"
    except ModelRefused as refused:
        problem = str(refused)
    return Verdict(name, version, in_use, sha256, problem)


def _promised_width(path: Path, manifest: Manifest, feature_names: Sequence[str] | None) -> int:
    """F. A model may have a memory: then an input and an output more, of MEMORY_UNITS each."""
    remembers = MEMORY in manifest.inputs
    inputs: dict[str, Shape] = {INPUT: (None, *manifest.inputs.get(INPUT, ())[1:])}
    if remembers:
        inputs[MEMORY] = (None, MEMORY_UNITS)
    outputs = {name: (None, *shape) for name, shape in outputs_of(remembers).items()}
    width = inputs[INPUT][-1]
    if manifest.inputs != inputs or len(inputs[INPUT]) != 2 or width is None or manifest.outputs != outputs:
        raise ModelRefused(
            f"{path} promises inputs {manifest.inputs} and outputs {manifest.outputs}, but the service needs "
            f"{{'{INPUT}': (None, F)}}, with a memory also {{'{MEMORY}': (None, {MEMORY_UNITS})}}, and {outputs}: "
            "export the model with these"
        )
    if feature_names is not None and tuple(feature_names) != manifest.feature_names:
        raise ModelRefused(
            f"{path}: the model was trained on other features, or on another order of them, than this version of the "
            "service computes: train it anew (`make train`), or use the model that came with this version"
        )
    return width


def _session(path: Path, data: bytes, width: int, remembers: bool) -> Any:
    session = open_session(path, data)
    inputs = {(node.name, node.type, tuple(node.shape[1:])) for node in session.get_inputs()}
    outputs = {(node.name, node.type) for node in session.get_outputs()}
    wanted = {(INPUT, "tensor(float)", (width,))} | (
        {(MEMORY, "tensor(float)", (MEMORY_UNITS,))} if remembers else set()
    )
    if inputs != wanted or not outputs >= {(name, "tensor(float)") for name in outputs_of(remembers)}:
        raise ModelRefused(
            f"{path} has inputs {sorted(inputs)} and outputs {sorted(outputs)}, unlike its manifest: export it anew"
        )
    return session


def _try(path: Path, vectors: Vectors, graph: OnnxModel) -> None:
    """Run the stored rows, alone and together, and compare. Raises ModelRefused."""
    names = outputs_of(graph.remembers)
    try:
        features = np.array(vectors.features, np.float32)
        memory = np.array(vectors.memory, np.float32) if graph.remembers else np.zeros((len(features), 0), np.float32)
        expected = [np.array(vectors.outputs[name], np.float64) for name in names]
    except (KeyError, ValueError):
        raise ModelRefused(f"{path} is no table of rows with {', '.join(names)}: write it anew") from None
    if features.ndim != 2 or features.shape[1] != graph.width:
        raise ModelRefused(f"{path} has rows of shape {features.shape[1:]}, not ({graph.width},): write it anew")
    if graph.remembers and memory.shape != (len(features), MEMORY_UNITS):
        raise ModelRefused(
            f"{path} needs a `memory` of ({len(features)}, {MEMORY_UNITS}) beside its rows: write it anew"
        )
    for rows in (slice(None), slice(1)):
        said = graph.run(features[rows], memory[rows])
        for (name, shape), actual, wanted in zip(names.items(), said, expected, strict=False):
            _compare(path, name, actual, wanted[rows], (len(wanted[rows]), *shape), vectors.tolerance)
        if said.memory is not None and np.abs(said.memory).max() > LARGEST:
            raise ModelRefused(f"{path}: `{MEMORY_NEXT}` leaves -1 to 1 on a stored row: bound it, as a tanh does")


def _compare(
    path: Path,
    name: str,
    actual: Rows | None,
    wanted: npt.NDArray[np.float64],
    shape: tuple[int, ...],
    tolerance: float,
) -> None:
    if actual is None or actual.shape != shape or wanted.shape != shape:
        raise ModelRefused(
            f"{path}: `{name}` has shape {getattr(actual, 'shape', None)}, stored is {wanted.shape}, needed is {shape}"
        )
    if not np.isfinite(actual).all():
        raise ModelRefused(f"{path}: `{name}` is not finite on a stored row: the model is broken, train it anew")
    difference = float(np.abs(actual - wanted).max())
    if not difference <= tolerance:
        raise ModelRefused(
            f"{path}: `{name}` differs from what is stored by {difference:.2g}, more than {tolerance:g}: this machine "
            "or ONNX Runtime computes otherwise than where the model was validated; validate it here first"
        )
