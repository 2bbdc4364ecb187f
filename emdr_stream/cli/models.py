"""A folder of models goes in, a verdict on each version comes out; exit code 1 if one is not fit for use."""

import argparse
from pathlib import Path
from typing import Final

from rich.markup import escape

from emdr_stream.cli import fetch
from emdr_stream.cli.command import Subparsers, console, new_parser, table
from emdr_stream.environment import read_environment
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.inference.models import verify_models
from emdr_stream.pipeline.features import FEATURE_NAMES

_EXAMPLES: Final = """  emdr-stream models verify
  emdr-stream models verify --models ./models
  emdr-stream models fetch"""


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "models", summary, _EXAMPLES)
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    checks = "check each version: checksums, operators, inputs and outputs, answers on stored rows"
    verify = new_parser(actions, "verify", checks, _EXAMPLES)
    verify.add_argument("--models", type=Path, metavar="DIR", help="folder (default: EMDR_MODEL_DIR, or the package's)")
    verify.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with EMDR_ variables")
    fetch.add_action(actions)


def run(args: argparse.Namespace) -> int:
    """Print the verdicts, or fetch. Raises ModelRefused when the folder is none of models."""
    if args.action == "fetch":
        return fetch.run(args)
    models_dir = args.models or read_environment(args.env_file).model_dir or default_models_dir()
    verdicts = verify_models(models_dir, FEATURE_NAMES)
    grid = table(["model", "version", "in use", "sha256", "verdict"])
    for verdict in verdicts:
        said = "[green]ok[/green]" if verdict.problem is None else f"[red]{escape(verdict.problem)}[/red]"
        grid.add_row(verdict.name, verdict.version, "yes" if verdict.in_use else "", verdict.sha256[:12], said)
    out = console()
    out.print(str(models_dir), markup=False)
    out.print(grid)
    return 1 if any(verdict.problem for verdict in verdicts) else 0
