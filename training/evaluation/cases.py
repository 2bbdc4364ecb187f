"""In: a test set, a seed and a number. Out: that session as a recording with its truth, as the service will hear it.

Persons, families and sensors of the test sets: `iid` has other persons than training and nothing else new; `shifted`
other persons and sensors than training draws or randomises; `held_out` families that training never saw;
`held_out_shifted` all of it at once; `unobservable` panics that do not show, which nobody should be tuned to;
`long` the families of `iid` over 50 minutes, five times as long: what a model remembers must not go astray; `late`
those of `iid` listened to from their midst, with a short baseline (`training.listening`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np

from emdr_stream.recording.format import Header
from emdr_stream.recording.reading import Entry, Recording, Told
from emdr_stream.recording.trials import Case
from emdr_stream.simulation import (
    TEST_DURATION_S,
    TEST_MIXTURE,
    Family,
    Parameters,
    SimulatedSession,
    recording_lines,
    simulate_cohort,
    truth_of,
)
from emdr_stream.wire.stream import Heard, Sample
from emdr_stream.wire.values import BodySignals, Dimensions, Emotions
from training.evaluation.late import heard_from
from training.heldout.cohorts import HeldOut, heldout_cohort
from training.listening import listened_late

ENDLESS: Final = 1_000_000
_IID_STREAM: Final = 5_003
"""Keeps the persons of the test apart from those of training, whose seeds are ten times a configuration's."""
_LONG_STREAM: Final = 5_009
_LATE_STREAM: Final = 5_011
_heard: Any = Heard


class Cohort(StrEnum):
    """The test sets, and the one in which the generator's constants are varied."""

    IID = "iid"
    SHIFTED = "shifted"
    HELD_OUT = "held_out"
    HELD_OUT_SHIFTED = "held_out_shifted"
    UNOBSERVABLE = "unobservable"
    LONG = "long"
    LATE = "late"
    VARIED = "varied"


TEST_SETS: Final = (
    Cohort.IID,
    Cohort.SHIFTED,
    Cohort.HELD_OUT,
    Cohort.HELD_OUT_SHIFTED,
    Cohort.UNOBSERVABLE,
    Cohort.LONG,
    Cohort.LATE,
)
LONG_DURATION_S: Final = (2_880.0, 3_120.0)
_DRAWN: Final = {Cohort.LONG: (_LONG_STREAM, LONG_DURATION_S), Cohort.LATE: (_LATE_STREAM, TEST_DURATION_S)}
_OTHERS: Final = (_IID_STREAM, TEST_DURATION_S)
_HELD: Final = {
    Cohort.SHIFTED: HeldOut.SHIFTED,
    Cohort.HELD_OUT: HeldOut.UNSEEN,
    Cohort.HELD_OUT_SHIFTED: HeldOut.UNSEEN_SHIFTED,
    Cohort.UNOBSERVABLE: HeldOut.UNOBSERVABLE,
}
VARIED_MIXTURE: Final = {Family.PANIC: 2.0, Family.SHUTDOWN: 2.0, Family.ABREACTION: 1.0, Family.PROCESSING: 1.0}
"""More crises than in a test set, so that few sessions show a difference."""

SILENCED: Final[dict[str, tuple[str, ...]]] = {
    "valence and arousal": ("valence", "arousal"),
    "emotions": ("emotions",),
    "attention": ("attention",),
    "body": ("blink_rate", "eye_closure", "head_motion"),
    "heart rate": ("heart_rate",),
    "sets": ("set",),
}
"""Ablations: what the client does not send then."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Where sessions come from. `parameters`: the generator's, where they are not its own."""

    cohort: Cohort
    seed: int
    parameters: Parameters | None = None

    def sessions(self) -> Iterator[SimulatedSession]:
        """Without end; each depends on the draw and its number alone. Nobody presses stop."""
        p = self.parameters
        held = _HELD.get(self.cohort)
        if held is not None:
            return heldout_cohort(self.seed, ENDLESS, held, parameters=p)
        mixture = VARIED_MIXTURE if self.cohort is Cohort.VARIED else TEST_MIXTURE
        stream, length_s = _DRAWN.get(self.cohort, _OTHERS)
        seed = stream * ENDLESS + self.seed
        return simulate_cohort(seed, ENDLESS, mixture, duration_s=length_s, stop_presses=False, parameters=p)


@dataclass(frozen=True, slots=True)
class SessionCase:
    """One session of a draw; `silenced`: a key of SILENCED, or empty. Called, it is simulated."""

    draw: Draw
    number: int
    silenced: str = ""

    def __call__(self) -> Case:
        session = _stream(self.draw).take(self.number)
        name = f"{self.draw.cohort}-{self.draw.seed}-{self.number}.jsonl"
        whole = recording_of(session, SILENCED.get(self.silenced, ())), truth_of(session, name)
        if self.draw.cohort is not Cohort.LATE:
            return whole
        listening = listened_late(np.random.default_rng([_LATE_STREAM, self.draw.seed, self.number]), session)
        return whole if listening is None else heard_from(whole, listening)


def cases_of(draw: Draw, count: int, silenced: str = "") -> list[SessionCase]:
    """The first `count` sessions."""
    return [SessionCase(draw, number, silenced) for number in range(count)]


def recording_of(session: SimulatedSession, without: tuple[str, ...] = ()) -> Recording:
    """The session as the service reads it from a file, all numbers kept; `without`: names the client never sends."""
    lines: Iterator[dict[str, Any]] = iter(recording_lines(session, 0, user=session.person_id))
    header = msgspec.convert(next(lines), Header)
    told = ((line["at_ms"], _silenced(line["msg"], without)) for line in lines)
    entries = tuple(
        Entry(number, at_ms, _message(message), None)
        for number, (at_ms, message) in enumerate(told, start=2)
        if message is not None
    )
    return Recording(session.person_id, header, entries, (), entries[-1].at_ms if entries else 0)


def _message(told: dict[str, Any]) -> Told:
    """The message of a line. Samples, of which there are thousands, are made by hand: four times as fast."""
    if told["type"] != "sample":
        message: Told = msgspec.convert(told, _heard)
        return message
    emotions, dimensions, signals = told.get("emotions"), told.get("dimensions"), told.get("signals")
    return Sample(
        ts=told["ts"],
        emotions=None if emotions is None else Emotions(**emotions),
        dimensions=None if dimensions is None else Dimensions(**dimensions),
        signals=None if signals is None else BodySignals(**signals),
    )


def _silenced(message: Any, without: tuple[str, ...]) -> Any:
    """The message without these fields, wherever they stand; None where nothing of it is left to say."""
    if not without:
        return message
    if message["type"] in without:
        return None
    kept = {name: value for name, value in message.items() if name not in without}
    for group in ("dimensions", "signals"):
        if group in kept:
            kept[group] = {name: value for name, value in kept[group].items() if name not in without}
    return kept


class _Stream:
    """Sessions of one draw, asked for in rising order: those in between are simulated and thrown away, which costs a
    twentieth of a replay."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self._sessions = draw.sessions()
        self._next = 0

    def take(self, number: int) -> SimulatedSession:
        if number < self._next:
            self._sessions, self._next = self.draw.sessions(), 0
        while True:
            session = next(self._sessions)
            self._next += 1
            if self._next > number:
                return session


_current: list[_Stream] = []
"""The stream that this process is reading."""


def _stream(draw: Draw) -> _Stream:
    if not _current or _current[0].draw != draw:
        _current[:] = [_Stream(draw)]
    return _current[0]
