"""A folder of models goes in; verdicts, the lives of versions and steps in them come out. Exit code 1: refused."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.markup import escape

from emdr_stream.cli import fetch, model_comparison, model_list
from emdr_stream.cli.command import Subparsers, add_settings_options, console, new_parser, table
from emdr_stream.cli.model_steps import Done, Registry
from emdr_stream.environment import read_environment
from emdr_stream.errors import ConfigurationError
from emdr_stream.inference.manifest import EMOTION_SAFETY, default_models_dir
from emdr_stream.inference.models import verify_models
from emdr_stream.inference.promotion import PromotionRefused, parse_deviation, parse_sign_off
from emdr_stream.pipeline.features import FEATURE_NAMES

_EXAMPLES: Final = """  emdr-stream models list
  emdr-stream models verify
  emdr-stream models promote emotion_safety 2 --sign-off "A. Byron, clinical lead" --reason "finds more, alarms less"
  emdr-stream models rollback emotion_safety
  emdr-stream models shadow emotion_safety 3
  emdr-stream models share face_expression 2 10%
  emdr-stream models compare emotion_safety 2 3 --since 14d
  emdr-stream models fetch"""

_PROMOTE: Final = """  emdr-stream models promote progress 2
  emdr-stream models promote emotion_safety 2 --check         only says what speaks against it
  emdr-stream models promote emotion_safety 2 --sign-off "A. Byron, clinical lead" --reason "finds more, alarms less"

A safety model is promoted by a person: --sign-off and --reason go into the audit log, which must be reachable. Who
signs may accept a missed target by name, with a reason: --despite iid.sensitivity --because "…"; the audit log,
`models list`, `doctor` and `/readyz` show it for as long as the version is in use.
Services take the version up on SIGUSR1 (`kill -USR1 PID`), without closing a socket; otherwise when they start.

exit status: 0 promoted, 1 refused, 2 wrong arguments or files"""

_ROLLBACK: Final = """  emdr-stream models rollback emotion_safety && kill -USR1 PID
  emdr-stream models rollback emotion_safety --reason "two false pauses in the first hour"

Goes back to the version that was in use before. Needs no target, no signature and no database: what the audit log could
not be told now, the next step tells it."""

_SHADOW: Final = """  emdr-stream models shadow emotion_safety 3
  emdr-stream models shadow emotion_safety off

The shadow scores what the version in use scores. What it would have done is recorded, and never done."""

_SHARE: Final = """  emdr-stream models share face_expression 2 10% && kill -USR1 PID
  emdr-stream models compare face_expression 1 2
  emdr-stream models share face_expression 2 off && kill -USR1 PID

