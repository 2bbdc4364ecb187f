"""In: the training's settings. Out: how much of a family is found by a model that has never seen one of its kind.

What is held out for a release is not to be looked at while a training is changed. This is what to look at instead: a
family that is trained on is left out, with all that may contain it, and asked for afterwards. Thresholds come from
validation, as ever. The same is done without wandering sessions, and with everything trained on, which is the most that
can be hoped for.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from emdr_stream.domain import Thresholds
from emdr_stream.errors import ConfigurationError
from emdr_stream.recording.trials import usable_cores
from emdr_stream.simulation import TEST_DURATION_S, Family
from training.config import TrainingConfig, load_config
from training.dataset import TRAINING, VALIDATION_ROW_EVERY_MS, SessionTask, run_tasks
from training.run import Progress, scored_by, train_network
from training.shown import Bars
from training.thresholds import Choice, ValidationSession, ValidationTask, judged_at

CONTAINED: Final = {
    Family.PANIC: (Family.FACE_LOST, Family.NOISY_SENSOR),
    Family.SHUTDOWN: (Family.NOISY_SENSOR,),
}
"""Families with crises, and the families in which they may come too."""
_ASKED_SEED: Final = 9_941
"""Of the sessions that are asked for: other persons than any training's."""

EPILOG: Final = """examples:
  python -m training leave-out --family panic --sessions 1500 --validation 200
  python -m training leave-out --family shutdown --seed 7

Figures of other seeds differ by several hundredths: compare what one run prints."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One way to train: what it comes to on validation, and on the family alone."""

    trained_on: str
    validation: Choice
    family: Choice


def leave_out(config: TrainingConfig, family: Family, asked: int, progress: Progress, processes: int) -> list[Asked]:
    """Train three times, and ask for `asked` sessions of the family."""
    weights = config.cohort.weights
    hidden = {family, *CONTAINED[family]}
    others = {name: weight for name, weight in weights.items() if name not in hidden}
    wandering = config.cohort.wandering_share
    ways = (
        ("all but it, no wandering", others, 0.0),
        (f"all but it, {wandering:.0%} wandering", others, wandering),
        (f"all, {wandering:.0%} wandering", weights, wandering),
    )
    progress.begin(f"simulating {family.value} to be asked for", asked)
    sessions = run_tasks(_asked(config, family, asked), processes, progress.reach)
    return [_ask(name, _with(config, kept, share), sessions, progress, processes) for name, kept, share in ways]


def _with(config: TrainingConfig, weights: dict[Family, float], wandering: float) -> TrainingConfig:
    return replace(config, cohort=replace(config.cohort, weights=weights, wandering_share=wandering))


def _asked(config: TrainingConfig, family: Family, asked: int) -> list[ValidationTask]:
    """Sessions of one family, as long as those of the tests, nothing randomised."""
    cohort = replace(
        config.cohort,
        training_sessions=asked,
        randomised_share=0.0,
        wandering_share=0.0,
        late_share=0.0,
        duration_s=TEST_DURATION_S,
        row_every_ms=VALIDATION_ROW_EVERY_MS,
        weights={family: 1.0},
    )
    return [ValidationTask(SessionTask(cohort, _ASKED_SEED, TRAINING, index, 0.0)) for index in range(asked)]


def _ask(
    name: str, config: TrainingConfig, sessions: Sequence[ValidationSession], progress: Progress, processes: int
) -> Asked:
    trained = train_network(config, progress, processes=processes)
    limits = Thresholds()
    family = judged_at(sessions, scored_by(trained.network, sessions), _odds(limits.risk), _odds(limits.crisis_pause))
    return Asked(name, trained.choice, family)


def _odds(probability: float) -> float:
    return log(probability / (1.0 - probability))


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "leave-out",
        help="train without a family, and see how much of it is found",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--family", required=True, choices=[each.value for each in CONTAINED], help="which one")
    parser.add_argument("--sessions", type=int, help="to train on, each of three times (default: as configured)")
    parser.add_argument("--validation", type=int, help="sessions of validation (default: as configured)")
    parser.add_argument("--asked", type=int, default=80, help="sessions of the family (default: 80)")
    parser.add_argument("--seed", type=int, help="of the training (default: as configured)")
    parser.add_argument("--processes", type=int, default=usable_cores(), help="how many at a time (default: up to 2)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Exit code 0 when it was done, whatever the figures; raises ConfigurationError for a wrong number."""
    config = load_config().from_nothing()
    cohort = config.cohort
    sizes = {"training_sessions": args.sessions, "validation_sessions": args.validation}
    cohort = replace(cohort, **{name: n for name, n in sizes.items() if n is not None})
    if min(cohort.training_sessions, cohort.validation_sessions, args.asked) < 1:
        raise ConfigurationError("--sessions, --validation and --asked: at least 1")
    config = replace(config, cohort=cohort, seed=config.seed if args.seed is None else args.seed)
    with Bars(console) as bars:
        asked = leave_out(config, Family(args.family), args.asked, bars, args.processes)
    console.print(_table(args.family, asked))
    return 0


def _table(family: str, asked: Sequence[Asked]) -> Table:
    table = Table(title=f"{family}, by models that have or have not seen it")
    headings = ("trained on", f"{family} found", "false alarms/h", "validation found", "false alarms/h")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for each in asked:
        of, all_ = each.family, each.validation
        figures = (of.sensitivity, of.false_alarms, all_.sensitivity, all_.false_alarms)
        table.add_row(each.trained_on, *(f"{figure:.2f}" for figure in figures))
    return table
