"""A network with a memory: what it keeps and when, what it learns from, and that the service remembers the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.domain import MEMORY_UNITS, Scores
from emdr_stream.inference.batch import RowScorer
from emdr_stream.inference.models import load_model
from emdr_stream.pipeline.features import FEATURE_NAMES, N_FEATURES
from emdr_stream.pipeline.memory import FORGOTTEN_MS
from emdr_stream.recording.reading import read_recording
from emdr_stream.recording.replay import watch_recording
from emdr_stream.session.effects import Analyse, Effect
from tests.unit.training.recorded_clients import write_clients
from tests.unit.training.small_networks import small_config, small_network, some_features, some_memory
from training.calibration import Calibration, fold
from training.config import NetworkConfig, load_config
from training.dataset import Dataset
from training.fitting import fit_network
from training.graph import BATCH, build_graph
from training.network import (
    CHANGE,
    CRISIS,
    N_OUTPUTS,
    N_STATES,
    Cell,
    Layer,
    Network,
    activated,
    uncompressed,
)
from training.package import Asked, Record, asked_of, expected_outputs, write_version
from training.passes import BatchTargets, loss_and_slopes, outputs, outputs_along
from training.replay import run_model, run_sessions
from training.rows import derive
from training.served import serve
from training.unrolled import Packed, packed, runs_of

NONE = Calibration(1.0, (1.0, 0.0), (1.0, 0.0))


# what is kept, and when ---------------------------------------------------------------------------------------------


def test_the_first_row_is_kept_and_then_the_first_two_seconds_later() -> None:
    (run,) = runs_of(np.array([60_000, 61_000, 62_000, 62_400, 63_999, 64_000, 70_000, 71_999, 72_000]))
    assert run.steps.tolist() == [0, 2, 5, 6, 8]
    assert run.between.tolist() == [1, 3, 4, 7]
    assert run.since.tolist() == [0, 1, 1, 3]


def test_after_as_long_as_the_longest_window_nothing_is_remembered() -> None:
    times = np.array([0, 1_000, 2_000, 2_000 + FORGOTTEN_MS - 1, 2 * FORGOTTEN_MS + 2_000, 2 * FORGOTTEN_MS + 3_000])
    runs = runs_of(times)
    assert [run.steps.tolist() for run in runs] == [[0, 2, 3], [4]]
    assert [run.between.tolist() for run in runs] == [[1], [5]]
    assert runs_of(times[:0]) == []


def orders(times: list[np.ndarray]) -> Packed:
    each = [runs_of(one) for one in times]
    edges = np.cumsum([0, *map(len, times)]).tolist()
    firsts = [first for runs, first in zip(each, edges, strict=False) for _ in runs]
    return packed([run for runs in each for run in runs], firsts)


def test_sessions_go_side_by_side_and_every_row_is_there_once() -> None:
    times = [np.arange(0, 5_000, 1_000), np.arange(0, 9_000, 1_000), np.array([7])]
    order = orders(times)
    # The second session is the longest: its steps are rows 5, 7, ...; the first's 0, 2, 4; the third's 14.
    assert order.rows[: order.offsets[-1]].tolist() == [5, 0, 14, 7, 2, 9, 4, 11, 13]
    assert order.offsets.tolist() == [0, 3, 5, 7, 8, 9]
    assert sorted(order.rows.tolist()) == [*range(15)]
    between, seen = order.rows[order.between].tolist(), order.rows[order.previous].tolist()
    assert dict(zip(between, seen, strict=True)) == {1: 0, 3: 2, 6: 5, 8: 7, 10: 9, 12: 11}
    assert [*order.pieces()][:3] == [
        (slice(0, 3), None),
        (slice(3, 5), slice(0, 2)),
        (slice(5, 7), slice(3, 5)),
    ]


# what is learned from -----------------------------------------------------------------------------------------------


def in_double(rng: np.random.Generator, width: int = 6, units: int = 4) -> Network:
    def layer(given: int, wanted: int) -> Layer:
        return rng.normal(0.0, 0.5, (given, wanted)), rng.normal(0.0, 0.3, wanted)

    cell = Cell(layer(width, 3), layer(3, 3 * units), layer(units, 3 * units))
    layers = (layer(width + units, 5), layer(5, N_OUTPUTS))
    return Network(np.zeros(width), np.ones(width), layers, np.ones(3), cell)


def some_targets(rng: np.random.Generator, rows: int) -> BatchTargets:
    """Weights differ by output, but are equal within the five states, as in training."""
    weight = np.repeat(rng.uniform(0.5, 1.0, (rows, 4)), (N_STATES, 1, 1, 3), axis=1)
    return BatchTargets(activated(rng.normal(size=(rows, N_OUTPUTS))), weight)


TIMES = [
    np.arange(0, 12_000, 1_000),
    np.array([0, 1_000, 2_000, 2_500, 2_600, 3_000, 200_000, 201_000, 202_000, 203_000]),
    np.array([5]),
]


@pytest.mark.parametrize("remembers", [True, False])
def test_every_slope_is_that_of_the_loss(remembers: bool) -> None:
    rng = np.random.default_rng(3)
    network = in_double(rng)
    if not remembers:
        (weights, bias), last = network.layers
        network = replace(network, layers=((weights[:6], bias), last), cell=None)
    order = orders(TIMES)
    rows = len(order.rows)
    x, targets = rng.normal(size=(rows, 6)), some_targets(rng, rows)
    _, slopes = loss_and_slopes(network, x, order, targets)
    step = 1e-6
    for part, slope in zip(network.parameters(), slopes, strict=True):
        found = np.zeros_like(part)
        for at in np.ndindex(part.shape):
            kept = part[at]
            losses = []
            for moved in (kept + step, kept - step):
                part[at] = moved
                losses.append(loss_and_slopes(network, x, order, targets)[0])
            part[at] = kept
            found[at] = (losses[0] - losses[1]) / (2 * step)
        assert np.abs(found).max() > 1e-3
        assert slope == pytest.approx(found, abs=1e-6)


def test_sessions_that_go_side_by_side_change_nothing_in_one_another() -> None:
    """Loss and slopes of all are the sums of each one's own, however unequal their lengths are."""
    rng = np.random.default_rng(4)
    network, whole = in_double(rng), orders(TIMES)
    rows = len(whole.rows)
    x, targets = rng.normal(size=(rows, 6)), some_targets(rng, rows)

    def learned(order: Packed, first: int) -> tuple[float, list[np.ndarray]]:
        of = order.rows + first
        return loss_and_slopes(network, x[of], order, BatchTargets(targets.wanted[of], targets.weight[of]))

    loss, slopes = learned(whole, 0)
    edges = np.cumsum([0, *map(len, TIMES)]).tolist()
    alone = [learned(orders([one]), first) for one, first in zip(TIMES, edges, strict=False)]
    assert loss == pytest.approx(sum(one for one, _ in alone))
    for together, parts in zip(slopes, zip(*(each for _, each in alone), strict=True), strict=True):
        assert together == pytest.approx(sum(parts))


