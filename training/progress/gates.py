"""In: figures. Out: the targets of the progress predictor, each with what was reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emdr_stream.evaluation.bootstrap import Interval
from training.progress.protocol import Outcome, Scored
from training.progress.scoring import Skill

COVERAGE: Final = (0.85, 0.95)
R2_START: Final = 0.15
R2_MID: Final = 0.55


@dataclass(frozen=True, slots=True)
class Target:
    """`reached` is None where it is told and not demanded."""

    what: str
    figure: str
    reached: bool | None


def targets(outcome: Outcome) -> list[Target]:
    """Series after series: both rivals at each moment, coverage; R² and Brier on simulated PCL-5."""
    found: list[Target] = []
    for scored in [*outcome.simulated, *outcome.real]:
        for skill in scored.skills:
            found += _rivals(scored, skill)
        found.append(_coverage(scored))
    found += [_coverage(scored) for scored in outcome.shifted]
    return found + _skills(outcome.simulated)


def _rivals(scored: Scored, skill: Skill) -> list[Target]:
    return [
        Target(
            f"{scored.name}, {skill.name}: RMSE below {rival}",
            f"{skill.rmse:.2f} against {theirs:.2f}",
            skill.rmse < theirs,
        )
        for rival, theirs in (("last value", skill.rmse_carried), ("population mean", skill.rmse_mean))
    ]


def _coverage(scored: Scored) -> Target:
    inside = scored.coverage.inside90
    low, high = COVERAGE
    reached = inside.value is not None and low <= inside.value <= high
    figure = "–" if inside.value is None else f"{inside.value:.3f}"
    return Target(f"{scored.name}: 90 % intervals cover 85 to 95 %", figure, reached)


def _skills(simulated: Sequence[Scored]) -> list[Target]:
    found = []
    for scored in simulated:
        for skill in scored.skills:
            limit = {"start": R2_START, "mid-course": R2_MID}.get(skill.name)
            value = skill.over_mean.value
            if scored.name == "pcl5" and limit is not None and value is not None:
                found.append(Target(f"pcl5, {skill.name}: R² ≥ {limit}", f"{value:.2f}", value >= limit))
            if scored.name == "pcl5" and skill.brier is not None and skill.brier_base is not None:
                what = f"pcl5, {skill.name}: Brier score of reliable change below the base rate's"
                figure = f"{skill.brier:.3f} against {skill.brier_base:.3f}"
                found.append(Target(what, figure, skill.brier < skill.brier_base))
    return found


def shown(interval: Interval) -> str:
    """A share with its 95 % interval."""
    if interval.value is None or interval.low is None or interval.high is None:
        return "–"
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
