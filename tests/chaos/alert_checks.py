"""A history in, broken promises about alerts out: lost, out of order, a number used twice, an impossible life."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from emdr_stream.broker.base import ALERT_BLOCK
from tests.chaos.history import Delivery, Fault, History, Step, Violation

IN_FLIGHT_S: Final = 0.3
"""A worker that is cut off so soon after it decided something may have told nobody yet: counted, not judged."""
_ABSENT_S: Final = 5.0
_AFTER: Final = {
    "": {"raised"},
    "raised": {"raised", "acknowledged", "escalated", "resolved"},
    "acknowledged": {"escalated", "resolved"},
    "escalated": {"acknowledged", "resolved"},
    "resolved": set(),
}


def lost(history: History) -> Iterator[Violation]:
    """What either store kept reaches every watcher; what a client was told of stands in both stores."""
    told = {(delivery.who, *delivery.key) for delivery in history.deliveries()}
    for key, step in history.steps().items():
        for watcher in history.watchers:
            if (watcher, *key) not in told:
                yield Violation("lost", key[0], f"{watcher} was never told {step.alert_id} #{key[1]} ({step.state})")
    yield from _kept_in_both(history)
    yield from (
        Violation("lost", session_id, f"{alert_id}, the cause of a pause, is in no store")
        for session_id, alert_id in unkept_causes(history, in_flight=False)
    )


def _kept_in_both(history: History) -> Iterator[Violation]:
    table = {step.key: step for step in history.table}
    stream = {step.key: step for step in history.stream}
    for name, here, there in (("the table", table, stream), ("the stream", stream, table)):
        for key in sorted(there.keys() - here.keys()):
            yield Violation("lost", key[0], f"#{key[1]} ({there[key].state}) is not in {name}")


def unkept_causes(history: History, *, in_flight: bool) -> Iterator[tuple[str, str]]:
    """Alerts that a `control.pause` named and no store knows, by whether their process was killed at that moment."""
    kept = {step.alert_id for step in history.steps().values()}
    seen: set[str] = set()
    for event in history.events:
        alert_id = event.data.get("alert_id")
        is_cause = event.what == "heard" and event.type == "control.pause" and isinstance(alert_id, str)
        if not is_cause or alert_id in kept or alert_id in seen:
            continue
        seen.add(str(alert_id))
        if history.cut_off_within(event.at_s, IN_FLIGHT_S) is in_flight:
            yield event.session_id, str(alert_id)


def out_of_order(history: History) -> Iterator[Violation]:
    """To each watcher the steps of a session come in the order of their numbers."""
    for delivery, after in _late_orders(history):
        if not _was_stopped(history, delivery):
            text = f"{delivery.who} was told #{delivery.alert_seq} after #{after}"
            yield Violation("out of order", delivery.session_id, text)


def woken_words(history: History) -> int:
    """Steps of a worker that was stopped before it could tell anybody, told when it woke up, after its heir's."""
    late = [delivery for delivery, _ in _late_orders(history)]
    return len({each.key for each in late if _was_stopped(history, each)})


def _was_stopped(history: History, told: Delivery) -> bool:
    """Whether a worker was stopped so soon after the step was made that it may have told nobody."""
    made_s = history.made_s(told.ts_ms)
    stops = [fault for fault in history.faults if fault.sudden and fault.kind.startswith("SIGSTOP")]
    return any(made_s <= fault.start_s <= made_s + IN_FLIGHT_S for fault in stops)


def _late_orders(history: History) -> Iterator[tuple[Delivery, int]]:
    """What a watcher was told after a higher number of the same session, with that number."""
    newest: dict[tuple[str, str], int] = {}
    for delivery in history.deliveries():
        place = delivery.who, delivery.session_id
        if delivery.alert_seq < newest.get(place, 0):
            yield delivery, newest[place]
        newest[place] = max(newest.get(place, 0), delivery.alert_seq)


def numbers_used_twice(history: History) -> Iterator[Violation]:
    """A number means one step of one alert, to everybody and for ever."""
    meanings: defaultdict[tuple[str, int], set[tuple[str, str, int]]] = defaultdict(set)
    said: Iterable[Step | Delivery] = (*history.table, *history.stream, *history.deliveries())
    for step in said:
        meanings[step.session_id, step.alert_seq].add((step.alert_id, step.state, step.ts_ms))
    for (session_id, number), steps in sorted(meanings.items()):
        if len(steps) > 1:
            text = " and ".join(f"{alert_id} {state} of {ts_ms}" for alert_id, state, ts_ms in sorted(steps))
            yield Violation("number used twice", session_id, f"#{number} is {text}")


