"""A plan as JSON on stdin in; alerts raised one after the other at a server under load; their latencies out, on stdout.

Each alert is raised on a socket of its own, opened beforehand, and arrives at one watching socket. The time is from the
write of what raises it to its arrival here, both read from one clock.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import uvloop

from benchmarks.wire import ClientProtocol, handshake, masked_frame

_HOST = "127.0.0.1"
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """With tokens the service is asked (`/v1/stream`, `/v1/watch`), without them the bare server."""

    port: int
    alerts: int
    every_s: float
    after_s: float
    users: str = ""
    client_token: str = ""
    console_token: str = ""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """`latencies_ms` of the alerts that arrived."""

    latencies_ms: list[float] = field(default_factory=list)


class _Socket:
    """One connection; messages wait for nobody: `heard` is called with each."""

    def __init__(self, heard: Callable[["_Socket", bytes], None]) -> None:
        self._heard = heard
        self.ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def open(self, port: int, path: str, subprotocol: str | None = None) -> None:
        request = handshake(_HOST, port, path, subprotocol, ())
        _, self._protocol = await asyncio.get_running_loop().create_connection(
            lambda: ClientProtocol(request, lambda _, payload: self._heard(self, payload), lambda *_: None), _HOST, port
        )
        await self._protocol.opened

    def send(self, payload: bytes) -> None:
        self._protocol.write(masked_frame(payload))

    def say(self, kind: str, **fields: object) -> None:
        self.send(msgspec.msgpack.encode({"type": kind, **fields}))

    def close(self) -> None:
        self._protocol.close()


class _Probe:
    """What was raised when, and what has arrived."""

    def __init__(self, plan: ProbePlan) -> None:
        self._plan = plan
        self._raised: dict[str, float] = {}
        self._all_arrived = asyncio.Event()
        self._latencies_ms: list[float] = []

    async def run(self) -> ProbeReport:
        plan = self._plan
        console, sessions = await (self._open_service() if plan.client_token else self._open_bare())
        await asyncio.sleep(plan.after_s)
        for name, session in sessions.items():
            self._raised[name] = time.perf_counter()
            if plan.client_token:
                session.say("stop")
            else:
                session.send(name.encode())
            await asyncio.sleep(plan.every_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._all_arrived.wait()
        for session in sessions.values():
            if plan.client_token:
                session.say("bye")
            session.close()
        console.close()
        return ProbeReport(self._latencies_ms)

    def _arrived(self, name: str) -> None:
        raised = self._raised.pop(name, None)
        if raised is not None:
            self._latencies_ms.append((time.perf_counter() - raised) * 1e3)
        if len(self._latencies_ms) == self._plan.alerts:
            self._all_arrived.set()

    async def _open_bare(self) -> tuple[_Socket, dict[str, _Socket]]:
        console = _Socket(lambda _, payload: self._arrived(payload.decode()))
        await console.open(self._plan.port, "/watch")
        sessions = {f"alert-{number}": _Socket(lambda *_: None) for number in range(self._plan.alerts)}
        for session in sessions.values():
            await session.open(self._plan.port, "/raise")
        return console, sessions

    async def _open_service(self) -> tuple[_Socket, dict[str, _Socket]]:
        console = _Socket(self._console_heard)
        await console.open(self._plan.port, "/v1/watch", "emdr.v1.msgpack")
        console.say("hello", token=self._plan.console_token)
        console.say("subscribe", id="all", sessions=["*"], rate_hz=1)
        await console.ready
        sessions = {}
        for number in range(self._plan.alerts):
            session = _Socket(_client_heard)
            await session.open(self._plan.port, "/v1/stream", "emdr.v1.msgpack")
            session.say("hello", token=self._plan.client_token, source="emotion", user=f"{self._plan.users}-{number}")
            sessions[str((await session.ready)["session_id"])] = session
        return console, sessions

    def _console_heard(self, console: _Socket, payload: bytes) -> None:
        message = msgspec.msgpack.decode(payload)
        if message["type"] == "subscribed":
            console.ready.set_result(message)
        elif message["type"] == "error":
            raise RuntimeError(f"refused: {message['code']}: {message['message']}")
        elif message["type"] == "alert" and (message["kind"], message["state"]) == ("client_stop", "raised"):
            self._arrived(message["session_id"])


def _client_heard(session: _Socket, payload: bytes) -> None:
    message = msgspec.msgpack.decode(payload)
    if message["type"] == "welcome":
        session.ready.set_result(message)
    elif message["type"] == "error":
        raise RuntimeError(f"refused: {message['code']}: {message['message']}")
    elif message["type"] == "control.pause":
        session.say("applied", control_epoch=message["control_epoch"], stopped_ts=time.time() * 1e3)


if __name__ == "__main__":
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=ProbePlan)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_Probe(plan).run())))
