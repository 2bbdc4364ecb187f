"""In: a TOML file. Out: the settings of one training run, checked and frozen."""

import tomllib
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Final

from emdr_stream.domain import MEMORY_UNITS
from emdr_stream.simulation import Family

DEFAULT_PATH = Path(__file__).with_name("config.toml")
_TABLES: Final = frozenset({"seed", "begin_with", "cohort", "network", "anew", "budget", "quick"})


def _are_shares(config: object, *names: str) -> None:
    for name in names:
        if not 0.0 <= getattr(config, name) <= 1.0:
            raise ValueError(f"{name}: from 0 to 1")


def _are_positive(config: object, *names: str) -> None:
    for name in names:
        if not 0.0 < getattr(config, name) < inf:
            raise ValueError(f"{name}: above 0")


@dataclass(frozen=True, slots=True)
class CohortConfig:
    """Which sessions are simulated. Each cohort has persons of its own, and each session another one.

    Validation is drawn as the test sets are: their mixture of families, their length, nothing randomised.
    """

    training_sessions: int
    validation_sessions: int
    randomised_share: float
    duration_s: tuple[float, float]
    row_every_ms: int
    wandering_share: float = 0.0
    """Of the training sessions: excursions of any form, in place of a family."""
    late_share: float = 0.0
    """Of the training sessions: listened to late, with a short baseline (`training.listening`)."""
    weights: dict[Family, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _are_shares(self, "randomised_share", "wandering_share", "late_share")
        _are_positive(self, "training_sessions", "validation_sessions", "row_every_ms")


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Shape of the network and how it learns; shares in 0..1, `input_noise` in standardised units.

    `memory`: how many numbers it remembers, MEMORY_UNITS or none; `narrow`: of how many the memory is told. `batch`
    counts sessions. `between_share`: of the rows between two steps of the memory, how many are learned from in a pass.
    `longest_step`: slopes that are longer, all together, are cut to it. `crisis_share`, `stretch_share`: of the errors
    of a row's crisis and of a stretch's (`training.stretches`) in the loss.
    """

    hidden: tuple[int, ...]
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    input_noise: float
    drop_body_share: float
    drop_sets_share: float
    narrow: int
    memory: int
    between_share: float
    longest_step: float
    crisis_share: float = 1.2
    stretch_share: float = 0.0

    def __post_init__(self) -> None:
        if self.memory not in (0, MEMORY_UNITS):
            raise ValueError(f"memory: the service keeps {MEMORY_UNITS} numbers of a session, or none")
        _are_shares(self, "drop_body_share", "drop_sets_share", "between_share")
        _are_positive(self, "epochs", "batch", "learning_rate", "longest_step")
        for name in ("crisis_share", "stretch_share", "weight_decay", "input_noise"):
            if not 0.0 <= getattr(self, name) < inf:
                raise ValueError(f"{name}: at least 0")


@dataclass(frozen=True, slots=True)
class Budget:
    """What the thresholds may cost on validation, an hour: less than the targets, for other persons differ.

    `odds_apart`: of the thresholds that are tried, in log-odds.
    """

    false_alarms: float
    calm_pauses: float
    hard_pauses: float
    odds_apart: float = 0.2

    def __post_init__(self) -> None:
        _are_positive(self, "false_alarms", "calm_pauses", "hard_pauses")
        if not 0.0 < self.odds_apart <= 1.0:
            raise ValueError("odds_apart: above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything a run depends on."""

    seed: int
    cohort: CohortConfig
    network: NetworkConfig
    budget: Budget
    begin_with: str = ""
    """The shipped version of emotion_safety whose weights are the first; empty for weights drawn at random."""
    anew: NetworkConfig | None = None
    """The network's settings for a training that begins with nothing: it needs larger steps."""
    quick: bool = False

    def from_nothing(self) -> "TrainingConfig":
        """The same, begun with weights drawn at random: whoever tries things wants to see what they do."""
        return replace(self, begin_with="", network=self.anew or self.network)


def load_config(path: Path = DEFAULT_PATH, *, quick: bool = False) -> TrainingConfig:
    """Read the settings. Raises ValueError naming the file for a missing, unknown or impossible entry."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        cohort, network = dict(table["cohort"]), dict(table["network"])
        cohort["weights"] = {Family(name): float(weight) for name, weight in cohort["weights"].items()}
        cohort["duration_s"] = (float(cohort["duration_s"][0]), float(cohort["duration_s"][1]))
        anew = _network(network | table.get("anew", {}))
        budget = Budget(**{name: float(value) for name, value in table["budget"].items()})
        begin_with = str(table.get("begin_with", ""))
        if unknown := table.keys() - _TABLES:
            raise ValueError(f"{', '.join(sorted(unknown))}: there is {', '.join(sorted(_TABLES))}")
        config = TrainingConfig(
            int(table["seed"]),
            CohortConfig(**cohort),
            _network(network) if begin_with else anew,
            budget,
            begin_with,
            anew,
        )
        return _quickened(config, table["quick"]) if quick else config
    except (KeyError, TypeError, ValueError) as problem:
        raise ValueError(f"{path}: {problem}; compare it with {DEFAULT_PATH.name}") from problem


def _network(table: dict[str, Any]) -> NetworkConfig:
    return NetworkConfig(**{**table, "hidden": tuple(int(width) for width in table["hidden"])})


def _quickened(config: TrainingConfig, table: dict[str, int]) -> TrainingConfig:
    config = config.from_nothing()
    cohort = replace(
        config.cohort,
        training_sessions=table["training_sessions"],
        validation_sessions=table["validation_sessions"],
    )
    network = replace(config.network, epochs=table["epochs"])
    return replace(config, cohort=cohort, network=network, quick=True)
