"""Two lengths of one crowd in, instructions a message out: the same on a busy machine, for a careful comparison.

Valgrind (Debian's package) runs `benchmarks.crowd` twice; what both have in common, the start and the calm minute, goes
out in the difference. What an instruction costs, and what the kernel does, it does not see.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.crowd import BESIDE

_SESSIONS: Final = 48
_FEW: Final = 0
_MANY: Final = 40
_MESSAGES: Final = (_MANY - _FEW) * _SESSIONS
_TOTAL: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def report() -> None:
    """Print the instructions a message. Raises RuntimeError where there is no valgrind."""
    if shutil.which("valgrind") is None:
        raise RuntimeError("valgrind is needed to count instructions: install it with your system's packages")
    _counted(_FEW)  # so that both find the same compiled files
    print(f"{_a_message():,.0f} instructions a message ({_MESSAGES:,} messages of {_SESSIONS} sessions)")


def report_beside() -> None:
    """Print what a message executes with nothing beside the model, with drift watched, and with a shadow."""
    if shutil.which("valgrind") is None:
        raise RuntimeError("valgrind is needed to count instructions: install it with your system's packages")
    _counted(_FEW)
    alone = _a_message()
    print(f"nothing beside the model: {alone:,.0f} instructions a message")
    for beside in BESIDE[1:]:
        found = _a_message(beside)
        print(f"{beside}: {found:,.0f}, {found / alone - 1.0:+.1%}")


def _a_message(beside: str = BESIDE[0]) -> float:
    return (_counted(_MANY, beside) - _counted(_FEW, beside)) / _MESSAGES


def _counted(rounds: int, beside: str = BESIDE[0]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts"
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={counts}"]
        # Hashes of texts decide how dictionaries lie, and threads that wait for work do so in a loop.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        crowd = ["-m", "benchmarks.crowd", str(rounds), "--sessions", str(_SESSIONS), "--beside", beside]
        subprocess.run(
            [*command, sys.executable, *crowd],
            cwd=Path(__file__).parent.parent,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        found = _TOTAL.search(counts.read_text())
    if found is None:
        raise RuntimeError("valgrind counted nothing")
    return int(found.group(1))
