"""In: the address of a service and a therapist's token. Out: what happens there, told in words; and, when nobody else
does it, the therapist's part: an acknowledgement, and a resume.

It is a console like any other and uses nothing but `/v1/watch`, so that what it tells is what a console can know.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from emdr_stream.wire.codec import MSGPACK

Message = Mapping[str, Any]
Tell = Callable[[str], None]

_PATH: Final = "/v1/watch"
_RESUME_AFTER_S: Final = 6.0
"""Between the acknowledgement and the resume: somebody looks, asks, and grounds."""
_KINDS: Final = {
    "crisis": "more than this person can bear",
    "dissociation": "the person seems to drift away",
    "high_risk": "it is getting too much",
    "signal_lost": "the face is out of sight",
    "client_stop": "the client pressed stop",
}

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class Narrator:
    """Tells what a console sees; acts as the therapist `patience_s` after an alert that nobody took."""

    def __init__(self, tell: Tell, patience_s: float) -> None:
        self._tell = tell
        self._patience_s = patience_s
        self._labels: dict[str, str] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._paused: set[str] = set()
        self.seen: list[str] = []
        """Types of what happened, in order: `alert.raised`, `control.pause` and so on."""

    async def watch(self, url: str, token: str) -> None:
        """Follow every session of the service until its socket closes or the task is cancelled."""
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            connect(
                f"{url}{_PATH}", subprotocols=[Subprotocol(MSGPACK)], additional_headers=headers, compression=None
            ) as socket,
            asyncio.TaskGroup() as tasks,
        ):
            await socket.send(_encode({"type": "hello"}))
            await socket.send(_encode({"type": "subscribe", "sessions": ["*"], "rate_hz": 2}))
            async for data in socket:
                message = _decode(data if isinstance(data, bytes) else data.encode())
                self._heard(message, socket, tasks)

    def _heard(self, message: Message, socket: ClientConnection, tasks: asyncio.TaskGroup) -> None:
        kind = message["type"]
        if kind == "session.opened":
            self._told("opened", f"session {message['session_id']} has begun: a calm minute first, the person's own")
        elif kind == "state":
            self._state(message)
        elif kind == "control":
            (self._paused.add if message["action"] == "pause" else self._paused.discard)(message["session_id"])
            self._told(f"control.{message['action']}", _control(message))
        elif kind == "intervention":
            self._told(kind, f"the client is shown: {message['intervention']['type']}")
        elif kind == "adapt":
            self._told(kind, f"the stimulus is made gentler ({', '.join(message['reasons'])})")
        elif kind == "session.closed":
            self._told("closed", "the session is over")
        elif kind == "alert":
            self._alert(message, socket, tasks)

    def _state(self, message: Message) -> None:
        session, label = message["session_id"], message["state"]["label"]
        if self._labels.get(session) == label:
            return
        first = self._labels.get(session, "unknown") == "unknown" and label != "unknown"
        self._labels[session] = label
        if first:
            self._told("baseline", "the baseline stands: from here on the models are heard")
        if label != "unknown":
            crisis = message["safety"]["crisis_probability"]
            self._told("label", f"looks {label} (crisis {crisis:.2f})")

    def _alert(self, message: Message, socket: ClientConnection, tasks: asyncio.TaskGroup) -> None:
        alert_id, state = message["alert_id"], message["state"]
        self._told(f"alert.{state}", _alert_words(message))
        if state == "raised" and alert_id not in self._waiting:
            self._waiting[alert_id] = tasks.create_task(self._stand_in(message, socket))
        elif state in ("acknowledged", "resolved") and alert_id in self._waiting:
            self._waiting.pop(alert_id).cancel()

    async def _stand_in(self, alert: Message, socket: ClientConnection) -> None:
        """Acknowledge when nobody in a console has done it in time; resume when no other alert waits by then."""
        await asyncio.sleep(self._patience_s)
        # From here on the word is our own: it calls nobody off.
        del self._waiting[alert["alert_id"]]
        note = "acknowledged by the demo: nobody did it in the console"
        await socket.send(_encode({"type": "ack", "alert_id": alert["alert_id"], "note": note}))
        self._tell("nobody acknowledged in the console: the demo does it")
        await asyncio.sleep(_RESUME_AFTER_S)
        if self._waiting or alert["session_id"] not in self._paused:
            return
        resume = {"type": "control.resume", "session_id": alert["session_id"], "reason": "the client is calm again"}
        await socket.send(_encode(resume))

    def _told(self, kind: str, words: str) -> None:
        self.seen.append(kind)
        self._tell(words)


def clock(tell: Callable[[str], None]) -> Tell:
    """`tell`, with the time since now before each line, minutes and seconds."""
    begun = time.monotonic()

    def timed(words: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - begun), 60)
        tell(f"{minutes:02d}:{seconds:02d}  {words}")

    return timed


def _control(message: Message) -> str:
    if message["action"] == "resume":
        return f"the light moves again (resumed by {message.get('by', 'somebody')})"
    reason = message.get("reason", "")
    words = _KINDS.get(reason, reason)
    return f"PAUSE: the light stops, {words}; only the {message.get('resume_requires', 'therapist')} can go on"


def _alert_words(message: Message) -> str:
    state, kind = message["state"], message["kind"]
    rises = state == "raised" and message["ts"] > message["raised_ts"]
    words = f"alert {'now more urgent' if rises else state}: {kind}, {message['severity']}"
    if state == "raised":
        evidence = [_evidence(item) for item in message["evidence"][:3]]
        return f"{words} ({'; '.join(evidence)})" if evidence else words
    if state == "escalated":
        return f"{words}: nobody has acknowledged it"
    by = message.get("by")
    return f"{words} by {by}" if by else words


def _evidence(item: Message) -> str:
    value, baseline = item["value"], item.get("baseline")
    shown = "unknown" if value is None else f"{value:.2f}"
    return f"{item['signal']} {shown}" + ("" if baseline is None else f", own baseline {baseline:.2f}")