def test_what_weighs_nothing_is_remembered_but_not_learned() -> None:
    rng = np.random.default_rng(5)
    network, order = in_double(rng), orders(TIMES[:1])
    x, targets = rng.normal(size=(12, 6)), some_targets(rng, 12)
    targets.weight[order.rows == 0] = 0.0
    changed = BatchTargets(np.where(targets.weight > 0.0, targets.wanted, 0.5), targets.weight)
    loss, slopes = loss_and_slopes(network, x, order, targets)
    again, same = loss_and_slopes(network, x, order, changed)
    assert loss == again and all(np.array_equal(*pair) for pair in zip(slopes, same, strict=True))
    x[order.rows == 0] += 1.0
    assert loss_and_slopes(network, x, order, targets)[0] != pytest.approx(loss)


def toy(rng: np.random.Generator, length: int) -> Dataset:
    """A crisis is on from ten rows after a sign that is seen for three rows only: only who remembers can tell."""
    n, none = length, np.zeros(length, np.float32)
    ill = bool(rng.random() < 0.5)
    inputs = np.zeros((n, N_FEATURES), np.float16)
    inputs[:, 0] = rng.normal(0.0, 0.3, n)
    inputs[5:8, 1] = 1.0 if ill else -1.0
    crisis, weight = none.copy(), none.copy()
    crisis[15:] = ill
    weight[15:] = 1.0
    change = np.zeros((n, 3), np.float32)
    times = 60_000 + 1_000 * np.arange(n)
    zeros = np.zeros(n, np.int64)
    return Dataset(times, inputs, zeros, weight, crisis, crisis, crisis, weight, change, none, zeros, none)


