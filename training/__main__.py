"""In: the command line. Out: `python -m training train` writes a model and `evaluate` tells how good it is;
`expression` and `expression-evaluate` do so for the reader of faces; `compare` holds the simulator against real
recordings, `heldout` writes what no model is trained on, `leave-out` asks for a family that was not, `headroom` for
what could be found at all, and `progress` fits and scores the forecasts of courses; `personalization` holds the pattern
optimiser against its rules on simulated courses; `reference`, `retrain` and `worker` follow a training."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from emdr_stream.errors import ConfigurationError, EmdrError
from emdr_stream.recording.trials import usable_cores

_EXAMPLES = """examples:
  python -m training all
  python -m training all --version 7 --data ../shared/data --cache ../cache
  python -m training all --quick --unmeasured --tracking none --out tried
  python -m training train --version 8 --config my.toml --unmeasured"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when the model was written, 2 for a wrong argument. `train` is the default command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("--") and given[0] != "--help"):
        given.insert(0, "train")
    args = _parser().parse_args(given)
    console = Console()
    try:
        return _run(args, console, _command(given))
    except EmdrError as problem:
        console.print(f"[red]{escape(str(problem))}[/red]")
        return 2


def _run(args: argparse.Namespace, console: Console, command: str) -> int:
    if args.command == "train":
        return _train(args, console, command)
    if args.command == "all":
        return _everything(args, console)
    return _other(args, console, command)


def _other(args: argparse.Namespace, console: Console, command: str) -> int:
    """Any command that trains no emotion_safety."""
    from training import life

    if args.command == "evaluate":
        from training.evaluation import command as evaluation

        return evaluation.run(args, console, command)
    if args.command in life.COMMANDS:
        return life.run(args, console)
    if args.command == "compare":
        from training.compare.command import run as compare

        return compare(args, console)
    if args.command == "heldout":
        from training.heldout.command import run as write_heldout

        return write_heldout(args, console)
    if args.command in ("leave-out", "headroom"):
        return _study(args, console)
    if args.command == "progress":
        from training.progress.command import run as progress

        return progress(args, console, command)
    if args.command == "personalization":
        from training.personalization.command import run as personalization

        return personalization(args, console, command)
    from training.expression.command import run

    return run(args, console)


def _study(args: argparse.Namespace, console: Console) -> int:
    """What is asked on simulated clients of other seeds, and writes nothing."""
    if args.command == "headroom":
        from training.headroom.command import run as headroom

        return headroom(args, console)
    from training.leaveout import run as leave_out

    return leave_out(args, console)


def _everything(args: argparse.Namespace, console: Console) -> int:
    """Each model by its own command, then held against what is shipped; 1 when it is another one."""
    from emdr_stream.inference.manifest import default_models_dir
    from training.reproduced import compared, print_comparison, shipped_in

    shipped = shipped_in(default_models_dir())
    if code := _each(args, console):
        return code
    if args.quick or args.config is not None:
        return 0  # not meant to be the same
    return 0 if print_comparison(console, compared(shipped, shipped_in(args.out))) else 1


def _each(args: argparse.Namespace, console: Console) -> int:
    """What is lacking for one is told and leaves the others be."""
    from training.expression.command import LANDMARKS, lacking

    quick = ["--quick"] if args.quick else []
    data = [] if args.data is None else ["--data", str(args.data)]
    for each in (["train", *_shared(args), *data], ["progress", "--out", str(args.out), *quick, *data]):
        if code := main(each):
            return code
    problem = lacking(args.data, args.cache)
    if problem:
        console.print(f"[yellow]face_landmarks_expression is left as it is: {escape(problem)}[/yellow]")
        return 0
    return main([LANDMARKS, "--data", str(args.data), "--cache", str(args.cache), "--models", str(args.out)])


def _shared(args: argparse.Namespace) -> list[str]:
    """What `all` hands on to `train`."""
    given = ["--out", str(args.out), "--report", str(args.report), "--processes", str(args.processes)]
    for name in ("config", "version", "created", "tracking", "sessions"):
        value = getattr(args, name)
        given += [] if value is None else [f"--{name}", str(value)]
    given += [f"--{name}" for name in ("quick", "unmeasured") if getattr(args, name)]
    return given if args.thorough else [*given, "--brief"]


