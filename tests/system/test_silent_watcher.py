"""A console that stops reading for half a minute costs no memory, is closed, and comes back without a loss."""

import asyncio
import socket as sockets
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgpack
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.system.scenes import ask_to_resume
from tests.system.service import Service, service
from tests.system.sockets import MSGPACK, SocketClient, stream, watch

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.anyio]
CLIENTS = 10
SILENT_S = 34.0
MOST_GROWTH_KIB = 8 * 1024


@pytest.fixture
def clinic(plain_models: Path) -> Iterator[Service]:
    with service(model_dir=str(plain_models), max_sessions_per_user="0") as running:
        yield running


def resident_kib(clinic: Service) -> int:
    assert clinic.process is not None
    status = Path(f"/proc/{clinic.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


async def stop_and_go(client: SocketClient, until: asyncio.Event) -> None:
    """A client that keeps stopping: an alert is raised and resolved each time."""
    while not until.is_set():
        await client.send("stop")
        await client.wait_for("control.pause", after=len(client.messages))
        await ask_to_resume(client)
        await asyncio.sleep(0.3)


async def next_alert(connection: ClientConnection) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = msgpack.unpackb(await connection.recv())
        if message["type"] == "alert":
            return message


async def test_a_console_that_stops_reading_for_half_a_minute_is_closed_and_misses_nothing(clinic: Service) -> None:
    over = asyncio.Event()
    async with AsyncExitStack() as stack:
        attentive = await stack.enter_async_context(watch(clinic, sub="t-2"))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for number in range(CLIENTS):
            client = await stack.enter_async_context(stream(clinic, f"restless-{number}"))
            group.create_task(stop_and_go(client, over))
        heard, code = await read_then_stop(clinic)
        before = resident_kib(clinic)
        assert code in {4408, 1006}  # the close frame may not reach one whose buffers are full
        over.set()
        await asyncio.sleep(1.0)
        told = {alert["cursor"] for alert in attentive.of("alert")}
        async with watch(clinic, sub="t-1", resume_after=max(heard)) as back:
            await back.wait_for(lambda _: told <= heard | {alert["cursor"] for alert in back.of("alert")})
        assert resident_kib(clinic) - before < MOST_GROWTH_KIB
    assert clinic.process is not None
    assert len(told) > 5 * CLIENTS


async def read_then_stop(clinic: Service) -> tuple[set[str], int]:
    """Confirm some alerts, then leave everything unread; gives the cursors that were taken, and the close code."""
    narrow = sockets.socket()
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", clinic.port))
    start = resident_kib(clinic)
    async with connect(
        f"ws://127.0.0.1:{clinic.port}/v1/watch",
        sock=narrow,
        subprotocols=[Subprotocol(MSGPACK)],
        compression=None,
        ping_interval=None,
        max_queue=1,
        close_timeout=1,
    ) as connection:
        token = clinic.token("therapist", "t-1", clients=["*"])
        await connection.send(msgpack.packb({"type": "hello", "token": token}))
        await connection.send(msgpack.packb({"type": "subscribe", "sessions": ["*"], "rate_hz": 10}))
        heard = {(await next_alert(connection))["cursor"] for _ in range(5)}
        await connection.send(msgpack.packb({"type": "received", "cursor": max(heard)}))
        await asyncio.sleep(SILENT_S)
        assert resident_kib(clinic) - start < MOST_GROWTH_KIB
        try:
            while True:
                await connection.recv()  # what had arrived before; it is not taken
        except ConnectionClosed as closed:
            return heard, closed.rcvd.code if closed.rcvd else 1006