def learning(memory: int) -> NetworkConfig:
    config = replace(small_config(memory), hidden=(16,), epochs=12, batch=8)
    return replace(config, learning_rate=0.02, weight_decay=0.0, drop_body_share=0.0)


def told_apart(network: Network, sessions: list[Dataset]) -> float:
    """Of the rows that count, the share that is on the right side."""
    right = []
    for one in sessions:
        (said,) = outputs_along(network, [(one.times_ms, uncompressed(one.inputs.astype(np.float32)))])
        counts = one.safety_weight > 0.0
        right.append(((said.outputs[:, CRISIS] > 0.0) == (one.crisis > 0.5))[counts])
    return float(np.concatenate(right).mean())


@pytest.fixture(scope="module")
def toys() -> list[Dataset]:
    rng = np.random.default_rng(6)
    return [toy(rng, int(rng.integers(30, 50))) for _ in range(192)]


def test_what_is_seen_no_more_is_found_by_a_memory_alone(toys: list[Dataset]) -> None:
    losses: list[float] = []
    remembers = fit_network(toys[:128], learning(MEMORY_UNITS), 3, losses.append)
    forgets = fit_network(toys[:128], learning(0), 3, lambda loss: None)
    assert len(losses) == 12 and losses[-1] < 0.5 * losses[0]
    assert told_apart(remembers, toys[128:]) > 0.9
    assert told_apart(forgets, toys[128:]) < 0.75


def test_any_number_of_threads_learns_the_same(toys: list[Dataset]) -> None:
    config = replace(learning(MEMORY_UNITS), epochs=2, between_share=0.5, drop_body_share=0.5)
    alone, together = (fit_network(toys[:32], config, 3, lambda loss: None, threads).parameters() for threads in (1, 2))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_a_memory_that_the_service_does_not_keep_is_refused() -> None:
    with pytest.raises(ValueError, match="memory"):
        replace(load_config().network, memory=50)
    with pytest.raises(ValueError, match="memory of 4"):
        build_graph(in_double(np.random.default_rng(0)))


# what is served -----------------------------------------------------------------------------------------------------


def test_the_graph_remembers_what_the_network_does() -> None:
    network = fold(small_network(), Calibration(2.0, (0.5, 0.1), (2.0, -1.0)))
    times = 60_000 + 1_000 * np.arange(40)
    rows = [some_features(40, seed) for seed in (7, 8)]
    said = outputs_along(network, [(times, each) for each in rows])
    asked = asked_of(rows, [each.before for each in said])
    assert len(asked.features) == BATCH and np.abs(asked.before[5:8]).min() > 0.0
    assert asked.before[-3:, 0].tolist() == [0.0, 1.0, -1.0]
    wanted = expected_outputs(network, asked)
    answers = serve(build_graph(network))(asked.features, asked.before)
    for (name, values), given in zip(wanted.items(), answers, strict=True):
        assert given is not None and values.shape == given.shape
        assert np.allclose(values, given, atol=1e-5), name


