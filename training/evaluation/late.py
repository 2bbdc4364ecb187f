"""In: a session, and when somebody begins to listen to it. Out: the recording and the truth of what is left.

Both count from then: what was before is not in the recording, but that the client greets, says its phase, and says
that a set runs where one does. Such a set counts from then too, as the service would have it; training, which hears of
nothing, lets it count from its true start.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

import msgspec

from emdr_stream.evaluation.labels import Event, HardNegative, Seconds, Truth
from emdr_stream.recording.reading import Entry, Told
from emdr_stream.recording.trials import Case
from emdr_stream.wire.stream import Hello, PhaseMark, Sample, SetMark
from training.listening import Listening

Spell = TypeVar("Spell", Event, HardNegative)


def heard_from(case: Case, listening: Listening) -> Case:
    """The case of a whole session, listened to from `listening.from_ms` on, with the baseline that is said there."""
    recording, truth = case
    baseline_s = listening.settings.baseline.duration_s
    header = msgspec.structs.replace(recording.header, settings={"baseline": {"duration_s": baseline_s}})
    entries = tuple(_left(recording.entries, listening))
    ends_ms = recording.ends_ms - listening.from_ms
    late = replace(recording, header=header, entries=entries, ends_ms=ends_ms)
    return late, _truth_from(truth, listening.from_ms, round(baseline_s * 1_000))


def _left(entries: tuple[Entry, ...], listening: Listening) -> Iterator[Entry]:
    from_ms = listening.from_ms
    before = [entry for entry in entries if entry.at_ms < from_ms]
    yield from (replace(entry, at_ms=0) for entry in before if isinstance(entry.told, Hello | PhaseMark))
    sets = [entry for entry in before if isinstance(entry.told, SetMark)]
    if listening.tell_sets and sets and isinstance(sets[-1].told, SetMark) and sets[-1].told.action == "start":
        yield replace(sets[-1], at_ms=0)
    for entry in entries:
        if entry.at_ms >= from_ms and _is_heard(entry.told, listening):
            yield replace(entry, at_ms=entry.at_ms - from_ms, told=_moved(entry.told, from_ms))


def _is_heard(told: Told, listening: Listening) -> bool:
    """Not a sample that was taken before and came late, nor the mark of a set that nobody is told of."""
    if isinstance(told, Sample):
        return told.ts >= listening.from_ms
    return listening.tell_sets or not isinstance(told, SetMark)


def _moved(told: Told, by_ms: int) -> Told:
    return msgspec.structs.replace(told, ts=told.ts - by_ms) if isinstance(told, Sample) else told


def _truth_from(truth: Truth, from_ms: int, scored_from_ms: int) -> Truth:
    """What ended before is left out; what began before begins with it."""
    return msgspec.structs.replace(
        truth,
        from_ms=scored_from_ms,
        to_ms=truth.to_ms - from_ms,
        events=tuple(_since(each, from_ms) for each in truth.events if each.end_ms > from_ms),
        seconds=truth.seconds and _seconds_from(truth.seconds, from_ms),
        hard_negatives=tuple(_since(each, from_ms) for each in truth.hard_negatives if each.end_ms > from_ms),
        sud=tuple(
            msgspec.structs.replace(each, at_ms=each.at_ms - from_ms) for each in truth.sud if each.at_ms >= from_ms
        ),
    )


def _since(spell: Spell, from_ms: int) -> Spell:
    onset_ms = max(spell.onset_ms - from_ms, 0)
    return msgspec.structs.replace(spell, onset_ms=onset_ms, end_ms=spell.end_ms - from_ms)


def _seconds_from(seconds: Seconds, from_ms: int) -> Seconds:
    first = max(from_ms - seconds.start_ms, 0) // 1_000
    return Seconds(
        state=seconds.state[first:],
        observable=seconds.observable[first:],
        present=seconds.present[first:],
        start_ms=max(seconds.start_ms - from_ms, 0),
    )