Which sessions get it is drawn from the session's id: the same session always gets the same version, in every worker and
on every machine. Of use for the models that read a session's face: face_expression in a webcam's pictures,
face_landmarks_expression in what a browser found. Sessions that run are drawn too, and told. Never for a safety model.
A service that cannot load the version keeps the present one for everybody: `/readyz` says why."""


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "models", summary, _EXAMPLES)
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    listed = new_parser(actions, "list", "versions of each model: which is in use, targets, drift", _EXAMPLES)
    listed.add_argument("--json", action="store_true", help="as JSON")
    checks = "check each version: checksums, operators, inputs and outputs, answers on stored rows"
    verify = new_parser(actions, "verify", checks, _EXAMPLES)
    promote = _named(actions, "promote", "put a version in use, if its figures and a person allow it", _PROMOTE)
    promote.add_argument("--despite", action="append", default=[], metavar="TARGET", help="accept that it is missed")
    promote.add_argument("--because", metavar="TEXT", help="why it may be missed")
    promote.add_argument("--check", action="store_true", help="only say what speaks against it")
    rollback = _named(actions, "rollback", "put the version in use again that was before", _ROLLBACK, version=False)
    for signed in (promote, rollback):
        signed.add_argument("--sign-off", metavar='"NAME, ROLE"', help="who answers for it")
        signed.add_argument("--reason", metavar="TEXT", help="why, in a sentence")
    shadow = _named(actions, "shadow", "have a version score beside the one in use, or `off`", _SHADOW)
    share = _named(actions, "share", "give a version to a share of the sessions, or `off`", _SHARE)
    share.add_argument("part", metavar="SHARE", help="such as 10%%, or off")
    compare = model_comparison.add_action(actions)
    for action in (listed, verify, promote, rollback, shadow, share, compare):
        action.add_argument("--models", type=Path, metavar="DIR", help="folder (default: EMDR_MODEL_DIR, or ours)")
        add_settings_options(action)
    fetch.add_action(actions)


def run(args: argparse.Namespace) -> int:
    """Print what was asked, or take the step. Raises ConfigurationError for wrong names, files and folders."""
    return _ACTIONS[args.action](args)


def _named(
    actions: Subparsers, name: str, summary: str, examples: str, *, version: bool = True
) -> argparse.ArgumentParser:
    parser = new_parser(actions, name, summary, examples)
    parser.add_argument("name", metavar="NAME", help=f"model, such as {EMOTION_SAFETY}")
    if version:
        parser.add_argument("version", metavar="VERSION", help="as `models list` shows it")
    return parser


def _registry(args: argparse.Namespace) -> Registry:
    environment = read_environment(args.env_file, data_dir=args.data_dir)
    return Registry(args.models or environment.model_dir or default_models_dir(), environment)


def _list(args: argparse.Namespace) -> int:
    return model_list.run(_registry(args), as_json=args.json)


def _compare(args: argparse.Namespace) -> int:
    return model_comparison.run(_registry(args), args)


def _verify(args: argparse.Namespace) -> int:
    models_dir = _registry(args).models_dir
    verdicts = verify_models(models_dir, FEATURE_NAMES)
    grid = table(["model", "version", "in use", "sha256", "verdict"])
    for verdict in verdicts:
        said = "[green]ok[/green]" if verdict.problem is None else f"[red]{escape(verdict.problem)}[/red]"
        grid.add_row(verdict.name, verdict.version, "yes" if verdict.in_use else "", verdict.sha256[:12], said)
    out = console()
    out.print(str(models_dir), markup=False)
    out.print(grid)
    return 1 if any(verdict.problem for verdict in verdicts) else 0


def _promote(args: argparse.Namespace) -> int:
    registry = _registry(args)
    sign_off = parse_sign_off(args.sign_off, args.reason)
    deviation = parse_deviation(args.despite, args.because)
    if args.check:
        judgement = registry.weigh(args.name, args.version, deviation, sign_off)
        if judgement.refused:
            print(PromotionRefused(f"{args.name} {args.version} cannot be promoted so", judgement.refused))
            return 1
        print(f"{args.name} {args.version} can be promoted: {judgement.basis}")
        return 0
    try:
        done = registry.promote(args.name, args.version, deviation, sign_off)
    except PromotionRefused as refused:
        print(f"refused: {refused}")
        return 1
    return _say(done, f"is in use from now on ({done.step.basis})")


def _rollback(args: argparse.Namespace) -> int:
    sign_off = parse_sign_off(args.sign_off, args.reason) if args.sign_off else None
    done = _registry(args).rollback(args.name, sign_off, args.reason or "")
    return _say(done, f"is in use again, in place of {done.step.former}")


def _shadow(args: argparse.Namespace) -> int:
    version = None if args.version == "off" else args.version
    done = _registry(args).shadow(args.name, version)
    return _say(done, "scores beside the version in use" if version else "has no shadow any more")


def _share(args: argparse.Namespace) -> int:
    part = _part(args.part)
    done = _registry(args).share(args.name, args.version, part)
    return _say(done, f"gets {part:.1%} of the sessions" if part else "is shared out no more")


def _say(done: Done, what: str) -> int:
    step = done.step
    print(f"{step.model}{f' {step.version}' if step.version else ''} {what}")
    print("a running service takes it up on SIGUSR1 (kill -USR1 PID) without closing a socket, or at its next start")
    if not done.told:
        print("the audit log cannot be reached now: the next step of `models` that can tells it of this one")
    return 0


def _part(text: str) -> float | None:
    if text == "off":
        return None
    try:
        value = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise ConfigurationError(f"SHARE: give a share between 0 and 1, such as 10% or 0.1, or off; not {text}")
    return value


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "list": _list,
    "verify": _verify,
    "promote": _promote,
    "rollback": _rollback,
    "shadow": _shadow,
    "share": _share,
    "compare": _compare,
    "fetch": fetch.run,
}
