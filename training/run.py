"""In: a configuration. Out: a trained and calibrated model in the models folder, to be measured by the evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from emdr_stream.domain import Thresholds
from emdr_stream.errors import ConfigurationError, ModelRefused
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.inference.models import load_model
from emdr_stream.pipeline.features import FEATURE_NAMES, N_FEATURES
from training.calibration import Calibration, calibrate, fold
from training.config import NetworkConfig, TrainingConfig
from training.dataset import TRAINING, VALIDATION, Dataset, joined, run_tasks, tasks_of
from training.fitting import fit_network
from training.graph import network_in
from training.network import CRISIS, N_STATES, RISK, Network, Some, activated, drawn, shapes_of
from training.package import NAME, Asked, Record, asked_of, put_in_use, version_in_use, write_version
from training.passes import Along, outputs_along
from training.reference import looked_at, make_reference, write_reference
from training.replay import Scored
from training.served import serve
from training.states import StateFigures, fit_logistic, state_figures
from training.thresholds import Choice, ValidationSession, ValidationTask, chosen, moved, tried


class Progress(Protocol):
    """Is told what is being done, how much of it there is, and how far it has come."""

    def begin(self, what: str, total: int) -> None:
        """A new piece of work of `total` steps."""

    def reach(self, done: int) -> None:
        """`done` steps of it are done."""


class Silence:
    """Progress that nobody looks at."""

    def begin(self, what: str, total: int) -> None:
        """Nothing is shown."""

    def reach(self, done: int) -> None:
        """Nothing is shown."""


def counted(progress: Progress, what: str) -> Callable[[int, int], None]:
    """Progress of one piece of work whose size its first step tells: called with what is done, and of how much."""
    begun = False

    def reach(done: int, count: int) -> None:
        nonlocal begun
        if not begun:
            progress.begin(what, count)
            begun = True
        progress.reach(done)

    return reach


@dataclass(frozen=True, slots=True)
class Trained:
    """A calibrated network whose thresholds are the service's own, what was chosen, and what it is from.

    `asked`: rows of validation that the version's stored answers are about.
    """

    network: Network
    calibration: Calibration
    choice: Choice
    states: StateFigures
    training_rows: int
    validation_rows: int
    asked: Asked


def train_network(
    config: TrainingConfig,
    progress: Progress,
    extra: Sequence[Dataset] = (),
    processes: int = 1,
    begin: Network | None = None,
) -> Trained:
    """Simulate, fit, calibrate and choose the thresholds. The number of processes changes the time alone.

    `extra`: sessions to fit on beside the simulated ones. `begin`: what to go on from.
    """
    cohort = config.cohort
    progress.begin("simulating clients to train on", cohort.training_sessions)
    tasks = tasks_of(cohort, config.seed, TRAINING, config.network.drop_sets_share)
    training = [*run_tasks(tasks, processes, progress.reach), *extra]
    progress.begin("simulating clients to validate on", cohort.validation_sessions)
    watched = [ValidationTask(task) for task in tasks_of(cohort, config.seed, VALIDATION)]
    sessions = run_tasks(watched, processes, progress.reach)
    return fitted(config, training, sessions, progress, processes, begin)


def fitted(
    config: TrainingConfig,
    training: Sequence[Dataset],
    sessions: Sequence[ValidationSession],
    progress: Progress,
    threads: int = 1,
    begin: Network | None = None,
) -> Trained:
    """A network for these sessions, calibrated on those of validation, with the thresholds chosen there."""
    validation = joined([session.data for session in sessions])
    progress.begin("fitting the network", config.network.epochs)
    losses: list[float] = []

    def passed(loss: float) -> None:
        losses.append(loss)
        progress.reach(len(losses))

    network = fit_network(training, config.network, config.seed, passed, threads, begin)
    said = along(network, sessions)
    calibration = calibrate(raw(said), validation)
    progress.begin("choosing the thresholds", len(tried(config.budget)))
    choice = choose(fold(network, calibration), sessions, config, progress)
    calibration = settled(calibration, choice)
    plain = along(fit_logistic(training, config), sessions)
    states = state_figures(raw(said), raw(plain), validation)
    asked = asked_of([each.features for each in sessions], [each.before for each in said])
    rows = sum(map(len, training))
    return Trained(fold(network, calibration), calibration, choice, states, rows, len(validation), asked)


def along(network: Network, sessions: Sequence[ValidationSession]) -> list[Along]:
    """What a network says along each session, remembering as the service does."""
    return outputs_along(network, [(each.times_ms, each.features) for each in sessions])


def raw(said: Sequence[Along]) -> Some:
    """The raw outputs for all rows (n, N_OUTPUTS)."""
    return np.concatenate([each.outputs for each in said])


def choose(
    network: Network, sessions: Sequence[ValidationSession], config: TrainingConfig, progress: Progress
) -> Choice:
    """Where advice and pause begin, for a network whose outputs are calibrated."""
    return chosen(sessions, scored_by(network, sessions), config.budget, progress.reach)


def scored_by(network: Network, sessions: Sequence[ValidationSession]) -> list[Scored]:
    """What a calibrated network says along each session."""
    scored = []
    for session, one in zip(sessions, along(network, sessions), strict=True):
        said = activated(one.outputs)
        scored.append(Scored(session.times_ms, said[:, :N_STATES], said[:, RISK], said[:, CRISIS]))
    return scored


def settled(calibration: Calibration, choice: Choice) -> Calibration:
    """The calibration moved so that the chosen figures are the service's thresholds."""
    limits = Thresholds()
    risk = moved(calibration.risk, choice.risk, limits.risk)
    crisis = moved(calibration.crisis, choice.crisis, limits.crisis_pause)
    by = (risk[1] - calibration.risk[1], crisis[1] - calibration.crisis[1])
    return replace(calibration, risk=risk, crisis=crisis, moved=by)


