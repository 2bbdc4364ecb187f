"""Commands that install something in, what went wrong out: for what tests need and no package index has."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import Final

_INSTALL_S: Final = 600.0


def by_apt(package: str) -> list[list[str]]:
    """How root installs a Debian package; no command where it cannot."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return []
    return [[apt, "update", "-qq"], [apt, "install", "-qq", "-y", "--no-install-recommends", package]]


def run_all(commands: Iterable[Sequence[str]]) -> str:
    """One after the other, up to the first that fails. Returns what went wrong, empty when nothing did."""
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as problem:
            return f"{' '.join(command)}: {problem}"
        if done.returncode != 0:
            return f"{' '.join(command)}: {done.stderr.strip()[-300:]}"
    return ""
