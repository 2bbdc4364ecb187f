"""A target's name and libFuzzer's options go in; a run that is guided by the lines that inputs reach.

    pip install atheris
    python -m tests.fuzz.guided lane -max_total_time=120

Optional: atheris has wheels for few versions of Python, and no test needs it. Some of the seeded inputs are where it
begins; libFuzzer writes an input that fails to a file.
"""

import importlib
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

_SEEDS = 500


def main() -> None:
    name, *options = sys.argv[1:]
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["emdr_stream", "uvicorn.protocols", "websockets"]):
        from tests.fuzz.targets import TARGETS, inputs
    with tempfile.TemporaryDirectory() as folder:
        draw = inputs(name, Random(1))
        for number in range(_SEEDS):
            (Path(folder) / str(number)).write_bytes(draw())
        atheris.Setup([sys.argv[0], *options, folder], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
