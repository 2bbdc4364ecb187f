"""The shape of a command, and what commands share: options that mean the same everywhere, tables, and how they fail.

A command is a module with `add_parser(subparsers, summary)` and `run(args) -> int`; `__main__` imports the one asked
for, and has its summary.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from rich.console import Console
from rich.table import Table

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class Command(Protocol):
    """What a command's module offers."""

    def add_parser(self, subparsers: Subparsers, summary: str) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def new_parser(subparsers: Subparsers, name: str, summary: str, examples: str) -> argparse.ArgumentParser:
    """A subcommand's parser with its summary and examples."""
    return subparsers.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """`--data-dir` and `--env-file`, as every command that reads settings has them."""
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="data folder (default: EMDR_DATA_DIR)")
    parser.add_argument(
        "--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with EMDR_ variables (default: .env)"
    )


def seed(text: str) -> int:
    """For `type` of an option: the number that everything random is drawn from."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("choose 0 or more")
    return number


def console() -> Console:
    """Where tables go; beside a terminal they keep their whole width, so that they can be searched."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200, highlight=False)


def table(columns: Sequence[str]) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid
