"""In: arguments of `python -m training heldout`. Out: recordings of a held-out test set and its `labels.jsonl`."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from emdr_stream.errors import ConfigurationError
from emdr_stream.recording.simulated import write_sessions
from emdr_stream.simulation import prevalence
from training.heldout.cohorts import HeldOut, heldout_cohort


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("heldout", help="write a test set that training never saw")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for recordings and labels.jsonl")
    parser.add_argument("--set", choices=[one.value for one in HeldOut], default=HeldOut.UNSEEN.value, dest="test_set")
    parser.add_argument("--sessions", type=int, default=100, help="of ten minutes (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (default: 1)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Exit code 2 for a wrong number of sessions or a folder that cannot be written."""
    if args.sessions < 1:
        console.print(f"[red]--sessions: at least 1, not {args.sessions}[/red]")
        return 2
    sessions = heldout_cohort(args.seed, args.sessions, HeldOut(args.test_set))
    written = write_sessions(args.out, sessions, args.seed)
    try:
        truths = [truth for _, truth in track(written, "writing", total=args.sessions, console=console)]
    except ConfigurationError as problem:
        console.print(f"[red]{problem}[/red]")
        return 2
    console.print(f"{args.out}: {prevalence(truths)}", markup=False)
    return 0
