"""In: a machine. Out: the path of a Chromium on it, installed first where that is possible, or why there is none.

`python -m tests.chromium` does so for `make test`: Debian's package for root, Playwright's own download for anybody
else, and for root where the package cannot be had. The tests of the pages ask `find_chromium` alone, and skip where it
finds nothing. One that does not start is none: Ubuntu's package is a note that there is a snap, and a download lacks
what the system has not installed.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.installing import by_apt, run_all

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_DOWNLOADED: Final = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/Chromium.app/Contents/MacOS/Chromium",
    "chromium-*/chrome-mac*/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing",
)
_CACHES: Final = (".cache/ms-playwright", "Library/Caches/ms-playwright")
_START_S: Final = 60.0


def find_chromium() -> Path | None:
    """`EMDR_CHROMIUM`, or the first that starts: on the path, or downloaded by Playwright; None without any."""
    configured = os.environ.get("EMDR_CHROMIUM")
    if configured:
        return Path(configured)
    return next(filter(_starts, _candidates()), None)


def install_chromium() -> str:
    """Install one. Returns what went wrong, empty when nothing did."""
    problems = []
    for commands in _ways():
        problem = run_all(commands)
        if not problem and find_chromium() is not None:
            return ""
        problems.append(problem or f"{' '.join(commands[-1])}: what it installed does not start")
    return "; ".join(problems)


def _ways() -> Iterator[list[list[str]]]:
    if package := by_apt("chromium"):
        yield package
    yield [[sys.executable, "-m", "playwright", "install", "chromium"]]


def _candidates() -> Iterator[Path]:
    for name in _NAMES:
        if found := shutil.which(name):
            yield Path(found)
    yield from _downloaded()


def _downloaded() -> list[Path]:
    """Playwright's own, newest first; it keeps one folder a revision."""
    configured = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    roots = [Path(configured)] if configured else [Path.home() / cache for cache in _CACHES]
    found = [path for root in roots for pattern in _DOWNLOADED for path in root.glob(pattern)]
    return sorted(found, key=_revision, reverse=True)


def _revision(path: Path) -> int:
    numbered = re.search(r"/chromium-(\d+)/", path.as_posix())
    return int(numbered[1]) if numbered else 0


@functools.cache
def _starts(path: Path) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=_START_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def main() -> int:
    """Say which browser the tests of the pages will use. It is no reason to stop: they skip, and name the reason."""
    if find_chromium() is None:
        print("installing Chromium for the tests of the pages", flush=True)
        if problem := install_chromium():
            print(f"no Chromium ({problem}): install one, or name it in EMDR_CHROMIUM", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