def _train(args: argparse.Namespace, console: Console, command: str) -> int:
    from training.config import DEFAULT_PATH, load_config
    from training.evaluation import command as evaluation
    from training.package import Record
    from training.run import train
    from training.shown import Bars
    from training.tracking import NOWHERE, tracking_uri
    from training.tracking import record as track

    try:
        config = load_config(args.config or DEFAULT_PATH, quick=args.quick)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(str(problem)) from None
    if args.data is not None:
        evaluation.check_data(args.data)
    with Bars(console) as bars:
        record = Record(args.version, command, config.seed, "", {}, args.created)
        folder = train(config, args.out, record, bars, processes=args.processes)
    if not args.unmeasured:
        given = ["evaluate", "--models", str(args.out), "--version", args.version, *_how_thorough(args)]
        given += [] if args.data is None else ["--data", str(args.data)]
        given += [] if args.sessions is None else ["--sessions", str(args.sessions)]
        given += ["--report", str(args.report)]
        evaluation.run(_parser().parse_args(given), console, _command(given))
    uri = tracking_uri(args.tracking, args.report)
    if uri != NOWHERE and track(folder, config, uri):
        console.print(f"recorded in MLflow: {args.report if args.tracking is None else args.tracking}", markup=False)
    return 0


def _how_thorough(args: argparse.Namespace) -> list[str]:
    return ["--quick"] if args.quick else ["--brief"] if args.brief else []


def _command(given: Sequence[str]) -> str:
    """The command as it is recorded: where things lie on this machine is nobody's business."""
    kept: list[str] = []
    skip = False
    for word in given:
        if skip:
            skip = False
            continue
        if word in {
            "--out",
            "--created",
            "--models",
            "--report",
            "--processes",
            "--tracking",
            "--cache",
            "--decisions",
        }:
            skip = True
            continue
        kept.append(word)
    shown = ["DATA" if i and kept[i - 1] == "--data" else word for i, word in enumerate(kept)]
    return " ".join(["python -m training", *shown])


def _add_training(parser: argparse.ArgumentParser) -> None:
    """What `train` and `all` are told alike."""
    parser.add_argument("--config", type=Path, help="settings (default: training/config.toml)")
    parser.add_argument("--out", type=Path, default=Path("models"), help="models folder (default: models)")
    parser.add_argument("--quick", action="store_true", help="a small model within minutes, for trying things")
    parser.add_argument("--data", type=Path, help="folder of recordings, for the controls with real people")
    parser.add_argument("--version", default="7", help="version to write (default: 7)")
    parser.add_argument("--created", help="date to record in the manifest (default: none, for equal bytes)")
    parser.add_argument("--processes", type=int, default=usable_cores(), help="how many at a time (default: up to 2)")
    parser.add_argument("--unmeasured", action="store_true", help="do not evaluate it: no card, no metrics")
    parser.add_argument("--sessions", type=int, help="of each test set (default: as evaluate)")
    parser.add_argument(
        "--report", type=Path, default=Path("evaluation"), help="folder of the report (default: evaluation)"
    )
    parser.add_argument(
        "--tracking",
        metavar="URL",
        help="MLflow's server, or sqlite:///FILE (default: MLFLOW_TRACKING_URI, else mlruns.db beside the report); "
        "`none` records nothing",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train the models of emdr_stream.")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train emotion_safety on the simulator and write it")
    everything = commands.add_parser(
        "all",
        help="train every model but the one that reads pixels",
        description="Train emotion_safety, progress and, given --data, --cache and torch, face_landmarks_expression. "
        "The reader of pixels takes hours and has a command of its own: expression. What is made is held against "
        "what is shipped; exit code 1 when it is another one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument("--brief", action="store_true", help="measure it on fewer sessions, without ablations")
    everything.add_argument("--thorough", action="store_true", help="measure emotion_safety as for a release: an hour")
    everything.add_argument("--cache", type=Path, help="folder outside the repository for what can be resumed")
    for each in (train, everything):
        _add_training(each)
    from training import life
    from training.compare.command import add_parser as add_compare
    from training.evaluation.command import add_parser
    from training.expression.command import add_parsers
    from training.headroom.command import add_parser as add_headroom
    from training.heldout.command import add_parser as add_heldout
    from training.leaveout import add_parser as add_leave_out
    from training.personalization.command import add_parser as add_personalization
    from training.progress.command import add_parser as add_progress

    add_parser(commands)
    add_parsers(commands)
    life.add_parsers(commands)
    add_compare(commands)
    add_headroom(commands)
    add_heldout(commands)
    add_leave_out(commands)
    add_progress(commands)
    add_personalization(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
