"""Options in, the running service out: starts the stores where none are configured, listens, says where."""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn

from emdr_stream import __version__
from emdr_stream.app import Addresses, Service, build, lane_limits, load_model
from emdr_stream.cli.command import Subparsers, add_settings_options, new_parser
from emdr_stream.domain import Role
from emdr_stream.embedded import EmbeddedStores
from emdr_stream.endpoints.lane import websocket_protocol
from emdr_stream.endpoints.patience import http_protocol
from emdr_stream.environment import load_settings, unknown_variables
from emdr_stream.errors import ConfigurationError, EmdrError
from emdr_stream.settings import Mode, ServiceSettings
from emdr_stream.telemetry.logs import configure_logging
from emdr_stream.telemetry.metrics import Refusal

_LOG: Final = logging.getLogger(__name__)
_TOKEN_HOURS: Final = 12
_PING_S: Final = 20.0
_GRACE_S: Final = 5
_BACKLOG: Final = 2_048
_GC_THRESHOLDS: Final = (20_000, 20, 50)

_EXAMPLES: Final = """  emdr-stream serve                       everything, with stores of its own
  emdr-stream serve --port 9000 --data-dir ./data
  emdr-stream serve --record ./recordings  each session as JSON Lines, for replay

With EMDR_REDIS_URL and EMDR_DATABASE_URL set, those stores are used and none are started."""


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "serve", summary, _EXAMPLES)
    parser.add_argument("--host", help="address to listen on (default: EMDR_HOST or 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: EMDR_PORT or 8001)")
    parser.add_argument("--workers", type=int, help="number of worker processes (this version runs one)")
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
    if settings.server.workers != 1:
        raise ConfigurationError("EMDR_WORKERS (--workers) must be 1: this version runs one worker a service")
    _run_loop(settings)
    return 0


def _run_loop(settings: ServiceSettings) -> None:
    try:
        import uvloop
    except ImportError:  # not made for this platform
        asyncio.run(_serve(settings))
    else:
        uvloop.run(_serve(settings))


async def _serve(settings: ServiceSettings) -> None:
    listening = _listen(settings)
    model = load_model(settings)
    async with _stores(settings) as addresses:
        service = Service(settings, addresses, model)
        limits = lane_limits(settings)
        refused = partial(service.metrics.refused, Refusal.CONNECTION)
        config = uvicorn.Config(
            build(service),
            loop="none",
            http=http_protocol(limits, refused),
            ws=websocket_protocol(limits),
            ws_max_size=settings.session.limits.message_bytes,
            ws_per_message_deflate=False,
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PING_S,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.server.trusted_proxies),
            forwarded_allow_ips=list(settings.server.trusted_proxies),
            timeout_graceful_shutdown=_GRACE_S,
            backlog=_BACKLOG,
        )
        server = DrainingServer(config, service)
        await server.serve(sockets=[listening])
    if not server.started:
        raise EmdrError("the service could not start: the log says why")
    if service.failed:
        raise EmdrError("a part of the service failed, the log says where: start it again")


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which says where it listens, and says goodbye to the sessions before their sockets close."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _spare_the_loop()
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            print(_welcome(self._service, host, port), flush=True)

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop: also when a part failed, as a service that only looks alive is worse than none."""
        return await super().on_tick(counter) or self._service.failed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await self._service.drain()
        except Exception:
            # Whatever failed, the sockets are still to be closed.
            _LOG.exception("not every session could be told of the stop")
        await super().shutdown(sockets)


def _spare_the_loop() -> None:
    """Let the garbage collector look at everything seldom, and never at what is here from the start.

    Nearly everything is freed by its reference count; a full look holds the loop for 90 ms with 500 sessions.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


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
        with contextlib.suppress(EmdrError):
            await stores.restart(gone.name)
        await asyncio.sleep(0.2)


def _listen(settings: ServiceSettings) -> socket.socket:
    """Take the port before anything is started for it."""
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as problem:
        listening.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({problem.strerror}): choose another with --port or EMDR_PORT"
        ) from None
    listening.setblocking(False)
    return listening


def _welcome(service: Service, host: str, port: int) -> str:
    """What a developer needs first: addresses, and in development a token for each role."""
    name = f"[{host}]" if ":" in host else host
    lines = [
        f"emdr_stream {__version__} is listening on port {port}",
        f"  client     ws://{name}:{port}/v1/stream   (subprotocols emdr.v1.msgpack, emdr.v1.json)",
        f"  therapist  ws://{name}:{port}/v1/watch",
        f"  contract   http://{name}:{port}/v1/asyncapi.json",
        f"  operator   http://{name}:{port}/metrics  /healthz  /readyz",
    ]
    settings = service.settings
    if settings.server.mode is Mode.DEVELOPMENT and service.authority.can_issue:
        lines += ["", f"tokens for development, valid for {_TOKEN_HOURS} hours:"]
        for role, sub, clients in (
            (Role.CLIENT, "client-1", None),
            (Role.THERAPIST, "therapist-1", ["*"]),
            (Role.SERVICE, "service-1", None),
        ):
            token = service.authority.issue(
                role, sub, now=time.time(), lifetime_s=_TOKEN_HOURS * 3_600, sid=None, clients=clients
            )
            lines.append(f"  {role.value:<10} {token}")
    return "\n".join(lines)