def test_a_row_alone_and_a_row_in_its_session_say_the_same() -> None:
    network, features = small_network(), some_features(9, 3)
    (said,) = outputs_along(network, [(1_000 * np.arange(9), features)])
    raw, after = outputs(network, features, said.before)
    assert raw == pytest.approx(said.outputs, abs=1e-5)
    assert np.array_equal(said.before[0], np.zeros(MEMORY_UNITS))
    assert said.before[1] == pytest.approx(after[0], abs=1e-6) and said.before[2] == pytest.approx(after[0], abs=1e-6)
    assert said.before[3] == pytest.approx(after[2], abs=1e-6)


@pytest.mark.parametrize("memory", [MEMORY_UNITS, 0])
def test_sessions_scored_side_by_side_are_those_of_training(memory: int) -> None:
    """Of unequal lengths, more than a batch of them, one of them with a silence, one without a row."""
    network = small_network(memory=memory)
    rng = np.random.default_rng(9)
    sessions = []
    for number in range(BATCH + 3):
        times = 60_000 + np.cumsum(rng.integers(1_000, 1_300, 5 + 3 * number if number else 0))
        times[len(times) // 2 :] += FORGOTTEN_MS * (number == 4)
        sessions.append((times, some_features(len(times), number)))
    said = run_sessions(serve(build_graph(network)), sessions)
    wanted = outputs_along(network, sessions)
    for one, other in zip(said, wanted, strict=True):
        assert one.crisis.shape == other.outputs[:, CRISIS].shape
        assert one.crisis == pytest.approx(activated(other.outputs)[:, CRISIS], abs=1e-5)
        assert one.change == pytest.approx(other.outputs[:, CHANGE], abs=1e-4)


def test_a_session_without_a_row_is_told_nothing() -> None:
    scored = run_model(serve(build_graph(small_network())), np.zeros(0, np.int64), some_features(0))
    assert (scored.states.shape, scored.risk.shape, scored.crisis.shape) == ((0, N_STATES), (0,), (0,))


class _Listening:
    """Scores as the service does, and keeps what was said."""

    def __init__(self, scorer: RowScorer) -> None:
        self._scorer = scorer
        self.said: list[Scores] = []

    def score(self, rows: np.ndarray) -> list[Scores]:
        found = self._scorer.score(rows)
        self.said += found
        return found


def test_a_session_of_the_service_remembers_as_training_does(tmp_path: Path) -> None:
    """Ten rows a second through the whole session core and the exported graph, against numpy on the same rows."""
    network = small_network()
    rows = Asked(some_features(BATCH), some_memory(BATCH))
    folder = write_version(tmp_path, network, NONE, rows, Record("1", "command", 1, "data"))
    model = load_model(folder, feature_names=FEATURE_NAMES).graph
    listening = _Listening(RowScorer(model.bound(BATCH)))
    (truth,) = write_clients(tmp_path / "recordings", 1)
    with (tmp_path / "recordings" / truth.recording).open("rb") as lines:
        recording = read_recording(lines, truth.recording)
    asked: list[tuple[int, np.ndarray]] = []

    def watch(effect: Effect, at_ms: int) -> None:
        if isinstance(effect, Analyse):
            asked.append((at_ms, effect.row.copy()))

    watch_recording(recording, listening, watch, resume_after_s=30.0)
    assert len(asked) == len(listening.said) > 500
    times = np.array([at_ms for at_ms, _ in asked])
    assert np.diff(times).min() < 1_000, "more often than training takes rows"
    (wanted,) = outputs_along(network, [(times, derive(np.array([row for _, row in asked])))])
    crisis = activated(wanted.outputs)[:, CRISIS]
    assert [each.crisis for each in listening.said] == pytest.approx(crisis, abs=1e-4)
    forgetful = outputs(network, derive(np.array([row for _, row in asked])), np.zeros_like(wanted.before))[0]
    assert np.abs(crisis - activated(forgetful)[:, CRISIS]).max() > 1e-2, "the memory counts"
