"""A core driven as the service drives it, with ticks and scores that take their time: what recordings are made of."""

import heapq
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from emdr_stream.domain import MEMORY_UNITS, Source
from emdr_stream.errors import ModelFailed, ProtocolError
from emdr_stream.inference.batch import Model, RowScorer, Said
from emdr_stream.recording.recorder import SessionRecord
from emdr_stream.session.core import SessionCore
from emdr_stream.session.effects import Analyse, Effect
from emdr_stream.session.facts import SessionFacts
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.stream import Heard, Sample
from emdr_stream.wire.values import BodySignals, Dimensions, Emotions, ModelRef

STARTED_TS = 1_750_000_000_000
Floats = npt.NDArray[np.float32]
Step = Callable[["LiveSession", int], None]


class SumModel:
    """A model of no meaning that hears its input and remembers it: each output depends on some feature, and on all
    steps before."""

    def run(self, features: Floats, memory: Floats) -> Said:
        after = (memory * 0.9 + np.tanh(features[:, :MEMORY_UNITS]) * 0.1).astype(np.float32)
        squashed = np.tanh(features[:, :9] + after[:, :9]) * np.float32(0.5) + np.float32(0.5)
        states = squashed[:, :5] + np.float32(0.01)
        share = states / states.sum(axis=1, keepdims=True)
        return Said(share, squashed[:, 5], squashed[:, 6], squashed[:, 6:9], after)


class FixedModel:
    """Always says the same."""

    def __init__(self, risk: float = 0.1, crisis: float = 0.05, states: tuple[float, ...] = (0.6, 0.1, 0.1, 0.1, 0.1)):
        self.said = np.array([[*states, risk, crisis, 0.0, 0.0, 0.0]], np.float32)

    def run(self, features: Floats, memory: Floats) -> Said:
        rows = np.repeat(self.said, len(features), axis=0)
        return Said(rows[:, :5], rows[:, 5], rows[:, 6], rows[:, 7:])


class BrokenModel:
    def run(self, features: Floats, memory: Floats) -> Said:
        raise ModelFailed("made to fail")


def facts(**changes: Any) -> SessionFacts:
    given: dict[str, Any] = {"session_id": "s-1", "user": "u-1", "source": Source.EMOTION, "started_ts": STARTED_TS}
    return SessionFacts(**(given | changes))


