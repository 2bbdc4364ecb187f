"""The session machine under any order of events: what must hold whatever the client, the watchers and time do."""

import msgspec
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emdr_stream.domain import MEMORY_UNITS, PauseMode, Scores
from emdr_stream.errors import ProtocolError
from emdr_stream.session.effects import Analyse, Effect, Send
from emdr_stream.wire.stream import (
    Applied,
    Bye,
    ControlPause,
    ControlResume,
    PatternAdapt,
    Rating,
    ResumeRequest,
    SetMark,
    Stop,
)
from emdr_stream.wire.values import ModelRef, SessionConfig
from emdr_stream.wire.watch import ConfigSet, EndCommand, PauseCommand, ResumeCommand
from tests.unit.session.live import CALM, CLIENT_CLOCK, CRISIS, NUMB, RISKY, WORST, Live, neutral_sample

BROKEN = Scores((float("nan"),) * 5, 0.1, 0.1, (0.0, 0.0, 0.0))
LATER = st.sampled_from([0, 1, 50, 100, 250, 1_000, 2_000, 5_000, 8_000, 15_000, 60_000])


def comparable(effects: list[Effect]) -> list[object]:
    """Effects as values: rows are compared by their numbers."""
    return [(e.ticket, e.row.tolist()) if isinstance(e, Analyse) else msgspec.to_builtins(e) for e in effects]


