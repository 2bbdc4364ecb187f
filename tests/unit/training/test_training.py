"""Training: what is asked, rows, calibration, the graph, and a tiny run from end to end; the shipped model."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.evaluation.probabilities import HORIZON_S, calibration_error
from emdr_stream.inference.models import OnnxModel, load_current
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.simulation import CRISES, Family, Parameters, SimulatedSession, draw_sensor, simulate_session
from tests.unit.training.small_networks import small_network, some_features, some_memory
from training.__main__ import main
from training.calibration import Calibration, fit_platt, fit_temperature, fold
from training.config import DEFAULT_PATH, CohortConfig, TrainingConfig, load_config
from training.dataset import TRAINING, VALIDATION, Dataset, joined, run_tasks, tasks_of, training_cohort
from training.graph import BATCH, build_graph
from training.network import CHANGE, CRISIS, N_OUTPUTS, N_STATES, RISK, activated
from training.package import NAME, Asked, Record, expected_outputs, put_in_use, write_version
from training.passes import outputs
from training.replay import Scored, monitor
from training.rows import SetClock, rows_of
from training.run import train
from training.served import serve
from training.states import state_figures
from training.swift import swift_rows
from training.targets import leading_maximum, targets_of

TINY = CohortConfig(
    training_sessions=12,
    validation_sessions=5,
    randomised_share=0.5,
    duration_s=(185.0, 200.0),
    row_every_ms=2_000,
    weights={Family.PANIC: 1.0, Family.CALM: 1.0},
)


@pytest.fixture(scope="module")
def panic() -> SimulatedSession:
    """A session with a crisis that shows, and that the client does not stop."""
    for seed in range(200):
        session = simulate_session(np.random.default_rng(seed), Family.PANIC, duration_s=240)
        if any(e.kind in CRISES and e.observable for e in session.events) and session.stop_press_ms is None:
            return session
    pytest.fail("no seed gave an observable panic")


def test_a_crisis_is_asked_for_from_fifteen_seconds_before_its_onset_to_its_end(panic: SimulatedSession) -> None:
    event = next(e for e in panic.events if e.kind in CRISES)
    crisis = targets_of(panic).crisis
    onset, offset = int(event.onset_s), int(event.offset_s)
    assert crisis[onset - HORIZON_S : offset].all()
    assert crisis[onset - HORIZON_S - 1] == 0.0
    assert offset >= len(crisis) or crisis[offset] == 0.0


def test_risk_is_soft_hard_and_looks_ahead(panic: SimulatedSession) -> None:
    targets = targets_of(panic)
    onset = int(next(e for e in panic.events if e.kind in CRISES).onset_s)
    assert targets.risk[onset - 10] == 1.0
    assert targets.soft_risk[onset - 10] > 0.5
    assert targets.soft_risk.min() < 0.05
    assert np.all((targets.soft_risk > 0.5) == (targets.risk > 0.5))


def test_seconds_after_a_stop_signal_count_nothing(panic: SimulatedSession) -> None:
    stopped = targets_of(replace(panic, stop_press_ms=100_500))
    assert stopped.state_weight[:100].any()
    assert not stopped.state_weight[100:].any() and not stopped.safety_weight[100:].any()


def test_a_leading_maximum_sees_the_horizon_and_no_more() -> None:
    path = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    assert leading_maximum(path, 2).tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_the_set_clock_knows_when_a_set_runs() -> None:
    clock = SetClock(((100, 200), (300, 400)))
    assert [clock.running_ms(at) for at in (0, 100, 150, 200, 350, 500)] == [None, 0, 50, None, 50, None]


def test_swift_rows_are_the_services_rows_where_no_sample_is_late() -> None:
    rng = np.random.default_rng(5)
    sensor = replace(draw_sensor(rng, Parameters()), disorder_share=0.0, gaps_per_min=2.0, missing_share=0.05)
    session = simulate_session(rng, Family.FACE_LOST, sensor=sensor, duration_s=200)
    exact, swift = rows_of(session, 1_000), swift_rows(session, 1_000)
    assert len(exact.times_ms) > 60
    assert np.array_equal(exact.times_ms, swift.times_ms)
    assert float(np.abs(exact.features - swift.features).max()) < 1e-4
    assert np.allclose(exact.levels, swift.levels, equal_nan=True)


def test_training_and_validation_share_no_person_and_each_session_has_its_own() -> None:
    training, validation = ([*training_cohort(TINY, 1, cohort)] for cohort in (TRAINING, VALIDATION))
    assert {s.family for s in training} == {Family.PANIC, Family.CALM}
    assert len({s.person_id for s in (*training, *validation)}) == TINY.training_sessions + TINY.validation_sessions
    assert all(540.0 <= s.duration_s <= 660.0 for s in validation), "validation is as long as the tests"
    assert not any(s.sensor_profile.shifted for s in validation)


def test_any_number_of_processes_gives_the_same_rows() -> None:
    tasks = tasks_of(replace(TINY, training_sessions=40), 1, TRAINING, 0.5)[:36]
    alone, together = (joined(run_tasks(tasks, processes, lambda done: None)) for processes in (1, 2))
    assert len(alone) > 0 and np.array_equal(alone.inputs, together.inputs)


def test_the_monitor_pauses_on_a_lasting_crisis_and_not_on_a_short_one() -> None:
    times = np.arange(0, 20_000, 200)
    states = np.zeros((len(times), N_STATES), dtype=np.float32)
    low = np.full(len(times), 0.1, dtype=np.float32)
    short, lasting = low.copy(), low.copy()
    short[50:55], lasting[50:80] = 0.75, 0.75
    assert monitor(Scored(times, states, low, short)).pauses_s == ()
    assert monitor(Scored(times, states, low, lasting)).pauses_s == pytest.approx((11.8,))


def test_platt_finds_the_line_that_made_the_outcomes_even_far_off() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(0.0, 12.0, 20_000)
    happens = (rng.random(len(z)) < 1.0 / (1.0 + np.exp(-(0.4 * z - 1.0)))).astype(np.float64)
    slope, offset = fit_platt(z, happens, np.ones(len(z)))
    assert slope == pytest.approx(0.4, abs=0.03)
    assert offset == pytest.approx(-1.0, abs=0.1)
    said = 1.0 / (1.0 + np.exp(-(slope * z + offset)))
    error = calibration_error(said, happens)
    assert error is not None and error < 0.02


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(0.0, 1.5, (10_000, N_STATES))
    share = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    state = (share.cumsum(axis=1) < rng.random((len(z), 1))).sum(axis=1).clip(max=N_STATES - 1)
    assert fit_temperature(3.0 * z, state, np.ones(len(z))) == pytest.approx(3.0, rel=0.1)


def test_the_fused_graph_says_what_its_parts_say() -> None:
    network = replace(small_network(), change_sd=np.array([0.1, 0.2, 0.3], dtype=np.float32))
    calibration = Calibration(temperature=2.0, risk=(0.5, 0.1), crisis=(2.0, -1.0))
    features, memory = some_features(BATCH), some_memory(BATCH)
    states, risk, crisis, change, remembered = serve(build_graph(fold(network, calibration)))(features, memory)
    z, after = outputs(network, features, memory)
    by_hand = z.copy()
    by_hand[:, :N_STATES] /= 2.0
    by_hand[:, RISK] = 0.5 * z[:, RISK] + 0.1
    by_hand[:, CRISIS] = 2.0 * z[:, CRISIS] - 1.0
    said = activated(by_hand)
    for part, wanted in [
        (states, said[:, :N_STATES]),
        (risk, said[:, RISK]),
        (crisis, said[:, CRISIS]),
        (change, z[:, CHANGE] * network.change_sd),
        (remembered, after),
    ]:
        assert part is not None
        assert part.shape == wanted.shape
        assert np.allclose(part, wanted, atol=1e-5)


def places_differ(predictor: OnnxModel, row: np.ndarray) -> Iterator[bool]:
    """Whether the row's results differ from those of a batch of its own, at each place among random neighbours."""
    remembered = some_memory(1)[0]
    said = predictor.run(np.repeat(row[None], BATCH, axis=0), np.repeat(remembered[None], BATCH, axis=0))
    alone = [part[0].tobytes() for part in said if part is not None]
    for place in range(BATCH):
        for seed in range(4):
            batch, memory = some_features(BATCH, seed), some_memory(BATCH, seed + 4)
            batch[place], memory[place] = row, remembered
            said = predictor.run(batch, memory)
            yield [part[place].tobytes() for part in said if part is not None] != alone


