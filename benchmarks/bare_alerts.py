"""The baseline of the alert path: a message of `/raise` is published to Redis, a listener gives it to every `/watch`.

`python -m benchmarks.bare_alerts --port 9000 --redis URL` serves `/echo` too, for the load beside it. Starlette,
uvicorn and uvloop as in `benchmarks.echo`; redis-py's awaited `publish` and its `pubsub` listener, and nothing else: no
journal, no order, no second try.
"""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks.echo import MAX_MESSAGE_BYTES, echo

_CHANNEL = "alerts"


class BareAlerts:
    """The application's state: a connection to publish on, one to listen on, and who watches."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)
        self._watching: set[WebSocket] = set()

    async def rise(self, websocket: WebSocket) -> None:
        """Publish every message."""
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await self._redis.publish(_CHANNEL, await websocket.receive_bytes())

    async def watch(self, websocket: WebSocket) -> None:
        """Send everything that was published, until the other side leaves."""
        await websocket.accept()
        self._watching.add(websocket)
        with contextlib.suppress(WebSocketDisconnect):
            await websocket.receive_bytes()
        self._watching.discard(websocket)

    async def _listen(self, subscribed: asyncio.Event) -> None:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(_CHANNEL)
            async for message in channel.listen():
                subscribed.set()
                if message["type"] == "message":
                    for websocket in tuple(self._watching):
                        await websocket.send_bytes(message["data"])

    @contextlib.asynccontextmanager
    async def running(self, _: Starlette) -> AsyncIterator[None]:
        """Listen while the application runs."""
        subscribed = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(subscribed))
            await subscribed.wait()
            yield
            listening.cancel()
        await self._redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis", required=True)
    arguments = parser.parse_args()
    bare = BareAlerts(arguments.redis)
    routes = [
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/raise", bare.rise),
        WebSocketRoute("/watch", bare.watch),
    ]
    uvicorn.run(
        Starlette(routes=routes, lifespan=bare.running),
        host="127.0.0.1",
        port=arguments.port,
        loop="uvloop",
        ws="websockets-sansio",
        http="httptools",
        ws_per_message_deflate=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
