"""In: the command line. Out: `python -m training train` writes a model and `evaluate` tells how good it is;
`expression` and `expression-evaluate` do so for the reader of faces; `compare` holds the simulator against real
recordings, and `heldout` writes what no model is trained on."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from emdr_stream.errors import ConfigurationError, EmdrError
from emdr_stream.recording.trials import usable_cores

# One thread, set before numpy is loaded: the matrices are small, and the sums come out the same on every run.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when the model was written, 2 for a wrong argument. `train` is the default command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0].startswith("--"):
        given.insert(0, "train")
    args = _parser().parse_args(given)
    console = Console()
    try:
        return _run(args, console, _command(given))
    except EmdrError as problem:
        console.print(f"[red]{escape(str(problem))}[/red]")
        return 2


def _run(args: argparse.Namespace, console: Console, command: str) -> int:
    from training.evaluation import command as evaluation

    if args.command == "evaluate":
        return evaluation.run(args, console, command)
    if args.command == "compare":
        from training.compare.command import run as compare

        return compare(args, console)
    if args.command == "heldout":
        from training.heldout.command import run as write_heldout

        return write_heldout(args, console)
    if args.command != "train":
        from training.expression.command import run

        return run(args, console)
    from training.config import DEFAULT_PATH, load_config
    from training.package import Record
    from training.run import train
    from training.shown import Bars

    try:
        config = load_config(args.config or DEFAULT_PATH, quick=args.quick)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(str(problem)) from None
    if args.data is not None:
        evaluation.check_data(args.data)
    with Bars(console) as bars:
        record = Record(args.version, command, config.seed, "", {}, args.created)
        train(config, args.out, record, bars, processes=args.processes)
    if args.unmeasured:
        return 0
    given = ["evaluate", "--models", str(args.out), "--version", args.version, *(["--quick"] if args.quick else [])]
    given += [] if args.data is None else ["--data", str(args.data)]
    given += ["--report", str(args.report)]
    return evaluation.run(_parser().parse_args(given), console, _command(given))


def _command(given: Sequence[str]) -> str:
    """The command as it is recorded: where things lie on this machine is nobody's business."""
    kept: list[str] = []
    skip = False
    for word in given:
        if skip:
            skip = False
            continue
        if word in {"--out", "--created", "--models", "--report", "--processes"}:
            skip = True
            continue
        kept.append(word)
    shown = ["DATA" if i and kept[i - 1] == "--data" else word for i, word in enumerate(kept)]
    return " ".join(["python -m training", *shown])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train the models of emdr_stream.")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train emotion_safety on the simulator and write it")
    train.add_argument("--config", type=Path, help="settings (default: training/config.toml)")
    train.add_argument("--out", type=Path, default=Path("models"), help="models folder (default: models)")
    train.add_argument("--quick", action="store_true", help="a small model within a minute, for trying things")
    train.add_argument("--data", type=Path, help="folder of recordings, for the control with real speakers")
    train.add_argument("--version", default="1", help="version to write (default: 1)")
    train.add_argument("--created", help="date to record in the manifest (default: none, for equal bytes)")
    train.add_argument("--processes", type=int, default=usable_cores(), help="how many at a time (default: up to 2)")
    train.add_argument("--unmeasured", action="store_true", help="do not evaluate it: no card, no metrics")
    train.add_argument(
        "--report", type=Path, default=Path("evaluation"), help="folder of the report (default: evaluation)"
    )
    from training.compare.command import add_parser as add_compare
    from training.evaluation.command import add_parser
    from training.expression.command import add_parsers
    from training.heldout.command import add_parser as add_heldout

    add_parser(commands)
    add_parsers(commands)
    add_compare(commands)
    add_heldout(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
