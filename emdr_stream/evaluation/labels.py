"""In: the lines of `labels.jsonl`. Out: what truly happened in each recording, checked; and back into lines.

Written by the simulator, or by a clinic by hand: one JSON object a line, one line a recording. Times are milliseconds
of the recording's own session time, as its `at_ms`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from emdr_stream.errors import EmdrError

LABELS_FILE: Final = "labels.jsonl"
LONGEST_MS: Final = 1_000_000_000
"""As of recordings: a later time is a wall clock by mistake."""

Ms = Annotated[int, Meta(ge=0, le=LONGEST_MS)]
Word = Annotated[str, Meta(min_length=1, max_length=128)]
EventKind: TypeAlias = Literal["hyperarousal", "hypoarousal"]
"""Above the person's window of tolerance, or below it; dissociation is of the second kind."""
SecondState: TypeAlias = Literal["calm", "processing", "hyperarousal", "hypoarousal", "drowsy"]
HardNegativeKind: TypeAlias = Literal["abreaction", "laughing", "talking"]


class LabelsError(EmdrError):
    """Labels cannot be read; the message names the file, the line and the field."""


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A stretch outside the window of tolerance.

    `observable`: it shows in what the client sends, as far as anybody can tell. `marginal`: it stays within 5 % of the
    window's edge, so that nobody could say whether it is one.
    """

    kind: EventKind
    onset_ms: Ms
    end_ms: Ms
    observable: bool = True
    marginal: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        _in_order("onset_ms", self.onset_ms, "end_ms", self.end_ms)


class HardNegative(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strong feeling inside the window, laughter or talk: no event, but easily taken for one."""

    kind: HardNegativeKind
    onset_ms: Ms
    end_ms: Ms

    def __post_init__(self) -> None:
        _in_order("onset_ms", self.onset_ms, "end_ms", self.end_ms)


class Seconds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The truth second by second from `start_ms`; the three lists are as long as one another.

    `state`: what the client was in. `observable`: whether it showed. `present`: whether a client was there at all.
    """

    state: tuple[SecondState, ...]
    observable: tuple[bool, ...]
    present: tuple[bool, ...]
    start_ms: Ms = 0

    def __post_init__(self) -> None:
        if not len(self.state) == len(self.observable) == len(self.present):
            lengths = f"{len(self.state)}, {len(self.observable)} and {len(self.present)}"
            raise ValueError(f"`state`, `observable` and `present` must be of one length, not {lengths}")


class Sud(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rating of distress, 0..10."""

    at_ms: Ms
    value: Annotated[float, Meta(ge=0, le=10)]


class Truth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One recording's truth.

    `recording`: its file's name within the folder. `person`: whose it is; intervals resample persons. `family`,
    `sensor`, `groups`: by what the figures are told apart. `from_ms`, `to_ms`: what of it is scored; from where the
    personal baseline is over, by default all, `to_ms` 0 for the recording's end.
    """

    recording: Word
    person: Word
    family: Word = "all"
    sensor: Word = "unknown"
    groups: dict[Word, Word] = {}
    from_ms: Ms = 0
    to_ms: Ms = 0
    events: tuple[Event, ...] = ()
    seconds: Seconds | None = None
    hard_negatives: tuple[HardNegative, ...] = ()
    sud: tuple[Sud, ...] = ()

    def __post_init__(self) -> None:
        if self.recording.startswith(("/", "\\", ".")) or ".." in self.recording:
            raise ValueError("`recording` must be the name of a file within the folder of the recordings")
        if self.to_ms:
            _in_order("from_ms", self.from_ms, "to_ms", self.to_ms)
        for before, event in zip(self.events, self.events[1:], strict=False):
            if event.onset_ms < before.onset_ms:
                why = f"{event.onset_ms} follows {before.onset_ms}: sort them by `onset_ms`"
                raise ValueError(f"`events`: {why}")


_decoder: Final = msgspec.json.Decoder(Truth)
_encoder: Final = msgspec.json.Encoder()


def read_labels(lines: Iterable[bytes], name: str = LABELS_FILE) -> list[Truth]:
    """All truths of a file, in its order; empty lines are skipped.

    Raises LabelsError, which names `name`, the line and the field, also where a recording is labelled twice.
    """
    found: list[Truth] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        truth = _decoded(line, name, number)
        if truth.recording in seen:
            why = f"`recording` {truth.recording} is labelled in line {seen[truth.recording]} already: keep one of them"
            raise LabelsError(f"{name}, line {number}: {why}")
        seen[truth.recording] = number
        found.append(truth)
    return found


def read_labels_file(path: Path) -> list[Truth]:
    """As read_labels. Raises LabelsError also for a file that cannot be read."""
    try:
        with path.open("rb") as lines:
            return read_labels(lines, str(path))
    except OSError as problem:
        raise LabelsError(f"{path} cannot be read: {problem.strerror}") from None


def label_line(truth: Truth) -> bytes:
    """One line of `labels.jsonl`, without its end; what has its default is left out."""
    return _encoder.encode(truth)


def _decoded(line: bytes, name: str, number: int) -> Truth:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise LabelsError(f"{name}, line {number}: {problem}") from None


def _in_order(first: str, start_ms: int, second: str, end_ms: int) -> None:
    if end_ms <= start_ms:
        raise ValueError(f"`{second}` {end_ms} must be after `{first}` {start_ms}")
