"""A role and a user go in, a signed token comes out on stdout, alone, so that a script can take it."""

import argparse
import sys
import time
from typing import Final

from emdr_stream.cli.command import Subparsers, add_settings_options, new_parser
from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.environment import read_environment, token_settings

_DEFAULT_SUB: Final = {Role.CLIENT: "client-1", Role.THERAPIST: "therapist-1", Role.SERVICE: "service-1"}
_LONGEST_H: Final = 24 * 366

_EXAMPLES: Final = """  emdr-stream token                                        a client, one hour
  emdr-stream token --role client --sub u-17 --sid s-42    one user, one session
  emdr-stream token --role therapist --clients u-17,u-18   sees these two users
  emdr-stream token --role therapist --clients '*'         sees everybody
  TOKEN=$(emdr-stream token --role service --hours 12)

The token is signed with EMDR_TOKEN_KEY, or with the key in the data folder of the service."""


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "token", summary, _EXAMPLES)
    parser.add_argument("--role", type=Role, choices=list(Role), default=Role.CLIENT, help="whose (default: client)")
    parser.add_argument("--sub", metavar="USER", help="pseudonym of the user (default: ROLE-1)")
    parser.add_argument("--sid", metavar="SESSION", help="the one session that a client may open")
    parser.add_argument(
        "--clients",
        nargs="+",
        metavar="USER",
        type=_names,
        help="users that a therapist may see, a,b or a b; '*' for all",
    )
    parser.add_argument("--hours", type=_hours, default=1.0, metavar="N", help="how long it is valid (default: 1)")
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the token. Raises ConfigurationError where there is no key of ours."""
    environment = read_environment(args.env_file, data_dir=args.data_dir)
    authority = TokenAuthority(token_settings(environment, make_folder=False))
    if args.role is Role.THERAPIST and args.clients is None:
        print("note: without --clients this therapist sees nobody", file=sys.stderr)
    token = authority.issue(
        args.role,
        args.sub or _DEFAULT_SUB[args.role],
        now=time.time(),
        lifetime_s=args.hours * 3600,
        sid=args.sid,
        clients=None if args.clients is None else [name for names in args.clients for name in names],
    )
    print(token)
    return 0


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours <= _LONGEST_H:
        raise argparse.ArgumentTypeError(f"choose more than 0 and at most {_LONGEST_H} hours")
    return hours
