"""Sets and wishes in, changes of the stimulation out: what is in force, and what must wait for the next set.

Within a set speed, intensity and width only go down, whoever asks: a wider path is a faster one. While the session is
not running nothing changes at all.
"""

from typing import Any, Final, Literal

import msgspec

from emdr_stream.domain import Status
from emdr_stream.pipeline.adaptation import Adaptation, AdaptationState, Change, Stimulus
from emdr_stream.session.facts import merged
from emdr_stream.session.ledger import Ledger
from emdr_stream.settings import AdaptationSettings
from emdr_stream.wire.stream import PatternAdapt
from emdr_stream.wire.values import SessionConfig
from emdr_stream.wire.watch import AdaptNotice, SetNotice

_STIMULUS: Final = ("speed", "intensity", "duration")
_ONLY_DOWN: Final = ("speed", "intensity")
_NARROWER: Final = "amplitude_deg"
"""As `_ONLY_DOWN`, but without a default: before the first wish the width is the client's own, and not known."""
_BY_THERAPIST: Final = ("set by the therapist",)


class Stimulation:
    """The bilateral stimulation of one session."""

    __slots__ = ("_ledger", "_ramp_ms", "adaptation")

    def __init__(self, ledger: Ledger, settings: AdaptationSettings, state: AdaptationState | None = None) -> None:
        self._ledger = ledger
        self._ramp_ms = settings.ramp_ms
        stimulus = stimulus_of(ledger.state.config)
        self.adaptation = Adaptation(settings, state or AdaptationState(wished=stimulus, current=stimulus))

    def begin_set(self, set_no: int, at_ms: int) -> None:
        """A set starts; one that was never said to end ends first, and a repeated mark changes nothing."""
        state = self._ledger.state
        if state.set_started_ms is not None:
            if state.set_no == set_no:
                return
            self.end_set(state.set_no, at_ms)
        state.set_no, state.set_started_ms = set_no, at_ms
        state.tally.sets += 1
        self.adaptation.set_started()
        self._mark_set("start", set_no, at_ms)

    def end_set(self, set_no: int | None, at_ms: int) -> None:
        """A set ends: what waited for it is put in force, then adaptation may move by a step."""
        state = self._ledger.state
        running_set, state.set_started_ms = state.set_started_ms is not None, None
        self._mark_set("end", set_no, at_ms)
        if running_set and state.status is Status.RUNNING:
            self.grant_waiting(at_ms)
            self.adapt(self.adaptation.set_ended(at_ms), at_ms)

    def interrupt_set(self, at_ms: int) -> None:
        """A pause ends a running set; it says nothing about how hard the set was."""
        state = self._ledger.state
        if state.set_started_ms is not None:
            state.set_started_ms = None
            self.adaptation.set_started()
            self._mark_set("interrupted", state.set_no, at_ms)

    def wish(self, config: SessionConfig, at_ms: int) -> None:
        """A therapist sets the stimulus. What may not be in force yet waits, and the newest word on a field counts."""
        state = self._ledger.state
        if state.status is not Status.RUNNING:
            state.pending_config = merged(state.pending_config or SessionConfig(), config)
            return
        now, later = self._divided(config)
        waiting = merged(_without(state.pending_config, config), later)
        state.pending_config = None if waiting == SessionConfig() else waiting
        if now != SessionConfig():
            self.adaptation.wish(**_named(now))
            self._configure(now, "now", self._ramp_ms, _BY_THERAPIST, at_ms)

    def grant_waiting(self, at_ms: int) -> None:
        """Put in force what a therapist set while it could not be."""
        state = self._ledger.state
        waiting, state.pending_config = state.pending_config, None
        if waiting is not None:
            self.wish(waiting, at_ms)

    def begin_gentler(self, at_ms: int) -> None:
        """The next set begins gentler than the last one."""
        self.adapt(self.adaptation.after_crisis(at_ms), at_ms)

    def adapt(self, change: Change | None, at_ms: int) -> None:
        """Carry out a change of the stimulus, as the fields that differ."""
        if change is None:
            return
        wanted, present = change.stimulus, stimulus_of(self._ledger.state.config)
        fields = {name: getattr(wanted, name) for name in _STIMULUS if getattr(wanted, name) != getattr(present, name)}
        if fields:
            self._configure(SessionConfig(**fields), change.effective, change.ramp_ms, change.reasons, at_ms)

    def _mark_set(self, action: Literal["start", "end", "interrupted"], set_no: int | None, at_ms: int) -> None:
        ledger = self._ledger
        session_id, ts = ledger.facts.session_id, ledger.facts.started_ts + at_ms
        # What is in force is told with each set: the changes alone do not say what a session began with.
        force = {"config": msgspec.to_builtins(ledger.state.config)} if action == "start" else {}
        ledger.keep("set", at_ms, set_no=set_no, action=action, **force)
        ledger.notify(SetNotice(session_id=session_id, action=action, set_no=set_no, ts=ts))

    def _divided(self, config: SessionConfig) -> tuple[SessionConfig, SessionConfig]:
        """What of a wish is in force now, and what waits for the end of the set."""
        state = self._ledger.state
        if state.set_started_ms is None:
            return config, SessionConfig()
        before, after = stimulus_of(state.config), stimulus_of(merged(state.config, config))
        stronger = {name: getattr(config, name) for name in _ONLY_DOWN if getattr(after, name) > getattr(before, name)}
        if _widens(state.config.amplitude_deg, config.amplitude_deg):
            stronger[_NARROWER] = config.amplitude_deg
        now = msgspec.structs.replace(config, **dict.fromkeys(stronger))
        return now, SessionConfig(**stronger)

    def _configure(
        self, config: SessionConfig, effective: str, ramp_ms: int, reasons: tuple[str, ...], at_ms: int
    ) -> None:
        """Put changed fields in force and tell the client and the watchers."""
        ledger = self._ledger
        state = ledger.state
        state.config = merged(state.config, config)
        state.tally.adaptations += 1
        fields: dict[str, Any] = {
            "adapt_id": f"{ledger.facts.session_id}.p{state.tally.adaptations}",
            "config": config,
            "effective": effective,
            "ramp_ms": ramp_ms,
            "reasons": reasons,
        }
        seq = ledger.next_seq()
        ledger.send_durable(PatternAdapt(seq=seq, epoch=state.epoch, **fields))
        ts = ledger.facts.started_ts + at_ms
        ledger.notify(AdaptNotice(session_id=ledger.facts.session_id, seq=seq, epoch=state.epoch, ts=ts, **fields))
        ledger.keep("adaptation", at_ms, **{**fields, "config": msgspec.to_builtins(config), "seq": seq})


def stimulus_of(config: SessionConfig) -> Stimulus:
    """The adapted part of a configuration; what it does not name has its default."""
    return Stimulus(**_named(config))


def _named(config: SessionConfig) -> dict[str, float]:
    """What of the adapted part a configuration names."""
    given: dict[str, float] = {}
    for name in _STIMULUS:
        value: object = getattr(config, name)
        if isinstance(value, (int, float)):
            given[name] = float(value)
    return given


def _widens(present: float | None, wished: float | None) -> bool:
    return wished is not None and (present is None or wished > present)


def _without(waiting: SessionConfig | None, config: SessionConfig) -> SessionConfig:
    """`waiting` without the fields that `config` names anew."""
    if waiting is None:
        return SessionConfig()
    named = [name for name in SessionConfig.__struct_fields__ if getattr(config, name) is not None]
    return msgspec.structs.replace(waiting, **dict.fromkeys(named))
