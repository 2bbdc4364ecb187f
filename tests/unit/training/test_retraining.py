"""When a model is trained anew, on what, and what may become of it without a person."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emdr_stream.domain import MODEL_STATES, StateLabel
from emdr_stream.environment import Environment
from emdr_stream.evaluation.labels import Event, Truth
from emdr_stream.inference.lives import read_history
from emdr_stream.inference.manifest import current_versions
from emdr_stream.pipeline.features import N_FEATURES
from tests.tiny_graph import write_graph
from tests.unit.training.recorded_clients import write_clients
from training.retrain.app import celery_url
from training.retrain.config import DEFAULT_PATH, RetrainConfig, load_retrain_config
from training.retrain.improvement import improvement
from training.retrain.recorded import ConsentError, consented, labelled, recorded_datasets, recorded_rows
from training.retrain.retraining import Outcome, Workplace, look
from training.retrain.trigger import Remembered, Seen, reasons
from training.rows import SessionRows
from training.run import Progress

CONFIG = RetrainConfig(new_recordings=3, drift=True, hour=3, minute=30, test_sessions=2, improvement=0.05)
DRIFTED = {"inputs": 0.4, "inputs_limit": 0.25, "outputs": 0.1, "outputs_limit": 0.25}


# when ---------------------------------------------------------------------------------------------------------------


def test_enough_new_recordings_are_a_reason_and_the_same_ones_never_again() -> None:
    seen = Seen(["a", "b", "c"], "1", None)
    (why,) = reasons(CONFIG, seen, Remembered())
    assert "3 labelled recordings of consenting clients are new (3 asked)" in why
    assert reasons(CONFIG, seen, Remembered(recordings=("a",))) == []
    assert reasons(CONFIG, seen, Remembered(recordings=("a", "b", "c"))) == []


def test_drift_is_a_reason_once_for_a_version() -> None:
    seen = Seen([], "1", DRIFTED)
    assert reasons(CONFIG, seen, Remembered()) == ["version 1 has drifted: inputs 0.40 above 0.25"]
    assert reasons(CONFIG, seen, Remembered(drifted="1")) == []
    assert reasons(replace(CONFIG, drift=False), seen, Remembered()) == []


@pytest.mark.parametrize("drift", [None, {**DRIFTED, "inputs": None}, {**DRIFTED, "inputs": 0.2}])
def test_what_is_not_known_or_within_its_limit_is_no_reason(drift: dict[str, Any] | None) -> None:
    assert reasons(CONFIG, Seen([], "1", drift), Remembered()) == []


def test_the_shipped_settings_are_sound_and_a_slip_is_named(tmp_path: Path) -> None:
    assert load_retrain_config().improvement == 0.05
    path = tmp_path / "own.toml"
    path.write_text(DEFAULT_PATH.read_text().replace("improvement = 0.05", "improvement = 5"))
    with pytest.raises(ValueError, match="improvement"):
        load_retrain_config(path)
    path.write_text("[trigger]\nnew = 3\n")
    with pytest.raises(ValueError, match=r"own\.toml"):
        load_retrain_config(path)


# on what ------------------------------------------------------------------------------------------------------------


def test_only_labelled_recordings_of_those_who_agreed_are_used(tmp_path: Path) -> None:
    assert consented(tmp_path) == []
    names = [truth.recording for truth in write_clients(tmp_path, 3, consents=2)]
    assert [truth.recording for truth in consented(tmp_path)] == names[:2]
    (tmp_path / names[1]).unlink()
    assert [truth.recording for truth in consented(tmp_path)] == names[:1]
    (tmp_path / "consent.jsonl").unlink()
    assert consented(tmp_path) == []


def test_a_consent_that_cannot_be_read_stops_everything_and_is_named(tmp_path: Path) -> None:
    write_clients(tmp_path, 1)
    (tmp_path / "consent.jsonl").write_text('{"recording": "a.jsonl"}\n')
    with pytest.raises(ConsentError, match=r"consent\.jsonl, line 1.*given_on"):
        consented(tmp_path)


def test_a_recording_gives_the_rows_that_the_service_would_ask_about(tmp_path: Path) -> None:
    (truth,) = write_clients(tmp_path, 1)
    rows = recorded_rows(tmp_path / truth.recording)
    assert 80 < len(rows.times_ms) < 126  # a row a second after the calm minute
    assert np.diff(rows.times_ms).min() >= 1_000
    assert np.isfinite(rows.features).all()
    (dataset,) = recorded_datasets(tmp_path, [truth])
    assert np.array_equal(dataset.times_ms, rows.times_ms)
    assert recorded_datasets(tmp_path, []) == []


def test_targets_follow_the_labels_and_what_nobody_knows_weighs_nothing() -> None:
    times = np.arange(0, 120_000, 1_000, dtype=np.int64)
    rows = SessionRows(times, np.zeros((120, N_FEATURES), np.float32), np.zeros((120, 3)))
    events = (
        Event(kind="hyperarousal", onset_ms=60_000, end_ms=80_000),
        Event(kind="hypoarousal", onset_ms=100_000, end_ms=112_000, observable=False),
    )
    found = labelled(rows, Truth(recording="a", person="p", from_ms=10_000, events=events))
    crisis = np.flatnonzero(found.crisis).tolist()
    assert crisis == [*range(45, 80), *range(85, 112)]  # from 15 s before
    assert set(found.state[60:80].tolist()) == {MODEL_STATES.index(StateLabel.HYPERAROUSAL)}
    assert found.state_weight.sum() == 20  # of the observable event; beside the events only the clinic knows
    assert found.safety_weight[:10].sum() == 0.0
    assert found.safety_weight[50] == 1.0 and 0.0 < found.safety_weight[105] < 1.0


# what becomes of it -------------------------------------------------------------------------------------------------


def test_more_than_five_percent_better_on_the_same_people_suffices() -> None:
    before = {f"p{n}": 10.0 + n % 3 for n in range(20)}
    better = improvement(before, {person: value * 1.2 for person, value in before.items()})
    assert better.share == pytest.approx(0.2) and better.suffices(0.05)
    assert not improvement(before, {person: value * 1.04 for person, value in before.items()}).suffices(0.05)
    assert improvement(before, {p: v * 0.8 for p, v in before.items()}, larger_is_better=False).suffices(0.05)


def test_what_a_few_lucky_people_make_better_does_not_suffice() -> None:
    before = {f"p{n}": 10.0 for n in range(20)}
    after = {person: 40.0 if person == "p0" else 9.8 for person in before}
    lucky = improvement(before, after)
    assert lucky.share > 0.05 and lucky.low < 0.0 and not lucky.suffices(0.05)
    assert not improvement({"p0": 1.0}, {"p0": 2.0}).suffices(0.05)
    with pytest.raises(ValueError, match="no person"):
        improvement({"a": 1.0}, {"b": 1.0})


@dataclass
class Progressing:
    """A recipe of a model that is no safety model: real files, figures by person as told."""

    figures: dict[str, float]
    error: float = 4.0
    name: str = "effectiveness"
    trained: list[str] = field(default_factory=list)

    def train(self, workplace: Workplace, version: str, progress: Progress) -> None:
        self.trained.append(version)
        write_graph(workplace.models_dir, self.name, version, metrics={"rmse": self.error}, targets=TARGETS)

    def by_person(self, workplace: Workplace, version: str) -> Mapping[str, float]:
        return {f"p{n}": self.figures[version] * (10 + n % 3) for n in range(20)}


TARGETS = [{"name": "rmse", "must": 5.0, "what": "error of the forecast"}]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.chdir(tmp_path)
    models = tmp_path / "models"
    write_graph(models, "effectiveness", "1", metrics={"rmse": 4.5}, targets=TARGETS)
    (models / "current.json").write_text(json.dumps({"effectiveness": "1"}))
    return Workplace(Environment(model_dir=models, data_dir=tmp_path / "data", _env_file=None), CONFIG)  # type: ignore[call-arg]


def looked(workplace: Workplace, recipe: Progressing, **how: Any) -> Outcome:
    return look(workplace, recipe, **{"force": True, **how})


def test_a_better_model_that_is_no_safety_model_is_deployed(workplace: Workplace) -> None:
    outcome = looked(workplace, Progressing({"1": 1.0, "2": 1.2}))
    assert (outcome.version, outcome.deployed, outcome.missed) == ("2", True, ())
    assert "+20.0%" in outcome.why
    assert current_versions(workplace.models_dir) == {"effectiveness": "2"}
    assert [step.action for step in read_history(workplace.models_dir)] == ["register", "promote"]


@pytest.mark.parametrize(
    ("figure", "error", "named"),
    [(1.03, 4.0, "+3.0%"), (0.9, 4.0, "-10.0%"), (1.2, 6.0, "error of the forecast: 6")],
)
def test_one_that_is_hardly_better_worse_or_misses_a_target_stays_a_candidate(
    workplace: Workplace, figure: float, error: float, named: str
) -> None:
    outcome = looked(workplace, Progressing({"1": 1.0, "2": figure}, error))
    assert (outcome.version, outcome.deployed) == ("2", False)
    assert named in outcome.why
    assert current_versions(workplace.models_dir) == {"effectiveness": "1"}


def test_without_a_reason_nothing_is_trained(workplace: Workplace) -> None:
    recipe = Progressing({"1": 1.0, "2": 2.0})
    assert looked(workplace, recipe, force=False).why == "no reason to train anew"
    assert recipe.trained == []


def test_what_was_trained_on_is_remembered_over_a_restart(workplace: Workplace, tmp_path: Path) -> None:
    write_clients(tmp_path / "recordings", 3)
    workplace = replace(workplace, recordings=tmp_path / "recordings")
    recipe = Progressing({"1": 1.0, "2": 1.0, "3": 1.0})
    assert "3 labelled recordings" in looked(workplace, recipe, force=False).reasons[0]
    assert looked(workplace, recipe, force=False).version is None
    assert recipe.trained == ["2"]


@pytest.mark.parametrize(
    ("ours", "celerys"),
    [
        ("redis://cache:6379/2", "redis://cache:6379/2"),
        ("unix:///run/a%20b/valkey.sock", "redis+socket:///run/a b/valkey.sock?virtual_host=0"),
        ("unix:///run/valkey.sock?db=3", "redis+socket:///run/valkey.sock?virtual_host=3"),
    ],
)
def test_an_address_is_said_in_celerys_spelling(ours: str, celerys: str) -> None:
    assert celery_url(ours) == celerys
