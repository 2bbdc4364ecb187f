"""A session on virtual time: drives a core as the service does, and keeps what came out of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from emdr_stream.domain import AlertKind, AlertState, Observation, Scores, Source
from emdr_stream.session.core import SessionCore
from emdr_stream.session.effects import Analyse, Effect, Notify, Over, Raise, Send
from emdr_stream.session.facts import SessionFacts, SessionSnapshot
from emdr_stream.settings import BaselineSettings, SessionSettings
from emdr_stream.wire.stream import (
    Applied,
    ControlPause,
    ControlResume,
    ErrorMessage,
    Result,
    ResumeRequest,
    Sample,
)
from emdr_stream.wire.values import AlertBody, BodySignals, Dimensions, Emotions
from emdr_stream.wire.watch import EndCommand, PauseCommand, ResumeCommand

SETTINGS = replace(SessionSettings(), baseline=BaselineSettings(duration_s=1.0))
"""As in service, but the personal baseline stands after a second."""
STARTED_TS = 1_700_000_000_000
CLIENT_CLOCK = 1_650_000_000_000.0
"""The client's wall clock at session time 0: off by years, as clocks are."""

CALM = Scores((0.9, 0.05, 0.02, 0.02, 0.01), 0.1, 0.05, (0.0, 0.0, 0.0))
RISKY = Scores((0.2, 0.1, 0.6, 0.05, 0.05), 0.65, 0.3, (0.0, 0.1, 0.0))
CRISIS = Scores((0.1, 0.05, 0.8, 0.03, 0.02), 0.8, 0.75, (-0.2, 0.3, 0.0))
WORST = Scores((0.1, 0.05, 0.8, 0.03, 0.02), 0.9, 0.9, (-0.2, 0.3, 0.0))
NUMB = Scores((0.1, 0.05, 0.05, 0.79, 0.01), 0.3, 0.2, (0.0, -0.2, -0.3))

M = TypeVar("M")


def facts_of(source: Source = Source.EMOTION, **changes: Any) -> SessionFacts:
    given: dict[str, Any] = {"session_id": "s1", "user": "u1", "source": source, "started_ts": STARTED_TS}
    return SessionFacts(**(given | changes))


def neutral_sample(ts: float, re: int | None = None, face: bool | None = None, **emotions: float) -> Sample:
    """What a camera reads off a calm face that shows nothing."""
    shares = {"joy": 0.05, "sadness": 0.05, "anger": 0.02, "fear": 0.02, "surprise": 0.04, "disgust": 0.02}
    signals = None if face is None else BodySignals(face_present=face)
    dimensions = Dimensions(valence=0.0, arousal=0.1, attention=0.8)
    return Sample(id=re, ts=ts, emotions=Emotions(**(shares | emotions)), dimensions=dimensions, signals=signals)


