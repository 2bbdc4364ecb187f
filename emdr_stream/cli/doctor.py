"""This machine and the settings go in, a report with the mend of each fault comes out; exit code 1 at a serious one."""

import argparse
import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import asyncpg
import redis
from rich.markup import escape

from emdr_stream.cli.camera_checks import check_camera
from emdr_stream.cli.checks import (
    Finding,
    Level,
    check_binaries,
    check_data_folder,
    check_drift,
    check_models,
    check_opencv,
    check_packages,
    check_port,
    check_python,
    check_tokens,
    installed_opencv,
)
from emdr_stream.cli.command import Subparsers, add_settings_options, console, new_parser, table
from emdr_stream.cli.model_list import read_drift
from emdr_stream.embedded.binaries import StoreName
from emdr_stream.environment import Environment, data_dir_of, read_environment, unknown_variables
from emdr_stream.errors import EmdrError

_EXAMPLES: Final = """  emdr-stream doctor
  emdr-stream doctor --json
  EMDR_REDIS_URL=redis://cache:6379 emdr-stream doctor     also tries to reach that server"""

_COLOURS: Final = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
_PATIENCE_S: Final = 3.0


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "doctor", summary, _EXAMPLES)
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the findings. Raises ConfigurationError when a setting has a bad value."""
    environment = read_environment(args.env_file, data_dir=args.data_dir)
    findings = [
        *(Finding(Level.WARN, "settings", said, "correct it") for said in unknown_variables(os.environ, args.env_file)),
        *examine(environment),
    ]
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        grid = table(["", "part", "found", "mend"])
        for finding in findings:
            level = f"[{_COLOURS[finding.level]}]{finding.level}[/]"
            grid.add_row(level, escape(finding.subject), escape(finding.what), escape(finding.mend))
        console().print(grid)
    return 1 if any(finding.level is Level.FAIL for finding in findings) else 0


def examine(environment: Environment) -> Iterator[Finding]:
    """All findings, one after the other; blocking, about a second."""
    yield from check_python()
    yield from check_packages()
    yield from check_opencv(installed_opencv())
    yield from check_camera(environment.landmarker_file, environment.model_dir)
    yield from check_models(environment.model_dir)
    yield from _check_drift(environment)
    yield from check_data_folder(environment)
    yield from check_tokens(environment)
    yield from _check_stores(environment)
    yield from check_port(environment.host, environment.port, data_dir_of(environment))


def _check_drift(environment: Environment) -> Iterator[Finding]:
    # What is wrong with the folder or the database is said elsewhere.
    with contextlib.suppress(EmdrError):
        yield from check_drift(read_drift(environment), environment.model_dir)


def _check_stores(environment: Environment) -> Iterator[Finding]:
    embedded = []
    if environment.redis_url is None:
        embedded.append(StoreName.VALKEY)
    else:
        yield _redis(environment.redis_url.get_secret_value())
    if environment.database_url is None:
        embedded.append(StoreName.POSTGRES)
    else:
        yield asyncio.run(_postgres(environment.database_url.get_secret_value()))
    yield from check_binaries(environment, embedded)


def _redis(url: str) -> Finding:
    """The text of the error is left out: it may quote the URL and its password."""
    mend = "start the server, correct EMDR_REDIS_URL, or leave it out for an embedded one"
    try:
        with redis.Redis.from_url(url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S) as server:
            server.ping()
    except (redis.RedisError, OSError, ValueError) as problem:
        return Finding(Level.FAIL, "redis", f"cannot be reached ({type(problem).__name__})", mend)
    return Finding(Level.OK, "redis", "answers")


async def _postgres(dsn: str) -> Finding:
    mend = "start the server, correct EMDR_DATABASE_URL, or leave it out for an embedded one"
    try:
        async with asyncio.timeout(_PATIENCE_S):
            connection = await asyncpg.connect(dsn, timeout=_PATIENCE_S)
            version = connection.get_server_version()
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError, TimeoutError) as problem:
        return Finding(Level.FAIL, "postgres", f"cannot be reached ({type(problem).__name__})", mend)
    if version.major < 14:
        return Finding(Level.FAIL, "postgres", f"is version {version.major}", "use PostgreSQL 14 or newer")
    return Finding(Level.OK, "postgres", f"answers, version {version.major}.{version.minor}")
