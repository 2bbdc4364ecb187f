"""What a client's camera shows, in moods that a test may change while it runs; sent as samples, ten times a second."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from enum import Enum

from websockets.exceptions import ConnectionClosed

from tests.system.sockets import Message, SocketClient, beside, wall_ms

_STEP_S = 0.1
_CALM = {"joy": 0.15, "sadness": 0.1, "anger": 0.05, "fear": 0.04, "surprise": 0.06, "disgust": 0.05, "neutral": 0.55}
_FEAR = {"joy": 0.01, "sadness": 0.1, "anger": 0.05, "fear": 0.6, "surprise": 0.14, "disgust": 0.05, "neutral": 0.05}


class Mood(Enum):
    CALM = "calm"
    PANIC = "panic"
    SHUTDOWN = "shutdown"
    NO_FACE = "no face"


_LOOKS: dict[Mood, tuple[dict[str, float], float]] = {
    Mood.CALM: (_CALM, 0.7),
    Mood.PANIC: (_FEAR, 0.7),
    Mood.SHUTDOWN: (_CALM, 0.05),
}


def sample(mood: Mood, ts: float) -> Message:
    """One `sample` of a mood, without its type; `ts` in milliseconds of the client's clock."""
    if mood is Mood.NO_FACE:
        return {"ts": ts, "signals": {"face_present": False}}
    emotions, attention = _LOOKS[mood]
    # A face is never quite still: a ripple of some hundredths, which the clock gives.
    ripple = 0.02 * ((ts // 100) % 3 - 1)
    return {
        "ts": ts,
        "emotions": {**emotions, "surprise": emotions["surprise"] + ripple, "neutral": emotions["neutral"] - ripple},
        "dimensions": {"valence": 0.1 + ripple, "arousal": 0.1 - ripple, "attention": attention + ripple},
        "signals": {"face_present": True},
    }


class Camera:
    """Sends what a client shows; `mood` may be changed at any time."""

    def __init__(self, client: SocketClient) -> None:
        self._client = client
        self.mood = Mood.CALM

    async def run(self) -> None:
        """Send until cancelled, or until the socket closes."""
        due = time.monotonic()
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._client.send("sample", **sample(self.mood, wall_ms()))
                due += _STEP_S
                await asyncio.sleep(max(0.0, due - time.monotonic()))


@contextlib.asynccontextmanager
async def camera(client: SocketClient, mood: Mood = Mood.CALM) -> AsyncIterator[Camera]:
    """A camera that runs beside the test."""
    seen = Camera(client)
    seen.mood = mood
    async with beside(seen.run()):
        yield seen


async def until_known(client: SocketClient) -> None:
    """Wait until the baseline stands and the models are heard."""
    await client.wait_for(
        lambda m: m["type"] == "result" and m["safety"]["crisis_probability"] is not None, within_s=20.0
    )


async def play(client: SocketClient, messages: Iterable[tuple[int, Message]]) -> None:
    """Send messages at their own times in milliseconds from now on; their `ts` becomes the client's clock."""
    started, started_ms = time.monotonic(), wall_ms()
    for at_ms, message in messages:
        await asyncio.sleep(max(0.0, started + at_ms / 1_000 - time.monotonic()))
        moved = _on_clock(message, started_ms)
        await client.send(moved.pop("type"), **moved)


def _on_clock(message: Message, started_ms: float) -> Message:
    moved = {**message, "ts": message["ts"] + started_ms} if "ts" in message else dict(message)
    if "events" in moved:
        moved["events"] = [{**event, "ts": event["ts"] + started_ms} for event in moved["events"]]
    return moved
