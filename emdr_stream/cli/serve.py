"""Options in, the running service out: starts the stores where none are configured, listens, says where."""

import argparse
import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from emdr_stream import __version__
from emdr_stream.app import Addresses
from emdr_stream.cli.command import Subparsers, add_settings_options, new_parser
from emdr_stream.cli.supervisor import Supervisor, WorkerOptions
from emdr_stream.domain import Role
from emdr_stream.embedded import EmbeddedStores
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.environment import load_settings, unknown_variables
from emdr_stream.errors import ConfigurationError, EmdrError
from emdr_stream.models_in_use import load_versions
from emdr_stream.serving import BACKLOG, run_loop, serve_worker
from emdr_stream.settings import Mode, ServiceSettings
from emdr_stream.telemetry.logs import configure_logging

_LOG: Final = logging.getLogger(__name__)
_TOKEN_HOURS: Final = 12
_AGAIN_S: Final = 1.0

_EXAMPLES: Final = """  emdr-stream serve                       everything, with stores of its own
  emdr-stream serve --port 9000 --data-dir ./data
  emdr-stream serve --record ./recordings  each session as JSON Lines, for replay
  emdr-stream serve --workers 4            four processes on one port; SIGHUP restarts them one after the other
  kill -USR1 PID                           takes up the models that `models promote` put in use, closing no socket

With EMDR_REDIS_URL and EMDR_DATABASE_URL set, those stores are used and none are started."""


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "serve", summary, _EXAMPLES)
    parser.add_argument("--host", help="address to listen on (default: EMDR_HOST or 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: EMDR_PORT or 8001)")
    parser.add_argument(
        "--workers", type=int, help="number of worker processes on the one port (default: EMDR_WORKERS or 1)"
    )
    parser.add_argument("--record", type=Path, metavar="DIR", help="record each session into this folder")
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal. Raises ConfigurationError for what must be mended first."""
    given = {
        "data_dir": args.data_dir,
        "host": args.host,
        "port": args.port,
        "workers": args.workers,
        "record_dir": args.record,
    }
    settings = load_settings(args.env_file, **given)
    configure_logging(settings.server.log_level, sys.stderr)
    for warning in unknown_variables(os.environ, args.env_file):
        _LOG.warning("a variable has no meaning", extra={"variable": warning})
    run_loop(_serve(settings, given, args.env_file))
    return 0


async def _serve(settings: ServiceSettings, given: Mapping[str, Any], env_file: Path | None) -> None:
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]

    def ready() -> None:
        print(_welcome(settings, host, port), flush=True)

    # Checked here in any case: an altered model is to stop the start with one sentence, not with one a worker.
    versions = load_versions(settings)
    try:
        async with _stores(settings) as addresses:
            if settings.server.workers == 1:
                await serve_worker(settings, addresses, [listening], versions=versions, ready=ready)
            else:
                del versions
                listening.listen(BACKLOG)
                await Supervisor(settings, addresses, listening, WorkerOptions(given, env_file)).run(ready)
    except BaseExceptionGroup as failures:
        # Of the group that watches the stores: whoever started us is told the one reason.
        raise failures.exceptions[0] from None


@contextlib.asynccontextmanager
async def _stores(settings: ServiceSettings) -> AsyncIterator[Addresses]:
    """The configured stores, or embedded ones for those that are not."""
    stores = settings.stores
    if stores.redis_url is not None and stores.database_url is not None:
        yield Addresses(stores.redis_url, stores.database_url)
        return
    embedded = EmbeddedStores(
        stores.data_dir, valkey_binary=stores.valkey_binary, postgres_bin_dir=stores.postgres_bin_dir
    )
    async with embedded as own, asyncio.TaskGroup() as group:
        watching = group.create_task(_mend(embedded))
        try:
            yield Addresses(stores.redis_url or own.redis_url, stores.database_url or own.database_url)
        finally:
            watching.cancel()


async def _mend(stores: EmbeddedStores) -> None:
    """Start an embedded store that died again, for as long as it takes."""
    while True:
        gone = await stores.watch()
        _LOG.error("an embedded store died: starting it again", extra={"store": gone.name, "exit_code": gone.exit_code})
        await _restart(stores, gone.name)
        await asyncio.sleep(0.2)


async def _restart(stores: EmbeddedStores, name: str) -> None:
    """Until it runs: without memory or files left, for instance, the service itself goes on without it."""
    while True:
        try:
            await stores.restart(name)
        except (EmdrError, OSError) as problem:
            _LOG.warning("an embedded store did not start: trying again", extra={"store": name}, exc_info=problem)
            await asyncio.sleep(_AGAIN_S)
        else:
            return


def _listen(settings: ServiceSettings) -> socket.socket:
    """Take the port before anything is started for it."""
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except TypeError:
        # Python's way to say of a name that it cannot be encoded for any name server.
        listening.close()
        raise ConfigurationError(f"--host (EMDR_HOST): {host!a} is no address: name one, as in 127.0.0.1") from None
    except OSError as problem:
        listening.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({problem.strerror}): choose another with --port or EMDR_PORT"
        ) from None
    listening.setblocking(False)
    return listening


def _welcome(settings: ServiceSettings, host: str, port: int) -> str:
    """What a developer needs first: addresses, and in development a token for each role."""
    name = f"[{host}]" if ":" in host else host
    lines = [
        f"emdr_stream {__version__} is listening on port {port}",
        f"  client     ws://{name}:{port}/v1/stream   (subprotocols emdr.v1.msgpack, emdr.v1.json)",
        f"  therapist  ws://{name}:{port}/v1/watch",
        f"  pages      http://{name}:{port}/console  /client   (each asks for a token)",
        f"  contract   http://{name}:{port}/v1/asyncapi.json",
        f"  operator   http://{name}:{port}/metrics  /healthz  /readyz",
    ]
    if settings.server.workers > 1:
        lines[0] += f" with {settings.server.workers} workers"
    authority = TokenAuthority(settings.tokens)
    if settings.server.mode is Mode.DEVELOPMENT and authority.can_issue:
        lines += ["", f"tokens for development, valid for {_TOKEN_HOURS} hours:"]
        for role, sub, clients in (
            (Role.CLIENT, "client-1", None),
            (Role.THERAPIST, "therapist-1", ["*"]),
            (Role.SERVICE, "service-1", None),
        ):
            token = authority.issue(
                role, sub, now=time.time(), lifetime_s=_TOKEN_HOURS * 3_600, sid=None, clients=clients
            )
            lines.append(f"  {role.value:<10} {token}")
    return "\n".join(lines)
