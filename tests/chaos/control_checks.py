"""A history in, broken promises about the client's socket out: resumes nobody allowed, counters that go back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.chaos.alert_checks import IN_FLIGHT_S
from tests.chaos.history import Event, History, Violation

_CONTROL: Final = ("control.pause", "control.resume")
_MAY_DIFFER: Final = ("epoch", "re")
_GRACE_S: Final = 60.0


@dataclass(slots=True)
class _Seen:
    """What a client knows of its session."""

    epoch: int = 0
    seq: int = 0
    control_epoch: int = 0
    paused: bool = False
    requires: str = "client"
    pause_at_s: float = 0.0
    asked: bool = False
    commanded: bool = False
    durable: dict[int, tuple[float, dict[str, Any]]] = field(default_factory=dict)


def broken_control(history: History) -> Iterator[Violation]:
    """All of it, session by session."""
    for session_id in history.sessions():
        seen = _Seen()
        for event in history.of_session(session_id):
            for kind, text in _judged(history, seen, event):
                yield Violation(kind, session_id, f"at {event.at_s:.3f} {event.who}: {text}")


def _judged(history: History, seen: _Seen, event: Event) -> Iterator[tuple[str, str]]:
    if event.what == "sent":
        seen.asked |= event.type == "resume_request" and seen.requires == "client"
        seen.commanded |= event.type == "control.resume"
    elif event.what == "opened":
        yield from _welcomed(seen, event)
    elif event.what == "heard" and "seq" in event.data and event.data.get("from") != "watch":
        yield from _told(history, seen, event)


def _welcomed(seen: _Seen, event: Event) -> Iterator[tuple[str, str]]:
    told = event.data
    if told["epoch"] < seen.epoch:
        yield "stale epoch", f"welcome of epoch {told['epoch']} after {seen.epoch}"
    seen.epoch = max(seen.epoch, told["epoch"])
    if told["resumed"] and told["snapshot"]["status"] != "paused":
        yield "resumed by nobody", f"the session came back {told['snapshot']['status']}"


def _told(history: History, seen: _Seen, event: Event) -> Iterator[tuple[str, str]]:
    told = dict(event.data)
    # A client ignores what a lower epoch says; that it is said at all is no harm.
    if told.get("epoch", seen.epoch) < seen.epoch and told["seq"] not in seen.durable:
        return
    before = seen.durable.get(told["seq"])
    if before is not None:
        yield from _repeated(history, before, told)
        return
    if told["seq"] < seen.seq:
        yield "counter went back", f"seq {told['seq']} is new, and {seen.seq} was seen before"
    seen.durable[told["seq"]] = event.at_s, told
    seen.seq = max(seen.seq, told["seq"])
    if event.type in _CONTROL:
        yield from _controlled(history, seen, event)


def _repeated(
    history: History, before: tuple[float, dict[str, Any]], told: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    at_s, first = before
    if _contents(first) != _contents(told) and not history.cut_off_within(at_s, IN_FLIGHT_S):
        yield "number used twice", f"seq {told['seq']} was {first} and is {told}"


def _contents(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in _MAY_DIFFER}


def _controlled(history: History, seen: _Seen, event: Event) -> Iterator[tuple[str, str]]:
    told = event.data
    if told["control_epoch"] <= seen.control_epoch and not history.cut_off_within(seen.pause_at_s, IN_FLIGHT_S):
        yield "counter went back", f"control_epoch {told['control_epoch']} after {seen.control_epoch}"
    seen.control_epoch = max(seen.control_epoch, told["control_epoch"])
    if event.type == "control.pause":
        yield from _paused(history, seen, event)
        return
    if seen.paused and not (seen.commanded or seen.asked):
        yield "resumed by nobody", f"a pause that required the {seen.requires} was ended by {told['by']}"
    seen.paused, seen.requires, seen.asked, seen.commanded = False, "client", False, False


def _paused(history: History, seen: _Seen, event: Event) -> Iterator[tuple[str, str]]:
    requires = str(event.data["resume_requires"])
    loosened = seen.paused and seen.requires == "therapist" and requires == "client"
    if loosened and not history.cut_off_within(seen.pause_at_s, IN_FLIGHT_S):
        yield "resumed by nobody", "a therapist's pause became one that the client may end"
    if not seen.paused:
        seen.commanded = False
    seen.asked &= requires == "client"
    seen.paused, seen.requires, seen.pause_at_s = True, requires, event.at_s


def sessions_lost(history: History) -> Iterator[Violation]:
    """A client that comes back within the grace time finds its session."""
    left_s: dict[str, float] = {}
    opened: set[str] = set()
    for event in history.events:
        if event.what == "opened":
            opened.add(event.session_id)
            left_s.pop(event.session_id, None)
        elif event.what == "lost":
            left_s.setdefault(event.session_id, event.at_s)
        elif event.what == "refused" and event.session_id in opened:
            away_s = event.at_s - left_s[event.session_id]
            if away_s < _GRACE_S:
                text = f"{event.who}, away for {away_s:.1f} s, was refused with {event.data['code']}"
                yield Violation("session lost", event.session_id, text)
