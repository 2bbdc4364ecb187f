"""The service in, its ASGI application out: sockets, pages, the REST API, and what operators ask."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from msgspec import json
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from emdr_stream import __version__
from emdr_stream.app import Service
from emdr_stream.endpoints.admission import Admission
from emdr_stream.endpoints.ops import ops_routes
from emdr_stream.endpoints.pages import page_routes
from emdr_stream.rest.openapi import openapi_document
from emdr_stream.rest.operations import OPERATIONS
from emdr_stream.wire.asyncapi import asyncapi_document


class _Probe:
    """The service as the operator's routes see it."""

    def __init__(self, service: Service) -> None:
        self.event_loop_lag_s = service.event_loop_lag_s
        self.parts = service.parts
        self.metrics = service.render_metrics
        self.all_metrics = service.all_metrics


class _Rest(BaseRoute):
    """Whatever else lies below `/v1`: the REST API, which stands once the service has started."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        ours = scope["type"] == "http" and scope["path"].startswith("/v1/")
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._service.rest(scope, receive, send)


def build(service: Service) -> Starlette:
    """The ASGI application of one worker."""
    # Written once: they are large, and anybody may ask.
    sockets = json.encode(asyncapi_document(__version__))
    rest = json.encode(openapi_document(__version__, OPERATIONS))

    async def stream(websocket: WebSocket) -> None:
        await service.client(websocket)

    async def watch(websocket: WebSocket) -> None:
        await service.console(websocket)

    async def asyncapi(_: Request) -> Response:
        return Response(sockets, media_type="application/json")

    async def openapi(_: Request) -> Response:
        return Response(rest, media_type="application/json")

    async def home(_: Request) -> Response:
        return PlainTextResponse(_HOME)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with service:
            yield

    return Starlette(
        routes=[
            WebSocketRoute("/v1/stream", stream),
            WebSocketRoute("/v1/watch", watch),
            Route("/v1/asyncapi.json", asyncapi),
            Route("/v1/openapi.json", openapi),
            _Rest(service),
            Route("/", home),
            *page_routes(__version__, demo_readings=service.settings.server.demo_readings),
            *ops_routes(_Probe(service), __version__),
        ],
        middleware=[Middleware(Admission, crowd=service.crowd, metrics=service.metrics)],
        lifespan=lifespan,
    )


_HOME: Final = f"""emdr_stream {__version__}

WS  /v1/stream          a client's session
WS  /v1/watch           a therapist's console
GET /v1/asyncapi.json   the contract of both sockets
GET /v1/openapi.json    the contract of the REST API
GET /client /console    the pages of a session
GET /assets/{__version__}/client/index.js   the browser library, for pages of any origin
GET /healthz /readyz /metrics
"""
