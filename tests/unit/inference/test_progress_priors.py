"""The priors of `progress`: loaded only as they were written, and only if they still say what they said."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emdr_stream.errors import ModelRefused
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.inference.models import verify_models
from emdr_stream.inference.progress_priors import PROGRESS, load_current_priors, load_priors


@pytest.fixture
def models(tmp_path: Path) -> Path:
    version = json.loads((default_models_dir() / "current.json").read_text())[PROGRESS]
    shutil.copytree(default_models_dir() / PROGRESS / version, tmp_path / PROGRESS / version)
    (tmp_path / "current.json").write_text(json.dumps({PROGRESS: version}))
    return tmp_path


def _folder(models: Path) -> Path:
    return next((models / PROGRESS).iterdir())


def _rewrite(folder: Path, name: str, field: str, change: Callable[[Any], None]) -> None:
    """Change a JSON file and let the manifest vouch for it."""
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest[field] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_shipped_priors_load_and_each_number_has_a_source(models: Path) -> None:
    loaded = load_current_priors(models)
    assert [v.problem for v in verify_models(models)] == [None]
    for prior in loaded.priors.values():
        assert {"dropout"} < prior.sources.keys() and all(prior.sources.values())


def test_altered_priors_are_refused(models: Path) -> None:
    path = _folder(models) / "priors.json"
    path.write_text(path.read_text().replace("-11.0", "-12.0"))
    with pytest.raises(ModelRefused, match=r"not the file that manifest\.json vouches for"):
        load_current_priors(models)


def test_priors_that_say_something_else_than_stored_are_refused(models: Path) -> None:
    def change(content: Any) -> None:
        content["pcl5"]["slope_mean"] = -12.0

    _rewrite(_folder(models), "priors.json", "sha256", change)
    with pytest.raises(ModelRefused, match="`trajectory` differs from what is stored"):
        load_current_priors(models)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: content.pop("voc"), "has no prior of voc"),
        (lambda content: content["sud"].update(residual_sd=-1.0), "malformed"),
        (lambda content: content["sud"].update(mood=1), "malformed"),
    ],
)
def test_a_table_that_is_none_is_refused(models: Path, change: Callable[[Any], None], told: str) -> None:
    _rewrite(_folder(models), "priors.json", "sha256", change)
    with pytest.raises(ModelRefused, match=told):
        load_priors(_folder(models))


def test_stored_courses_that_are_none_are_refused(models: Path) -> None:
    _rewrite(_folder(models), "vectors.json", "vectors_sha256", lambda content: content["inputs"].pop("values"))
    with pytest.raises(ModelRefused, match="no table of courses"):
        load_current_priors(models)


def test_a_folder_that_names_no_version_says_what_to_add(models: Path) -> None:
    (models / "current.json").write_text("{}")
    with pytest.raises(ModelRefused, match="names no version of progress"):
        load_current_priors(models)
