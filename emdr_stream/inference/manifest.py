"""A models folder goes in, what its manifests promise comes out.

`current.json` names the version of each model in use, `<name>/<version>/manifest.json` describes it. The bytes of a
model count only if their checksum is the manifest's.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from emdr_stream.errors import ModelRefused

# No separator and no leading dot: what a manifest names lies beside it.
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Shape = tuple[int | None, ...]
"""Sizes of a tensor; null is the number of rows."""

LARGEST_BYTES: Final = 64 * 1024 * 1024
MANIFEST: Final = "manifest.json"
CARD: Final = "CARD.md"
EMOTION_SAFETY: Final = "emotion_safety"
"""The fused graph of the hot path: state, risk, crisis and change in one call. It alone is asked in batches."""
CURRENT: Final = "current.json"

T = TypeVar("T")


class Vectors(msgspec.Struct, frozen=True, kw_only=True):
    """Stored rows and what the model must say of them: `features` [R, F], null is NaN; `outputs` by name, R rows."""

    features: Annotated[tuple[tuple[float | None, ...], ...], Meta(min_length=1)]
    memory: tuple[tuple[float, ...], ...] = ()
    """What a model with a memory is told of the past of these rows, [R, M]; empty for one without."""
    outputs: dict[str, list[float | list[float]]]
    tolerance: Annotated[float, Meta(ge=0.0, le=1e-4)] = 1e-6
    """Largest absolute difference: processors sum in different orders."""


class GraphVectors(msgspec.Struct, frozen=True, kw_only=True):
    """As Vectors, for a graph of any inputs: rows of each by name, nested as its shape is, and what it must say."""

    inputs: Annotated[dict[str, list[Any]], Meta(min_length=1)]
    outputs: Annotated[dict[str, list[Any]], Meta(min_length=1)]
    tolerance: Annotated[float, Meta(ge=0.0, le=1e-3)] = 1e-4


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a version must reach: the figure at `name` (a path with dots into `metrics`), at least `must` or at most."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    must: float
    ambitious: float | None = None
    what: str = ""
    at_least: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the service needs of manifest.json; the rest of the record of training beside it is for people."""

    name: FileName
    version: FileName
    file: FileName
    sha256: Sha256
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    vectors: FileName = "vectors.json"
    vectors_sha256: Sha256
    feature_names: tuple[str, ...] = ()
    """Order of the input's columns; checked against the service's own features where they are known."""
    thresholds: dict[str, float] = {}
    created: str | None = None
    """Day on which it was trained, as ISO 8601; absent where the same training is to give the same bytes."""
    metrics: dict[str, Any] = {}
    """What its evaluation measured; a promotion judges it."""
    targets: tuple[Target, ...] = ()
    """Of a model that is no safety model: their targets are the project's own, in emdr_stream/evaluation/gates.py."""
    reference: FileName | None = None
    """What it saw in training, in bins: drift is told against it. Versions from before there was one have none."""
    reference_sha256: Sha256 | None = None


def default_models_dir() -> Path:
    """The models of this checkout, or those that came inside the installed package."""
    package = Path(__file__).resolve().parents[1]
    beside = package.parent / "models"
    return beside if (beside / CURRENT).is_file() else package / "_models"


def current_versions(models_dir: Path) -> dict[str, str]:
    """Which version of each model is in use. Raises ModelRefused."""
    return read_json(models_dir / CURRENT, dict[FileName, FileName])


def read_manifest(version_dir: Path) -> Manifest:
    """Raises ModelRefused when it is missing, malformed, or of another model or version than its folder says."""
    path = version_dir / MANIFEST
    manifest = read_json(path, Manifest)
    if (manifest.name, manifest.version) != (version_dir.parent.name, version_dir.name):
        raise ModelRefused(
            f"{path} is of {manifest.name} {manifest.version}: move it into {manifest.name}/{manifest.version}"
        )
    return manifest


def versions_of(models_dir: Path, name: str) -> list[str]:
    """The versions of one model that are there, in the order of their numbers."""
    return sorted((path.parent.name for path in models_dir.glob(f"{name}/*/{MANIFEST}")), key=_numbered)


def read_model(version_dir: Path, manifest: Manifest) -> bytes:
    """The model's bytes, if they are the ones that the manifest vouches for. Raises ModelRefused."""
    return vouched(version_dir / manifest.file, manifest.sha256)


def read_vectors(version_dir: Path, manifest: Manifest) -> Vectors:
    """Raises ModelRefused."""
    path = version_dir / manifest.vectors
    return _parsed(path, vouched(path, manifest.vectors_sha256), Vectors)


def read_graph_vectors(version_dir: Path, manifest: Manifest) -> GraphVectors:
    """Raises ModelRefused."""
    path = version_dir / manifest.vectors
    return _parsed(path, vouched(path, manifest.vectors_sha256), GraphVectors)


def read_reference(version_dir: Path, manifest: Manifest) -> bytes | None:
    """The bins of what the version saw in training; None where it has none. Raises ModelRefused."""
    if manifest.reference is None:
        return None
    return vouched(version_dir / manifest.reference, manifest.reference_sha256 or "")


def _numbered(version: str) -> tuple[tuple[int, int | str], ...]:
    """`10` comes after `9`, and `2-retrained` after `2`."""
    parts = re.split(r"(\d+)", version)
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts if part)


def vouched(path: Path, sha256: str) -> bytes:
    """The bytes of a file that has this checksum. Raises ModelRefused."""
    data = _bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelRefused(
            f"{path} is not the file that {MANIFEST} vouches for (its checksum differs): restore both from the release"
        )
    return data


def read_json(path: Path, kind: type[T]) -> T:
    """What a JSON file of a models folder says, checked. Raises ModelRefused."""
    return _parsed(path, _bytes(path), kind)


def _parsed(path: Path, data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise ModelRefused(f"{path} is malformed ({problem}): restore it from the release") from None


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ModelRefused(f"{path} is larger than {LARGEST_BYTES >> 20} MiB: that is no model of this service")
        return path.read_bytes()
    except OSError as problem:
        raise ModelRefused(
            f"{path} cannot be read ({problem.strerror}): name the folder of the models with EMDR_MODEL_DIR, "
            "or train them with `make train`"
        ) from None
