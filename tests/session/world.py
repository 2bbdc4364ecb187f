"""Surroundings of a session in virtual time: a clock that the test moves, sockets and sinks that keep what they get."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Collection
from typing import Any, cast

import msgspec
from prometheus_client import CollectorRegistry

from emdr_stream.broker.base import AlertEntry, Notice
from emdr_stream.domain import Scores, Source
from emdr_stream.pipeline.classify import Scored
from emdr_stream.pipeline.features import Array
from emdr_stream.session.core import SessionCore
from emdr_stream.session.demand import Demand
from emdr_stream.session.facts import SessionFacts
from emdr_stream.session.ports import Surroundings
from emdr_stream.session.room import Room
from emdr_stream.session.runner import SessionRunner
from emdr_stream.session.strain import Strain
from emdr_stream.settings import BaselineSettings, SessionSettings, SocketSettings
from emdr_stream.store.base import Record
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.codec import JSON, STREAM_CODECS
from emdr_stream.wire.stream import Sample
from emdr_stream.wire.values import Dimensions, Emotions
from emdr_stream.wire.watch import SessionNotice

CALM = Scores((0.9, 0.05, 0.02, 0.02, 0.01), 0.1, 0.05, (0.0, 0.0, 0.0))
CRISIS = Scores((0.05, 0.05, 0.85, 0.03, 0.02), 0.95, 0.9, (-0.1, 0.2, 0.0))
STARTED_TS = 1_700_000_000_000


class Timer:
    def __init__(self, work: Callable[[], None]) -> None:
        self.work: Callable[[], None] | None = work

    def cancel(self) -> None:
        self.work = None


class World:
    """Everything around a session. `pass_s` lets time pass and runs what falls due."""

    def __init__(self, *, settings: SessionSettings | None = None, socket: SocketSettings | None = None) -> None:
        self.now = 100.0
        self.scores: Scores | None = CALM
        self.notices: list[SessionNotice] = []
        self.alerts: list[AlertEntry] = []
        self.records: list[Record] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._asked: list[tuple[int, Scored]] = []
        self.metrics = Metrics(CollectorRegistry(), version="test", wall_ms=self.wall_ms)
        self.demand = Demand()
        self.forgotten: set[str] = set()
        quick = BaselineSettings(duration_s=2.0)
        self.around = Surroundings(
            session=settings or SessionSettings(baseline=quick),
            socket=socket or SocketSettings(),
            predictor=self,
            announcer=self,
            alerts=self,
            records=self,
            metrics=self.metrics,
            demand=self.demand,
            clock=lambda: self.now,
            wall_ms=self.wall_ms,
            call_later=self.call_later,
        )

    # what a session writes to -------------------------------------------------------------------------------------

    def forget(self, session_ids: Collection[str]) -> None:
        self.forgotten.update(session_ids)

    def publish(self, notice: Notice) -> None:
        self.notices.append(msgspec.msgpack.decode(notice.payload, type=SessionNotice))

    def append(self, entry: AlertEntry) -> None:
        self.alerts.append(entry)

    def steps_after(self, session_id: str, alert_seq: int) -> list[AlertEntry]:
        return [e for e in self.alerts if e.session_id == session_id and e.alert_seq > alert_seq]

    def sessions_of(self, user: str) -> frozenset[str]:
        return frozenset(entry.session_id for entry in self.alerts if entry.user == user)

    async def inherit(self) -> None:
        """Nobody died."""

    def offer(self, record: Record) -> None:
        self.records.append(record)

    def submit(self, row: Array, ticket: int, asker: Scored) -> None:
        self._asked.append((ticket, asker))

    # time ---------------------------------------------------------------------------------------------------------

    def wall_ms(self) -> int:
        return STARTED_TS + round((self.now - 100.0) * 1_000)

    def call_later(self, delay_s: float, work: Callable[[], None]) -> asyncio.TimerHandle:
        timer = Timer(work)
        heapq.heappush(self._timers, (self.now + delay_s, next(self._order), timer))
        return cast(asyncio.TimerHandle, timer)  # all that a session does with it is to cancel it

    def pass_s(self, seconds: float) -> None:
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            self.now, _, timer = heapq.heappop(self._timers)
            if timer.work is not None:
                timer.work()
        self.now = until

    def answer(self) -> None:
        """Let the predictor answer what was asked."""
        asked, self._asked = self._asked, []
        for ticket, asker in asked:
            asker.scores_ready(ticket, self.scores, 0.1, 0.2)


def room_of(around: Surroundings, most: int = 10, strain: Strain | None = None) -> Room:
    """A worker's room for so many sessions."""
    return Room(around.metrics, around.clock, most, strain=strain)


class Wire:
    """A client's socket that keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.posted: set[str] = set()
        """Types of what might wait for others."""
        self.close_code: int | None = None
        self.buffered_bytes = 0

    def send(self, data: bytes | str) -> None:
        if self.close_code is None:
            self.sent.append(msgspec.json.decode(data))

    def post(self, data: bytes | str) -> None:
        before = len(self.sent)
        self.send(data)
        self.posted |= {message["type"] for message in self.sent[before:]}

    def close(self, code: int, reason: str = "") -> None:
        self.close_code = self.close_code or code

    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["type"] == kind]


def make_runner(world: World, **facts: Any) -> SessionRunner:
    told: dict[str, Any] = {"source": Source.EMOTION, "result_rate_hz": 60.0, **facts}
    opening = SessionFacts(session_id="s1", user="u1", started_ts=STARTED_TS, **told)
    return SessionRunner(SessionCore(opening, world.around.session), world.around, world.now)


def attach(runner: SessionRunner, last_seq: int | None = None) -> Wire:
    wire = Wire()
    runner.attach(wire, STREAM_CODECS[JSON], epoch=1, resume_token="t", last_seq=last_seq)
    return wire


def sample(world: World, **changes: float | None) -> Sample:
    dimensions: dict[str, float | None] = {"valence": 0.1, "arousal": 0.2, "attention": 0.8, **changes}
    return Sample(
        id=round(world.now * 1_000),
        ts=world.now * 1_000,
        emotions=Emotions(joy=0.1, sadness=0.1, anger=0.05, fear=0.05, surprise=0.1, disgust=0.05),
        dimensions=Dimensions(**dimensions),
    )


def stream(world: World, runner: SessionRunner, seconds: float) -> None:
    """Ten samples a second, each answered by the predictor."""
    for _ in range(round(seconds * 10)):
        world.pass_s(0.1)
        runner.take(sample(world), world.now)
        world.answer()
