"""What webcam frames need goes in, findings come out, each with its mend; none of them stops the service."""

import ctypes
import json
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import Final

from emdr_stream.cli.checks import Finding, Level
from emdr_stream.errors import ModelRefused
from emdr_stream.inference.manifest import CURRENT, default_models_dir
from emdr_stream.vision.model_file import FETCH, LANDMARKER_SHA256, read_landmarker

_LIBRARIES: Final = ("libEGL.so.1", "libGLESv2.so.2")
"""MediaPipe's library is linked with them, though it computes on the CPU."""
_EXPRESSION: Final = "face_expression"
_WEBCAM: Final = "pip install --require-hashes --no-deps -r requirements.lock, or 'emdr-stream[webcam]'"


def check_camera(landmarker_file: Path | None, models_dir: Path | None) -> Iterator[Finding]:
    """Everything between a frame and a face, OpenCV aside: `check_opencv` looks at that."""
    yield from check_libraries(_LIBRARIES if sys.platform == "linux" else ())
    yield check_mediapipe()
    yield check_landmarker(landmarker_file)
    yield check_expression(models_dir or default_models_dir())


def check_libraries(names: tuple[str, ...]) -> Iterator[Finding]:
    """A finding when one of these shared libraries cannot be loaded; none when all can."""
    missing = [name for name in names if not _loads(name)]
    if missing:
        what = f"not on this system: {', '.join(missing)}; mediapipe cannot be loaded"
        yield Finding(Level.WARN, "graphics libraries", what, "apt-get install libegl1 libgles2")


def check_mediapipe() -> Finding:
    try:
        version = metadata.version("mediapipe")
    except metadata.PackageNotFoundError:
        what = "not installed: webcam frames cannot be read, emotion data can"
        return Finding(Level.WARN, "mediapipe", what, _WEBCAM)
    try:
        import_module("emdr_stream.vision.landmarker")
    except (ImportError, OSError) as problem:
        return Finding(Level.WARN, "mediapipe", f"{version} cannot be imported: {problem}", _WEBCAM)
    return Finding(Level.OK, "mediapipe", version)


def check_landmarker(configured: Path | None) -> Finding:
    try:
        _, path = read_landmarker(configured)
    except ModelRefused as refused:
        return Finding(Level.WARN, "face landmarker", str(refused), FETCH)
    return Finding(Level.OK, "face landmarker", f"{LANDMARKER_SHA256[:12]}, {path}")


def check_expression(models_dir: Path) -> Finding:
    """Whether a model is in use; whether it is whole is said beside the other models."""
    try:
        current = json.loads((models_dir / CURRENT).read_bytes())
    except (OSError, ValueError):
        current = {}
    if isinstance(current, dict) and _EXPRESSION in current:
        return Finding(Level.OK, "face expression", f"{current[_EXPRESSION]}")
    what = f"no {_EXPRESSION} in {models_dir}: faces are read without emotions"
    return Finding(Level.WARN, "face expression", what, "take the models of a release, or train them")


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
