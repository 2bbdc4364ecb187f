"""The baseline: a Starlette endpoint on uvicorn's sans-I/O WebSocket and uvloop takes a message and sends it back.

`python -m benchmarks.echo --port 9000` serves `/echo` until it is terminated.
"""

import argparse
import asyncio
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

MAX_MESSAGE_BYTES = 256 * 1024


async def echo(websocket: WebSocket) -> None:
    """Send every binary message back."""
    await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
    try:
        while True:
            await websocket.send_bytes(await websocket.receive_bytes())
    except WebSocketDisconnect:
        return


def serve(
    endpoint: Any,
    ws: type[asyncio.Protocol] | str = "websockets-sansio",
    http: type[asyncio.Protocol] | str = "httptools",
) -> None:
    """Serve `endpoint` at `/echo` on the port of the command line, with the settings all benchmarks share."""
    parser = argparse.ArgumentParser(description="Serve a WebSocket echo at /echo on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(
        Starlette(routes=[WebSocketRoute("/echo", endpoint)]),
        host="127.0.0.1",
        port=parser.parse_args().port,
        loop="uvloop",
        ws=ws,
        http=http,
        ws_per_message_deflate=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    serve(echo)
