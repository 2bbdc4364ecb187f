"""A clean environment for commands: no EMDR_ variable, no .env file, a data folder of its own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from emdr_stream.__main__ import main

Outcome: TypeAlias = tuple[int, str, str]
Run: TypeAlias = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in [name for name in os.environ if name.upper().startswith("EMDR_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "data"
    monkeypatch.setenv("EMDR_DATA_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line; gives exit code, stdout and stderr."""

    def run_command(*arguments: str) -> Outcome:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run_command
