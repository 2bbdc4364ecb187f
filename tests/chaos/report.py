"""A run in, its table and the history of a broken promise out, as text."""

from collections import Counter
from collections.abc import Iterable, Iterator

from tests.chaos import alert_checks, control_checks, delays
from tests.chaos.history import RESTLESS, Event, History, Violation
from tests.chaos.play import Played

_ADOPTED_S = 10.0
"""How much later than its deadline something may happen whose worker died: the lease, two looks, and a little."""
_SHOWN = 4
_SLOWEST = 16
_NOT_SHOWN = frozenset(
    {"session_id", "resume_token", "limits", "thresholds", "models", "intervention", "protocol", "server_ts"}
    | {"heartbeat_ms", "timeout_ms", "grace_s", "evidence"}
)


def violations(played: Played, *, strict_delays: bool) -> list[Violation]:
    """Every promise that was not kept. `strict_delays`: the 99th of a hundred deliveries is judged too."""
    history = played.history
    found = [
        *alert_checks.lost(history),
        *alert_checks.out_of_order(history),
        *alert_checks.numbers_used_twice(history),
        *alert_checks.gaps(history),
        *alert_checks.impossible_lives(history),
        *alert_checks.stale_steps(history),
        *alert_checks.not_escalated(history, _ADOPTED_S),
        *alert_checks.unnoticed_absences(history, _ADOPTED_S),
        *control_checks.broken_control(history),
        *control_checks.sessions_lost(history),
        *delays.late(history),
        *delays.slow_returns(history),
    ]
    p99_s = delays.summary(delays.deliveries(history)).quantile(0.99)
    if strict_delays and p99_s > delays.P99_S:
        found.append(Violation("late", "", f"the 99th of a hundred deliveries took {p99_s:.2f} s"))
    return found


def table(played: Played, found: Iterable[Violation]) -> str:
    """The figures of a run."""
    history, kinds = played.history, Counter(violation.kind for violation in found)
    delivered = delays.summary(delays.deliveries(history))
    came_back = delays.summary(delays.returns(history))
    states = Counter(step.state for step in history.steps().values())
    in_flight = sum(1 for _ in alert_checks.unkept_causes(history, in_flight=True))
    rows = {
        "seed": played.scenario.seed,
        "faults": f"{len(history.faults)}: {_counted(fault.kind for fault in history.faults)}",
        "left out": "; ".join(played.left_out) or "nothing",
        "alerts": ", ".join(f"{count} {state}" for state, count in states.items()),
        "deliveries": f"{len(history.deliveries())} to {len(history.watchers)} consoles",
        "lost": kinds["lost"],
        "out of order": kinds["out of order"],
        "other violations": _counted(kind for kind in kinds.elements() if kind not in ("lost", "out of order")) or 0,
        "cut off before written": in_flight,
        "cut off before told": alert_checks.woken_words(history),
        "reconnects": f"{len(came_back.seconds)} of clients, worst {came_back.worst:.2f} s",
        "delivery": f"p50 {_ms(delivered.quantile(0.5))}, p99 {_ms(delivered.quantile(0.99))}, "
        f"worst {_ms(delivered.worst)}",
    }
    return "\n".join(f"  {name:<28}{value}" for name, value in rows.items())


def story(history: History, violation: Violation) -> str:
    """The whole history of the session of a violation, with the faults, in order; what came again is left out."""
    events = _without_repeats(history.of_session(violation.session_id))
    lines = [(event.at_s, _told(event)) for event in events]
    lines += [(fault.start_s, f"--- {fault.kind} ({fault.target}) begins") for fault in history.faults]
    lines += [(fault.end_s, f"--- {fault.kind} ({fault.target}) ends") for fault in history.faults]
    kept = [step for _, step in sorted(history.steps().items()) if step.session_id == violation.session_id]
    return "\n".join(
        [
            f"{violation.kind}: {violation.session_id}: {violation.text}",
            *(f"  {at_s:.3f} {text}" for at_s, text in sorted(lines)),
            *(f"  kept: {step}" for step in kept),
        ]
    )


def _without_repeats(events: Iterable[Event]) -> Iterator[Event]:
    """Alerts that a watcher was told before, and acknowledgements that it sent again, are no news."""
    seen: set[tuple[str, str, str]] = set()
    for event in events:
        again = event.who, event.type, str(event.data.get("cursor") or event.data.get("alert_id"))
        if event.type in ("alert", "ack"):
            if again in seen:
                continue
            seen.add(again)
        if event.type not in RESTLESS:
            yield event


def verdict(played: Played, found: list[Violation]) -> str:
    """What a failing test prints: the seed, each violation in a line, and the history behind the first ones."""
    lines = [f"seed {played.scenario.seed}: {len(found)} violations"]
    lines += [f"{violation.kind}: {violation.session_id}: {violation.text}" for violation in found]
    lines += [f"slow: {each}" for each in _slowest(played.history)]
    return "\n".join([*lines, *_stories(played.history, found), played.logs])


def _stories(history: History, found: Iterable[Violation]) -> Iterator[str]:
    kinds: set[str] = set()
    for violation in found:
        if violation.session_id and violation.kind not in kinds and len(kinds) < _SHOWN:
            kinds.add(violation.kind)
            yield story(history, violation)


def _slowest(history: History) -> Iterator[str]:
    """The deliveries that took longest while nothing was broken, each with what was mended last before it came."""
    for each in sorted(delays.deliveries(history), key=lambda found: -found.seconds)[:_SLOWEST]:
        mended = [fault for fault in history.faults if fault.end_s <= each.came_s]
        last = max(mended, key=lambda fault: fault.end_s, default=None)
        after = "no fault" if last is None else f"{each.came_s - last.end_s:.2f} s after {last.kind} ({last.target})"
        yield f"{each.seconds:.2f} s: {each.who} was told {each.session_id} {each.what}, {after}"


def _told(event: Event) -> str:
    shown = {name: value for name, value in event.data.items() if name not in _NOT_SHOWN}
    return f"{event.who} {event.what} {shown}"


def _counted(kinds: Iterable[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in Counter(kinds).items())


def _ms(seconds: float) -> str:
    return f"{seconds * 1_000:.0f} ms"
