"""A training that goes on: the shipped network read back from its graph, in another standardisation, and trained on."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.errors import ConfigurationError
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.pipeline.features import N_FEATURES
from tests.unit.training.small_networks import small_config, small_network, some_features, some_memory
from training import run
from training.__main__ import main
from training.config import DEFAULT_PATH, load_config
from training.dataset import TRAINING, Dataset, run_tasks, tasks_of
from training.fitting import fit_network
from training.graph import build_graph, network_in
from training.network import CHANGE, Network, drawn, seen_as
from training.package import NAME
from training.passes import outputs
from training.run import shipped

ROWS = 40


def said(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Raw outputs, changes in units, and what is remembered after."""
    raw, after = outputs(network, some_features(ROWS), some_memory(ROWS)[:, : network.units])
    raw[:, CHANGE] *= network.change_sd
    return raw, after


def other_persons(memory: int) -> Network:
    rng = np.random.default_rng(9)
    mean, scale = rng.normal(0.0, 0.3, N_FEATURES), rng.uniform(0.5, 9.0, N_FEATURES)
    sd = np.array([0.1, 0.2, 0.3], np.float32)
    return drawn(rng, small_config(memory), mean.astype(np.float32), scale.astype(np.float32), sd)


@pytest.mark.parametrize("memory", [96, 0])
def test_a_network_is_read_from_its_graph_and_says_the_same_in_another_standardisation(memory: int) -> None:
    network = small_network(memory=memory)
    read = network_in(build_graph(network))
    assert all(np.allclose(*pair, atol=1e-4) for pair in zip(said(network), said(read), strict=True))
    again = seen_as(other_persons(memory), read)
    assert again.mean[0] != read.mean[0]
    assert all(np.allclose(*pair, atol=1e-3) for pair in zip(said(network), said(again), strict=True))


@pytest.fixture(scope="module")
def sessions() -> list[Dataset]:
    cohort = replace(load_config().cohort, training_sessions=6)
    return run_tasks(tasks_of(cohort, 3, TRAINING), 1, lambda done: None)


def test_a_training_begins_with_what_the_shipped_version_knows(sessions: list[Dataset]) -> None:
    config = replace(load_config().network, epochs=1, batch=3, learning_rate=1e-9)
    first = shipped("5", config)
    begun, anew = (fit_network(sessions, config, 3, lambda loss: None, begin=begin) for begin in (first, None))
    assert all(np.allclose(*pair, atol=1e-2) for pair in zip(said(first), said(begun), strict=True))
    assert not np.allclose(said(first)[0], said(anew)[0], atol=1.0)


def test_a_training_moves_what_it_begins_with_and_leaves_the_shipped_one(sessions: list[Dataset]) -> None:
    config = replace(load_config().network, epochs=1, batch=3)
    first = shipped("5", config)
    before = [part.copy() for part in first.parameters()]
    begun = fit_network(sessions, config, 3, lambda loss: None, begin=first)
    assert not np.allclose(said(first)[0], said(begun)[0], atol=1e-3)
    assert all(np.array_equal(*pair) for pair in zip(before, first.parameters(), strict=True))


def test_what_cannot_be_begun_with_is_refused_before_anything_is_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config()
    with pytest.raises(ConfigurationError, match="begin_with"):
        shipped("no-such", config.network)
    with pytest.raises(ConfigurationError, match=r"hidden"):
        shipped("5", replace(config.network, hidden=(20,)))
    file = beginning_with("77", tmp_path)
    assert main(["train", "--config", str(file), "--out", str(tmp_path), "--tracking", "none"]) == 2
    assert "begin_with" in capsys.readouterr().out


def test_a_version_that_is_there_is_not_written_over_but_for_the_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    monkeypatch.setattr(run, "default_models_dir", lambda: models)
    for version in ("5", "7"):
        shutil.copytree(default_models_dir() / NAME / version, models / NAME / version)
    (models / "current.json").write_text(f'{{"{NAME}": "7"}}', encoding="utf-8")
    before = (models / NAME / "5" / "manifest.json").read_bytes()
    for given in (["--version", "5"], ["--version", "7", "--quick"]):
        assert main(["train", *given, "--unmeasured", "--out", str(models), "--tracking", "none"]) == 2
        assert "choose another" in capsys.readouterr().out
    run._check_free(load_config(quick=True), tmp_path / "tried", "7")
    assert (models / NAME / "5" / "manifest.json").read_bytes() == before
    run._check_free(load_config(), models, "7")


def beginning_with(version: str, folder: Path) -> Path:
    """A file of the settings in use that begins with another version."""
    text, file = DEFAULT_PATH.read_text(encoding="utf-8"), folder / "config.toml"
    assert 'begin_with = "6"' in text
    file.write_text(text.replace('begin_with = "6"', f'begin_with = "{version}"'), encoding="utf-8")
    return file


def test_a_training_that_begins_with_nothing_has_larger_steps(tmp_path: Path) -> None:
    going_on, anew = load_config(), load_config(beginning_with("", tmp_path))
    assert anew.network == going_on.anew == going_on.from_nothing().network
    assert anew.network.learning_rate > 1.5 * going_on.network.learning_rate


def test_a_file_that_its_manifest_does_not_vouch_for_is_not_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    shutil.copytree(default_models_dir() / NAME / "5", models / NAME / "5")
    file = models / NAME / "5" / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(run, "default_models_dir", lambda: models)
    with pytest.raises(ConfigurationError, match=r"begin_with: .*model\.onnx"):
        shipped("5", load_config().network)


def test_a_quick_training_begins_anew() -> None:
    going_on, quick = load_config(), load_config(quick=True)
    assert going_on.begin_with == "6" and not quick.begin_with and going_on.anew is not None
    assert quick.network.learning_rate == going_on.anew.learning_rate
    assert quick.network.hidden == going_on.network.hidden


def test_what_a_stretch_counts_is_a_setting(sessions: list[Dataset]) -> None:
    config = replace(load_config().network, epochs=1, batch=3)
    rows, both, again = (
        fit_network(sessions, replace(config, stretch_share=share), 3, lambda loss: None).parameters()
        for share in (0.0, 1.0, 0.0)
    )
    assert all(np.array_equal(*pair) for pair in zip(rows, again, strict=True))
    assert not all(np.allclose(*pair) for pair in zip(rows, both, strict=True))