def gaps(history: History) -> Iterator[Violation]:
    """Each owner of a session counts without a gap, from the beginning of a block of its own."""
    blocks: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for session_id, number, _ in history.steps():
        blocks[session_id, (number - 1) // ALERT_BLOCK].add((number - 1) % ALERT_BLOCK)
    for (session_id, block), known in sorted(blocks.items()):
        missing = sorted(block * ALERT_BLOCK + number + 1 for number in set(range(max(known))) - known)
        if missing:
            yield Violation("gap", session_id, f"numbers {missing} are in no store")


def impossible_lives(history: History) -> Iterator[Violation]:
    """An alert is raised, then acknowledged or escalated, each once at most, then resolved, then nothing.

    An owner that goes on from a snapshot that is too old may say once more, under its own epoch, that it is resolved.
    """
    alerts: defaultdict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in sorted(history.steps().values(), key=lambda step: step.key):
        alerts[step.session_id, step.alert_id].append(step)
    for (session_id, alert_id), steps in alerts.items():
        states = [step.state for step in steps if not _said_again(step, steps)]
        follows = all(after in _AFTER[before] for before, after in zip(["", *states], states, strict=False))
        if not follows or len(set(states)) < len(states):
            yield Violation("impossible life", session_id, f"{alert_id}: {', '.join(states)}")


def _said_again(step: Step, steps: Iterable[Step]) -> bool:
    return step.state == "resolved" and any(
        other.state == "resolved" and other.epoch < step.epoch and other.alert_seq < step.alert_seq for other in steps
    )


def stale_steps(history: History) -> Iterator[Violation]:
    """A step of a lower epoch never follows one of a higher epoch: a stale owner adds nothing."""
    highest: dict[str, int] = {}
    for step in sorted(history.steps().values(), key=lambda step: step.key):
        if step.epoch < highest.get(step.session_id, 0):
            text = f"#{step.alert_seq} has epoch {step.epoch} after {highest[step.session_id]}"
            yield Violation("stale epoch", step.session_id, text)
        highest[step.session_id] = max(highest.get(step.session_id, 0), step.epoch)


def not_escalated(history: History, within_s: float) -> Iterator[Violation]:
    """A high or critical alert that nobody acknowledged escalates by its deadline, and `within_s` without a fault."""
    first: dict[tuple[str, str], float] = {}
    for delivery in history.deliveries():
        first.setdefault((delivery.alert_id, delivery.state), delivery.at_s)
    for step in history.steps().values():
        if step.state != "raised" or step.ack_deadline_ts is None or (step.alert_id, "raised") not in first:
            continue
        if history.cut_off_within(first[step.alert_id, "raised"], IN_FLIGHT_S):
            continue  # its next owner may not know it: a gap that docs/safety.md names
        deadline_s = first[step.alert_id, "raised"] + (step.ack_deadline_ts - step.raised_ts) / 1_000
        bound_s = _healthy_until(history.faults, deadline_s, within_s)
        moved = [first.get((step.alert_id, state)) for state in ("acknowledged", "escalated", "resolved")]
        came_s = min((at_s for at_s in moved if at_s is not None), default=None)
        if bound_s < history.ended_s and (came_s is None or came_s > bound_s):
            late = "never" if came_s is None else f"{came_s - deadline_s:.1f} s late"
            yield Violation("not escalated", step.session_id, f"{step.alert_id} ({step.severity}): {late}")


def unnoticed_absences(history: History, within_s: float) -> Iterator[Violation]:
    """Of a client that leaves for good, a watcher is told 5 s later, and `within_s` without a fault."""
    told: defaultdict[str, list[float]] = defaultdict(list)
    for event in history.events:
        if event.data.get("kind") == "client_disconnected" and event.data.get("state") == "raised":
            told[event.session_id].append(event.at_s)
    for event in history.events:
        bound_s = _healthy_until(history.faults, event.at_s + _ABSENT_S, within_s)
        in_time = any(event.at_s <= at_s <= bound_s for at_s in told[event.session_id])
        if event.what == "left" and bound_s < history.ended_s and not in_time:
            yield Violation("absence not told", event.session_id, f"{event.who} left at {event.at_s:.3f}")


def _healthy_until(faults: Iterable[Fault], at_s: float, within_s: float) -> float:
    """When, from `at_s` on, nothing was broken for `within_s` in all."""
    for fault in sorted(faults, key=lambda fault: fault.start_s):
        if fault.console or fault.end_s <= at_s:
            continue
        if fault.start_s >= at_s + within_s:
            break
        within_s -= max(0.0, fault.start_s - at_s)
        at_s = fault.end_s
    return at_s + within_s
