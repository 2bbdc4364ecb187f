"""Simulated clients against a real socket: they send their script, confirm a pause, and note what they hear."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from rich.console import Console
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from emdr_stream.cli.simulated_client import Script, observed_table, stream_all
from emdr_stream.simulation import TimedMessage
from emdr_stream.wire.codec import MSGPACK, STREAM_CODECS
from emdr_stream.wire.stream import Applied, Bye, ClientMessage, Hello, Sample

pytestmark = pytest.mark.anyio

SCRIPT = Script(
    "calm",
    (
        *(TimedMessage(at_ms, {"type": "sample", "ts": at_ms}) for at_ms in range(0, 300, 100)),
        TimedMessage(300, {"type": "set", "action": "start", "set_no": 1}),
    ),
    600,
)
WELCOME = {"type": "welcome", "session_id": "s-7", "snapshot": {"status": "running"}}
PAUSE = {"type": "control.pause", "control_epoch": 3, "reason": "crisis", "resume_requires": "therapist"}
RESULT = {
    "type": "result",
    "state": {"label": "calm"},
    "safety": {"risk_level": 0.25, "crisis_probability": None},
}


class FakeService:
    """Answers as little as a client needs, and keeps what it is sent."""

    def __init__(self, *, say_goodbye: bool = True, close_code: int | None = None) -> None:
        self.taken: list[ClientMessage] = []
        self.authorization: list[str | None] = []
        self._say_goodbye = say_goodbye
        self._close_code = close_code

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.authorization.append(socket.request.headers.get("Authorization"))
        async for data in socket:
            message = STREAM_CODECS[MSGPACK].decode(data)
            self.taken.append(message)
            for answer in self._answers(message):
                await socket.send(msgspec.msgpack.encode(answer))
            if self._close_code is not None:
                await socket.close(self._close_code, "made to")

    def _answers(self, message: ClientMessage) -> list[dict[str, Any]]:
        if isinstance(message, Hello):
            return [WELCOME, PAUSE]
        if isinstance(message, Sample):
            return [RESULT]
        return [{"type": "ended"}] if isinstance(message, Bye) and self._say_goodbye else []


@asynccontextmanager
async def running(service: FakeService) -> AsyncIterator[str]:
    async with serve(service.serve, "127.0.0.1", 0, subprotocols=[Subprotocol(MSGPACK)]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


async def test_a_client_plays_its_script_and_confirms_a_pause() -> None:
    service = FakeService()
    async with running(service) as url:
        (seen,) = await stream_all(url, "the-token", [SCRIPT], 2.0, quiet())
    assert (seen.status, seen.session_id, seen.sent, seen.results, seen.problem) == ("ended", "s-7", 5, 3, "")
    assert seen.counts == {"control.pause": 1}
    assert service.authorization == ["Bearer the-token"]
    first, last = service.taken[0], service.taken[-1]
    assert isinstance(first, Hello) and isinstance(last, Bye)
    applied = [message for message in service.taken if isinstance(message, Applied)]
    assert [(a.control_epoch, a.stopped_ts is None) for a in applied] == [(3, True), (3, False)]
    stamps = [message.ts for message in service.taken if isinstance(message, Sample)]
    assert [round(later - stamps[0]) for later in stamps] == [0, 50, 100]


async def test_many_clients_run_at_once() -> None:
    service = FakeService()
    async with running(service) as url:
        observed = await stream_all(url, "t", [SCRIPT] * 30, 5.0, quiet())
    assert [seen.status for seen in observed] == ["ended"] * 30
    shown = quiet()
    shown.print(observed_table(observed))
    assert isinstance(shown.file, io.StringIO)
    assert "all 30" in shown.file.getvalue()
    assert "ended 30" in shown.file.getvalue()


async def test_a_closed_socket_is_told_with_its_code() -> None:
    async with running(FakeService(close_code=4503)) as url:
        (seen,) = await stream_all(url, "t", [SCRIPT], 5.0, quiet())
    assert seen.status == "closed"
    assert "4503 made to" in seen.problem


async def test_a_service_that_is_not_there_is_told() -> None:
    async with running(FakeService()) as url:
        gone = url
    (seen,) = await stream_all(gone, "t", [SCRIPT], 5.0, quiet())
    assert seen.status == "failed"
    assert gone in seen.problem
