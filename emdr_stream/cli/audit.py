"""A database and what was noted of its audit log before go in, a verdict on the chain of hashes comes out.

Exit code 0: intact; 1: broken, with the first bad entry named; 2: it could not be checked.
"""

import argparse
import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Final

from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress

from emdr_stream.cli.command import Subparsers, add_settings_options, new_parser
from emdr_stream.cli.database import database
from emdr_stream.environment import Environment, read_environment
from emdr_stream.errors import EmdrError
from emdr_stream.store.base import AuditVerdict
from emdr_stream.store.chain import Anchor
from emdr_stream.store.postgres import PostgresStore

_PAGE_S: Final = 60.0
"""For one page of entries; nobody's session waits for it."""
_INTACT, _BROKEN, _UNCHECKED = 0, 1, 2
_HASH: Final = re.compile(r"[0-9a-f]{64}")

_EXAMPLES: Final = """  emdr-stream audit verify                     the database of the settings, or the embedded one
  emdr-stream audit verify --json
  emdr-stream audit verify --expect-count 4711 --expect-hash 9f2c…

Note count and newest hash somewhere that the database's operator cannot write to. Given back later, they show entries
that were cut off at the end, and a log that was written wholly anew; the chain alone shows neither.

exit status: 0 intact, 1 broken (the first bad entry is named), 2 could not be checked"""


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "audit", summary, _EXAMPLES)
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    verify = new_parser(actions, "verify", "recompute the audit log's chain of hashes from its first entry", _EXAMPLES)
    verify.add_argument(
        "--database-url", metavar="URL", help="postgresql://…; a password is better kept in EMDR_DATABASE_URL"
    )
    verify.add_argument("--expect-count", type=_count, metavar="N", help="entries that there were at an earlier check")
    verify.add_argument("--expect-hash", type=_hash, metavar="HASH", help="newest hash of an earlier check")
    verify.add_argument("--json", action="store_true", help="as JSON")
    add_settings_options(verify)


def run(args: argparse.Namespace) -> int:
    """Print the verdict. Whatever keeps the log from being checked is exit code 2: it is no finding about the log."""
    anchor = Anchor(args.expect_count, args.expect_hash)
    try:
        url = SecretStr(args.database_url) if args.database_url else None
        environment = read_environment(args.env_file, data_dir=args.data_dir, database_url=url)
        verdict = asyncio.run(_verify(environment, anchor))
    except (EmdrError, OSError) as problem:
        print(f"emdr-stream: the audit log could not be checked: {problem}", file=sys.stderr)
        return _UNCHECKED
    print(json.dumps(_as_json(verdict, anchor), indent=2) if args.json else _in_words(verdict, anchor))
    return _INTACT if _problem(verdict, anchor) is None else _BROKEN


async def _verify(environment: Environment, anchor: Anchor) -> AuditVerdict:
    async with database(environment) as url:
        store = PostgresStore(url, timeout_s=_PAGE_S, connections=1)
        try:
            total = await store.audit_rows()
            with _progress(total) as on_page:
                return await store.verify_audit(anchor, on_page)
        finally:
            await store.aclose()


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while it takes long, on a terminal only."""
    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("audit log", total=total)
        yield lambda rows: bar.update(task, completed=rows, total=max(total, rows))


def _problem(verdict: AuditVerdict, anchor: Anchor) -> str | None:
    """What is wrong, None when nothing is."""
    if verdict.first_bad is not None:
        return f"entry {verdict.first_bad} is changed, missing or out of place"
    if verdict.anchored:
        return None
    if anchor.rows is not None and verdict.rows < anchor.rows:
        return f"entry {verdict.rows + 1} and all after it are cut off: {anchor.rows} were there before"
    if anchor.rows is not None:
        return f"entry {anchor.rows}, or one before it, was written anew: it has another hash than before"
    return "no entry has the hash that was noted: entries were cut off, or the log was written anew"


def _first_bad(verdict: AuditVerdict, anchor: Anchor) -> int | None:
    if verdict.first_bad is not None or verdict.anchored or anchor.rows is None:
        return verdict.first_bad
    return min(verdict.rows + 1, anchor.rows)


def _as_json(verdict: AuditVerdict, anchor: Anchor) -> dict[str, object]:
    problem = _problem(verdict, anchor)
    return {
        "intact": problem is None,
        "entries": verdict.rows,
        "emptied": verdict.emptied,
        "newest_hash": verdict.head,
        "first_bad": _first_bad(verdict, anchor),
        "problem": problem,
    }


def _in_words(verdict: AuditVerdict, anchor: Anchor) -> str:
    problem = _problem(verdict, anchor)
    entries = f"{verdict.rows} {'entry' if verdict.rows == 1 else 'entries'}"
    if problem is not None:
        return f"BROKEN: {problem}\nsound before it: {entries}, the last with hash {verdict.head}"
    noted = f", {verdict.emptied} of them emptied by erasures" if verdict.emptied else ""
    noted += "" if anchor == Anchor() else ", and goes on from what was noted"
    return f"intact: {entries}{noted}\nnewest hash: {verdict.head}"


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("give the number of entries that an earlier check told")
    return count


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text.lower()):
        raise argparse.ArgumentTypeError("give the 64 hexadecimal digits that an earlier check told")
    return text.lower()
