"""In: figures. Out: targets with what was reached, and the rows of the tables on the terminal and the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emdr_stream.evaluation.bootstrap import Interval
from training.personalization.course import Way
from training.personalization.measuring import Coverage, Figures, Report

MORE_OUTSIDE: Final = 0.02
"""Share by which time outside of the window may exceed the fixed setting's."""
COVERED: Final = 0.90
DECISIONS: Final = 1_000_000
HARMLESS: Final = ("nothing has an effect", "no benefit, some cost")
_PRACTICAL: Final = 0.02
"""Points of SUD a set below which a difference is none: a hundredth of the noise of two ratings, twice."""

COURSE_HEADINGS: Final = (
    "world",
    "way",
    "decisions",
    "rules broken",
    "benefit a set",
    "against careful (95 %)",
    "s outside in 100 sets",
    "against careful (95 %)",
    "sets left, %",
    "regret a decision",
)
COVERAGE_HEADINGS: Final = (
    "target",
    "logs",
    "refused",
    "truth",
    "ESS",
    "DR covers",
    "SNIPS covers",
    "DR bias",
    "DR width",
)


@dataclass(frozen=True, slots=True)
class Reached:
    """A target, the figure, and whether it is reached."""

    what: str
    figure: str
    reached: bool


def course_row(each: Figures) -> tuple[str, ...]:
    return (
        each.world,
        each.way,
        f"{each.decisions:,}",
        str(each.forbidden) if each.way != Way.FIXED else "–",
        f"{each.reward:.3f}",
        _signed(each.more_reward, 1.0, "", 3),
        f"{each.outside:.0f}",
        _signed(each.more_outside, 100.0, " %", 1),
        f"{each.left:.1f}",
        f"{each.regret:.3f}",
    )


def coverage_row(each: Coverage) -> tuple[str, ...]:
    return (
        each.target,
        str(each.repetitions),
        str(each.refused),
        f"{each.truth:.3f}",
        f"{each.ess:.0f}",
        f"{each.covered_robust:.1%}",
        f"{each.covered_snips:.1%}",
        f"{each.bias_robust:+.3f}",
        f"{each.width_robust:.3f}",
    )


def targets(report: Report) -> list[Reached]:
    """What must hold, world by world."""
    learned = {each.world: each for each in report.figures if each.way == Way.LEARNED}
    uniform = {each.world: each for each in report.figures if each.way == Way.UNIFORM}
    decided = [each for each in report.figures if each.way != Way.FIXED]
    decisions, broken = sum(each.decisions for each in learned.values()), sum(each.forbidden for each in decided)
    found = [
        Reached(
            f"no rule broken in {DECISIONS:,} decisions",
            f"{broken} in {decisions:,}",
            broken == 0 and decisions >= DECISIONS,
        )
    ]
    for world, each in learned.items():
        found += _window(each, [other for other in report.figures if other.world == world])
        other = uniform[world].regret
        if other > 0.0:
            figure = f"{each.regret:.4f} against {other:.4f}"
            found.append(Reached(f"{world}: regret below uniform", figure, each.regret < other))
    for world in HARMLESS:
        if world in learned:
            found.append(_harmless(learned[world]))
    found += [
        Reached(f"{each.target}: DR interval holds the truth in 90 %", f"{each.covered_robust:.1%}", _covers(each))
        for each in report.coverage
    ]
    return found


def _window(learned: Figures, figures: Sequence[Figures]) -> list[Reached]:
    """Against both: what happens without any of this, and what the mask alone does."""
    found = []
    for other in figures:
        if other.way in {Way.FIXED, Way.CAREFUL}:
            more = learned.outside / max(other.outside, 1e-9) - 1.0
            what = f"{learned.world}: time outside at most 2 % above {other.way}"
            found.append(Reached(what, f"{more:+.1%}", more <= MORE_OUTSIDE))
    return found


def _covers(each: Coverage) -> bool:
    return each.covered_robust >= COVERED


def _harmless(each: Figures) -> Reached:
    more = each.more_reward.value or 0.0
    figure = f"{_signed(each.more_reward, 1.0, ' points of SUD', 3)}"
    return Reached(f"{each.world}: benefit not below careful by {_PRACTICAL}", figure, more >= -_PRACTICAL)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (headings, ["---"] * len(headings), *rows)]
    return "\n".join(lines) + "\n"


def page(report: Report, command: str) -> str:
    """All tables, as Markdown."""
    rows = [(each.what, each.figure, "yes" if each.reached else "no") for each in targets(report)]
    parts = [
        f"Simulated, all of it, by `{command}`.\n",
        markdown(("target", "figure", "reached"), rows),
        markdown(COURSE_HEADINGS, [course_row(each) for each in report.figures]),
        markdown(COVERAGE_HEADINGS, [coverage_row(each) for each in report.coverage]),
    ]
    return "\n".join(parts)


def _signed(interval: Interval, scale: float, unit: str, places: int) -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return "–"
    value, low, high = (scale * each for each in (interval.value, interval.low, interval.high))
    return f"{value:+.{places}f} ({low:+.{places}f} to {high:+.{places}f}){unit}"
