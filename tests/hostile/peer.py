"""A hostile peer: connects to a running service, sends mutants, judges each answer; what is not allowed is named."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import msgpack

from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.wire.codec import JSON, STREAM_CODECS, WATCH_CODECS
from tests.hostile.frames import BINARY, TEXT, broken_frames, broken_request, frame
from tests.hostile.mutator import Mutant, Mutator
from tests.hostile.valid import BY_PATH
from tests.system.raw_socket import request

_CODECS: Final = {"/v1/stream": STREAM_CODECS, "/v1/watch": WATCH_CODECS}
_WORDS: Final = frozenset(ErrorCode) - {ErrorCode.INTERNAL}
CODES: Final = frozenset(CloseCode) - {CloseCode.INTERNAL, CloseCode.ABNORMAL} | {1002}
"""How a socket may end that was told why; 1002 is what the WebSocket layer says of frames that are none."""
STATUSES: Final = frozenset({101, 400, 403, 404, 405, 426, 431, 501})
"""What a broken handshake may be answered with."""
_BATCH: Final = 20
_PATIENCE_S: Final = 20.0
_CLOSE: Final = frame(b"\x03\xe8", 0x88)
_BARRIER: Final[dict[str, dict[str, Any]]] = {
    "/v1/stream": {"type": "ping", "t0": 0.0},
    # Beyond its rate a console's pings are dropped, but never an acknowledgement.
    "/v1/watch": {"type": "ack", "alert_id": "nobody's"},
}
"""What is always answered, after everything that was sent before it."""
_MALFORMED: Final = {"bad_message", "unknown_type", "invalid_field"}


class Fault(AssertionError):
    """The service did what it may not do."""


@dataclass
class Report:
    """What became of the mutants."""

    sent: int = 0
    connections: int = 0
    told: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@dataclass
class HostilePeer:
    """One socket after the other on one path and subprotocol. `token` makes the token of its `hello`."""

    port: int
    path: str
    subprotocol: str
    seed: int
    token: Callable[[], str]
    report: Report = field(default_factory=Report)
    welcome: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.rng = Random(f"{self.seed} {self.path} {self.subprotocol}")
        self.is_text = self.subprotocol == JSON
        self.codec = _CODECS[self.path][self.subprotocol]
        self.mutator = Mutator(self.rng, BY_PATH[self.path], is_text=self.is_text)

    async def run(self, mutants: int) -> None:
        """Send so many mutants; a fault ends it and stands in the report with what was sent last."""
        while self.report.sent < mutants:
            draw = self.rng.random()
            attack = self._handshake if draw < 0.03 else self._frames if draw < 0.3 else self._messages
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await attack()
            except (ConnectionError, asyncio.IncompleteReadError):
                self.report.closed["lost"] += 1
            except (Fault, TimeoutError) as fault:
                self.report.faults.append(f"{type(fault).__name__} {fault} in {attack.__name__} after {self._last}")
                return

    _last: str = ""

    # attacks ------------------------------------------------------------------------------------------------------

    async def _handshake(self) -> None:
        how, damaged = broken_request(self.rng, request(self.port, self.path, self.subprotocol))
        self._last = f"{how}: {damaged[:300]!r}"
        self.report.sent += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(damaged)
            writer.write_eof()
            answer = await reader.read(65_536)
        finally:
            writer.close()
        status = int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0
        self.report.statuses[str(status)] += 1
        if status and status not in STATUSES | {200}:
            raise Fault(f"HTTP {status}")

    async def _frames(self) -> None:
        """One connection, with or without a hello, and one series of broken frames."""
        line = await self._connected(greets=self.rng.random() < 0.5)
        if line is None:
            return
        mutant = self.mutator.next()
        how, data = broken_frames(self.rng, mutant.payload, mutant.is_text)
        self._last = f"{how}: {data[:300]!r}"
        self.report.sent += 1
        try:
            line.writer.write(data + _CLOSE)
            with suppress(OSError):  # the server may have reset the connection by then
                line.writer.write_eof()
            while (heard := await line.next()) is not None:
                self._judge(heard)
        finally:
            line.writer.close()
        self._judge_end(line)

    async def _messages(self) -> None:
        """One connection, batches of mutants, each batch with a ping that must come back."""
        line = await self._connected(greets=True)
        if line is None:
            return
        try:
            for number in range(self.rng.choice((1, 3, 20))):
                mutants = [self.mutator.next() for _ in range(_BATCH)]
                self._last = f"{[(mutant.how, mutant.payload[:200]) for mutant in mutants]}"
                self.report.sent += len(mutants)
                line.writer.write(b"".join(self._framed(mutant) for mutant in mutants))
                line.writer.write(self._message({**_BARRIER[self.path], "id": f"barrier {number}"}))
                if not await self._heard_out(line, mutants, f"barrier {number}"):
                    break
            else:
                line.writer.write(_CLOSE)
                await line.rest()
        finally:
            line.writer.close()
        self._judge_end(line)

    async def _heard_out(self, line: "Line", mutants: list[Mutant], barrier: str) -> bool:
        """Whether the connection still stands once the batch is answered; what the codec refuses must be told."""
        refused = 0
        while (heard := await line.next()) is not None:
            self._judge(heard)
            if heard.get("re") != barrier:
                refused += heard["type"] == "error" and heard["code"] in _MALFORMED
            else:
                expected = sum(self._is_refused(mutant) for mutant in mutants)
                if refused < expected:
                    raise Fault(f"{expected} malformed messages and only {refused} errors")
                return True
        return False

    def _is_refused(self, mutant: Mutant) -> bool:
        try:
            self.codec.decode(mutant.payload.decode() if mutant.is_text else mutant.payload)
        except FatalProtocolError:
            return False
        except ProtocolError:
            return True
        return False

    # the connection -----------------------------------------------------------------------------------------------

    async def _connected(self, *, greets: bool) -> "Line | None":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.report.connections += 1
        writer.write(request(self.port, self.path, self.subprotocol))
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in answer:
            raise Fault(f"no upgrade: {answer!r}")
        line = Line(reader, writer, self.is_text)
        if greets:
            writer.write(self._message(self._hello()))
            while (heard := await line.next()) is not None:
                self._judge(heard)
                if heard["type"] == "welcome":
                    self.welcome = heard
                    return line
            # The session that we came back to is over.
            self._judge_end(line)
            self.welcome = None
            writer.close()
            return None
        return line

    def _hello(self) -> dict[str, Any]:
        hello: dict[str, Any] = {"type": "hello", "token": self.token()}
        if self.path == "/v1/stream":
            hello["source"] = "emotion"
            if self.welcome is not None:
                kept = {name: self.welcome[name] for name in ("resume_token", "epoch")}
                hello |= {"session_id": self.welcome["session_id"], "resume": {**kept, "last_seq": self.welcome["seq"]}}
        return hello

    def _message(self, message: dict[str, Any]) -> bytes:
        payload = json.dumps(message).encode() if self.is_text else bytes(msgpack.packb(message))
        return frame(payload, TEXT if self.is_text else BINARY)

    def _framed(self, mutant: Mutant) -> bytes:
        return frame(mutant.payload, TEXT if mutant.is_text else BINARY)

    def _judge(self, heard: dict[str, Any]) -> None:
        if heard["type"] != "error":
            return
        self.report.told[heard["code"]] += 1
        if heard["code"] not in _WORDS or not heard["message"]:
            raise Fault(f"error {heard}")

    def _judge_end(self, line: "Line") -> None:
        self.report.closed[str(line.closed_with)] += 1
        if line.closed_with is not None and line.closed_with not in CODES:
            raise Fault(f"closed with {line.closed_with}")


@dataclass
class Line:
    """Frames of the service in, its messages out; pings need no answer in so short a life."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_text: bool
    closed_with: int | None = None

    async def next(self) -> dict[str, Any] | None:
        """The next message; None once the service has closed, with its code in `closed_with`, or just ended it."""
        while True:
            try:
                head, size = await self.reader.readexactly(2)
                length = size if size < 126 else int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
                payload = await self.reader.readexactly(length)
            except (ConnectionError, asyncio.IncompleteReadError):
                return None
            if head == 0x88:
                self.closed_with = int.from_bytes(payload[:2]) if payload else 1000
                return None
            if head in {TEXT, BINARY}:
                heard: dict[str, Any] = json.loads(payload) if head == TEXT else msgpack.unpackb(payload)
                return heard

    async def rest(self) -> None:
        """Hear it out to its end."""
        while await self.next() is not None:
            pass
