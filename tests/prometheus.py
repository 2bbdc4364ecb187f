"""In: a machine. Out: the paths of Prometheus and promtool on it, installed first where that is possible.

`python -m tests.prometheus` does so for `make test`, by Debian's package for root. The tests of rules and dashboards
ask `find_prometheus` and `find_promtool` alone, and skip where they find nothing.
"""

import shutil
import sys
from pathlib import Path
from typing import Final

from tests.installing import by_apt, run_all

MISSING: Final = "Prometheus is not installed (Debian package `prometheus`): make test installs it for root"


def find_prometheus() -> Path | None:
    return _found("prometheus")


def find_promtool() -> Path | None:
    return _found("promtool")


def install_prometheus() -> str:
    """Install it. Returns what went wrong, empty when nothing did."""
    commands = by_apt("prometheus")
    return run_all(commands) if commands else "it can be installed by root on Debian alone"


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
