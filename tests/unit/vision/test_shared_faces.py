"""Two versions of the model for browsers' face scores, each for its share of the sessions, and who is told so."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.domain import Source
from emdr_stream.endpoints.cameras import LANDMARKS_MODEL, face_models
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.vision.browser import load_browser_faces, load_shared_faces
from emdr_stream.wire.stream import N_BLENDSHAPES, Landmarks
from tests.tiny_model import write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped models, and a second version of the one for browsers."""
    models = tmp_path / "models"
    shutil.copytree(default_models_dir(), models)
    shutil.copytree(models / LANDMARKS_MODEL / "1", models / LANDMARKS_MODEL / "2")
    second = models / LANDMARKS_MODEL / "2"
    write_manifest(second, {**json.loads((second / "manifest.json").read_text()), "version": "2"})
    return models


def test_each_session_is_read_by_its_own_version_and_told_which(folder: Path) -> None:
    (folder / "trials.json").write_text(json.dumps({LANDMARKS_MODEL: {"share": {"version": "2", "share": 0.5}}}))
    choice = face_models(folder)[Source.LANDMARKS]
    told = {choice.of(f"s{number}").version for number in range(50)}
    assert told == {"1", "2"}
    shared, alone = load_shared_faces(folder), load_browser_faces(folder, "2")
    assert shared is not None and alone is not None
    face = Landmarks(ts=1.0, blendshapes=np.linspace(0.0, 0.3, N_BLENDSHAPES).tolist())
    session = next(f"s{number}" for number in range(50) if choice.of(f"s{number}").version == "2")
    assert shared.read(face, session) == alone.read(face)


def test_without_a_trial_everybody_gets_the_version_in_use(folder: Path) -> None:
    choice = face_models(folder)[Source.LANDMARKS]
    assert {choice.of(f"s{number}").version for number in range(200)} == {"1"}
    assert load_shared_faces(folder) is not None


def test_a_folder_without_the_model_reads_no_faces(folder: Path) -> None:
    (folder / "current.json").write_text("{}")
    assert load_shared_faces(folder) is None
