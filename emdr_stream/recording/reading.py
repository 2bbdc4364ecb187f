"""Lines of a recording in, its header and entries out, checked; what is wrong is told with file and line."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta

from emdr_stream.domain import DIMENSIONS, MISSING, MODEL_STATES, Scores
from emdr_stream.recording.format import Envelope, Header, RecordingError
from emdr_stream.wire.orders import Order
from emdr_stream.wire.stream import Heard
from emdr_stream.wire.values import ModelRef
from emdr_stream.wire.watch import Ack

_STATES: Final = len(MODEL_STATES)
_CHANGES: Final = len(DIMENSIONS)


class Connected(msgspec.Struct, frozen=True, tag="connected", tag_field="event"):
    """A socket is attached; `last_seq` null: the first one, or one that has seen everything."""

    epoch: int | None = None
    last_seq: int | None = None


class Disconnected(msgspec.Struct, frozen=True, tag="disconnected", tag_field="event"):
    """The socket is gone."""


class ScoresTold(msgspec.Struct, frozen=True, tag="scores", tag_field="event"):
    """What the models said; null where a number was none."""

    states: Annotated[tuple[float | None, ...], Meta(min_length=_STATES, max_length=_STATES)]
    risk: float | None
    crisis: float | None
    change: Annotated[tuple[float | None, ...], Meta(min_length=_CHANGES, max_length=_CHANGES)] = (0.0, 0.0, 0.0)

    def scores(self) -> Scores:
        valence, arousal, attention = map(_number, self.change)
        states = tuple(map(_number, self.states))
        return Scores(states, _number(self.risk), _number(self.crisis), (valence, arousal, attention))


class ModelFailedTold(msgspec.Struct, frozen=True, tag="model_failed", tag_field="event"):
    """No scores could be had."""


class DeadlineMissed(msgspec.Struct, frozen=True, tag="deadline_missed", tag_field="event"):
    """The models took too long."""


class StoreDown(msgspec.Struct, frozen=True, tag="store_down", tag_field="event"):
    store: str = "store"


class StoreUp(msgspec.Struct, frozen=True, tag="store_up", tag_field="event"):
    store: str = "store"


class OwnerChanged(msgspec.Struct, frozen=True, tag="owner_changed", tag_field="event"):
    epoch: int


class ModelsChanged(msgspec.Struct, frozen=True, tag="models_changed", tag_field="event"):
    """Other versions speak from now on."""

    models: tuple[ModelRef, ...]


Event: TypeAlias = (
    Connected
    | Disconnected
    | ScoresTold
    | ModelFailedTold
    | DeadlineMissed
    | StoreDown
    | StoreUp
    | OwnerChanged
    | ModelsChanged
)
Told: TypeAlias = "Heard | Order | Ack | Event"


@dataclass(frozen=True, slots=True)
class Entry:
    """One `in` line. `by`: whose command it is, None for what is no watcher's."""

    number: int
    at_ms: int
    told: Told
    by: str | None


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole file: its header, its `in` lines in order, and its `out` lines with their numbers, as they are."""

    name: str
    header: Header
    entries: tuple[Entry, ...]
    out: tuple[tuple[int, bytes], ...]
    ends_ms: int
    """Time of the latest line of either direction: deadlines go on after the last thing that was heard."""

    @property
    def duration_ms(self) -> int:
        return self.entries[-1].at_ms if self.entries else 0


_heard: Any = Heard
_header_decoder: Final = msgspec.json.Decoder(Header)
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)
_event_decoder: Final = msgspec.json.Decoder(Event)
_heard_decoder: Final[msgspec.json.Decoder[Heard]] = msgspec.json.Decoder(_heard)
_watch_decoder: Final = msgspec.json.Decoder(Order | Ack)


def read_recording(lines: Iterable[bytes], name: str = "recording") -> Recording:
    """Take a recording apart; empty lines are skipped. Raises RecordingError, which names `name` and the line."""
    numbered = ((number, line.strip()) for number, line in enumerate(lines, start=1))
    filled = ((number, line) for number, line in numbered if line)
    number, first = next(filled, (1, b""))
    header = _checked(_header, first, name, number)
    entries: list[Entry] = []
    out: list[tuple[int, bytes]] = []
    newest_ms = ends_ms = 0
    for number, line in filled:
        envelope = _checked(_envelope_decoder.decode, line, name, number)
        ends_ms = max(ends_ms, int(envelope.at_ms))
        if envelope.dir == "out":
            out.append((number, line))
            continue
        entry = _checked(partial(_entry, number, envelope), line, name, number)
        if entry.at_ms < newest_ms and not header.recorded_scores:
            why = f"`at_ms` {entry.at_ms} is before {newest_ms} of an earlier line: sort the `in` lines by time"
            raise RecordingError(f"{name}, line {number}: {why}")
        newest_ms = max(newest_ms, entry.at_ms)
        entries.append(entry)
    return Recording(name, header, tuple(entries), tuple(out), ends_ms)


def _checked(read: Any, line: bytes, name: str, number: int) -> Any:
    try:
        return read(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as problem:
        raise RecordingError(f"{name}, line {number}: {problem}") from None


def _header(line: bytes) -> Header:
    if b'"emdr_recording"' not in line:
        raise ValueError('no recording: the first line must be its header, {"emdr_recording": 1, ...}')
    return _header_decoder.decode(line)


def _entry(number: int, envelope: Envelope, line: bytes) -> Entry:
    at_ms = int(envelope.at_ms)
    if envelope.event is not None:
        return Entry(number, at_ms, _event_decoder.decode(line), None)
    if envelope.msg is UNSET:
        raise ValueError("an `in` line needs `msg` or `event`")
    if envelope.from_ == "watch":
        return Entry(number, at_ms, _watch_decoder.decode(envelope.msg), envelope.by)
    return Entry(number, at_ms, _heard_message(bytes(envelope.msg)), None)


def _heard_message(msg: bytes) -> Heard:
    try:
        return _heard_decoder.decode(msg)
    except msgspec.ValidationError:
        told = msgspec.json.decode(msg)
        if not isinstance(told, dict):
            raise
        # A number that was NaN is null here, also where the wire demands a number.
        lost = {name: MISSING for name in ("ts", "value") if name in told and told[name] is None}
        if not lost:
            raise
        restored: Heard = msgspec.convert(told | lost, _heard)
        return restored


def _number(value: float | None) -> float:
    return MISSING if value is None else value
