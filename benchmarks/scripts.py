"""What load sessions say: a message's number in, its payload out; a payload of the server in, what it answers out."""

import random
import struct
import time
from collections import Counter
from typing import Any, Final, Protocol

import msgspec

from emdr_stream.domain import Source
from emdr_stream.session.core import SessionCore
from emdr_stream.session.facts import SessionFacts
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.stream import Sample

IN_ORDER: Final = -1
"""The payload answers the oldest message that has no answer yet."""


class Script(Protocol):
    """The application protocol of load sessions; made once per client, from a plan's `script` and `script_args`."""

    subprotocol: str | None
    counts: Counter[str]
    """What was noticed in the payloads; cleared when the measured time begins."""

    def hello(self, session: int) -> bytes | str | None:
        """The first message, or None if the server needs none."""

    def is_welcome(self, payload: bytes) -> bool | None:
        """Whether this payload lets the session begin; asked until it says yes, if there was a hello. None: no room."""

    def message(self, session: int, number: int) -> bytes | str:
        """The message of this number, counted from 0 in each session; called under load, so it must be quick."""

    def answer_to(self, payload: bytes) -> int | None:
        """The number of the message that this payload answers, `IN_ORDER`, or None for anything else."""

    def farewell(self) -> bytes | str | None:
        """The last message, after which the server closes; None to close without one."""


class EchoScript:
    """The same bytes, over and over; every payload is the answer to the oldest."""

    subprotocol: str | None = None

    def __init__(self, message_bytes: int) -> None:
        self.counts: Counter[str] = Counter()
        self._message = bytes(range(256)) * (message_bytes // 256) + bytes(range(message_bytes % 256))

    def hello(self, session: int) -> bytes | str | None:
        return None

    def is_welcome(self, payload: bytes) -> bool | None:
        return True

    def message(self, session: int, number: int) -> bytes | str:
        return self._message

    def answer_to(self, payload: bytes) -> int | None:
        return IN_ORDER

    def farewell(self) -> bytes | str | None:
        return None


def echo(message_bytes: int) -> Script:
    """Make an `EchoScript`: `script="benchmarks.scripts:echo"`."""
    return EchoScript(message_bytes)


_FIRST_ID: Final = 1 << 20
"""Ids begin here, so that each is written in the same five bytes."""
_ANSWER: Final = b"\xa4type\xa6result\xa2re\xce"
_UNSCORED: Final = b"\xaarisk_level\xc0"
_VARIANTS: Final = 64
_FLOAT: Final = struct.Struct(">d")
_BEFORE_ANSWER: Final = 1
_AFTER_ANSWER: Final = _BEFORE_ANSWER + len(_ANSWER)


class StreamScript:
    """Sessions of `/v1/stream`: calm people whose readings waver a little, a sample every `1 / rate_hz` seconds.

    Counts `results`, `unscored` (results for which no model has spoken), and every other message by its type.
    """

    subprotocol: str | None = "emdr.v1.msgpack"

    def __init__(self, token: str, rate_hz: float, users: str = "bench", result_rate_hz: float = 60.0) -> None:
        self.counts: Counter[str] = Counter()
        self._token = token
        self._result_rate_hz = result_rate_hz
        self._users = users
        self._period_ms = 1_000.0 / rate_hz
        self._began_ms: dict[int, float] = {}
        chance = random.Random(7)
        self._variants = [bytearray(sample(chance)) for _ in range(_VARIANTS)]
        self._id_at = self._variants[0].index(b"\xa2id\xce") + 4
        self._ts_at = self._variants[0].index(b"\xa2ts\xcb") + 4

    def hello(self, session: int) -> bytes | str | None:
        fields: dict[str, Any] = {"type": "hello", "token": self._token, "source": "emotion"}
        own = {"user": f"{self._users}-{session}", "result_rate_hz": self._result_rate_hz}
        return msgspec.msgpack.encode({**fields, **own})

    def is_welcome(self, payload: bytes) -> bool | None:
        message = msgspec.msgpack.decode(payload)
        if message["type"] == "error":
            if message["code"] == "overloaded":
                return None
            raise RuntimeError(f"refused: {message['code']}: {message['message']}")
        return bool(message["type"] == "welcome")

    def message(self, session: int, number: int) -> bytes | str:
        # The camera's time and not that of the sending: a client that is late has taken its picture all the same.
        began = self._began_ms.get(session)
        if began is None:
            began = self._began_ms[session] = time.time() * 1_000.0 - number * self._period_ms
        payload = self._variants[(number + 7 * session) % _VARIANTS]
        payload[self._id_at : self._id_at + 4] = (_FIRST_ID + number).to_bytes(4, "big")
        payload[self._ts_at : self._ts_at + 8] = _FLOAT.pack(began + number * self._period_ms)
        return bytes(payload)

    def answer_to(self, payload: bytes) -> int | None:
        counts = self.counts
        if payload[_BEFORE_ANSWER:_AFTER_ANSWER] != _ANSWER:
            counts[str(msgspec.msgpack.decode(payload)["type"])] += 1
            return None
        counts["results"] += 1
        if _UNSCORED in payload:
            counts["unscored"] += 1
        return int.from_bytes(payload[_AFTER_ANSWER : _AFTER_ANSWER + 4], "big") - _FIRST_ID

    def farewell(self) -> bytes | str | None:
        return msgspec.msgpack.encode({"type": "bye"})


def sample(chance: random.Random) -> bytes:
    """One calm sample with every number written in full, as JavaScript and MessagePack write them."""

    def near(mean: float, spread: float) -> float:
        return min(max(chance.gauss(mean, spread), 0.001), 0.999)

    six = {name: near(0.06, 0.01) for name in ("joy", "sadness", "anger", "fear", "surprise", "disgust")}
    return msgspec.msgpack.encode(
        {
            "type": "sample",
            "id": _FIRST_ID,
            "ts": 1.5,
            "emotions": {**six, "neutral": 1.0 - sum(six.values())},
            "dimensions": {"valence": near(0.05, 0.02), "arousal": near(0.1, 0.02), "attention": near(0.7, 0.02)},
            "signals": {
                "face_present": True,
                "blink_rate": chance.gauss(17.0, 1.0),
                "eye_closure": near(0.1, 0.01),
                "head_motion": near(0.08, 0.01),
            },
        }
    )


SAMPLE_BYTES: Final = len(sample(random.Random(0)))


def stream(token: str, rate_hz: float, users: str = "bench", result_rate_hz: float = 60.0) -> Script:
    """Make a `StreamScript`: `script="benchmarks.scripts:stream"`."""
    return StreamScript(token, rate_hz, users, result_rate_hz)


def state() -> bytes:
    """A live state as a session publishes it: the JSON of a console's `state` message, every reading in it."""
    core = SessionCore(
        SessionFacts(session_id="session-0000", user="user-0000", source=Source.EMOTION, started_ts=1_795_000_000_000),
        SessionSettings(),
    )
    core.connected(0, epoch=1, resume_token="t")  # noqa: S106 - nobody resumes it
    chance = random.Random(7)
    for number in range(100):
        message = msgspec.msgpack.decode(sample(chance), type=Sample)
        core.client(msgspec.structs.replace(message, id=number, ts=100.0 * number), 100 * number)
    return msgspec.json.encode(core.state_message(10_000))