class Sessions(RuleBasedStateMachine):
    """Three sessions get the same events: one as it comes, one woken at every turn, one restored from bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.lives = [Live(connect=False) for _ in range(3)]
        self.at_ms = 0
        self.attached = False
        self.running_allowed = True
        """Whether somebody who may has let the session run since the last pause."""
        self.paused = False
        self.seqs: list[int] = []
        self.control_epochs = [0]
        self.alert_seqs: list[int] = []

    # what every event goes through

    def each(self, act: str, *arguments: object, **named: object) -> None:
        """Call a method of the three cores; they must do the same, and none may break a rule."""
        outcomes: list[tuple[list[object], str | None]] = []
        for live in self.lives:
            live.now = self.at_ms
            try:
                effects = getattr(live.core, act)(*arguments, **named)
                outcomes.append((comparable(effects), None))
            except ProtocolError as problem:
                effects = live.core.advance(self.at_ms)
                outcomes.append((comparable(effects), str(problem)))
            if live is self.lives[0]:
                first = effects
        assert outcomes[0] == outcomes[1], "how often time is looked at made a difference"
        assert outcomes[0] == outcomes[2], "a snapshot made a difference"
        self.check(first)

    def check(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.check_sent(effect.message)
            elif (body := getattr(effect, "body", None)) is not None:
                self.alert_seqs.append(body.alert_seq)

    def check_sent(self, message: object) -> None:
        seq = getattr(message, "seq", None)
        if not hasattr(message, "epoch") or seq is None or hasattr(message, "resume_token"):
            return
        if self.seqs and seq <= self.seqs[-1]:
            return  # sent anew
        self.seqs.append(seq)
        assert seq == len(self.seqs), "a gap in seq"
        if isinstance(message, (ControlPause, ControlResume)):
            assert message.control_epoch == self.control_epochs[-1] + 1
            self.control_epochs.append(message.control_epoch)
            self.paused = isinstance(message, ControlPause)
        if isinstance(message, PatternAdapt):
            assert not self.paused, "adapted while paused"

    # events

    @initialize()
    def connect(self) -> None:
        self.each("connected", 0, epoch=1, resume_token="t")
        self.attached = True

    @rule(later=LATER)
    def time_passes(self, later: int) -> None:
        """The first is called late, the second at each of its deadlines and between them."""
        chopped: list[Effect] = []
        for step in sorted({self.at_ms + later * part // 7 for part in range(8)}):
            chopped += self.lives[1].core.advance(step)
        self.at_ms += later
        whole = self.lives[0].core.advance(self.at_ms)
        restored = self.lives[2].core.advance(self.at_ms)
        assert told(whole) == told(chopped) == told(restored)
        self.check(whole)

    @rule(later=st.sampled_from([20, 100, 100, 500]), scores=st.sampled_from([CALM, CALM, RISKY, CRISIS, WORST, NUMB]))
    def watched_for_a_while(self, later: int, scores: Scores) -> None:
        for _ in range(12):
            self.sample(later, scores, True)

    @rule(later=st.sampled_from([0, 20, 100]), scores=st.sampled_from([CALM, CRISIS, BROKEN, None]), face=st.booleans())
    def sample(self, later: int, scores: Scores | None, face: bool) -> None:
        self.at_ms += later
        self.each("client", neutral_sample(CLIENT_CLOCK + self.at_ms, re=1, face=face), self.at_ms)
        ticket = self.lives[0].core._view.ticket
        if scores is not None:
            remembered = np.full(MEMORY_UNITS, self.at_ms % 1_000 / 1_000, "<f4").tobytes()
            self.each("scored", ticket, msgspec.structs.replace(scores, memory=remembered), self.at_ms)

    @rule()
    def model_fails(self) -> None:
        self.each("model_failed", self.lives[0].core._view.ticket, self.at_ms)

    @rule(
        message=st.sampled_from(
            [
                Stop(),
                Applied(control_epoch=1),
                SetMark(action="start", set_no=1),
                SetMark(action="end", set_no=1),
                Rating(scale="sud", value=8.0),
                Rating(scale="sud", value=9.0),
            ]
        )
    )
    def client_says(self, message: object) -> None:
        self.each("client", message, self.at_ms)

    @rule(at_rest=st.booleans())
    def client_applies(self, at_rest: bool) -> None:
        epoch = self.control_epochs[-1]
        self.each("client", Applied(control_epoch=epoch, stopped_ts=1.0 if at_rest else None), self.at_ms)

    @rule()
    def client_asks_to_resume(self) -> None:
        before, requires = self.status, self.lives[0].core.care.control.state.requires
        self.each("client", ResumeRequest(), self.at_ms)
        if before == "paused" and self.status == "running":
            assert requires == "client", "resumed without leave"
            self.running_allowed = True

    @rule(mode=st.sampled_from(list(PauseMode)))
    def therapist_pauses(self, mode: PauseMode) -> None:
        self.each("command", PauseCommand(session_id="s1", reason="x", mode=mode), "dr", self.at_ms)

    @rule()
    def therapist_resumes(self) -> None:
        self.running_allowed |= self.status == "paused"
        self.each("command", ResumeCommand(session_id="s1", reason="x"), "dr", self.at_ms)

    @rule(speed=st.sampled_from([0.5, 1.0, 1.8]))
    def therapist_sets(self, speed: float) -> None:
        self.each("command", ConfigSet(session_id="s1", config=SessionConfig(speed=speed)), "dr", self.at_ms)

    @rule(number=st.integers(1, 4))
    def therapist_acknowledges(self, number: int) -> None:
        self.each("acknowledge", f"s1.a{number}", "dr", None, self.at_ms)

    @precondition(lambda self: self.attached)
    @rule()
    def socket_is_lost(self) -> None:
        self.attached = False
        self.each("disconnected", self.at_ms)

    @rule(missed=st.integers(0, 6))
    def client_comes_back(self, missed: int) -> None:
        last_seq = max(0, len(self.seqs) - missed)
        self.each("connected", self.at_ms, epoch=1, resume_token="t", last_seq=last_seq)
        self.attached = True

    @rule(up=st.booleans())
    def store_changes(self, up: bool) -> None:
        self.each("store_changed", "redis", up, self.at_ms)

    @precondition(lambda self: len(self.seqs) > 8)
    @rule(by_client=st.booleans())
    def session_ends(self, by_client: bool) -> None:
        if by_client:
            self.each("client", Bye(), self.at_ms)
        else:
            self.each("command", EndCommand(session_id="s1", reason="x"), "dr", self.at_ms)

    @rule(version=st.sampled_from(["1", "2"]))
    def another_model_decides(self, version: str) -> None:
        self.each("models_changed", (ModelRef(name="emotion_safety", version=version, sha256="0" * 64),), self.at_ms)

    @rule()
    def another_worker_takes_over(self) -> None:
        self.lives[2] = self.lives[2].restored()

    # what always holds

    @property
    def status(self) -> str:
        return self.lives[0].status

    @invariant()
    def a_paused_session_never_runs_without_leave(self) -> None:
        if self.status == "running":
            assert self.running_allowed
        elif self.status in ("paused", "detached"):
            self.running_allowed = False
        core = self.lives[0].core
        assert (self.status == "paused") <= core.care.control.state.paused
        assert (self.status == "running") <= (not core.care.control.state.paused)

    @invariant()
    def no_deadline_is_forgotten(self) -> None:
        for live in self.lives:
            assert live.core.wake_ms <= live.core._next_deadline()

    @invariant()
    def alerts_are_numbered_without_a_gap(self) -> None:
        assert self.alert_seqs == list(range(1, len(self.alert_seqs) + 1))

    @invariant()
    def memory_is_bounded(self) -> None:
        core = self.lives[0].core
        assert len(core.care.state.durable) <= 256
        assert len(core.care.alerts.state.open) <= 12 and len(core.care.alerts.state.closed) <= 256


def told(effects: list[Effect]) -> list[object]:
    """Effects without the time stamps between them, of which being called more often makes more."""
    return [each for each in comparable(effects) if not (isinstance(each, dict) and set(each) == {"ms"})]


Sessions.TestCase.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSessions = Sessions.TestCase
