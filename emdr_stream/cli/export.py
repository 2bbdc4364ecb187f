"""A user's pseudonym and a form in, their records out: CSV, JSON Lines, Parquet, FHIR R4, or a session's report.

Exit code 0: written; 1: nothing is known of them, or the database does not answer; 2: wrong arguments.
"""

import argparse
import asyncio
import contextlib
import datetime
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from pydantic import SecretStr

from emdr_stream.cli.command import Subparsers, add_settings_options, new_parser
from emdr_stream.cli.database import database
from emdr_stream.clock import wall_ms
from emdr_stream.environment import Environment, read_environment
from emdr_stream.errors import ConfigurationError, EmdrError
from emdr_stream.reports.fhir import bundle_parts
from emdr_stream.reports.page import html_of
from emdr_stream.reports.session_report import report_of
from emdr_stream.reports.tables import TABLES, Wanted
from emdr_stream.reports.writing import Format, check_parquet, csv_of, jsonl_of, parquet_of
from emdr_stream.store.archive import MOST_SESSIONS, Why
from emdr_stream.store.archive_postgres import PostgresArchive
from emdr_stream.store.postgres import PostgresStore

Opened = TypeVar("Opened")

_EXAMPLES: Final = """  emdr-stream export --user u-17 --format csv --out u-17            a folder, one file a table
  emdr-stream export --user u-17 --format parquet --out u-17        needs: pip install 'emdr-stream[export]'
  emdr-stream export --user u-17 --format jsonl --out u-17.jsonl    every table, one object a line
  emdr-stream export --user u-17 --format fhir --out u-17.json      a FHIR R4 bundle
  emdr-stream export --session s-4711 --format report --out r.html  a session's report, to be printed
  emdr-stream export --user u-17 --format jsonl --since 2026-11-01 --out -

Tables: sessions, seconds, events, alerts, outcomes (docs/analytics.md has their columns). Whoever gets the files can
read them: keep them where only those may look who may know."""
_REPORT: Final = "report"
_TIMEOUT_S: Final = 60.0
_DONE, _FAILED = 0, 1
_WHY: Final = {
    Why.RUNNING: "it is running, or nobody closed it; what it comes to is known after its end. Its alerts are there",
    Why.DUE: "it has ended just now: export again",
    Why.UNREADABLE: "its rows cannot be added up",
}
_SUFFIXES: Final = {Format.CSV: "csv", Format.PARQUET: "parquet"}


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "export", summary, _EXAMPLES)
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--user", metavar="USER", help="pseudonym: the `sub` of the client's token")
    whose.add_argument("--session", metavar="ID", help="one session, for --format report")
    parser.add_argument("--format", required=True, choices=[*Format, _REPORT], help="form of the files")
    parser.add_argument(
        "--out", required=True, metavar="PATH", help="file, or folder for csv and parquet; - is standard output"
    )
    parser.add_argument("--table", choices=TABLES, help="this table alone (csv, parquet)")
    parser.add_argument("--since", type=_day, metavar="DAY", default=0, help="from this day on (UTC), e.g. 2026-11-01")
    parser.add_argument("--until", type=_day, metavar="DAY", help="before this day (UTC)")
    parser.add_argument(
        "--database-url", metavar="URL", help="postgresql://…; a password is better kept in EMDR_DATABASE_URL"
    )
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    _check(args)
    url = SecretStr(args.database_url) if args.database_url else None
    environment = read_environment(args.env_file, data_dir=args.data_dir, database_url=url)
    try:
        written = asyncio.run(_export(environment, args))
    except ConfigurationError:
        raise
    except EmdrError as problem:
        print(f"emdr-stream: {problem}", file=sys.stderr)
        return _FAILED
    if not written:
        return _FAILED
    for name in written:
        print(name, file=sys.stderr)
    return _DONE


def _check(args: argparse.Namespace) -> None:
    """Raises ConfigurationError for options that contradict one another, before anything is asked."""
    if (args.format == _REPORT) != (args.session is not None):
        raise ConfigurationError("a report is of one session: --session ID --format report; other forms need --user")
    if args.table is not None and args.format not in _SUFFIXES:
        raise ConfigurationError(f"--table is for csv and parquet: {args.format} has all of them")
    if args.out == "-" and args.format in _SUFFIXES and args.table is None:
        raise ConfigurationError(f"{args.format} is one file for each table: name a folder, or one table with --table")
    if args.until is not None and args.until <= args.since:
        raise ConfigurationError("--until is a day after --since")
    if args.format == Format.PARQUET:
        check_parquet()


