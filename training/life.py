"""In: the command line of what follows training. Out: a version's reference, a retraining, or the worker for it."""

import argparse
from pathlib import Path
from typing import Final

from rich.console import Console

from training.config import DEFAULT_PATH, load_config

COMMANDS: Final = frozenset({"reference", "retrain", "worker"})


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`reference`, `retrain` and `worker`."""
    reference = commands.add_parser("reference", help="write the bins that drift of a version is told against")
    reference.add_argument("--version", help="version of emotion_safety (default: the one in use)")
    reference.add_argument("--out", type=Path, default=Path("models"), help="models folder (default: models)")
    reference.add_argument("--config", type=Path, help="settings (default: training/config.toml)")
    reference.add_argument("--quick", action="store_true", help="few sessions, for trying things")
    for name, says in (
        ("retrain", "look once whether emotion_safety is to be trained anew, and do it"),
        ("worker", "wait on Redis for such work, and look for it every night (Celery)"),
    ):
        command = commands.add_parser(name, help=says)
        command.add_argument("--data-dir", type=Path, help="data folder of the service (default: EMDR_DATA_DIR)")
        command.add_argument("--env-file", type=Path, default=Path(".env"), help="file with EMDR_ variables")
        command.add_argument("--recordings", type=Path, help="folder of recordings with labels.jsonl")
        command.add_argument("--data", type=Path, help="folder of real recordings, for the evaluation's controls")
        command.add_argument("--quick", action="store_true", help="a small model within a minute, for trying things")
        command.add_argument("--config", type=Path, help="of the training (default: training/config.toml)")
        command.add_argument("--retrain-config", type=Path, help="of the triggers (training/retrain/config.toml)")
        if name == "retrain":
            command.add_argument("--force", action="store_true", help="train whatever the triggers say")


def run(args: argparse.Namespace, console: Console) -> int:
    """Exit code 0 when done, 2 for a wrong argument or file."""
    if args.command == "reference":
        return _reference(args, console)
    from training.retrain.command import run as run_retraining

    return run_retraining(args, console)


def _reference(args: argparse.Namespace, console: Console) -> int:
    from emdr_stream.errors import ModelRefused
    from emdr_stream.inference.models import load_model
    from emdr_stream.pipeline.features import FEATURE_NAMES
    from training.package import NAME, version_in_use
    from training.reference import looked_at, make_reference, write_reference
    from training.shown import Bars

    try:
        version = args.version or version_in_use(args.out)
        folder = args.out / NAME / version
        config = load_config(args.config or DEFAULT_PATH, quick=args.quick)
        model = load_model(folder, feature_names=FEATURE_NAMES).graph.run
        with Bars(console) as bars:
            bars.begin("simulating clients", looked_at(config).validation_sessions)
            command = f"python -m training reference --version {version}{' --quick' if args.quick else ''}"
            reference = make_reference(model, config, command, bars.reach)
    except (OSError, ValueError, ModelRefused) as problem:
        console.print(f"[red]{problem}[/red]")
        return 2
    write_reference(folder, reference)
    limits = reference.limits
    console.print(
        f"{folder}: {reference.rows} rows of {reference.sessions} sessions, {len(reference.inputs)} inputs and "
        f"{len(reference.outputs)} outputs; {limits.sessions} sessions come by chance to {limits.inputs} (inputs) and "
        f"{limits.outputs} (outputs)"
    )
    return 0