class Live:
    """One session. `effects` holds everything since the start, `now` is the session time."""

    def __init__(
        self, settings: SessionSettings = SETTINGS, facts: SessionFacts | None = None, connect: bool = True
    ) -> None:
        self.settings = settings
        self.core = SessionCore(facts or facts_of(), settings)
        self.effects: list[Effect] = []
        self.now = 0
        self.scores: Scores | None = CALM
        """What the model answers; None: it stays silent."""
        if connect:
            self.took(self.core.connected(0, epoch=1, resume_token="t"))

    # driving ------------------------------------------------------------------------------------------------------

    def took(self, effects: list[Effect]) -> list[Effect]:
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Analyse) and self.scores is not None:
                self.took(self.core.scored(effect.ticket, self.scores, self.now))
        return effects

    def tell(self, message: Any) -> list[Effect]:
        return self.took(self.core.client(message, self.now))

    def sample(self, **changes: Any) -> list[Effect]:
        return self.tell(neutral_sample(CLIENT_CLOCK + self.now, **changes))

    def watch_for(self, seconds: float, scores: Scores | None = CALM, every_ms: int = 100, **changes: Any) -> None:
        """Samples at a steady rate, with these scores for each."""
        self.scores = scores
        until = self.now + round(seconds * 1_000)
        while self.now < until:
            self.now += every_ms
            self.sample(**changes)

    def silence(self, seconds: float) -> list[Effect]:
        """Nothing comes; the core is called when it asked to be."""
        until = self.now + round(seconds * 1_000)
        before = len(self.effects)
        while self.core.wake_ms <= until:
            self.now = max(self.now, int(-(-self.core.wake_ms // 1)))
            self.took(self.core.advance(self.now))
        self.now = until
        return self.effects[before:]

    def settle(self) -> None:
        """Let the baseline stand."""
        self.watch_for(1.5)
        assert self.core.perception.baseline.ready

    def disconnect(self) -> None:
        self.took(self.core.disconnected(self.now))

    def reconnect(self, last_seq: int | None = None, epoch: int = 1) -> list[Effect]:
        last_seq = self.seq if last_seq is None else last_seq
        return self.took(self.core.connected(self.now, epoch=epoch, resume_token="t2", last_seq=last_seq))

    def confirm(self) -> None:
        """The client does as it was told."""
        epoch = self.core.care.control.state.control_epoch
        self.tell(Applied(control_epoch=epoch))
        self.tell(Applied(control_epoch=epoch, stopped_ts=CLIENT_CLOCK + self.now))

    def request_resume(self) -> list[Effect]:
        return self.tell(ResumeRequest())

    def therapist_pauses(self, **changes: Any) -> None:
        self.took(self.core.command(PauseCommand(session_id="s1", reason="talk", **changes), "dr", self.now))

    def therapist_resumes(self) -> None:
        self.took(self.core.command(ResumeCommand(session_id="s1", reason="calm again"), "dr", self.now))

    def therapist_ends(self) -> None:
        self.took(self.core.command(EndCommand(session_id="s1", reason="time is over"), "dr", self.now))

    def restored(self) -> "Live":
        """The same session in another worker, from the bytes of its snapshot."""
        payload = msgspec.msgpack.encode(self.core.snapshot(self.now))
        other = Live(self.settings, self.core.facts, connect=False)
        snapshot = msgspec.msgpack.decode(payload, type=SessionSnapshot)
        other.core = SessionCore(snapshot.facts, self.settings, snapshot)
        other.now, other.scores = self.now, self.scores
        # Snapshots do not hold the bound that the core computes at its first look.
        other.took(other.core.advance(other.now))
        return other

    # asking -------------------------------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        return self.core.care.state.seq

    @property
    def status(self) -> str:
        return self.core.status.value

    def sent(self, kind: type[M], since: Sequence[Effect] | None = None) -> list[M]:
        effects = self.effects if since is None else since
        return [e.message for e in effects if isinstance(e, Send) and isinstance(e.message, kind)]

    def told(self, kind: type[M]) -> list[M]:
        return [e.message for e in self.effects if isinstance(e, Notify) and isinstance(e.message, kind)]

    def alerts(self, kind: AlertKind | None = None, state: AlertState | None = None) -> list[AlertBody]:
        bodies = [e.body for e in self.effects if isinstance(e, Raise)]
        return [b for b in bodies if kind in (None, b.kind) and state in (None, b.state)]

    def raised(self) -> list[str]:
        return [body.kind.value for body in self.alerts(state=AlertState.RAISED)]

    def open_alerts(self) -> list[str]:
        return sorted(body.kind.value for body in self.core.care.alerts.state.open.values())

    def pauses(self) -> list[ControlPause]:
        return self.sent(ControlPause)

    def resumes(self) -> list[ControlResume]:
        return self.sent(ControlResume)

    def results(self) -> list[Result]:
        return self.sent(Result)

    def errors(self) -> list[str]:
        return [message.code for message in self.sent(ErrorMessage)]

    @property
    def over(self) -> bool:
        return any(isinstance(effect, Over) for effect in self.effects)


def many_faces(ts: float, faces: int) -> Observation:
    values = (0.0, 0.1, 0.8, 0.05, 0.05, 0.02, 0.02, 0.04, 0.02, 0.8, *[float("nan")] * 4)
    return Observation(ts, values, face_present=True, faces=faces)
