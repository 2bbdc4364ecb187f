"""Tracking: a version with its figures in a real MLflow, and a training that nothing there can stop."""

import json
import logging
from pathlib import Path

import pytest

from training.config import load_config
from training.tracking import EXPERIMENT, VARIABLE, flattened, record, tracking_uri

pytest.importorskip("mlflow", reason="the extra `training` is not installed")


@pytest.fixture
def version(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "emotion_safety" / "3"
    folder.mkdir(parents=True)
    manifest = {
        "name": "emotion_safety",
        "version": "3",
        "sha256": "ab" * 32,
        "training": {"command": "python -m training train"},
        "metrics": {"iid": {"sensitivity": {"value": 0.5, "low": 0.4, "high": 0.6}, "events": 12, "note": "x"}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "model.onnx").write_bytes(b"not a model")
    (folder / "CARD.md").write_text("# Card\n", encoding="utf-8")
    return folder


def test_a_run_has_parameters_metrics_files_and_a_registered_version(version: Path, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    uri = tracking_uri(None, tmp_path)
    config = load_config()
    assert record(version, config, uri) and record(version, config, uri), "twice: the name is known by then"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 2
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.data.params["network.epochs"] == str(config.network.epochs)
        assert run.data.metrics == {
            "iid.sensitivity.value": 0.5,
            "iid.sensitivity.low": 0.4,
            "iid.sensitivity.high": 0.6,
            "iid.events": 12.0,
        }
        files = {Path(file.path).name for file in client.list_artifacts(run.info.run_id, "emotion_safety")}
        assert files == {"CARD.md", "manifest.json", "model.onnx"}
    registered = client.search_model_versions("name = 'emotion_safety'")
    assert {one.run_id for one in registered} == {run.info.run_id for run in runs}
    assert {one.tags["version"] for one in registered} == {"3"}


def test_a_store_that_cannot_be_reached_is_a_warning_without_its_password(
    version: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert not record(version, load_config(), f"sqlite:///{tmp_path / 'file' / 'mlruns.db'}")
        assert not record(version, load_config(), "nonsense://who:secret@nowhere/x")
    assert "the model itself is complete" in caplog.text
    assert "secret" not in caplog.text


def test_where_runs_are_kept_is_told_by_the_option_then_the_variable_then_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert tracking_uri(None, tmp_path) == f"sqlite:///{tmp_path.resolve()}/mlruns.db"
    monkeypatch.setenv(VARIABLE, "http://there")
    assert tracking_uri(None, tmp_path) == "http://there"
    assert tracking_uri("http://here", tmp_path) == "http://here"


def test_nested_names_are_joined_by_dots() -> None:
    assert flattened({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == {"a.b": 1, "a.c.d": 2, "e": 3}
