"""In: a machine. Out: the paths of Prometheus and promtool on it, installed first where that is possible.

`python -m tests.prometheus` does so for `make test`, by Debian's package for root. The tests of rules and dashboards
ask `find_prometheus` and `find_promtool` alone, and skip where they find nothing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

MISSING: Final = "Prometheus is not installed (Debian package `prometheus`): make test installs it for root"
_INSTALL_S: Final = 600.0


def find_prometheus() -> Path | None:
    return _found("prometheus")


def find_promtool() -> Path | None:
    return _found("promtool")


def install_prometheus() -> str:
    """Install it. Returns what went wrong, empty when nothing did."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return "it can be installed by root on Debian alone"
    for command in ([apt, "update", "-qq"], [apt, "install", "-qq", "-y", "--no-install-recommends", "prometheus"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as problem:
            return f"{' '.join(command)}: {problem}"
        if done.returncode != 0:
            return f"{' '.join(command)}: {done.stderr.strip()[-300:]}"
    return ""


def _found(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def main() -> int:
    """Say whether the tests of rules and dashboards will run. It is no reason to stop: they skip, and say why."""
    if find_prometheus() is None:
        print("installing Prometheus for the tests of rules and dashboards", flush=True)
        if problem := install_prometheus():
            print(f"no Prometheus ({problem}): the tests that need it are skipped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