def sample(at_ms: int, arousal: float = 0.1, **changes: Any) -> Sample:
    """A plausible sample; arousal wobbles, so that no two rows are the same."""
    wobble = ((at_ms // 100) % 7 - 3) / 100
    given: dict[str, Any] = {
        "id": at_ms,
        "ts": float(STARTED_TS + at_ms),
        "dimensions": Dimensions(valence=0.1 + wobble, arousal=arousal + wobble, attention=0.7),
        "emotions": Emotions(joy=0.2, sadness=0.1, anger=0.05, fear=0.05, surprise=0.05, disgust=0.05),
        "signals": BodySignals(face_present=True),
    }
    return Sample(**(given | changes))


class LiveSession:
    """Plays steps at their times through one core and its record.

    `tick_ms`: how often `advance` is called besides. `score_ms`: how long scores take; by ticket where it is a map.
    """

    def __init__(
        self,
        record: SessionRecord,
        session_facts: SessionFacts,
        *,
        model: Model | None = None,
        settings: SessionSettings | None = None,
        tick_ms: int = 50,
        score_ms: Callable[[int], int] = lambda ticket: 20,
    ) -> None:
        self.core = SessionCore(session_facts, settings or SessionSettings())
        self.record = record
        self._scorer = RowScorer(model or SumModel())
        self._tick_ms = tick_ms
        self._score_ms = score_ms
        self._order = count()
        self._agenda: list[tuple[int, int, Step]] = []

    def play(self, steps: Iterable[tuple[int, Step]]) -> None:
        """Run all steps in order of time, then stop."""
        for at_ms, step in steps:
            self._plan(at_ms, step)
        last_ms = max(at_ms for at_ms, _, _ in self._agenda)
        for at_ms in range(self._tick_ms, last_ms, self._tick_ms):
            self._plan(at_ms, lambda live, now: live.carry_out(live.core.advance(now), now))
        while self._agenda:
            at_ms, _, step = heapq.heappop(self._agenda)
            step(self, at_ms)

    def carry_out(self, effects: list[Effect], at_ms: int) -> None:
        self.record.effects(at_ms, effects)
        for effect in effects:
            if isinstance(effect, Analyse):
                self._ask(effect, at_ms)

    def _ask(self, asked: Analyse, at_ms: int) -> None:
        try:
            scores = self._scorer.score(asked.row[None])[0]
        except ModelFailed:
            scores = None

        def answer(live: "LiveSession", now: int) -> None:
            if scores is None:
                live.record.event(now, "model_failed", ticket=asked.ticket)
                live.carry_out(live.core.model_failed(asked.ticket, now), now)
            else:
                live.record.event(now, "scores", ticket=asked.ticket, scores=scores)
                live.carry_out(live.core.scored(asked.ticket, scores, now), now)

        self._plan(at_ms + self._score_ms(asked.ticket), answer)

    def _plan(self, at_ms: int, step: Step) -> None:
        heapq.heappush(self._agenda, (at_ms, next(self._order), step))


def connect(epoch: int = 1, last_seq: int | None = None, token: str = "secret-resume-token") -> Step:
    def step(live: LiveSession, at_ms: int) -> None:
        told: dict[str, Any] = {"epoch": epoch} if last_seq is None else {"epoch": epoch, "last_seq": last_seq}
        live.record.event(at_ms, "connected", **told)
        live.carry_out(live.core.connected(at_ms, epoch=epoch, resume_token=token, last_seq=last_seq), at_ms)

    return step


def disconnect(live: LiveSession, at_ms: int) -> None:
    live.record.event(at_ms, "disconnected")
    live.carry_out(live.core.disconnected(at_ms), at_ms)


def say(message: Heard) -> Step:
    def step(live: LiveSession, at_ms: int) -> None:
        live.record.message(at_ms, message)
        live.carry_out(live.core.client(message, at_ms), at_ms)

    return step


def command(told: Any, by: str = "t-1") -> Step:
    def step(live: LiveSession, at_ms: int) -> None:
        live.record.command(at_ms, told, by)
        try:
            effects = live.core.command(told, by, at_ms)
        except ProtocolError:
            effects = live.core.advance(at_ms)
        live.carry_out(effects, at_ms)

    return step


def acknowledge(alert_id: str, by: str = "t-1") -> Step:
    def step(live: LiveSession, at_ms: int) -> None:
        live.record.acknowledge(at_ms, alert_id, by, "seen")
        try:
            effects = live.core.acknowledge(alert_id, by, "seen", at_ms)
        except ProtocolError:
            effects = live.core.advance(at_ms)
        live.carry_out(effects, at_ms)

    return step


def store(name: str, *, up: bool) -> Step:
    def step(live: LiveSession, at_ms: int) -> None:
        live.record.event(at_ms, "store_up" if up else "store_down", store=name)
        live.carry_out(live.core.store_changed(name, up, at_ms), at_ms)

    return step


def put_in_use(*models: ModelRef) -> Step:
    def step(live: LiveSession, at_ms: int) -> None:
        live.record.event(at_ms, "models_changed", models=models)
        live.carry_out(live.core.models_changed(models, at_ms), at_ms)

    return step


def samples(start_ms: int, end_ms: int, arousal: float = 0.1, every_ms: int = 100) -> list[tuple[int, Step]]:
    return [(at_ms, say(sample(at_ms, arousal))) for at_ms in range(start_ms, end_ms, every_ms)]
