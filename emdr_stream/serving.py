"""A worker's settings, stores and sockets in; the worker served until a signal: uvicorn around the application."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import uvicorn

from emdr_stream.app import Addresses, Service, lane_limits
from emdr_stream.application import build
from emdr_stream.endpoints.lane import websocket_protocol
from emdr_stream.endpoints.patience import http_protocol
from emdr_stream.endpoints.siblings import Siblings
from emdr_stream.errors import EmdrError
from emdr_stream.models_in_use import LoadedVersions, load_versions
from emdr_stream.settings import ServiceSettings
from emdr_stream.telemetry.labels import Refusal

_LOG: Final = logging.getLogger(__name__)
_PING_S: Final = 20.0
_GRACE_S: Final = 5
BACKLOG: Final = 2_048
_GC_THRESHOLDS: Final = (5_000, 2, 4_000)
"""A look at 5,000 new objects takes 1 ms, every third, at 15,000, some 5; a look at all, which takes 0.2 ms a session,
comes after 60 million objects that stayed: some hundred thousand sessions."""


async def serve_worker(
    settings: ServiceSettings,
    addresses: Addresses,
    sockets: Sequence[socket.socket],
    *,
    versions: LoadedVersions | None = None,
    siblings: Siblings | None = None,
    ready: Callable[[], None],
) -> None:
    """Serve one worker on `sockets` until SIGTERM or SIGINT. `ready` is called when it listens. On SIGUSR1 it takes up
    the models that are in use then.

    Raises ModelRefused, ConfigurationError, or EmdrError when it could not start or a part of it failed.
    """
    service = Service(settings, addresses, versions or load_versions(settings), siblings)
    limits = lane_limits(settings)
    config = uvicorn.Config(
        build(service),
        loop="none",
        http=http_protocol(limits, partial(service.metrics.refused, Refusal.CONNECTION)),
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
        backlog=BACKLOG,
    )
    server = DrainingServer(config, service, ready)
    with suppress(SystemExit):  # uvicorn's way to say that the service did not start
        await server.serve(sockets=list(sockets))
    if isinstance(service.problem, EmdrError):
        raise service.problem
    if not server.started:
        raise EmdrError("the service could not start: the log says why") from service.problem
    if service.failed:
        raise EmdrError("a part of the service failed, the log says where: start it again")


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which tells when it listens, and says goodbye to the sessions before their sockets close."""

    def __init__(self, config: uvicorn.Config, service: Service, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._ready = ready
        self._models_asked = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop the server, and that is all. uvicorn raises them once more when it has stopped: that
        would end the process while its own stores still run."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._ask_for_models)
            spare_the_loop()
            self._ready()

    def _ask_for_models(self) -> None:
        self._models_asked = True

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop: also when a part failed, as a service that only looks alive is worse than none."""
        if self._models_asked:
            self._models_asked = False
            await self._service.take_up_models()
        return await super().on_tick(counter) or self._service.failed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # First of all: whoever comes from now on is for another worker, or for the next.
        for server in self.servers:
            server.close()
        try:
            await self._service.drain()
        except Exception:
            # Whatever failed, the sockets are still to be closed.
            _LOG.exception("not every session could be told of the stop")
        await super().shutdown(sockets)


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, on uvloop where there is one."""
    # Who starts loads what is in use anyway; without this the signal would end a service that is not up yet.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        import uvloop
    except ImportError:  # not made for this platform
        asyncio.run(work)
    else:
        uvloop.run(work)


def spare_the_loop() -> None:
    """Let the garbage collector look at little at a time, seldom at everything, never at what is here from the start.

    Everything of a session that ends is freed by its reference count, which tests hold it to.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
