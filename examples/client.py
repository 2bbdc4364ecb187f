"""Streams fifty samples, prints the answers, obeys every pause. Run: python examples/client.py URL TOKEN"""

import asyncio
import sys
import time
from typing import Any

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(msgpack.packb(message))


async def stream(socket: ClientConnection) -> None:
    for n in range(50):  # a calm face every 100 ms; your camera's readings go here
        dimensions = {"valence": 0.1, "arousal": -0.1, "attention": 0.8}
        emotions = {"joy": 0.1, "sadness": 0.1, "anger": 0, "fear": 0, "surprise": 0.1, "disgust": 0, "neutral": 0.7}
        await say(socket, type="sample", id=n, ts=time.time() * 1000, dimensions=dimensions, emotions=emotions)
        await asyncio.sleep(0.1)
    await say(socket, type="bye")


async def main(url: str, token: str) -> None:
    async with connect(url, subprotocols=[Subprotocol("emdr.v1.msgpack")]) as socket, asyncio.TaskGroup() as tasks:
        await say(socket, type="hello", token=token, source="emotion")
        tasks.create_task(stream(socket))
        while True:
            async with asyncio.timeout(2):  # dead-man switch: hearing nothing for `timeout_ms`, stop the stimulus
                message = msgpack.unpackb(await socket.recv())
            print(message["type"], message.get("dimensions") or message.get("reason") or "")
            if message["type"] == "control.pause":
                now = time.time() * 1000  # stop the stimulus first, then say that it is at rest
                await say(socket, type="applied", control_epoch=message["control_epoch"], stopped_ts=now)
            elif message["type"] == "ended":
                return


asyncio.run(main(*sys.argv[1:3]))
