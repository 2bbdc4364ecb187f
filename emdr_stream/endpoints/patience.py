"""uvicorn's HTTP protocol with limits: bytes go in, requests come out, or one connection too many or too slow ends."""

import asyncio
from asyncio import TimerHandle
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from emdr_stream.endpoints.ports import LaneLimits


def http_protocol(limits: LaneLimits, refused: Callable[[], None] | None = None) -> type[asyncio.Protocol]:
    """Return what uvicorn takes as `http=`; `refused` is told of each connection for which there was no room."""
    return cast("type[asyncio.Protocol]", partial(PatientHttpProtocol, limits=limits, refused=refused))


class PatientHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request headers are not complete in time, the first request's from the connect on."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: LaneLimits,
        refused: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.max_connections = limits.max_connections
        self.refused = refused
        self.slow_header_s = limits.slow_header_s
        self.header_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # uvicorn keeps all its connections in this set, upgraded ones too. More of them than file descriptors would
        # keep the journal and the stores from being opened.
        if len(self.connections) > self.max_connections:
            if self.refused is not None:
                self.refused()
            transport.abort()
            return
        self.await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self.headers_are_complete()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # uvicorn's keep-alive timer ends at the first byte; from that byte on, the headers are on the clock.
        if self.header_timer is None and not self.is_serving():
            self.await_headers()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self.headers_are_complete()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        # The parser and this object hold each other: without the cut, both stay until the garbage collector comes.
        self.parser = None  # type: ignore[assignment]

    def is_serving(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def await_headers(self) -> None:
        self.header_timer = self.loop.call_later(self.slow_header_s, self.transport.close)

    def headers_are_complete(self) -> None:
        if self.header_timer is not None:
            self.header_timer.cancel()
            self.header_timer = None
