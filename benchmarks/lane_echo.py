"""The same echo as `benchmarks.echo` through the fast lane: a message in and back inside `data_received`.

`python -m benchmarks.lane_echo --port 9000` serves `/echo` until it is terminated.
"""

from starlette.websockets import WebSocket

from benchmarks.echo import serve
from emdr_stream.endpoints.handover import take_over
from emdr_stream.endpoints.lane import websocket_protocol
from emdr_stream.endpoints.patience import http_protocol
from emdr_stream.endpoints.ports import LaneLimits, Peer, Sink


class EchoSink:
    """Sends every message back."""

    def __init__(self, peer: Peer) -> None:
        self.received = peer.send

    def closed(self, code: int) -> None:
        """Nothing to release."""


def _make_sink(peer: Peer) -> Sink:
    return EchoSink(peer)


async def echo(websocket: WebSocket) -> None:
    """Accept as the baseline does, then leave the socket to the lane."""
    await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
    await take_over(websocket, _make_sink)


if __name__ == "__main__":
    serve(echo, ws=websocket_protocol(LaneLimits()), http=http_protocol(LaneLimits()))
