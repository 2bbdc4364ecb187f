"""Scripts of simulated sessions go in, live clients stream them to a service; what each is told comes out."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from emdr_stream.cli.command import table
from emdr_stream.domain import Source
from emdr_stream.simulation import TimedMessage
from emdr_stream.wire.codec import MSGPACK

_PATH: Final = "/v1/stream"
_REST_S: Final = 0.2
"""How long the simulated stimulus takes to come to rest: within every mode's time."""
_LAST_WORDS_S: Final = 5.0
_START_GAP_S: Final = 0.005
"""Clients begin one after the other, so that a thousand handshakes do not meet."""
_SHOWN: Final = 25
_TOLD: Final = ("control.pause", "control.resume", "intervention", "pattern.adapt")

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class TimedFrame(NamedTuple):
    """A picture and when to send it, as `TimedMessage`."""

    at_ms: int
    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """What one client does: its messages by session time, `ts` counting from the session's start, and its end."""

    family: str
    messages: tuple[TimedMessage, ...] | tuple[TimedFrame, ...]
    duration_ms: int
    source: Source = Source.EMOTION


@dataclass(slots=True)
class Observed:
    """What one client has been told so far."""

    family: str
    session_id: str = ""
    status: str = "connecting"
    sent: int = 0
    results: int = 0
    label: str = ""
    risk: float | None = None
    crisis: float | None = None
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    last: str = ""
    problem: str = ""


async def stream_all(url: str, token: str, scripts: Sequence[Script], speed: float, console: Console) -> list[Observed]:
    """Run every script as a client of the service at `url`, all at once, and show them as they go."""
    observed = [Observed(script.family) for script in scripts]
    told: deque[str] = deque(maxlen=256)
    async with asyncio.TaskGroup() as everything:
        showing = everything.create_task(_show(observed, told, console))
        async with asyncio.TaskGroup() as clients:
            for script, seen in zip(scripts, observed, strict=True):
                clients.create_task(SimulatedClient(script, seen, told, speed).run(url, token))
                await asyncio.sleep(_START_GAP_S)
        showing.cancel()
    return observed


def observed_table(observed: Sequence[Observed]) -> Table:
    """One row a client, the first ones, and a row for all."""
    grid = table(
        [
            "session",
            "family",
            "status",
            "sent",
            "results",
            "state",
            "risk",
            "crisis",
            "pauses",
            "interv.",
            "adapt",
            "last",
        ]
    )
    for seen in observed[:_SHOWN]:
        grid.add_row(
            escape(seen.session_id),
            seen.family,
            seen.status,
            str(seen.sent),
            str(seen.results),
            seen.label,
            _number(seen.risk),
            _number(seen.crisis),
            *(str(seen.counts[kind]) for kind in ("control.pause", "intervention", "pattern.adapt")),
            escape(seen.problem or seen.last),
        )
    if len(observed) > 1:
        statuses = Counter(seen.status for seen in observed)
        sums = [
            sum(seen.counts[kind] for seen in observed) for kind in ("control.pause", "intervention", "pattern.adapt")
        ]
        failed = sum(bool(seen.problem) for seen in observed)
        grid.add_row(
            f"all {len(observed)}",
            "",
            ", ".join(f"{status} {count}" for status, count in sorted(statuses.items())),
            str(sum(seen.sent for seen in observed)),
            str(sum(seen.results for seen in observed)),
            "",
            "",
            "",
            *map(str, sums),
            f"{failed} failed" if failed else "",
        )
    return grid


