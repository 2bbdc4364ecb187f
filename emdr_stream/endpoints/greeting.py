"""A socket that has just knocked in, its hello and principal out: what both sockets do before anything else."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import Principal, TokenAuthority, origin_allowed
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.settings import SocketSettings
from emdr_stream.telemetry.labels import AuthFailure
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.codec import SUBPROTOCOLS, Codec
from emdr_stream.wire.refusals import error_message
from emdr_stream.wire.stream import Outgoing
from emdr_stream.wire.values import Id

H = TypeVar("H", bound=msgspec.Struct)
_BEARER: Final = "bearer "
_COME_BACK_MS: Final = 5_000
"""When a peer that found the worker full may try again."""
_AUTH_FAILURES: Final = {
    ErrorCode.UNAUTHORIZED: AuthFailure.UNAUTHORIZED,
    ErrorCode.TOKEN_EXPIRED: AuthFailure.TOKEN_EXPIRED,
    ErrorCode.FORBIDDEN: AuthFailure.FORBIDDEN,
}


class Greeting:
    """Origin, subprotocol, hello within its time, token, role: in this order. `codec` stands once it is accepted."""

    def __init__(
        self,
        websocket: WebSocket,
        codecs: Mapping[str, Codec[Any]],
        authority: TokenAuthority,
        settings: SocketSettings,
        metrics: Metrics,
    ) -> None:
        self._websocket = websocket
        self._codecs = codecs
        self._authority = authority
        self._settings = settings
        self._metrics = metrics
        self.codec: Codec[Any] = codecs[SUBPROTOCOLS[0]]
        self.hello: Any = None
        self.principal: Principal | None = None
        """Who it is, once the token has proved it: also where the hello is then refused."""

    async def receive(self, kind: type[H], roles: frozenset[Role]) -> tuple[H, Principal]:
        """The hello and who says it.

        Raises FatalProtocolError for a hello that is late, malformed or not allowed, WebSocketDisconnect when the peer
        left or the handshake was refused (a browser cannot read why, so only origin and subprotocol are refused there).
        """
        await self._accept()
        hello = self.hello = await self._hello(kind)
        principal = self.principal = self._principal(hello)
        if principal.role not in roles:
            raise FatalProtocolError(
                ErrorCode.FORBIDDEN, f"the role `{principal.role}` may not use this socket", CloseCode.FORBIDDEN
            )
        return hello, principal

    async def refuse(self, problem: FatalProtocolError) -> None:
        """Say what is wrong, then close."""
        self._metrics.error(problem.code)
        failure = _AUTH_FAILURES.get(problem.code)
        if failure is not None:
            self._metrics.auth_failed(failure)
        self._metrics.connection_closed(None, problem.close_code)
        try:
            hint = _COME_BACK_MS if problem.close_code is CloseCode.OVERLOADED else None
            await self._send(error_message(problem, problem.re, fatal=True, retry_after_ms=hint))
            await self._websocket.close(problem.close_code, problem.message[:120])
        except (WebSocketDisconnect, RuntimeError):
            pass  # the peer has left already

    async def _accept(self) -> None:
        websocket = self._websocket
        if not origin_allowed(websocket.headers, self._settings):
            self._metrics.auth_failed(AuthFailure.ORIGIN)
            await self._deny(403, "this origin is not allowed: see EMDR_ALLOWED_ORIGINS")
        offered = websocket.scope.get("subprotocols") or []
        chosen = next((name for name in SUBPROTOCOLS if name in offered), None)
        if chosen is None:
            await self._deny(400, f"offer one of the subprotocols {', '.join(SUBPROTOCOLS)}")
        self.codec = self._codecs[chosen]
        await websocket.accept(subprotocol=chosen)

    async def _deny(self, status: int, why: str) -> NoReturn:
        await self._websocket.send_denial_response(PlainTextResponse(why + "\n", status_code=status))
        raise WebSocketDisconnect(CloseCode.POLICY)

    async def _hello(self, kind: type[H]) -> H:
        """The first message, which must be a hello. Malformed ones may be mended, within the time and the limit."""
        try:
            async with asyncio.timeout(self._settings.hello_timeout_s):
                for _ in range(self._settings.max_malformed_per_minute + 1):
                    message = await self._first_message(kind)
                    if message is not None:
                        return message
            why = "too many malformed messages before a `hello`"
            raise FatalProtocolError(ErrorCode.BAD_MESSAGE, why, CloseCode.INVALID_PAYLOAD)
        except TimeoutError:
            raise FatalProtocolError(
                ErrorCode.BAD_MESSAGE, "no `hello` came in time", CloseCode.HELLO_TIMEOUT
            ) from None

    async def _first_message(self, kind: type[H]) -> H | None:
        """The hello; None when something else came and was told so."""
        data = await self._receive()
        try:
            message = self.codec.decode(data)
        except FatalProtocolError:
            raise
        except ProtocolError as problem:
            await self._say(problem, problem.re)
            return None
        if isinstance(message, kind):
            return message
        why = "the first message must be `hello`"
        await self._say(ProtocolError(ErrorCode.BAD_MESSAGE, why, param="type"), message.id)
        return None

    async def _receive(self) -> bytes | str:
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", CloseCode.ABNORMAL))
        data: bytes | str | None = event.get("bytes")
        return data if data is not None else event["text"]

    async def _say(self, problem: ProtocolError, re: Id | None) -> None:
        self._metrics.error(problem.code)
        await self._send(error_message(problem, re))

    async def _send(self, message: Outgoing) -> None:
        encoded = self.codec.encode(message)
        if isinstance(encoded, bytes):
            await self._websocket.send_bytes(encoded)
        else:
            await self._websocket.send_text(encoded)

    def _principal(self, hello: Any) -> Principal:
        header = self._websocket.headers.get("authorization", "")
        token = hello.token or (header[len(_BEARER) :] if header.lower().startswith(_BEARER) else None)
        if not token:
            self._metrics.auth_failed(AuthFailure.MISSING)
            raise FatalProtocolError(
                ErrorCode.UNAUTHORIZED,
                "a token is needed: `token` in hello, or `Authorization: Bearer` on the handshake",
                CloseCode.BAD_TOKEN,
                param="token",
            )
        return self._authority.verify(token, time.time())
