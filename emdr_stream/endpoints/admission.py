"""WebSocket handshakes go in; those for which there is room come through, the others are told when to come back.

The refusal is an HTTP answer before the upgrade: it costs one task and no session, and a peer that asks without end
never gets as far as a token. uvicorn's own limit is looked at after the upgrade only, and lets everybody in.
"""

import ipaddress
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from emdr_stream.telemetry.labels import Refusal
from emdr_stream.telemetry.metrics import Metrics

RETRY_AFTER_S: Final = 5
_IPV6_SITE: Final = 64
"""One subscriber's IPv6 addresses share this many leading bits: to count them one by one would bound nobody."""
_WHY: Final = {
    Refusal.WORKER: (503, "this worker has as many sockets as it takes (EMDR_MAX_SOCKETS)"),
    Refusal.PEER: (429, "your address has as many sockets as it may (EMDR_MAX_SOCKETS_PER_PEER)"),
}


class Crowd:
    """Who is in: sockets of the worker and of each address. A limit of 0 is none."""

    __slots__ = ("_most", "_most_per_peer", "_of_peer", "total")

    def __init__(self, most: int, most_per_peer: int) -> None:
        self._most = most
        self._most_per_peer = most_per_peer
        self._of_peer: dict[str, int] = {}
        self.total = 0

    def enter(self, peer: str | None) -> Refusal | None:
        """Let one more in, or say what is full. None for a peer without an address, which the worker's limit bounds."""
        if self._most and self.total >= self._most:
            return Refusal.WORKER
        if peer is not None:
            here = self._of_peer.get(peer, 0)
            if self._most_per_peer and here >= self._most_per_peer:
                return Refusal.PEER
            self._of_peer[peer] = here + 1
        self.total += 1
        return None

    def leave(self, peer: str | None) -> None:
        self.total -= 1
        if peer is None:
            return
        # An address that has left takes no memory: there are many addresses.
        left = self._of_peer.pop(peer) - 1
        if left:
            self._of_peer[peer] = left

    @property
    def peers(self) -> int:
        """Addresses that have a socket."""
        return len(self._of_peer)


class Admission:
    """ASGI around the application. The address is the connection's, or what uvicorn took from a trusted proxy."""

    def __init__(self, app: ASGIApp, crowd: Crowd, metrics: Metrics) -> None:
        self._app = app
        self._crowd = crowd
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        peer = peer_of(scope)
        refusal = self._crowd.enter(peer)
        if refusal is not None:
            self._metrics.refused(refusal)
            await _deny(WebSocket(scope, receive, send), refusal)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._crowd.leave(peer)


def peer_of(scope: Scope) -> str | None:
    """The address that a connection is counted under: of IPv6 the subscriber's network."""
    client = scope.get("client")
    if not client or not client[0]:
        return None
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))


async def _deny(websocket: WebSocket, refusal: Refusal) -> None:
    status, why = _WHY[refusal]
    body = f"{why}: come back in {RETRY_AFTER_S} s\n"
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    await websocket.send_denial_response(PlainTextResponse(body, status_code=status, headers=headers))
