"""Operations in, an ASGI application out: each request is checked, done and answered, whatever goes wrong as a problem.

Order: method, token, rate, role, `Accept`, path, query, body, key, handler. Nothing of a body is ever logged.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from emdr_stream.errors import ProtocolError, StoreUnavailable
from emdr_stream.rest.gate import Gate
from emdr_stream.rest.idempotency import LONGEST_KEY, Keyed, Standing
from emdr_stream.rest.operation import JSON, Call, Lines, Operation
from emdr_stream.rest.parts import RestParts
from emdr_stream.rest.problems import Problem, ProblemCode, of_protocol, refuse
from emdr_stream.rest.reading import check_accept, read_body, read_path, read_query

_LOG: Final = logging.getLogger(__name__)
_ENCODE: Final = msgspec.json.Encoder().encode
_PRIVATE: Final = "private, no-cache"
"""A cache of the caller's own may keep it, and must ask whether it still holds."""
_KEY: Final = "Idempotency-Key"


def rest_app(parts: RestParts, operations: Sequence[Operation]) -> ASGIApp:
    """Everything below `/v1` that is no socket. Fixed paths come before those with a value in them."""
    settings = parts.settings.rest
    gate = Gate(parts.authority, parts.registry, parts.metrics, settings.rate_hz, parts.clock)
    ordered = sorted(operations, key=lambda operation: (operation.path.count("{"), operation.path))
    doors = [
        Route(path, Door(parts, gate, list(of_path)))
        for path, of_path in groupby(ordered, key=lambda operation: operation.path)
    ]
    return Router(doors, redirect_slashes=False, default=Nothing())


class Nothing:
    """ASGI: what has no route is a problem too."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _told(Problem(ProblemCode.NOT_FOUND, "nothing has this address"))(scope, receive, send)


class Door:
    """ASGI: all operations of one path."""

    def __init__(self, parts: RestParts, gate: Gate, operations: Iterable[Operation]) -> None:
        self._parts = parts
        self._gate = gate
        self._by_method = {operation.method: operation for operation in operations}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        began = self._parts.clock()
        operation = self._by_method.get("GET" if request.method == "HEAD" else request.method)  # type: ignore[call-overload]
        try:
            response = await self._answer(operation, request)
        except ClientDisconnect:
            return
        self._parts.metrics.rest_answered(
            operation.group if operation else "none", response.status_code, self._parts.clock() - began
        )
        await response(scope, receive, send)

    async def _answer(self, operation: Operation | None, request: Request) -> Response:
        """What there is to say, also when it is a problem."""
        try:
            if operation is None:
                raise self._no_such_method()
            return await self._do(operation, request)
        except Problem as problem:
            return _told(problem)
        except ProtocolError as refused:
            return _told(of_protocol(refused))
        except StoreUnavailable:
            return _told(Problem(ProblemCode.UNAVAILABLE, "a store does not answer now: ask again"))
        except ClientDisconnect:
            raise
        except Exception:
            _LOG.exception("a REST request failed", extra={"part": operation.name if operation else ""})
            return _told(Problem(ProblemCode.INTERNAL, "the service failed on this: its log says where"))

    async def _do(self, operation: Operation, request: Request) -> Response:
        """Raises Problem, ProtocolError or StoreUnavailable."""
        principal = self._gate.admit(operation, request)
        check_accept(operation, request.headers.get("accept"))
        path = read_path(operation, request.path_params)
        query = read_query(operation, request.query_params)
        body, data = await read_body(operation, request)
        call: Call[Any, Any] = Call(self._parts, principal, operation.name, path, query, body)
        keyed = _keyed(operation, request, call, data)
        if keyed is None:
            return _response(await operation.handle(call), request)
        return await self._once(operation, call, keyed)

    async def _once(self, operation: Operation, call: Call[Any, Any], keyed: Keyed) -> Response:
        """Do it, unless it was done before: then the same is answered again."""
        answers = self._parts.answers
        standing = await answers.begin(keyed)
        if isinstance(standing, bytes):
            return Response(standing, media_type=JSON, headers={"cache-control": _PRIVATE, "idempotent-replay": "true"})
        if standing is Standing.UNDER_WAY:
            raise Problem(ProblemCode.IN_PROGRESS, "the first request with this key has no answer yet", field=_KEY)
        if standing is Standing.OTHER:
            raise Problem(ProblemCode.KEY_REUSED, "this key came with another request: take a new one", field=_KEY)
        try:
            encoded = _ENCODE(await operation.handle(call))
        except BaseException:
            with contextlib.suppress(StoreUnavailable):
                await asyncio.shield(answers.give_up(keyed))
            raise
        # It is done: that its answer cannot be kept is no reason to say that it is not. A repeat may do it again.
        with contextlib.suppress(StoreUnavailable):
            await answers.finish(keyed, encoded)
        return Response(encoded, media_type=JSON, headers={"cache-control": _PRIVATE})

    def _no_such_method(self) -> Problem:
        methods = sorted({*self._by_method, *({"HEAD"} if "GET" in self._by_method else ())})
        allowed = ", ".join(methods)
        return Problem(ProblemCode.METHOD_NOT_ALLOWED, f"use {allowed}", headers={"allow": allowed})


def _keyed(operation: Operation, request: Request, call: Call[Any, Any], data: bytes) -> Keyed | None:
    """Whose key it is, and for what; None where there is none."""
    key = request.headers.get(_KEY)
    if key is None or not operation.acts:
        return None
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise refuse(f"`{_KEY}` must be 1 to {LONGEST_KEY} printable characters", _KEY)
    place = _ENCODE((operation.name, sorted(call.path.items())))
    digest = hashlib.sha256(place + data).digest()
    return Keyed(f"{call.principal.role.value}:{call.principal.sub}", key, digest)


def _response(answer: Any, request: Request) -> Response:
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, Lines):
        return StreamingResponse(answer.pieces, headers={"cache-control": "no-store", **answer.headers})
    encoded = _ENCODE(answer)
    headers = {"cache-control": _PRIVATE}
    if request.method in {"GET", "HEAD"}:
        tag = headers["etag"] = f'"{hashlib.blake2b(encoded, digest_size=12).hexdigest()}"'
        if _has(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
    return Response(encoded, media_type=JSON, headers=headers)


def _has(if_none_match: str, tag: str) -> bool:
    known = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in known or "*" in known


def _told(problem: Problem) -> Response:
    return Response(_ENCODE(problem.details()), problem.status, headers=problem.all_headers())
