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

_SESSIONS: Final = 48
_FEW: Final = 0
_MANY: Final = 40
_TOTAL: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def report() -> None:
    """Print the instructions a message. Raises RuntimeError where there is no valgrind."""
    if shutil.which("valgrind") is None:
        raise RuntimeError("valgrind is needed to count instructions: install it with your system's packages")
    _counted(_FEW)  # so that both find the same compiled files
    few, many = _counted(_FEW), _counted(_MANY)
    messages = (_MANY - _FEW) * _SESSIONS
    print(f"{(many - few) / messages:,.0f} instructions a message ({messages:,} messages of {_SESSIONS} sessions)")


def _counted(rounds: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts"
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={counts}"]
        # Hashes of texts decide how dictionaries lie, and threads that wait for work do so in a loop.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run(
            [*command, sys.executable, "-m", "benchmarks.crowd", str(rounds), "--sessions", str(_SESSIONS)],
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
