"""In: the arguments of `python -m training personalization`. Out: tables, a report, a log of decisions."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from emdr_stream.errors import ConfigurationError
from training.personalization.exporting import decisions_of
from training.personalization.measuring import QUICK, Measurement, Report, measure
from training.personalization.pages import (
    COURSE_HEADINGS,
    COVERAGE_HEADINGS,
    course_row,
    coverage_row,
    page,
    targets,
)
from training.shown import Bars, print_table

EPILOG: Final = """examples:
  python -m training personalization
  python -m training personalization --quick
  python -m training personalization --quick --decisions decisions.jsonl

All clients are invented (training/personalization/world.py): the figures tell whether the software keeps its rules, and
nothing of people. The decisions are what `emdr-stream personalization evaluate` reads."""
_WIDE: Final = 200


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "personalization",
        help="simulated courses: does the pattern optimiser keep its rules, and does it harm",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few clients, within a minute: for trying things")
    parser.add_argument("--seed", type=int, default=1, help="of clients and decisions (default: 1)")
    parser.add_argument("--report", type=Path, help="folder for report.json and report.md (default: none)")
    parser.add_argument("--decisions", type=Path, metavar="FILE", help="write the decisions of one course here, JSONL")


def run(args: argparse.Namespace, console: Console, command: str) -> int:
    """Exit code 0 when it was done, whatever the figures. Raises ConfigurationError."""
    if not console.is_terminal:
        console.width = _WIDE
    plan = replace(QUICK if args.quick else Measurement(), seed=args.seed)
    with Bars(console) as bars:
        report = measure(plan, bars.begin, bars.reach)
    _print(console, report)
    try:
        _write(args, plan, report, command, console)
    except OSError as problem:
        raise ConfigurationError(f"{problem.filename} cannot be written ({problem.strerror}): name another") from None
    return 0


def _write(args: argparse.Namespace, plan: Measurement, report: Report, command: str, console: Console) -> None:
    if args.report is not None:
        args.report.mkdir(parents=True, exist_ok=True)
        raw = msgspec.json.encode({"figures": report.figures, "coverage": report.coverage})
        (args.report / "report.json").write_bytes(msgspec.json.format(raw, indent=1))
        (args.report / "report.md").write_text(page(report, command), encoding="utf-8")
        console.print(f"written: {args.report}", markup=False)
    if args.decisions is not None:
        lines = [msgspec.json.encode(each) for each in decisions_of(plan)]
        args.decisions.write_bytes(b"\n".join(lines) + b"\n")
        console.print(f"written: {args.decisions}, {len(lines)} decisions", markup=False)


def _print(console: Console, report: Report) -> None:
    print_table(console, COURSE_HEADINGS, [course_row(each) for each in report.figures])
    print_table(console, COVERAGE_HEADINGS, [coverage_row(each) for each in report.coverage])
    rows = [(each.what, each.figure, "yes" if each.reached else "no") for each in targets(report)]
    print_table(console, ("target", "figure", "reached"), rows)
