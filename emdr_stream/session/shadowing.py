"""What two versions say of one session in; what each would have done, second by second, out. Nothing here acts.

Both have a safety monitor of their own, with the session's thresholds and nobody who resumes: only so are they alike.
The monitor that acts is another one.
"""

from typing import Any, Final

from emdr_stream.domain import MODEL_STATES, AlertKind, Scores, StateLabel, Thresholds
from emdr_stream.pipeline.safety import Decision, SafetyMonitor
from emdr_stream.settings import SafetySettings
from emdr_stream.wire.values import ModelRef

_HYPOAROUSAL: Final = MODEL_STATES.index(StateLabel.HYPOAROUSAL)


class ShadowWatch:
    """One session's two versions. `take` each answer; `second` is what to record since it was last asked."""

    __slots__ = (
        "_agreed",
        "_crisis_apart",
        "_failed",
        "_monitors",
        "_raised",
        "_risk_apart",
        "_rows",
        "_thresholds",
        "versions",
    )

    def __init__(self, settings: SafetySettings, thresholds: Thresholds, beside: ModelRef, shadow: ModelRef) -> None:
        """`beside`: the version that decides."""
        self.versions = beside, shadow
        self._thresholds = thresholds
        self._monitors = (SafetyMonitor(settings, thresholds), SafetyMonitor(settings, thresholds))
        self._begin()

    def take(self, live: Scores, other: Scores | None, thresholds: Thresholds, at_ms: int, ts_ms: int) -> None:
        """Answers to the same row at session time `at_ms`, wall clock `ts_ms`; `other` None where the shadow failed."""
        self._rows += 1
        if other is None:
            self._failed += 1
            return
        if thresholds != self._thresholds:
            self._thresholds = thresholds
            for monitor in self._monitors:
                monitor.thresholds = thresholds
        self._risk_apart += abs(other.risk - live.risk)
        self._crisis_apart += abs(other.crisis - live.crisis)
        self._agreed += _side(live, thresholds) == _side(other, thresholds)
        for scores, monitor, raised in zip((live, other), self._monitors, self._raised, strict=True):
            for decision in monitor.update(scores.risk, scores.crisis, scores.states[_HYPOAROUSAL], at_ms):
                if not decision.over:
                    raised.append([ts_ms, _pauses(decision)])

    def second(self) -> dict[str, Any] | None:
        """What is to be recorded, and a new second begun; None when nothing was said."""
        rows, scored = self._rows, self._rows - self._failed
        if rows == 0:
            return None
        beside, shadow = self.versions
        told: dict[str, Any] = {
            "model": shadow.name,
            "version": shadow.version,
            "beside": beside.version,
            "rows": rows,
            "failed": self._failed,
            "risk_apart": round(self._risk_apart / scored, 4) if scored else 0.0,
            "crisis_apart": round(self._crisis_apart / scored, 4) if scored else 0.0,
            "agreed": round(self._agreed / scored, 4) if scored else 0.0,
        }
        alarms = zip(("beside_alarms", "alarms"), self._raised, strict=True)
        told |= {name: raised for name, raised in alarms if raised}
        self._begin()
        return told

    def _begin(self) -> None:
        self._rows = self._failed = 0
        self._risk_apart = self._crisis_apart = 0.0
        self._agreed = 0
        self._raised: tuple[list[list[int]], list[list[int]]] = ([], [])


def _pauses(decision: Decision) -> int:
    return int(decision.kind is not AlertKind.HIGH_RISK)


def _side(scores: Scores, limits: Thresholds) -> tuple[bool, bool, bool]:
    """On which side of each threshold these scores lie."""
    return scores.risk > limits.risk, scores.crisis > limits.crisis_pause, scores.crisis > limits.crisis_immediate
