"""The import contracts of pyproject.toml: they hold for the package, and each catches a planted violation."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [str(LINT_IMPORTS), "--no-cache"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.fixture
def package_copy(tmp_path: Path, repository: Path) -> Path:
    shutil.copy(repository / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("emdr_stream", "training"):
        shutil.copytree(repository / package, tmp_path / package, ignore=ignored)
    return tmp_path


@dataclass(frozen=True, slots=True)
class Violation:
    contract: str
    module: str
    line: str


VIOLATIONS = (
    Violation("Imports point to lower layers only", "emdr_stream/domain.py", "import emdr_stream.session"),
    Violation("Pure modules reach no socket", "emdr_stream/pipeline/safety.py", "import time"),
    Violation("Pure modules reach no socket", "emdr_stream/session/core.py", "import asyncio"),
    Violation("Pure modules reach no socket", "emdr_stream/wire/codec.py", "from datetime import datetime"),
    Violation(
        "Steps do not import one another", "emdr_stream/pipeline/safety.py", "import emdr_stream.pipeline.features"
    ),
    Violation("The service imports neither training", "emdr_stream/domain.py", "import training"),
    Violation("No forecast of progress", "emdr_stream/session/telling.py", "import emdr_stream.progress.forecast"),
    Violation("No forecast of progress", "emdr_stream/endpoints/client.py", "import emdr_stream.progress.forecast"),
    Violation("No forecast of progress", "emdr_stream/wire/watch.py", "import emdr_stream.personalization.optimiser"),
    Violation("Pure modules reach no socket", "emdr_stream/personalization/policy.py", "import random"),
    Violation("What is held out of training", "training/dataset.py", "import training.heldout.families"),
    Violation("Each package with a life of its own", "emdr_stream/app.py", "from redis.asyncio import Redis"),
    Violation("Each package with a life of its own", "emdr_stream/app.py", "import asyncpg"),
    Violation("Each package with a life of its own", "emdr_stream/app.py", "import onnxruntime"),
    Violation("Each package with a life of its own", "emdr_stream/app.py", "import mediapipe"),
    Violation("Each package with a life of its own", "emdr_stream/vision/reader.py", "import cv2"),
)


def test_the_package_keeps_its_contracts(repository: Path) -> None:
    result = lint_imports(repository)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda v: f"{v.module}: {v.line}")
def test_a_planted_violation_is_caught(package_copy: Path, violation: Violation) -> None:
    with (package_copy / violation.module).open("a") as module:
        module.write(f"\n{violation.line}\n")
    result = lint_imports(package_copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(re.escape(violation.contract) + r".*BROKEN", result.stdout), result.stdout


def test_a_module_without_a_layer_is_caught(package_copy: Path) -> None:
    (package_copy / "emdr_stream" / "misplaced.py").write_text('"""A module that no layer names."""\n')
    result = lint_imports(package_copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "misplaced" in result.stdout
