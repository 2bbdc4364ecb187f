"""In: a machine. Out: the `node` that the tests of the browser's code run with, or a reason why there is none."""

import os
import shutil
import subprocess
from typing import Final

import pytest

_LEAST: Final = 20


def node() -> str:
    """The command, version 20 or newer. A developer without it skips; a run with CI set fails."""
    found = shutil.which("node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout if found else ""
    if found and int(version[1:].split(".")[0]) >= _LEAST:
        return found
    told = version.strip() or "none"
    reason = f"node {_LEAST} or newer is needed ({told} found): Debian package nodejs, or nodejs.org"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
