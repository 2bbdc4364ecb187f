"""The environment goes in, a table of every setting comes out: variable, default, current value, range and meaning."""

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Final

from emdr_stream.cli.command import Subparsers, add_settings_options, console, new_parser, table
from emdr_stream.environment import (
    SECRETS,
    Environment,
    data_dir_of,
    expected,
    read_environment,
    unknown_variables,
    variable_of,
)

_MASK: Final = "(set, not shown)"
_EXAMPLES: Final = """  emdr-stream settings
  emdr-stream settings --json
  EMDR_PORT=9000 emdr-stream settings | grep PORT"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table; None is: not set."""

    variable: str
    default: str | None
    current: str | None
    expected: str
    meaning: str


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "settings", summary, _EXAMPLES)
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print all settings; secrets are masked. Raises ConfigurationError when one has a bad value."""
    environment = read_environment(args.env_file, data_dir=args.data_dir)
    for warning in unknown_variables(os.environ, args.env_file):
        print(f"warning: {warning}", file=sys.stderr)
    settings = all_settings(environment)
    if args.json:
        print(json.dumps([asdict(setting) for setting in settings], indent=2))
        return 0
    grid = table(["variable", "default", "current", "meaning"])
    for setting in settings:
        changed = setting.current != setting.default
        current = f"[bold]{_escaped(setting.current)}[/bold]" if changed else "·"
        meaning = f"{setting.meaning} ({setting.expected})" if setting.expected != "a text" else setting.meaning
        grid.add_row(setting.variable, _escaped(setting.default), current, _escaped(meaning))
    out = console()
    out.print(grid)
    out.print(f"\ndata folder: {data_dir_of(environment)}", markup=False)
    return 0


def all_settings(environment: Environment) -> list[Setting]:
    """Every setting in the order in which they are documented."""
    return [
        Setting(
            variable_of(name),
            _text(info.default),
            _shown(name, getattr(environment, name)),
            expected(name),
            info.description or "",
        )
        for name, info in Environment.model_fields.items()
    ]


def _shown(name: str, value: object) -> str | None:
    return _MASK if name in SECRETS and value is not None else _text(value)


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _escaped(text: str | None) -> str:
    return (text or "").replace("[", r"\[")
