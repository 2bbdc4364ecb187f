"""Clients whose webcam is a real video: frames go out on a schedule, every answer is kept, for the system tests."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.system.service import Service, eventually, service
from tests.system.sockets import Message, SocketClient, stream, wall_ms

ANSWERS = ("result", "skipped", "error")
BASELINE_S = 5
READY_S = 30.0
"""The workers load their models in a second or two, on a busy machine in more."""


@contextlib.contextmanager
def camera_service(folder: Path | None = None, *arguments: str, **variables: str) -> Iterator[Service]:
    """A service whose face workers are there. `folder`: record sessions into it. `arguments`: more of `serve`."""
    record = () if folder is None else ("--record", str(folder))
    with service(*record, *arguments, baseline_s=str(BASELINE_S), **variables) as running:
        assert eventually(lambda: faces_part(running)["ok"], READY_S), faces_part(running)
        yield running


def faces_part(running: Service) -> Message:
    """What `/readyz` says of the face workers."""
    part: Message = json.loads(running.get("/readyz")[2])["parts"]["faces"]
    return part


@dataclass(eq=False)
class Webcam:
    """Sends pictures as frames, numbered from 0, whether or not answers come."""

    client: SocketClient
    fps: float
    sent: int = 0
    times_s: list[float] = field(default_factory=list)

    async def show(self, pictures: Iterable[bytes]) -> None:
        due = time.monotonic()
        for picture in pictures:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += 1.0 / self.fps
            self.times_s.append(time.monotonic())
            await self.client.send("frame", id=self.sent, ts=wall_ms(), image=picture)
            self.sent += 1

    async def all_answered(self) -> None:
        """Wait for the last answer; then every frame has exactly one."""
        await self.client.wait_for(lambda m: m["type"] in ANSWERS and m.get("re") == self.sent - 1)
        counted = Counter(m["re"] for m in self.client.messages if m["type"] in ANSWERS)
        assert counted == Counter(range(self.sent))

    async def leave(self) -> None:
        """Say goodbye: the recording ends with the session."""
        await self.client.send("bye")
        await self.client.wait_closed()

    def outcomes(self) -> Counter[str]:
        """Answers by type, reason or code."""
        return Counter(
            m.get("reason") or m.get("code") or m["type"] for m in self.client.messages if m["type"] in ANSWERS
        )

    def results(self) -> list[Message]:
        return self.client.of("result")


@contextlib.asynccontextmanager
async def webcam(running: Service, user: str, fps: float = 10.0, **hello: Any) -> AsyncIterator[Webcam]:
    async with stream(running, user, source="frame", **hello) as client:
        yield Webcam(client, fps)