class SimulatedClient:
    """One client: sends its script in time, confirms control messages, and notes what it is told."""

    def __init__(self, script: Script, seen: Observed, told: deque[str], speed: float) -> None:
        self._script = script
        self._seen = seen
        self._told = told
        self._speed = speed

    async def run(self, url: str, token: str) -> None:
        """Stream the script; what goes wrong is noted in `problem`, never raised."""
        try:
            async with connect(
                f"{url}{_PATH}",
                subprotocols=[Subprotocol(MSGPACK)],
                additional_headers={"Authorization": f"Bearer {token}"},
                compression=None,
            ) as socket:
                await self._stream(socket)
        except ConnectionClosed as closed:
            self._lost(closed)
        except (OSError, InvalidHandshake, InvalidURI) as problem:
            self._seen.status, self._seen.problem = "failed", f"no connection to {url}: {problem}"

    async def _stream(self, socket: ClientConnection) -> None:
        await socket.send(_encode({"type": "hello", "source": self._script.source}))
        async with asyncio.TaskGroup() as both:
            listening = both.create_task(self._listen(socket, both))
            try:
                await self._play(socket)
                async with asyncio.timeout(_LAST_WORDS_S):
                    await asyncio.shield(listening)
            except TimeoutError:
                self._seen.problem = "the service did not answer `bye`"
            except ConnectionClosed:
                pass  # the listener sees it too, and says why
            finally:
                await socket.close()

    async def _play(self, socket: ClientConnection) -> None:
        """Send each message at its time. Samples are stamped with their own time, which `speed` compresses."""
        loop = asyncio.get_running_loop()
        start_s, start_ts = loop.time(), time.time() * 1_000
        for timed in (*self._script.messages, TimedMessage(self._script.duration_ms, {"type": "bye"})):
            wait_s = start_s + timed.at_ms / 1_000 / self._speed - loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            message = dict(timed.message)
            ts = message.get("ts")
            if isinstance(ts, (int, float)):
                message["ts"] = start_ts + ts / self._speed
            await socket.send(_encode(message))
            self._seen.sent += 1

    async def _listen(self, socket: ClientConnection, tasks: asyncio.TaskGroup) -> None:
        try:
            async for data in socket:
                message = _decode(data if isinstance(data, bytes) else data.encode())
                self._note(message)
                if message["type"] in ("control.pause", "control.resume"):
                    tasks.create_task(self._confirm(socket, message["control_epoch"]))
                elif message["type"] == "ended":
                    return
        except ConnectionClosed as closed:
            self._lost(closed)

    async def _confirm(self, socket: ClientConnection, control_epoch: int) -> None:
        """Say at once that the message is here, and then that the stimulus is at rest, or moves again."""
        with suppress(ConnectionClosed):
            await socket.send(_encode({"type": "applied", "control_epoch": control_epoch}))
            await asyncio.sleep(_REST_S)
            rest = {"type": "applied", "control_epoch": control_epoch, "stopped_ts": time.time() * 1_000}
            await socket.send(_encode(rest))

    def _note(self, message: dict[str, Any]) -> None:
        seen, kind = self._seen, message["type"]
        if kind == "result":
            seen.results += 1
            seen.label = message["state"]["label"]
            seen.risk, seen.crisis = message["safety"]["risk_level"], message["safety"]["crisis_probability"]
        elif kind == "skipped":
            seen.counts[kind] += 1
            seen.last = f"skipped: {message['reason']}"
        elif kind == "welcome":
            seen.session_id, seen.status = message["session_id"], message["snapshot"]["status"]
        elif kind == "error":
            seen.errors[message["code"]] += 1
            seen.last = f"error {message['code']}: {message['message']}"
        elif kind == "ended":
            seen.status = "ended"
        elif kind in _TOLD:
            seen.counts[kind] += 1
            seen.status = {"control.pause": "paused", "control.resume": "running"}.get(kind, seen.status)
            seen.last = _worded(kind, message)
            self._told.append(f"{seen.session_id} {seen.family}: {seen.last}")

    def _lost(self, closed: ConnectionClosed) -> None:
        if self._seen.status != "ended":
            frame = closed.rcvd
            code, reason = (frame.code, frame.reason) if frame else (1006, "the connection broke")
            self._seen.status, self._seen.problem = "closed", f"closed with {code} {reason}".strip()


async def _show(observed: Sequence[Observed], told: deque[str], console: Console) -> None:
    """A live table on a terminal; lines of what is told elsewhere."""
    if console.is_terminal:
        with Live(observed_table(observed), console=console, refresh_per_second=4, transient=True) as live:
            while True:
                await asyncio.sleep(0.25)
                live.update(observed_table(observed))
    while True:
        await asyncio.sleep(0.25)
        while told:
            console.print(told.popleft(), markup=False)


def _worded(kind: str, message: dict[str, Any]) -> str:
    if kind == "control.pause":
        return f"pause ({message['reason']}), resumed by {message['resume_requires']}"
    if kind == "intervention":
        return f"intervention: {message['intervention']['type']}"
    if kind == "pattern.adapt":
        changes = ", ".join(
            f"{name} {value:g}" for name, value in message["config"].items() if isinstance(value, float)
        )
        return f"adaptation: {changes} {message['effective']}"
    return f"resumed by {message['by']}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
