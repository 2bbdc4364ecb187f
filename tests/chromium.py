"""In: a machine. Out: the path of a Chromium on it, installed first where that is possible, or why there is none.

`python -m tests.chromium` does so for `make test`: Debian's package for root, Playwright's own download for anybody
else. The tests of the pages ask `find_chromium` alone, and skip where it finds nothing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_INSTALL_S: Final = 600.0


def find_chromium() -> Path | None:
    """`EMDR_CHROMIUM`, or one on the path, or the one that Playwright downloaded; None without any."""
    configured = os.environ.get("EMDR_CHROMIUM")
    if configured:
        return Path(configured)
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    return _downloaded()


def install_chromium() -> str:
    """Install one. Returns what went wrong, empty when nothing did."""
    for command in _commands():
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as problem:
            return f"{' '.join(command)}: {problem}"
        if done.returncode != 0:
            return f"{' '.join(command)}: {done.stderr.strip()[-300:]}"
    return ""


def _commands() -> list[list[str]]:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return [[sys.executable, "-m", "playwright", "install", "chromium"]]
    return [[apt, "update", "-qq"], [apt, "install", "-qq", "-y", "--no-install-recommends", "chromium"]]


def _downloaded() -> Path | None:
    """Playwright's own, newest first; it keeps one folder a revision."""
    root = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    found = sorted(root.glob("chromium-*/chrome-linux*/chrome"), reverse=True)
    return found[0] if found else None


def main() -> int:
    """Say which browser the tests of the pages will use. It is no reason to stop: they skip, and name the reason."""
    if find_chromium() is None:
        print("installing Chromium for the tests of the pages", flush=True)
        if problem := install_chromium():
            print(f"no Chromium ({problem}): install one, or name it in EMDR_CHROMIUM", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
