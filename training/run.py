"""In: a configuration. Out: a trained and calibrated model in the models folder, to be measured by the evaluation."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from training.calibration import Calibration, calibrate, fold
from training.config import TrainingConfig
from training.dataset import TRAINING, VALIDATION, Dataset, build_dataset, families_of, training_cohort
from training.network import Network, fit_network
from training.package import Record, put_in_use, write_version

VALIDATION_ROW_EVERY_MS: Final = 1_000


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
    """A calibrated network and the data it is from."""

    network: Network
    calibration: Calibration
    training_rows: int
    validation: Dataset


def train_network(config: TrainingConfig, progress: Progress) -> Trained:
    """Simulate, fit and calibrate."""
    cohort = config.cohort
    progress.begin("simulating clients to train on", cohort.training_sessions)
    sessions = training_cohort(cohort, config.seed, TRAINING, progress.reach)
    share = config.network.drop_sets_share
    training = build_dataset(sessions, cohort.row_every_ms, config.seed, share, exact=False)
    progress.begin("simulating clients to calibrate on", cohort.validation_sessions)
    sessions = training_cohort(cohort, config.seed, VALIDATION, progress.reach)
    validation = build_dataset(sessions, VALIDATION_ROW_EVERY_MS, config.seed + 1, share)
    progress.begin("fitting the network", config.network.epochs)
    losses: list[float] = []

    def passed(loss: float) -> None:
        losses.append(loss)
        progress.reach(len(losses))

    network = fit_network(training, config.network, config.seed, passed)
    calibration = calibrate(network, validation)
    return Trained(fold(network, calibration), calibration, len(training), validation)


def train(config: TrainingConfig, models: Path, record: Record, progress: Progress | None = None) -> Path:
    """Train, write `models/emotion_safety/<version>/` without card and metrics, and put that version in use.

    Gives the version's folder; `training.evaluation` measures it and writes what is missing.
    """
    trained = train_network(config, progress or Silence())
    about = describe_data(config, trained.training_rows, len(trained.validation))
    record = replace(record, data=about)
    folder = write_version(models, trained.network, trained.calibration, trained.validation.features, record)
    put_in_use(models, record.version)
    return folder


def describe_data(config: TrainingConfig, rows: int, calibration_rows: int) -> str:
    """What the model was trained on, in words."""
    cohort = config.cohort
    return (
        f"Simulated throughout (`emdr_stream.simulation`): {cohort.training_sessions} sessions drawn for training "
        f"({rows} rows), {cohort.validation_sessions} of other persons for calibration ({calibration_rows} rows). "
        f"{cohort.randomised_share:.0%} of the training sessions and {cohort.validation_randomised_share:.0%} of those "
        f"for calibration are domain-randomised. Left out of both: the families "
        f"{', '.join(cohort.held_out_families)} and the sensor {cohort.held_out_sensor}. Families trained on: "
        f"{', '.join(families_of(cohort))}."
    )
