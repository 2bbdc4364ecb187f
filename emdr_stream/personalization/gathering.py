"""In: what the store keeps of a client's sessions, as rows. Out: their sets and sessions, to be learnt from.

The rows are those of the tables `sets`, `ratings`, `control_events` and `adaptations`, in the order of their time, and
sums over the seconds of each set that the store has made (`Sight`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from emdr_stream.domain import PauseCause
from emdr_stream.personalization.outcomes import SessionOutcome, SetOutcome
from emdr_stream.personalization.setting import Setting

BY_THERAPIST: Final = "set by the therapist"
"""First reason of an adaptation that a person asked for (`session/stimulation.py`)."""
LEAVING_CAUSES: Final = frozenset({PauseCause.CRISIS, PauseCause.DISSOCIATION})
AFTER_FROM_MS: Final = 10_000
AFTER_UNTIL_MS: Final = 30_000
"""Recovery is read from 10 to 30 s after a set; nothing is read after the next one has begun."""
_LEAST_PEAK: Final = 0.2
"""A risk that never rose above this has nothing to come down from."""


class Event(msgspec.Struct, frozen=True):
    """One row: `kind` of the record ("set", "rating", "control", "adaptation"), its wall clock, its fields."""

    kind: str
    ts_ms: int
    fields: Mapping[str, Any]


class Span(msgspec.Struct, frozen=True):
    """A set's seconds, and those after it in which recovery is read (empty when the next set came too soon)."""

    start_ms: int
    end_ms: int
    after_from_ms: int
    after_until_ms: int


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What the seconds of a span say: `peak` and `after` of the risk, mean `attention`, and whether the safety monitor
    was at ADVISE or above. None where there was no second to tell."""

    peak: float | None = None
    after: float | None = None
    attention: float | None = None
    alarmed: bool | None = None


class Applied(msgspec.Struct, frozen=True):
    """A proposal that a therapist accepted: from when on, and to which setting it led."""

    ts_ms: int
    setting: Setting


class _Set(msgspec.Struct):
    """A set while its rows are read."""

    set_no: int
    start_ms: int
    setting: Setting
    reference: Setting
    sud_before: float | None
    end_ms: int | None = None
    stopped: str | None = None
    sud_after: float | None = None


def sets_of(
    session: str,
    events: Sequence[Event],
    sight_of: Callable[[Span], Sight],
    initial: Setting | None = None,
    applied: Sequence[Applied] = (),
) -> list[SetOutcome]:
    """The sets of one session, oldest first. `initial`: its setting at the beginning; `applied`: accepted proposals,
    which change what is in force and not what is the therapist's own setting."""
    walk = _Walk(initial or Setting(), applied)
    for event in events:
        walk.take(event)
    return _outcomes(session, walk.sets, sight_of)


def own_setting(events: Sequence[Event], present: Setting, applied: Sequence[Applied] = ()) -> Setting:
    """The therapist's own setting of a session that lives: `present` is in force now.

    Where the rows do not lead to what is in force, they lag or are too old to say: then it is the present one.
    """
    walk = _Walk(present, applied)
    for event in events:
        walk.take(event)
    return walk.own if walk.told and walk.now == present else present


def spans_of(events: Sequence[Event]) -> list[Span]:
    """The spans that `sets_of` will ask the sight of."""
    walk = _Walk(Setting(), ())
    for event in events:
        walk.take(event)
    return [span for _, span in _spans(walk.sets)]


def session_of(
    session: str, at_ms: int, hours: float, levels: Sequence[float | None], events: Sequence[Event]
) -> SessionOutcome:
    """One session: what paused it, and how it began. `levels`: valence, arousal, attention of its first minute."""
    pauses: dict[str, int] = {}
    for event in events:
        if event.kind == "control" and event.fields.get("action") == "pause":
            cause = str(event.fields.get("reason"))
            pauses[cause] = pauses.get(cause, 0) + 1
    valence, arousal, attention = levels
    return SessionOutcome(
        session=session, at_ms=at_ms, hours=hours, levels=(valence, arousal, attention), pauses=pauses
    )


