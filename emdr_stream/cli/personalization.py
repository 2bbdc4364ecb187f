"""Decisions go in; what was proposed and what other ways of deciding would have brought comes out, or they do."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from pydantic import SecretStr
from rich.console import Console

from emdr_stream.cli.command import Subparsers, add_settings_options, console, new_parser, seed, table
from emdr_stream.environment import read_environment
from emdr_stream.errors import ConfigurationError
from emdr_stream.evaluation.bootstrap import Interval
from emdr_stream.personalization.logged import DecisionsError, LoggedDecision, counts_of, decisions_of, log_of
from emdr_stream.personalization.offpolicy import Target, Value, value_of

_EXAMPLES: Final = """  emdr-stream personalization export --out decisions.jsonl     of the settings' database
  emdr-stream personalization evaluate decisions.jsonl
  emdr-stream personalization evaluate decisions.jsonl --target reference --json
  python -m training personalization --quick --decisions decisions.jsonl     # simulated decisions, for trying it

The file has one decision a line, as docs/personalization.md describes. Values are points of SUD a set; what is told is
what logs can tell of other ways of deciding, and no effect of a therapy."""
_IN_WORDS: Final = {
    Target.LOGGED: "as it was decided",
    Target.REFERENCE: "always the therapist's own setting",
    Target.UNIFORM: "each listed arm alike",
    Target.BEST: "always the best expected arm",
}
_LARGEST_BYTES: Final = 512 * 1024 * 1024


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "personalization", summary, _EXAMPLES)
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    evaluate = new_parser(actions, "evaluate", "say what other ways of deciding would have brought", _EXAMPLES)
    evaluate.add_argument("file", type=Path, metavar="FILE", help="exported decisions, JSON Lines")
    evaluate.add_argument("--target", choices=[each.value for each in Target], action="append", help="only this way")
    evaluate.add_argument("--policy", metavar="NAME", help="only decisions of this policy (default: the newest)")
    evaluate.add_argument("--seed", type=seed, default=0, help="of the resamples (default: 0)")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    export = new_parser(
        actions, "export", "write the decisions of the database, each with what the next set brought", _EXAMPLES
    )
    export.add_argument("--out", required=True, metavar="FILE", help="JSON Lines; - is standard output")
    export.add_argument(
        "--database-url", metavar="URL", help="postgresql://…; a password is better kept in EMDR_DATABASE_URL"
    )
    add_settings_options(export)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when no value could be told, or nothing exported. Raises ConfigurationError with the mend."""
    return _export(args) if args.action == "export" else _evaluate(args)


def _export(args: argparse.Namespace) -> int:
    from emdr_stream.cli.decision_export import export_decisions

    url = SecretStr(args.database_url) if args.database_url else None
    environment = read_environment(args.env_file, data_dir=args.data_dir, database_url=url)
    lines = asyncio.run(export_decisions(environment))
    if not lines:
        print(
            "emdr-stream: this database holds no proposal: make some with POST /v1/personalization/optimize",
            file=sys.stderr,
        )
        return 1
    text = "".join(f"{line}\n" for line in lines)
    if args.out == "-":
        sys.stdout.write(text)
        return 0
    try:
        Path(args.out).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"{args.out} cannot be written ({problem.strerror}): name another file") from None
    print(f"{args.out}: {len(lines)} decisions", file=sys.stderr)
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    decisions = _of_one_policy(_decisions(args.file), args.policy, args.file)
    log, by = log_of(decisions)
    wanted = [Target(each) for each in args.target or [each.value for each in Target]]
    # Each target has resamples of its own: what is told of one does not hang on which others were asked for.
    values = [value_of(log, each, np.random.default_rng([args.seed, list(Target).index(each)])) for each in wanted]
    if args.json:
        print(_json(decisions, values, by))
    else:
        _print(console(), decisions, values, by)
    return 0 if any(each.refused is None for each in values) else 1


def _of_one_policy(decisions: Sequence[LoggedDecision], name: str | None, path: Path) -> list[LoggedDecision]:
    if not decisions:
        raise ConfigurationError(f"{path} holds no decision: write one a line")
    chosen = name or decisions[-1].policy
    found = [each for each in decisions if each.policy == chosen]
    if not found:
        there = ", ".join(sorted({each.policy for each in decisions}))
        raise ConfigurationError(f"{path} holds no decision of `{chosen}`: --policy may be {there}")
    if len(found) < len(decisions):
        print(f"emdr-stream: {len(decisions) - len(found)} decisions of other policies are left out", file=sys.stderr)
    return found


def _print(out: Console, decisions: Sequence[LoggedDecision], values: Sequence[Value], by: str) -> None:
    answers = Counter(each.answer or "none" for each in decisions)
    rewarded = sum(each.reward is not None for each in decisions)
    rows = table(["", ""])
    rows.show_header = False
    rows.add_row("policy", decisions[0].policy)
    rows.add_row("decisions", f"{len(decisions)}, {rewarded} with a reward")
    rows.add_row("proposed", _counted(counts_of(decisions)))
    rows.add_row("therapist", _counted(answers))
    out.print(rows)
    out.print()
    grid = table(["way of deciding", "decisions", "ESS", "DR (95 %)", "SNIPS (95 %)", "DR less what was got (95 %)"])
    for each in values:
        shown = (_shown(each.doubly_robust), _shown(each.snips), _shown(each.over_logged))
        grid.add_row(_IN_WORDS[each.target], str(each.decisions), f"{each.ess:.0f}", *shown)
    out.print(grid)
    for each in values:
        if each.refused is not None:
            out.print(f"{_IN_WORDS[each.target]}: not enough data: {each.refused}", markup=False)
    out.print()
    out.print(
        f"Points of SUD a set; intervals resample {by}. No effect of a therapy can be read from this.", markup=False
    )


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _shown(interval: Interval | None) -> str:
    if interval is None or interval.value is None or interval.low is None or interval.high is None:
        return "–"
    return f"{interval.value:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"


def _json(decisions: Sequence[LoggedDecision], values: Sequence[Value], by: str) -> str:
    found = {
        "policy": decisions[0].policy,
        "decisions": len(decisions),
        "proposed": dict(counts_of(decisions)),
        "answers": dict(Counter(each.answer or "none" for each in decisions)),
        "resampled": by,
        "values": values,
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode()


def _decisions(path: Path) -> list[LoggedDecision]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ConfigurationError(f"{path} is larger than {_LARGEST_BYTES >> 20} MiB: split it by time")
        with path.open(encoding="utf-8") as lines:
            return decisions_of(lines)
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read ({problem.strerror}): name a file of decisions") from None
    except UnicodeError:
        raise ConfigurationError(f"{path} is no text in UTF-8: save it so") from None
    except DecisionsError as problem:
        raise ConfigurationError(f"{path}: {problem}") from None
