"""The notebooks: every cell runs, with the public data and without them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from notebooks.execution import all_notebooks, execute, page_of
from notebooks.surroundings import SMALL

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

NAMES = tuple(path.stem for path in all_notebooks())
THAT_USE_DATA = ("01_data", "02_emotion_analysis", "05_progress")
LEFT_OUT = "Left out: "


def path_of(repository: Path, name: str) -> Path:
    return repository / "notebooks" / f"{name}.ipynb"


def printed(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def pictures(notebook: Any) -> int:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_runs_on_small_data(repository: Path, test_data: Path, name: str) -> None:
    done = execute(path_of(repository, name), size=SMALL, data=test_data)
    assert pictures(done) >= 3
    told = printed(done)
    # The landmarker is fetched; in a run with CI set nothing may be missing.
    assert LEFT_OUT not in told or not os.environ.get("CI"), told
    assert str(repository) not in told
    assert str(test_data) not in told


@pytest.mark.parametrize("name", THAT_USE_DATA)
def test_without_the_public_data_the_rest_runs_and_says_what_is_left_out(
    repository: Path, tmp_path: Path, name: str
) -> None:
    done = execute(path_of(repository, name), size=SMALL, data=tmp_path / "nowhere")
    assert LEFT_OUT in printed(done)
    assert pictures(done) >= 2


def test_a_page_fetches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one.ipynb"
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "source": "print(6 * 7)"}
    code: dict[str, Any] = {"outputs": [], "execution_count": None}
    path.write_text(json.dumps({"cells": [{**cell, **code}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    page = page_of(execute(path, size=SMALL))
    assert "42" in page
    head = page[: page.index("<title>")]
    assert "default-src 'none'" in head
    assert "script-src" not in head
