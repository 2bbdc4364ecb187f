"""In: the arguments of `python -m training progress`. Out: tables on the terminal, and the model with its card."""

import argparse
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from training.progress.gates import targets
from training.progress.package import write_version
from training.progress.pages import COVERAGE_HEADINGS, SKILL_HEADINGS, card, coverage_row, metrics, skill_rows
from training.progress.protocol import QUICK, Outcome, Plan
from training.progress.protocol import run as measure
from training.shown import Bars, print_table

EPILOG: Final = """examples:
  python -m training progress --data ../shared/data
  python -m training progress --quick --dry

Without --data the real series are left out, and the card says nothing of them."""

_WIDE: Final = 180


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "progress",
        help="fit the priors of the progress predictor, score its forecasts, write models/progress",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of real data, with `outcomes` in it")
    parser.add_argument("--out", type=Path, default=Path("models"), help="models folder (default: models)")
    parser.add_argument("--version", default="1", help="version to write (default: 1)")
    parser.add_argument("--quick", action="store_true", help="few persons, within a minute: for trying things")
    parser.add_argument("--dry", action="store_true", help="write nothing")


def run(args: argparse.Namespace, console: Console, command: str) -> int:
    """Exit code 0 when it was done, whatever the figures. Raises ConfigurationError."""
    if not console.is_terminal:
        console.width = _WIDE
    plan = QUICK if args.quick else Plan()
    with Bars(console) as bars:
        outcome = measure(plan, args.data, bars)
    _print(console, outcome)
    if not args.dry:
        page = card(plan, outcome, args.version, command)
        folder = write_version(args.out, args.version, outcome.priors, command, metrics(outcome), page)
        console.print(f"written: {folder}", markup=False)
    return 0


def _print(console: Console, outcome: Outcome) -> None:
    every = (*outcome.simulated, *outcome.real, *outcome.shifted)
    print_table(console, SKILL_HEADINGS, [row for scored in every for row in skill_rows(scored)])
    print_table(console, COVERAGE_HEADINGS, [coverage_row(scored) for scored in every])
    rows = [(each.what, each.figure, "yes" if each.reached else "no") for each in targets(outcome)]
    print_table(console, ("target", "figure", "reached"), rows)