def test_linear_algebra_is_told_to_use_one_thread_before_it_is_loaded(repository: Path) -> None:
    watched = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print(os.environ.get("OPENBLAS_NUM_THREADS"), os.environ.get("OMP_NUM_THREADS"))
sys.meta_path.insert(0, Watch())
import training.__main__
"""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    said = subprocess.run(
        [sys.executable, "-c", watched], cwd=repository, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == "1 1\n"


def test_a_tiny_run_gives_a_model_that_the_service_loads(tmp_path: Path) -> None:
    config = load_config(quick=True)
    config = TrainingConfig(3, TINY, replace(config.network, hidden=(16, 8), epochs=2, batch=4), config.budget)
    folder = train(config, tmp_path, Record("7", "python -m training train", 3, ""))
    assert folder == tmp_path / NAME / "7"
    model = load_current(tmp_path, feature_names=FEATURE_NAMES)
    assert (model.name, model.version, model.graph.remembers) == (NAME, "7", True)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["training"]["data"].startswith("Simulated throughout") and manifest["metrics"] == {}
    assert not any(places_differ(model.graph, some_features(1, 9)[0]))


TINY_FILE = """seed = 3
[cohort]
training_sessions = 10
validation_sessions = 3
randomised_share = 0.5
duration_s = [185.0, 200.0]
row_every_ms = 3000
[cohort.weights]
panic = 1.0
[network]
hidden = [12]
epochs = 2
batch = 4
learning_rate = 0.002
weight_decay = 0.1
input_noise = 0.1
drop_body_share = 0.1
drop_sets_share = 0.1
narrow = 8
memory = 96
between_share = 1.0
longest_step = 1.0
[budget]
false_alarms = 1.0
calm_pauses = 0.5
hard_pauses = 1.0
[quick]
training_sessions = 10
validation_sessions = 5
epochs = 2
"""


@pytest.mark.timeout(300)
def test_one_command_trains_records_and_says_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow", reason="the extra `training` is not installed")
    from mlflow.tracking import MlflowClient

    settings = tmp_path / "tiny.toml"
    settings.write_text(TINY_FILE, encoding="utf-8")
    store = f"sqlite:///{tmp_path / 'runs.db'}"
    places = ["--config", str(settings), "--out", str(tmp_path / "models"), "--report", str(tmp_path)]
    given = ["--version", "9", "--processes", "1", "--quick", "--unmeasured", "--tracking", store]
    assert main(["all", *places, *given]) == 0
    assert (tmp_path / "models" / "progress" / "1" / "manifest.json").is_file()
    assert load_current(tmp_path / "models", feature_names=FEATURE_NAMES).version == "9"
    assert "face_landmarks_expression is left as it is: give --data and --cache" in " ".join(
        capsys.readouterr().out.split()
    )
    versions = MlflowClient(tracking_uri=store, registry_uri=store).search_model_versions(f"name = '{NAME}'")
    assert [one.tags["version"] for one in versions] == ["9"]
    manifest = json.loads((tmp_path / "models" / NAME / "9" / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["validation"]) == {"thresholds", "states"}
    assert 0.0 <= manifest["validation"]["states"]["logistic"] <= 1.0


def test_states_are_judged_where_they_show_and_everywhere() -> None:
    rng = np.random.default_rng(6)
    network, plain = (rng.normal(size=(400, N_OUTPUTS)) for _ in range(2))
    said = network[:, :N_STATES].argmax(axis=1)
    shows, away = rng.random(400) < 0.5, rng.random(400) < 0.1
    shows &= ~away
    weight = np.where(shows, 1.0, np.where(away, 0.0, 0.2)).astype(np.float32)
    state = np.where(shows, said, (said + 1) % N_STATES)
    none, times = np.zeros(400, dtype=np.float32), 1_000 * np.arange(400)
    inputs, change = np.zeros((400, 1), np.float16), np.zeros((400, 3), np.float32)
    data = Dataset(times, inputs, state, weight, none, none, none, none, change, none, np.zeros(400, np.int64), none)
    figures = state_figures(network, plain, data)
    assert (figures.accuracy, figures.seconds) == (1.0, int(shows.sum()))
    assert figures.accuracy_all == pytest.approx(shows[~away].mean()), "who is away is in no state"
    assert figures.logistic == pytest.approx((plain[:, :N_STATES].argmax(axis=1) == state)[shows].mean())
    assert np.trace(np.array(figures.confusion)) == figures.seconds


def test_the_same_network_gives_the_same_bytes_and_leaves_other_models_alone(tmp_path: Path) -> None:
    record, calibration = Record("1", "command", 1, "data", {}), Calibration(1.0, (1.0, 0.0), (1.0, 0.0))
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        (folder / "current.json").write_text('{"other": "4"}', encoding="utf-8")
        write_version(folder, small_network(), calibration, Asked(some_features(BATCH), some_memory(BATCH)), record)
        put_in_use(folder, "1")
    for name in ("model.onnx", "manifest.json", "vectors.json"):
        first, second = ((folder / NAME / "1" / name).read_bytes() for folder in folders)
        assert first == second, name
    assert json.loads((folders[0] / "current.json").read_text(encoding="utf-8")) == {"other": "4", NAME: "1"}


def test_a_wrong_configuration_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("seed = 1\n[cohort]\n[network]\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"wrong\.toml"):
        load_config(path)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("late_share = 0.5", "late_share = 50"),
        ("wandering_share = 0.5", "wandering_share = -0.1"),
        ("drop_sets_share = 0.1", "drop_sets_share = nan"),
        ("stretch_share = 2.0", "stretch_share = -1"),
        ("odds_apart = 0.1", "odds_apart = 0"),
        ("epochs = 7", "epochs = 0"),
        ("batch = 64", "batch = 0"),
        ("learning_rate = 0.0014", "learning_rate = nan"),
        ("false_alarms = 0.95", "false_alarms = -1"),
        ("begin_with", "beginn_with"),
        ("[anew]", "[annew]"),
    ],
)
def test_a_setting_out_of_its_range_or_of_no_meaning_is_refused_by_name(tmp_path: Path, line: str, wrong: str) -> None:
    text, path = DEFAULT_PATH.read_text(encoding="utf-8"), tmp_path / "wrong.toml"
    assert line in text
    path.write_text(text.replace(line, wrong, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=wrong.strip("[]").split(" ")[0]):
        load_config(path)


def test_the_shipped_model_holds_what_its_manifest_promises(repository: Path) -> None:
    models = repository / "models"
    version = json.loads((models / "current.json").read_text(encoding="utf-8"))[NAME]
    folder = models / NAME / version
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for file, sha256 in (("model.onnx", "sha256"), ("vectors.json", "vectors_sha256")):
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == manifest[sha256], file
    model = load_current(models, feature_names=FEATURE_NAMES)
    assert not any(places_differ(model.graph, some_features(1, 9)[0]))
    assert manifest["training"]["command"].startswith("python -m training")
    assert "unknown" in (folder / "CARD.md").read_text(encoding="utf-8")


def test_expected_outputs_are_probabilities() -> None:
    said = expected_outputs(small_network(), Asked(some_features(10), some_memory(10)))
    assert np.allclose(said["emotion_state"].sum(axis=1), 1.0, atol=1e-5)
    for name in ("safety_risk", "safety_crisis"):
        assert said[name].shape == (10,) and said[name].min() >= 0.0 and said[name].max() <= 1.0
