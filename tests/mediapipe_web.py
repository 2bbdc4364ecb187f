"""A folder in, MediaPipe for browsers in its `node_modules` out: npm's package, of one version with one checksum."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import pytest

_PACKAGE: Final = "@mediapipe/tasks-vision"
_VERSION: Final = "1.1.0"
_SHA512: Final = "ZJqh0wMKOINorfSffvDAxzyO1//c+FiG3IkzOdNDnLqvBB3DbMfj0bB/tys2SNf9S914sgoIbIpF4HTOi336cg=="
_FETCH_S: Final = 90.0


def add_mediapipe(folder: Path) -> None:
    """As `npm install` would. Skips where there is no npm, or its registry does not answer."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is needed for MediaPipe's package: Debian package npm, or nodejs.org")
    try:
        command = [npm, "pack", f"{_PACKAGE}@{_VERSION}", "--silent", "--pack-destination", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_FETCH_S, cwd=folder)
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer")
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch {_PACKAGE}: {done.stderr.strip()[-200:]}")
    packed = folder / done.stdout.split()[-1]
    found = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    assert found == _SHA512, f"{_PACKAGE} {_VERSION} is not the file that it was"
    there = folder / "node_modules" / _PACKAGE
    with tarfile.open(packed) as archive:
        archive.extractall(there.parent, filter="data")
    (there.parent / "package").rename(there)
    packed.unlink()
