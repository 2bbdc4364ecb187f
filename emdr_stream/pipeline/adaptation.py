"""Risk over time and the set's beginning and end in, small changes of the stimulation out; always within bounds.

Within a set the stimulus can only become gentler. Between sets it moves by one bounded step, down after a hard set,
back towards the therapist's own setting after a calm one, never beyond it. Each change says why.
"""

import msgspec

from emdr_stream.domain import SafetyLevel
from emdr_stream.settings import AdaptationSettings


class Stimulus(msgspec.Struct, frozen=True):
    """The adapted part of a configuration: speed in Hz, intensity in [0, 1], length of a set in seconds."""

    speed: float = 1.0
    intensity: float = 0.8
    duration: float = 24.0


class Change(msgspec.Struct, frozen=True):
    """A new stimulus, from when it counts (now, next_set), how long its ramp is, and why."""

    stimulus: Stimulus
    effective: str
    ramp_ms: int
    reasons: tuple[str, ...]


class AdaptationState(msgspec.Struct):
    """Restorable. `wished`: what the therapist (or the client's hello) set; `current`: what is in force."""

    wished: Stimulus = msgspec.field(default_factory=Stimulus)
    current: Stimulus = msgspec.field(default_factory=Stimulus)
    last_change_ms: int | None = None
    peak_risk: float | None = None


class Adaptation:
    """Adapts the stimulation of one session."""

    __slots__ = ("_settings", "state")

    def __init__(self, settings: AdaptationSettings, state: AdaptationState | None = None) -> None:
        self._settings = settings
        self.state = state or AdaptationState()

    def wish(self, **named: float) -> None:
        """A person has set these fields of Stimulus: they are in force, and what adaptation returns to.

        The others stay as they are: made gentler, and to be brought back to what was wished of them before.
        """
        state = self.state
        state.wished = msgspec.structs.replace(state.wished, **named)
        state.current = msgspec.structs.replace(state.current, **named)

    def set_started(self) -> None:
        self.state.peak_risk = None

    def in_set(self, level: SafetyLevel, risk: float, at_ms: int) -> Change | None:
        """Within a set: remember how hard it is, and become gentler from the level ADVISE on, one step a dwell time."""
        state, settings = self.state, self._settings
        if state.peak_risk is None or risk > state.peak_risk:
            state.peak_risk = risk
        if level is not SafetyLevel.ADVISE:
            return None
        if state.last_change_ms is not None and at_ms - state.last_change_ms < settings.dwell_ms:
            return None
        return self._change(
            Stimulus(
                speed=_down(state.current.speed, settings.in_set_speed_step_hz, settings.speed_min_hz),
                intensity=_down(state.current.intensity, settings.intensity_step, settings.intensity_min),
                duration=state.current.duration,
            ),
            "now",
            at_ms,
            (f"caution is advised within the set (risk {risk:.2f})", "within a set the stimulus only becomes gentler"),
        )

    def set_ended(self, at_ms: int) -> Change | None:
        """Between sets: one step down after a hard set, one step back towards the wish after a calm one."""
        state, settings = self.state, self._settings
        peak, state.peak_risk = state.peak_risk, None
        if peak is None:
            return None
        now, wished = state.current, state.wished
        if peak >= settings.hard_risk:
            return self._gentler(at_ms, (f"the last set was hard (highest risk {peak:.2f})",))
        if peak < settings.calm_risk and now != wished:
            return self._change(
                Stimulus(
                    speed=_towards(now.speed, wished.speed, settings.speed_step_hz),
                    intensity=_towards(now.intensity, wished.intensity, settings.intensity_step),
                    duration=_towards(now.duration, wished.duration, settings.duration_step_s),
                ),
                "next_set",
                at_ms,
                (f"the last set was calm (highest risk {peak:.2f})", "one step back towards the therapist's setting"),
            )
        return None

    def after_crisis(self, at_ms: int) -> Change | None:
        """Resumed after a crisis or a dissociation: the next set begins gentler."""
        return self._gentler(at_ms, ("resumed after a crisis pause: the next set begins gentler",))

    def _gentler(self, at_ms: int, reasons: tuple[str, ...]) -> Change | None:
        now, settings = self.state.current, self._settings
        return self._change(
            Stimulus(
                speed=_down(now.speed, settings.speed_step_hz, settings.speed_min_hz),
                intensity=now.intensity,
                duration=_down(now.duration, settings.duration_step_s, settings.duration_min_s),
            ),
            "next_set",
            at_ms,
            reasons,
        )

    def _change(self, wanted: Stimulus, effective: str, at_ms: int, reasons: tuple[str, ...]) -> Change | None:
        state, settings = self.state, self._settings
        speed = min(wanted.speed, max(settings.speed_max_hz, state.wished.speed))
        wanted = msgspec.structs.replace(wanted, speed=speed)
        if wanted == state.current:
            return None
        state.current = wanted
        state.last_change_ms = at_ms
        return Change(wanted, effective, settings.ramp_ms, reasons)


def _down(value: float, step: float, least: float) -> float:
    """One step down, never below `least`, never up; rounded so that 0.1 steps stay what they look like."""
    return min(value, round(max(least, value - step), 3))


def _towards(value: float, goal: float, step: float) -> float:
    if abs(goal - value) <= step:
        return goal
    return round(value + step if goal > value else value - step, 3)
