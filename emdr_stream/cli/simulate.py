"""Families of sessions and a seed go in; recordings come out, or live clients and a table of what they are told."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from emdr_stream.cli.command import Subparsers, add_settings_options, console, new_parser, seed
from emdr_stream.cli.simulated_client import Script, observed_table, stream_all
from emdr_stream.cli.webcam_script import webcam_script
from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.environment import read_environment, token_settings
from emdr_stream.errors import ConfigurationError
from emdr_stream.recording.simulated import write_sessions
from emdr_stream.simulation import (
    TEST_MIXTURE,
    Family,
    SimulatedSession,
    prevalence,
    session_messages,
    simulate_cohort,
    simulate_session,
)
from emdr_stream.simulation.session import SHORTEST_S

_EXAMPLES: Final = """  emdr-stream simulate --family panic calm --out scenarios
  emdr-stream simulate --mixture --sessions 100 --seed 7 --duration 600 --out scenarios
  emdr-stream simulate --url ws://127.0.0.1:8001 --family panic
  emdr-stream simulate --url ws://127.0.0.1:8001 --video somebody.mp4 --duration 60
  emdr-stream simulate --url wss://emdr.example.org --token \"$TOKEN\" --sessions 200

Families: {families}.
Beside the recordings, labels.jsonl says what truly happened, for `emdr-stream evaluate`.
Without --token, one is signed with the key of the service on this machine."""
_STDIN: Final = "-"
_HOURS_S: Final = 12 * 3_600.0


def add_parser(subparsers: Subparsers, summary: str) -> None:
    examples = _EXAMPLES.format(families=", ".join(Family))
    parser = new_parser(subparsers, "simulate", summary, examples)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, metavar="DIR", help="write recordings without out lines, for `replay`")
    target.add_argument("--url", type=_url, metavar="URL", help="stream live to this service (ws:// or wss://)")
    parser.add_argument("--video", type=Path, metavar="FILE", help="with --url: show this video as a webcam would")
    parser.add_argument(
        "--fps", type=_fps, default=10.0, metavar="F", help="of the video, frames a second (default: 10)"
    )
    families = [family.value for family in Family]
    what = "kinds of session, in turn (default: all)"
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--family", nargs="+", choices=families, default=families, metavar="FAMILY", help=what)
    mixed = "draw the families as often as test sets have them: crises are about 5 %% of the time"
    chosen.add_argument("--mixture", action="store_true", help=mixed)
    pressing = "whether clients press stop in most crises (default: with --url yes, with --out no)"
    parser.add_argument("--stop-presses", action=argparse.BooleanOptionalAction, default=None, help=pressing)
    parser.add_argument("--sessions", type=_count, metavar="N", help="how many (default: one of each family)")
    parser.add_argument("--seed", type=seed, default=1, metavar="S", help="the same seed gives the same sessions")
    parser.add_argument(
        "--duration", type=_duration, default=360.0, metavar="S", help="seconds a session (default: 360)"
    )
    parser.add_argument("--token", metavar="TOKEN", help="a client's token; `-` reads it from stdin")
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="how many times faster than life, to 5")
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Write the recordings, or stream until all sessions are over. Exit code 1 when a client failed."""
    if args.video is None and args.duration < SHORTEST_S:
        raise ConfigurationError(f"--duration: choose between {SHORTEST_S:.0f} and 14400 seconds: a baseline and a set")
    if args.out is not None:
        if args.video is not None:
            raise ConfigurationError("--video is streamed, and no picture is written: use it with --url")
        return _write(args)
    if args.video is not None:
        scripts = [webcam_script(args.video, args.fps, args.duration)] * (args.sessions or 1)
    else:
        scripts = [
            Script(session.family, tuple(session_messages(session)), round(session.duration_s * 1_000))
            for session in _sessions(args)
        ]
    observed = asyncio.run(stream_all(args.url, _token(args), scripts, args.speed, console()))
    console().print(observed_table(observed))
    return 1 if any(client.problem for client in observed) else 0


def _sessions(args: argparse.Namespace) -> Iterator[SimulatedSession]:
    """The sessions that the arguments ask for; each depends on the seed, its number and its family alone."""
    presses = args.out is None if args.stop_presses is None else bool(args.stop_presses)
    families = [Family(name) for name in args.family]
    count = args.sessions or len(families)
    if args.mixture:
        length = (args.duration, args.duration)
        yield from simulate_cohort(args.seed, count, TEST_MIXTURE, duration_s=length, stop_presses=presses)
        return
    for number in range(count):
        rng = np.random.default_rng([args.seed, number])
        family = families[number % len(families)]
        yield simulate_session(rng, family, duration_s=args.duration, stop_presses=presses)


def _write(args: argparse.Namespace) -> int:
    truths = []
    for path, truth in write_sessions(args.out, _sessions(args), args.seed):
        print(path, flush=True)
        truths.append(truth)
    console().print(f"labels.jsonl: {prevalence(truths)}", markup=False)
    return 0


def _token(args: argparse.Namespace) -> str:
    if args.token == _STDIN:
        return sys.stdin.readline().strip()
    if args.token is not None:
        return str(args.token)
    environment = read_environment(args.env_file, data_dir=args.data_dir)
    authority = TokenAuthority(token_settings(environment, make_folder=False))
    return authority.issue(Role.CLIENT, "simulated-1", now=time.time(), lifetime_s=_HOURS_S)


def _url(text: str) -> str:
    if not text.startswith(("ws://", "wss://")):
        raise argparse.ArgumentTypeError("begin with ws:// or wss://, as in ws://127.0.0.1:8001")
    return text.rstrip("/")


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 100_000:
        raise argparse.ArgumentTypeError("choose between 1 and 100000 sessions")
    return count


def _duration(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 14_400:
        raise argparse.ArgumentTypeError("choose between 1 and 14400 seconds")
    return seconds


def _fps(text: str) -> float:
    rate = float(text)
    if not 1.0 <= rate <= 30.0:
        raise argparse.ArgumentTypeError("choose between 1 and 30 frames a second")
    return rate


def _speed(text: str) -> float:
    speed = float(text)
    if not 0.1 <= speed <= 5.0:
        raise argparse.ArgumentTypeError("choose between 0.1 and 5: a service takes 60 messages a second at most")
    return speed
