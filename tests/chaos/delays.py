"""A history in, how long deliveries and returns took while nothing was broken out; faults do not count."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.history import Fault, History, Key, Violation

P99_S: Final = 1.0
WORST_S: Final = 3.0
BACK_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds, sorted."""

    seconds: Sequence[float]

    def quantile(self, share: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))] if self.seconds else 0.0

    @property
    def worst(self) -> float:
        return self.seconds[-1] if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Late:
    """One delivery and how long it waited while nothing was broken."""

    seconds: float
    who: str
    session_id: str
    what: str
    came_s: float


def deliveries(history: History) -> list[Late]:
    """From the moment a step was made, as far as anybody saw, to each watcher."""
    told = history.deliveries()
    made = _first_seen(history)
    found = []
    for delivery in told:
        began_s = min(made.get(delivery.key, delivery.at_s), delivery.at_s)
        seconds = longest_health(history.faults, began_s, delivery.at_s, delivery.who)
        what = f"#{delivery.alert_seq} {delivery.alert_id} {delivery.state}"
        found.append(Late(seconds, delivery.who, delivery.session_id, what, delivery.at_s))
    return found


def _first_seen(history: History) -> dict[Key, float]:
    """When each step is known to have existed: a watcher had it, or the client got the pause that names the alert."""
    first: dict[Key, float] = {}
    caused: dict[tuple[str, str], float] = {}
    for event in history.events:
        if event.what == "heard" and event.type == "control.pause" and event.data.get("alert_id"):
            caused.setdefault((event.session_id, event.data["alert_id"]), event.at_s)
    for delivery in history.deliveries():
        first[delivery.key] = min(first.get(delivery.key, delivery.at_s), delivery.at_s)
        if delivery.alert_id.endswith(f".a{delivery.key[1]}"):  # its first step: what rises later has no other cause
            cause_s = caused.get((delivery.session_id, delivery.alert_id), delivery.at_s)
            first[delivery.key] = min(first[delivery.key], cause_s)
    return first


def longest_health(faults: Iterable[Fault], start_s: float, end_s: float, who: str) -> float:
    """The longest stretch between two moments in which nothing was broken for `who`."""
    longest, free_from_s = 0.0, start_s
    for fault in sorted(faults, key=lambda fault: fault.start_s):
        if fault.console not in ("", who) or fault.end_s <= free_from_s:
            continue
        if fault.start_s >= end_s:
            break
        longest = max(longest, fault.start_s - free_from_s)
        free_from_s = fault.end_s
    return max(longest, end_s - free_from_s, 0.0)


def late(history: History, worst_s: float = WORST_S) -> Iterator[Violation]:
    """No delivery waits longer than `worst_s` while nothing is broken."""
    for found in deliveries(history):
        if found.seconds > worst_s:
            yield Violation("late", found.session_id, f"{found.who}: {found.what} after {found.seconds:.2f} s")


def returns(history: History) -> list[Late]:
    """From the loss of each client's socket to its next `welcome`."""
    lost_s: dict[str, float] = {}
    found = []
    for event in history.events:
        if event.what == "lost":
            lost_s.setdefault(event.who, event.at_s)
        elif event.what == "opened" and event.who in lost_s:
            began_s = lost_s.pop(event.who) + event.data.get("away_s", 0.0)
            seconds = longest_health(history.faults, began_s, event.at_s, event.who)
            found.append(Late(seconds, event.who, event.session_id, "came back", event.at_s))
    return found


def slow_returns(history: History, within_s: float = BACK_S) -> Iterator[Violation]:
    """Clients are back soon, on whichever node."""
    for found in returns(history):
        if found.seconds > within_s:
            yield Violation("late", found.session_id, f"{found.who} came back after {found.seconds:.1f} s")


def summary(found: Iterable[Late]) -> Delays:
    """The delays alone, sorted."""
    seconds: list[float] = []
    for each in found:
        bisect.insort(seconds, each.seconds)
    return Delays(seconds)
