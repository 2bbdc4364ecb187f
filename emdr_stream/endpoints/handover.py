"""An accepted socket in, a session that has it out: by the lane where the server offers one, through ASGI elsewhere."""

from starlette.websockets import WebSocket, WebSocketState

from emdr_stream.endpoints.departures import Departures
from emdr_stream.endpoints.lane import EXTENSION, LaneProtocol
from emdr_stream.endpoints.ports import LaneLimits, MakeSink
from emdr_stream.endpoints.pump import pump


async def take_over(
    websocket: WebSocket, make_sink: MakeSink, limits: LaneLimits | None = None, departures: Departures | None = None
) -> None:
    """Hand an accepted socket to a session and wait until it is closed, by either side.

    Messages that arrived before the call are delivered first, in order. On a server that offers no lane, the socket is
    served through ASGI messages under the same contract.

    Args:
        websocket: Accepted by the caller, who must not use it any more.
        make_sink: Makes the session around its peer; a failure closes the socket with 1011.
        limits: For a socket without a lane; a lane has the limits that `websocket_protocol` was given.
        departures: Where the worker's sockets post.

    Raises:
        RuntimeError: If the socket was not accepted.
    """
    if websocket.application_state is not WebSocketState.CONNECTED:
        raise RuntimeError("take_over needs an accepted socket: await websocket.accept() first")
    lane = websocket.scope.get("extensions", {}).get(EXTENSION)
    try:
        if isinstance(lane, LaneProtocol):
            await lane.serve(make_sink, departures or Departures())
        else:
            await pump(websocket, make_sink, limits or LaneLimits())
    finally:
        websocket.client_state = websocket.application_state = WebSocketState.DISCONNECTED