def train(
    config: TrainingConfig,
    models: Path,
    record: Record,
    progress: Progress | None = None,
    *,
    extra: Sequence[Dataset] = (),
    use: bool = True,
    processes: int = 1,
) -> Path:
    """Train, write `models/emotion_safety/<version>/` without card and metrics, and put it in use, unless told not to.

    Gives the version's folder; `training.evaluation` measures it and writes what is missing. `extra`: labelled
    recordings to train on, beside the sessions of the simulator.
    """
    _check_free(config, models, record.version)
    begin = shipped(config.begin_with, config.network) if config.begin_with else None
    trained = train_network(config, progress or Silence(), extra, processes, begin)
    about = describe_data(config, trained.training_rows, trained.validation_rows)
    if extra:
        about += f" Among the rows trained on are {sum(map(len, extra))} of labelled recordings of consenting clients."
    return ship(trained, models, replace(record, data=about), config, progress, use=use)


def _check_free(config: TrainingConfig, models: Path, version: str) -> None:
    """Of what is shipped, the version in use may be made again, by its own settings, and no other."""
    if models.resolve() != default_models_dir().resolve() or not (models / NAME / version).exists():
        return
    if config.quick or version != version_in_use(models):
        raise ConfigurationError(
            f"--version {version} is shipped: choose another number, or a folder of your own (--out)"
        )


def ship(
    trained: Trained,
    models: Path,
    record: Record,
    config: TrainingConfig,
    progress: Progress | None = None,
    *,
    use: bool = True,
) -> Path:
    """Write the version with what drift is told against, and put it in use unless told not to."""
    progress = progress or Silence()
    record = replace(record, validation={"thresholds": asdict(trained.choice), "states": asdict(trained.states)})
    folder = write_version(models, trained.network, trained.calibration, trained.asked, record)
    progress.begin("simulating clients to tell drift from", looked_at(config).validation_sessions)
    model = serve((folder / "model.onnx").read_bytes())
    write_reference(folder, make_reference(model, config, record.command, progress.reach))
    if use:
        put_in_use(models, record.version)
    return folder


def shipped(version: str, config: NetworkConfig) -> Network:
    """A shipped version of emotion_safety, calibrated as it is.

    Raises ConfigurationError where there is none that its manifest vouches for, or one of another shape than `config`.
    """
    folder = default_models_dir() / NAME / version
    try:
        load_model(folder, feature_names=FEATURE_NAMES)
        network = network_in((folder / "model.onnx").read_bytes())
    except (ModelRefused, OSError, ValueError) as problem:
        raise ConfigurationError(f"begin_with: {problem}; an empty one begins anew") from None
    unseen = np.zeros(N_FEATURES, np.float32)
    wanted = drawn(np.random.default_rng(0), config, unseen, unseen, network.change_sd)
    if shapes_of(network) != shapes_of(wanted):
        raise ConfigurationError(
            f"begin_with: version {version} has another shape than hidden, narrow and memory under [network] say; "
            "an empty one begins anew"
        )
    return network


def describe_data(config: TrainingConfig, rows: int, validation_rows: int) -> str:
    """What the model was trained on, in words."""
    cohort = config.cohort
    return (
        f"Simulated throughout (`emdr_stream.simulation`): {cohort.training_sessions} sessions for training ({rows} "
        f"rows; {cohort.randomised_share:.0%} domain-randomised, {cohort.wandering_share:.0%} "
        f"excursions of any form in place of a family, {cohort.late_share:.0%} listened to from their midst, with a "
        f"short baseline), {cohort.validation_sessions} of other persons for "
        f"calibration and thresholds ({validation_rows} rows; the mixture of the tests), each session another person. "
        f"Families trained on: {', '.join(cohort.weights)}.{_begun(config)}"
    )


def _begun(config: TrainingConfig) -> str:
    return f" Its first weights are those of version {config.begin_with}." if config.begin_with else ""
