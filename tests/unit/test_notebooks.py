"""The notebooks as they are kept: without outputs, with cells that have names, and how they become so again."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from nbformat import validate

from notebooks.__main__ import main
from notebooks.execution import all_notebooks, strip
from notebooks.surroundings import by_size

NAMES = ("01_data", "02_emotion_analysis", "03_personalisation", "04_safety_modelling", "05_progress")
MACHINE = re.compile(r"(^|[\s\"'(=])(/(home|root|Users|work|tmp|mnt|opt|var)/|[A-Z]:\\\\)")


def path_of(repository: Path, name: str) -> Path:
    return repository / "notebooks" / f"{name}.ipynb"


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def test_they_are_there_in_their_order() -> None:
    assert tuple(path.stem for path in all_notebooks()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_has_no_outputs_no_counts_and_no_machine(repository: Path, name: str) -> None:
    path = path_of(repository, name)
    for cell in cells(path):
        assert cell["metadata"] == {}, cell["id"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], cell["id"]
            assert cell["execution_count"] is None, cell["id"]
    assert not MACHINE.search(path.read_text(encoding="utf-8"))
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert set(kept["metadata"]) == {"kernelspec", "language_info"}
    assert set(kept["metadata"]["language_info"]) == {"name"}


@pytest.mark.parametrize("name", NAMES)
def test_cells_have_names_of_their_own_and_the_format_is_valid(repository: Path, name: str) -> None:
    """Words, not random letters: then an edit changes no other line."""
    path = path_of(repository, name)
    validate(json.loads(path.read_text(encoding="utf-8")))
    names = [cell["id"] for cell in cells(path)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", each) for each in names), names
    assert cells(path)[0]["cell_type"] == "markdown"


def executed(path: Path) -> None:
    """What an editor saves after a run."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"]["language_info"]["version"] = "3.13.1"
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell["execution_count"] = 7
    cell["metadata"] = {"scrolled": True}
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["somewhere\n"]}]
    path.write_text(json.dumps(notebook), encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_stripping_gives_what_is_kept(repository: Path, tmp_path: Path, name: str) -> None:
    kept = path_of(repository, name).read_text(encoding="utf-8")
    copy = tmp_path / f"{name}.ipynb"
    copy.write_text(kept, encoding="utf-8")
    executed(copy)
    assert strip(copy)
    assert copy.read_text(encoding="utf-8") == kept
    assert not strip(copy)


def test_a_name_that_is_none_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["06"]) == 2
    told = " ".join(capsys.readouterr().out.split())
    assert "no notebook begins with 06" in told
    assert "01_data" in told


def test_a_size_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDR_NOTEBOOK_SIZE", "tiny")
    with pytest.raises(ValueError, match="must be small or full, not tiny"):
        by_size(1, 2)
    monkeypatch.setenv("EMDR_NOTEBOOK_SIZE", "small")
    assert by_size(1, 2) == 1