class _Walk:
    """Reads the rows of one session in their order."""

    def __init__(self, initial: Setting, applied: Sequence[Applied]) -> None:
        self.sets: list[_Set] = []
        self.now = initial
        self.own = initial
        self.told = False
        """Whether a row has said what was in force."""
        self._applied = applied
        self._sud: float | None = None

    def take(self, event: Event) -> None:
        handler = {
            "set": self._set,
            "rating": self._rating,
            "control": self._control,
            "adaptation": self._adaptation,
        }.get(event.kind)
        if handler is not None:
            handler(event)

    def _set(self, event: Event) -> None:
        action = event.fields.get("action")
        if action == "start":
            self._adopt(event)
            number = event.fields.get("set_no") or len(self.sets) + 1
            self.sets.append(_Set(int(number), event.ts_ms, self.now, self.own, self._sud))
        elif self.sets and self.sets[-1].end_ms is None:
            self.sets[-1].end_ms = event.ts_ms

    def _adopt(self, event: Event) -> None:
        """The record of a set's start names what is in force; older records do not."""
        config = event.fields.get("config")
        if isinstance(config, Mapping):
            if not self.told and self.own == self.now:
                self.own = changed(self.own, config)
            self.now, self.told = changed(self.now, config), True

    def _rating(self, event: Event) -> None:
        if event.fields.get("scale") != "sud":
            return
        self._sud = float(event.fields["value"])
        if self.sets and self.sets[-1].end_ms is not None:
            self.sets[-1].sud_after = self._sud

    def _control(self, event: Event) -> None:
        if event.fields.get("action") != "pause" or not self.sets:
            return
        last = self.sets[-1]
        if last.stopped is None and (last.end_ms is None or event.ts_ms - last.end_ms <= 0):
            last.stopped = str(event.fields.get("reason"))

    def _adaptation(self, event: Event) -> None:
        config = event.fields.get("config")
        if not isinstance(config, Mapping):
            return
        self.now = changed(self.now, config)
        reasons = event.fields.get("reasons") or ()
        if BY_THERAPIST in reasons and not self._was_proposed(event.ts_ms):
            self.own = changed(self.own, config)

    def _was_proposed(self, ts_ms: int) -> bool:
        return any(each.ts_ms <= ts_ms and each.setting == self.now for each in self._applied)


def changed(setting: Setting, config: Mapping[str, Any]) -> Setting:
    """`setting` with what a kept configuration names."""
    audio = config.get("audio_config")
    sound = setting.sound if audio is None else float(audio.get("volume", 0.5)) > 0.0
    return Setting(
        path=str(config.get("pattern_type") or setting.path),
        speed=float(config.get("speed") or setting.speed),
        length=float(config.get("duration") or setting.length),
        sound=sound,
    )


def _spans(sets: Sequence[_Set]) -> list[tuple[_Set, Span]]:
    found = []
    for number, each in enumerate(sets):
        if each.end_ms is None:
            continue
        after_from, until = each.end_ms + AFTER_FROM_MS, each.end_ms + AFTER_UNTIL_MS
        if number + 1 < len(sets):
            until = min(until, sets[number + 1].start_ms)
        found.append((each, Span(each.start_ms, each.end_ms, after_from, max(until, after_from))))
    return found


def _outcomes(session: str, sets: Sequence[_Set], sight_of: Callable[[Span], Sight]) -> list[SetOutcome]:
    found: list[SetOutcome] = []
    for each, span in _spans(sets):
        sight = sight_of(span)
        left = sight.alarmed
        if each.stopped in LEAVING_CAUSES:
            left = True
        before = found[-1] if found else None
        found.append(
            SetOutcome(
                session=session,
                set_no=each.set_no,
                at_ms=each.start_ms,
                setting=each.setting,
                seconds=(span.end_ms - span.start_ms) / 1_000,
                sud_before=each.sud_before,
                sud_after=each.sud_after,
                recovery=recovery_of(sight),
                left=left,
                attention=sight.attention,
                stopped=each.stopped,
                reference=each.reference,
                recovery_before=before.recovery if before else None,
                attention_before=before.attention if before else None,
            )
        )
    return found


def recovery_of(sight: Sight) -> float | None:
    """How far the risk came down, 0..1; None when nobody saw it before or after the set's end."""
    if sight.peak is None or sight.after is None:
        return None
    return min(max(1.0 - sight.after / max(sight.peak, _LEAST_PEAK), 0.0), 1.0)
