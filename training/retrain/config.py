"""In: a TOML file. Out: when to retrain and what may be deployed, checked and frozen."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_PATH: Final = Path(__file__).with_name("config.toml")


@dataclass(frozen=True, slots=True)
class RetrainConfig:
    """`new_recordings`: as many call for a training; `improvement`: share by which to be better."""

    new_recordings: int
    drift: bool
    hour: int
    minute: int
    test_sessions: int
    improvement: float


def load_retrain_config(path: Path = DEFAULT_PATH) -> RetrainConfig:
    """Raises ValueError naming the file for a missing, unknown or impossible entry."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        config = RetrainConfig(**table["trigger"], **table["schedule"], **table["evaluate"], **table["deploy"])
    except (OSError, KeyError, TypeError, ValueError) as problem:
        raise ValueError(f"{path}: {problem}; compare it with training/retrain/{DEFAULT_PATH.name}") from problem
    if config.new_recordings < 1 or not (0 <= config.hour < 24 and 0 <= config.minute < 60):
        raise ValueError(f"{path}: `new_recordings` must be 1 or more, `hour` 0 to 23, `minute` 0 to 59")
    if config.test_sessions < 2:
        raise ValueError(f"{path}: `test_sessions` must be 2 or more")
    if not 0.0 < config.improvement < 1.0:
        raise ValueError(f"{path}: `improvement` must be a share between 0 and 1")
    return config
