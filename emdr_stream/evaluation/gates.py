"""In: the metrics of a safety model, as its manifest holds them. Out: which targets it reaches, and why not the others.

The targets are those of the project's notes on honest evaluation; they were set before any detector was tuned. They
are about the simulator: who passes them has shown that the software works, not that a clinic can rely on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, TypeAlias

Metrics: TypeAlias = Mapping[str, Any]
"""Nested: a figure is a number, or {"value", "low", "high"}; null where it could not be measured."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A target: the figure at `name` (a path with dots) must be at least `must`, or at most where not `at_least`."""

    name: str
    must: float
    ambitious: float
    what: str
    at_least: bool = False

    def holds(self, value: float, limit: float) -> bool:
        return value >= limit if self.at_least else value <= limit


@dataclass(frozen=True, slots=True)
class GateResult:
    """One target beside what was reached; `ci`: 95 % interval where there is one; `why`: a sentence for people."""

    name: str
    must: float
    reached: float | None
    ci: tuple[float, float] | None
    passed: bool
    why: str
    ambitious: float
    at_least: bool


GATES: Final = (
    Gate("iid.sensitivity", 0.90, 0.95, "families trained on, unseen persons: share of events found", True),
    Gate("iid.false_alarms_per_hour", 1.0, 1.0, "families trained on, unseen persons: false alarms an hour"),
    Gate("shifted.sensitivity", 0.80, 0.90, "persons and sensors shifted: share of events found", True),
    Gate("shifted.false_alarms_per_hour", 2.0, 1.5, "persons and sensors shifted: false alarms an hour"),
    Gate("held_out.sensitivity", 0.70, 0.85, "families held out of training: share of events found", True),
    Gate("held_out.false_alarms_per_hour", 2.0, 2.0, "families held out of training: false alarms an hour"),
    Gate("iid.median_time_to_alarm_s", 10.0, 6.0, "median seconds from the onset to the alarm"),
    Gate("iid.p95_time_to_alarm_s", 30.0, 15.0, "95th percentile of the seconds from the onset to the alarm"),
    Gate("iid.calm_pauses_per_hour", 0.5, 0.2, "calm sessions: pauses an hour"),
    Gate("iid.hard_negative_pauses_per_hour", 1.0, 0.5, "abreaction inside the window, and laughing: pauses an hour"),
    Gate("shifted.crisis_ece", 0.10, 0.05, "persons and sensors shifted: calibration error of the crisis probability"),
    Gate("controls.speaker_pauses", 0.0, 0.0, "real speakers: pauses"),
    Gate("controls.rest_pauses_per_hour", 1.0, 0.0, "real heart rates at rest: pauses an hour"),
    Gate("states.accuracy", 0.85, 0.85, "state of the client, unseen persons: accuracy", True),
)
"""In the order in which they are told."""


def gates(report: Metrics, wanted: Sequence[Gate] = GATES) -> list[GateResult]:
    """Judge every target. A figure that is missing or null fails: what was not measured is not shown."""
    return [_judged(gate, *figure(report, gate.name)) for gate in wanted]


def missed(report: Metrics, wanted: Sequence[Gate] = GATES) -> list[GateResult]:
    """The targets that are not reached."""
    return [result for result in gates(report, wanted) if not result.passed]


def regressions(candidate: Metrics, current: Metrics, wanted: Sequence[Gate] = GATES) -> list[GateResult]:
    """Where the candidate is worse than what is in use, and either fails a target that is passed now or is worse beyond
    doubt: its interval leaves out the present value. For a choice between two models that both miss some targets."""
    worse = []
    for gate in wanted:
        value, ci = figure(candidate, gate.name)
        now, _ = figure(current, gate.name)
        if now is None:
            continue
        if value is None:
            worse.append(_result(gate, value, ci, False, f"{gate.what}: not measured, {_shown(now)} at present"))
            continue
        behind = not gate.holds(value, now)
        beyond = ci is not None and not gate.holds(ci[1] if gate.at_least else ci[0], now)
        lost = gate.holds(now, gate.must) and not gate.holds(value, gate.must)
        if behind and (lost or beyond):
            why = f"{gate.what}: {_shown(value)}{_between(ci)} is worse than {_shown(now)} at present"
            worse.append(_result(gate, value, ci, False, why))
    return worse


def figure(report: Metrics, name: str) -> tuple[float | None, tuple[float, float] | None]:
    """The value at a path with dots and its interval; None for either where it is not there."""
    found: Any = report
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return _number(found), None
    low, high = _number(found.get("low")), _number(found.get("high"))
    return _number(found.get("value")), None if low is None or high is None else (low, high)


def _judged(gate: Gate, value: float | None, ci: tuple[float, float] | None) -> GateResult:
    sign = "≥" if gate.at_least else "≤"
    asked = f"{sign} {_shown(gate.must)} asked"
    if value is None:
        return _result(gate, value, ci, False, f"{gate.what}: not measured, {asked}")
    passed = gate.holds(value, gate.must)
    return _result(gate, value, ci, passed, f"{gate.what}: {_shown(value)}{_between(ci)}, {asked}")


def _result(gate: Gate, value: float | None, ci: tuple[float, float] | None, passed: bool, why: str) -> GateResult:
    return GateResult(gate.name, gate.must, value, ci, passed, why, gate.ambitious, gate.at_least)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        return None
    return float(value)


def _shown(value: float) -> str:
    return f"{value:.3g}"


def _between(ci: tuple[float, float] | None) -> str:
    return "" if ci is None else f" ({_shown(ci[0])} to {_shown(ci[1])})"
