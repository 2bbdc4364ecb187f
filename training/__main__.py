"""In: the command line. Out: `python -m training train` writes a model and prints how good it is; `expression`
and `expression-evaluate` do so for the reader of faces; `reference`, `retrain` and `worker` are what follows."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# One thread, set before numpy is loaded: the matrices are small, and the sums come out the same on every run.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when the model was written, 2 for a wrong argument. `train` is the default command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("--") and given[0] != "--help"):
        given.insert(0, "train")
    args = _parser().parse_args(given)
    from rich.console import Console

    from training import life

    console = Console()
    if args.command in life.COMMANDS:
        return life.run(args, console)
    if args.command != "train":
        from training.expression.command import run

        return run(args, console)
    from training.config import DEFAULT_PATH, load_config

    try:
        config = load_config(args.config or DEFAULT_PATH, quick=args.quick)
    except (OSError, ValueError) as problem:
        console.print(f"[red]{problem}[/red]")
        return 2
    if args.data is not None and not (args.data / "speakers" / "frames.csv").is_file():
        console.print(f"[red]--data {args.data}: there is no speakers/frames.csv in it; leave it out or mend it[/red]")
        return 2
    from training.package import Record
    from training.run import train
    from training.shown import Bars, print_report

    record = Record(args.version, _command(given), config.seed, "", {}, args.created)
    with Bars(console) as bars:
        report = train(config, args.out, record, args.data, bars)
    print_report(console, report)
    return 0


def _command(given: Sequence[str]) -> str:
    """The command as it is recorded: where things lie on this machine is nobody's business."""
    kept: list[str] = []
    skip = False
    for word in given:
        if skip:
            skip = False
            continue
        if word in {"--out", "--created"}:
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
    from training import life
    from training.expression.command import add_parsers

    add_parsers(commands)
    life.add_parsers(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
