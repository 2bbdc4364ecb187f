"""In: a simulated session. Out: the protocol messages that its client would send, or a recording of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from typing import Final

import numpy as np

from emdr_stream.domain import BODY_SIGNALS, DIMENSIONS, EMOTIONS
from emdr_stream.simulation.session import SimulatedSession

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Message = dict[str, Json]

RATING_DELAY_MS: Final = 3_000


@dataclass(frozen=True, slots=True)
class TimedMessage:
    """A message and when the client sends it, in milliseconds from the session's start."""

    at_ms: int
    message: Message


def session_messages(session: SimulatedSession, started_ts_ms: int = 0) -> Iterator[TimedMessage]:
    """`sample`, `set`, `rating`, `stop` and `phase` messages in order of time; `ts` counts from `started_ts_ms`.

    `hello` and `bye` belong to the connection and are left to the sender.
    """
    yield from merge(_course_messages(session), _sample_messages(session, started_ts_ms), key=lambda timed: timed.at_ms)


def recording_lines(
    session: SimulatedSession, started_ts_ms: int, user: str = "simulated"
) -> Iterator[dict[str, Json]]:
    """The session as a recording (protocol, section 4) without `out` lines: header, `hello`, messages, `bye`."""
    yield {"emdr_recording": 1, "started_ts": started_ts_ms, "source": "emotion", "user": user}
    yield {"at_ms": 0, "dir": "in", "msg": {"type": "hello", "source": "emotion"}}
    for timed in session_messages(session, started_ts_ms):
        yield {"at_ms": timed.at_ms, "dir": "in", "msg": timed.message}
    yield {"at_ms": round(session.duration_s * 1000), "dir": "in", "msg": {"type": "bye"}}


def _course_messages(session: SimulatedSession) -> Iterator[TimedMessage]:
    end_ms = round(session.duration_s * 1000)
    timed = [TimedMessage(0, {"type": "phase", "phase": "desensitization"})]
    for number, ((start_ms, stop_ms), sud) in enumerate(zip(session.sets, session.sud, strict=True), start=1):
        timed.append(TimedMessage(start_ms, {"type": "set", "action": "start", "set_no": number}))
        timed.append(TimedMessage(stop_ms, {"type": "set", "action": "end", "set_no": number}))
        if stop_ms + RATING_DELAY_MS < end_ms:
            rating: Message = {"type": "rating", "scale": "sud", "value": sud}
            timed.append(TimedMessage(stop_ms + RATING_DELAY_MS, rating))
    if session.stop_press_ms is not None:
        timed.append(TimedMessage(session.stop_press_ms, {"type": "stop", "reason": "stop_button"}))
    yield from sorted(timed, key=lambda item: item.at_ms)


def _sample_messages(session: SimulatedSession, started_ts_ms: int) -> Iterator[TimedMessage]:
    # A late sample arrives when its successor did.
    arrivals = np.maximum.accumulate(session.ts_ms).tolist()
    rows = zip(arrivals, session.ts_ms.tolist(), session.values.tolist(), session.face_present.tolist(), strict=True)
    for at_ms, ts_ms, values, present in rows:
        yield TimedMessage(at_ms, sample_message(started_ts_ms + ts_ms, values, face_present=present))


def sample_message(ts_ms: int, values: list[float], *, face_present: bool) -> Message:
    """One `sample` from 14 values in the order of `SIGNALS`; what is NaN is left out, a group that is empty too."""
    message: Message = {"type": "sample", "ts": ts_ms}
    dimensions = _known(DIMENSIONS, values[: len(DIMENSIONS)])
    emotions = _known(EMOTIONS, values[len(DIMENSIONS) : -len(BODY_SIGNALS)])
    if emotions:
        message["emotions"] = emotions
    if dimensions:
        message["dimensions"] = dimensions
    message["signals"] = {"face_present": face_present, **_known(BODY_SIGNALS, values[-len(BODY_SIGNALS) :])}
    return message


def _known(names: tuple[str, ...], values: list[float]) -> dict[str, Json]:
    return {name: value for name, value in zip(names, values, strict=True) if value == value}