async def _export(environment: Environment, args: argparse.Namespace) -> list[str]:
    """Names of what was written; none where nothing is known of the user or session."""
    async with database(environment) as url:
        store = PostgresStore(url, timeout_s=_TIMEOUT_S, connections=1)
        try:
            await store.start()
            archive = PostgresArchive(store)
            while await archive.refresh(MOST_SESSIONS, quiet_s=0.0) == MOST_SESSIONS:
                pass
            if args.format == _REPORT:
                return await _write_report(archive, args)
            return await _write_records(archive, args)
        finally:
            await store.aclose()


async def _write_report(archive: PostgresArchive, args: argparse.Namespace) -> list[str]:
    report = await report_of(archive, args.session, wall_ms())
    if report is None:
        print(f"emdr-stream: there is no session {args.session} in this database", file=sys.stderr)
        return []
    with _opened(args.out) as file:
        file.write(html_of(report).encode())
    return [args.out]


async def _write_records(archive: PostgresArchive, args: argparse.Namespace) -> list[str]:
    wanted = Wanted(args.user, args.since, wall_ms() if args.until is None else args.until)
    missing = await archive.unsummed(args.user, wanted.since_ms, wanted.until_ms, MOST_SESSIONS)
    known = missing or await archive.sessions(args.user, None, 1) or await archive.outcomes(args.user, 0, 1)
    if not known:
        print(f"emdr-stream: nothing is known of {args.user} in this database: check the pseudonym", file=sys.stderr)
        return []
    for session in missing:
        print(f"emdr-stream: session {session.session_id} is not in it: {_WHY[session.why]}", file=sys.stderr)
    if args.format == Format.JSONL:
        return [await _write(args.out, jsonl_of(archive, wanted))]
    if args.format == Format.FHIR:
        return [await _write(args.out, bundle_parts(archive, wanted, wall_ms()))]
    return await _write_tables(archive, wanted, args)


async def _write_tables(archive: PostgresArchive, wanted: Wanted, args: argparse.Namespace) -> list[str]:
    form = Format(args.format)
    written = []
    for name, table in TABLES.items():
        if args.table not in (None, name):
            continue
        out = args.out if args.out == "-" else str(_folder(args.out) / f"{name}.{_SUFFIXES[form]}")
        if form is Format.CSV:
            written.append(await _write(out, csv_of(archive, table, wanted)))
        else:
            with _opened(out) as file:
                file.write(await parquet_of(archive, table, wanted))
            written.append(out)
    return written


async def _write(out: str, parts: AsyncIterator[bytes]) -> str:
    with _opened(out) as file:
        async for part in parts:
            file.write(part)
    return out


def _folder(path: str) -> Path:
    try:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    except OSError as problem:
        raise ConfigurationError(f"{path} is no folder that can be written to ({problem.strerror})") from None


@contextlib.contextmanager
def _opened(out: str) -> Iterator[BinaryIO]:
    """A file that its owner alone may read, there once it is whole; or standard output.

    Until then what was there before stays: an export that breaks off leaves nothing that could be taken for one.
    """
    path = Path(out).resolve()
    if out == "-":
        yield sys.stdout.buffer
    elif _writable(out, lambda: path.exists() and not path.is_file()):
        with _writable(out, lambda: path.open("wb")) as taking:  # a pipe or a device takes what comes
            yield taking
    else:
        draft, file = _writable(out, lambda: _draft_beside(path))
        try:
            with file:
                yield file
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _draft_beside(path: Path) -> tuple[Path, BinaryIO]:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    return Path(name), os.fdopen(descriptor, "wb")


def _writable(out: str, opened: Callable[[], Opened]) -> Opened:
    """Raises ConfigurationError that names the place."""
    try:
        return opened()
    except OSError as problem:
        raise ConfigurationError(f"{out} cannot be written ({problem.strerror}): name another file") from None


def _day(text: str) -> int:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no day: write it as 2026-11-01") from None
    moment = datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)
    return int(moment.timestamp()) * 1_000
