"""In: nothing. Out: the shape of a whole evaluation, as it is kept in `evaluation.json`."""

from collections.abc import Sequence

import msgspec

from emdr_stream.domain import Thresholds
from emdr_stream.evaluation.bootstrap import Interval
from emdr_stream.evaluation.figures import Figures
from training.evaluation.controls import Controls


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and at which cost, under some condition."""

    name: str
    events: int
    sensitivity: Interval
    false_alarms_per_hour: Interval


class Varied(msgspec.Struct, frozen=True, kw_only=True):
    """One variation of the generator's constants."""

    name: str
    factor: float
    outcome: Outcome


class Chance(msgspec.Struct, frozen=True, kw_only=True):
    """What knows nothing: silence, and the truth of somebody else."""

    silent_sensitivity: float | None
    silent_accuracy: float | None
    shuffled_sensitivity: float | None


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """A whole evaluation of one model; `cohorts` by the name of the test set."""

    model: str
    version: str
    sha256: str
    thresholds: Thresholds
    seed: int
    sessions: int
    cohorts: dict[str, Figures]
    chance: Chance
    rule: dict[str, Outcome]
    ablations: list[Outcome]
    constants: list[Varied]
    controls: Controls | None = None


def worst(constants: Sequence[Varied]) -> Varied | None:
    """The variation in which the fewest events were found; None where nothing was varied."""
    told = [each for each in constants if each.factor != 1.0 and each.outcome.sensitivity.value is not None]
    return min(told, key=lambda each: each.outcome.sensitivity.value or 0.0, default=None)
