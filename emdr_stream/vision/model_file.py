"""Where MediaPipe's face landmarker lies goes in, a verified copy in memory comes out; it is fetched, not shipped.

It is Google's (Apache-2.0), public, and pinned by its checksum: what a mirror or a disk changed is refused.
"""

import fcntl
import hashlib
import os
import sys
from pathlib import Path
from typing import Final

from emdr_stream.errors import ModelRefused

LANDMARKER_NAME: Final = "face_landmarker.task"
LANDMARKER_SHA256: Final = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
"""Of the float16 model, version 1."""
FETCH: Final = "emdr-stream models fetch"

_FOLDER: Final = "emdr-stream"
_LARGEST_BYTES: Final = 64 * 1024 * 1024


def installed_file() -> Path:
    """In the environment that this Python belongs to: shared by all accounts that use it."""
    return Path(sys.prefix) / "share" / _FOLDER / LANDMARKER_NAME


def cached_file() -> Path:
    """In the cache folder of this account."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / _FOLDER / LANDMARKER_NAME


def open_landmarker(configured: Path | None) -> Path:
    """A path of the model for MediaPipe, for as long as this process lives.

    On Linux it names a copy in memory, made of the bytes that were checked and sealed: nobody can change it any more,
    and all landmarkers of a process map the same pages (given as bytes, each copies 6 MiB). Raises ModelRefused.
    """
    content, path = read_landmarker(configured)
    if not hasattr(os, "memfd_create"):
        return path
    descriptor = os.memfd_create(LANDMARKER_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as memory:
        memory.write(content)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return Path(f"/proc/self/fd/{descriptor}")


def read_landmarker(configured: Path | None) -> tuple[bytes, Path]:
    """The model's bytes and their file: the configured one, or else the one that `models fetch` has put down.

    Raises ModelRefused with the mend when it is not there, or is not the pinned one.
    """
    if configured is not None:
        return _verified(configured), configured
    for path in (installed_file(), cached_file()):
        if path.is_file():
            return _verified(path), path
    raise ModelRefused(f"no {LANDMARKER_NAME} on this machine: run `{FETCH}`, or set EMDR_LANDMARKER_FILE")


def vouched(content: bytes) -> bool:
    """Whether these are the pinned model's bytes."""
    return hashlib.sha256(content).hexdigest() == LANDMARKER_SHA256


def _verified(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        mend = f"run `{FETCH}`, or correct EMDR_LANDMARKER_FILE"
        raise ModelRefused(f"{path} cannot be read ({reason}): {mend}") from None
    if not vouched(content):
        raise ModelRefused(f"{path} is not the pinned model (its checksum differs): remove it and run `{FETCH}`")
    return content
