"""In: the arguments of `python -m training evaluate`. Out: card and metrics beside the model, and a report."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from emdr_stream.cli.evaluation_plots import require_matplotlib
from emdr_stream.errors import ConfigurationError
from emdr_stream.inference.manifest import MANIFEST
from training.evaluation import controls
from training.evaluation.cases import TEST_SETS, Cohort
from training.evaluation.pages import card, write_report
from training.evaluation.plan import BRIEF, QUICK, Plan
from training.evaluation.protocol import Protocol
from training.evaluation.report import headline_table, metrics, results_of
from training.evaluation.shape import Evaluation
from training.package import NAME, encoded, version_in_use
from training.shown import Bars

EPILOG: Final = """examples:
  python -m training evaluate --data ../shared/data
  python -m training evaluate --version 5 --quick --dry
  python -m training evaluate --version 5 --sets late iid --seed 7

The test sets are to be looked at once a release. Whoever tunes a detector uses another --seed."""


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="score emotion_safety by replay, and write its card, its metrics and a report",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    standard = Plan()
    parser.add_argument("--models", type=Path, default=Path("models"), help="models folder (default: models)")
    parser.add_argument("--version", help="which one (default: the one in use)")
    parser.add_argument("--data", type=Path, help="folder of real recordings, for the controls")
    parser.add_argument("--report", type=Path, default=Path("evaluation"), help="its folder (default: evaluation)")
    parser.add_argument("--seed", type=int, default=standard.seed, help=f"of the test sets (default: {standard.seed})")
    parser.add_argument("--sessions", type=int, help=f"of each test set (default: {standard.sessions})")
    parser.add_argument("--processes", type=int, default=standard.processes, help="how many at a time (default: 2)")
    parser.add_argument("--quick", action="store_true", help="few sessions, no ablations: for trying things")
    parser.add_argument("--brief", action="store_true", help="fewer sessions, no ablations: minutes")
    parser.add_argument("--dry", action="store_true", help="leave card and manifest as they are")
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=[cohort.value for cohort in TEST_SETS],
        metavar="SET",
        help=f"these test sets alone, printed and written nowhere (no --data, no --report): {', '.join(TEST_SETS)}",
    )


def run(args: argparse.Namespace, console: Console, command: str) -> int:
    """Exit code 0 when it was done, whatever the figures; raises ConfigurationError for a wrong argument."""
    require_matplotlib("evaluate")
    if args.data is not None:
        check_data(args.data)
    version_dir = args.models / NAME / (args.version or version_in_use(args.models))
    plan = plan_of(args)
    if args.sets:
        with Bars(console) as bars:
            figures = Protocol(version_dir, plan, bars).figures([Cohort(name) for name in args.sets])
        console.print(Markdown(headline_table(figures)))
        return 0
    with Bars(console) as bars:
        evaluated = Protocol(version_dir, plan, bars).run(args.data)
    evaluation = evaluated.evaluation
    manifest = json.loads((version_dir / MANIFEST).read_text(encoding="utf-8"))
    text = card(manifest, evaluation, command, plan.resume_after_s)
    if not args.dry:
        write_beside(version_dir, manifest, evaluation, text)
    path = write_report(args.report, evaluated, text)
    (args.report / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(evaluation), indent=1))
    print_gates(console, evaluation)
    console.print(str(path), markup=False)
    return 0


def plan_of(args: argparse.Namespace) -> Plan:
    """Raises ConfigurationError for a number that makes no test set."""
    plan = replace(QUICK if args.quick else BRIEF if args.brief else Plan(), seed=args.seed, processes=args.processes)
    if args.sessions is None:
        return plan
    if not 2 <= args.sessions <= 100_000:
        raise ConfigurationError("--sessions: choose between 2 and 100000")
    return plan.of(args.sessions)


def write_beside(version_dir: Path, manifest: dict[str, Any], evaluation: Evaluation, text: str) -> None:
    """The card, and the metrics in the manifest; everything else of it stays as it is."""
    (version_dir / "CARD.md").write_text(text, encoding="utf-8")
    (version_dir / MANIFEST).write_bytes(encoded({**manifest, "metrics": metrics(evaluation)}))


def check_data(data: Path) -> None:
    """Raises ConfigurationError that names the file which a control needs."""
    if not controls.has_speakers(data):
        raise ConfigurationError(f"--data {data}: there is no {controls.FRAMES} in it; leave it out or mend it")


def print_gates(console: Console, evaluation: Evaluation) -> None:
    """Which targets are reached."""
    table = Table(title=f"{evaluation.model} {evaluation.version}: targets")
    for heading in ("target", "reached"):
        table.add_column(heading, overflow="fold")
    for result in results_of(evaluation):
        table.add_row(result.why, "[green]yes[/green]" if result.passed else "[red]no[/red]")
    console.print(table)
