"""A number of rounds in; so many samples of each of many sessions handled in one process, without network or stores.

From the lane's `data_received` to the transport's `write` everything is the service's own code, the model too; time is
virtual. `python -m benchmarks.crowd 20` prints the CPU µs a message; `instructions.py` counts what it executes.
"""

import argparse
import asyncio
import cProfile
import heapq
import itertools
import pstats
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final, cast

import uvicorn
from prometheus_client.registry import CollectorRegistry
from uvicorn.server import ServerState

from benchmarks.scripts import StreamScript
from benchmarks.wire import masked_frame
from emdr_stream.broker.base import AlertEntry, Notice
from emdr_stream.domain import Limits, Role, Source
from emdr_stream.endpoints import client
from emdr_stream.endpoints.auth import Principal
from emdr_stream.endpoints.cameras import Cameras
from emdr_stream.endpoints.departures import Departures
from emdr_stream.endpoints.lane import LaneProtocol
from emdr_stream.endpoints.lane_peer import LanePeer
from emdr_stream.endpoints.ports import LaneLimits, Peer, Sink
from emdr_stream.inference.batch import BATCH_ROWS, BatchPredictor, Onlooker
from emdr_stream.inference.drift import DriftWatch, Reference
from emdr_stream.inference.drift import read_reference as parse_reference
from emdr_stream.inference.manifest import (
    EMOTION_SAFETY,
    current_versions,
    default_models_dir,
    read_manifest,
    read_reference,
)
from emdr_stream.inference.models import load_current
from emdr_stream.models_in_use import ScoredShadow
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.serving import spare_the_loop
from emdr_stream.session.core import SessionCore
from emdr_stream.session.demand import Demand
from emdr_stream.session.facts import SessionFacts
from emdr_stream.session.ports import Surroundings
from emdr_stream.session.registry import Opened
from emdr_stream.session.runner import SessionRunner
from emdr_stream.session.wheel import Wheel
from emdr_stream.settings import BaselineSettings, SessionSettings, SocketSettings
from emdr_stream.store.base import Record
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.vision.pool import FacePool
from emdr_stream.vision.pool_settings import FaceSettings
from emdr_stream.wire.codec import MSGPACK, STREAM_CODECS

SESSIONS: Final = 160
BESIDE: Final = ("nothing", "drift", "shadow")
_RATE_HZ: Final = 10.0
_APART_S: Final = 0.1 / 1_600
"""From one sample to the next: as with 1,600 sessions, of which the first tenth is here."""
WARM_ROUNDS: Final = 25
"""Until the baseline stands."""
_BASELINE_S: Final = 2.0
_EPOCH_S: Final = 1_700_000_000.0


class VirtualLoop:
    """A loop whose time is moved by hand. Also what stands in for the `time` module where the service looks at it."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, int, Callable[..., None], list[bool]]] = []
        self._soon: list[tuple[Callable[..., None], list[bool]]] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return _EPOCH_S + self.now

    def call_soon(self, work: Callable[[], None], /) -> asyncio.Handle:
        handle = _Handle()
        self._soon.append((work, handle.live))
        return cast("asyncio.Handle", handle)

    def call_later(self, delay_s: float, work: Callable[..., None], /, *arguments: int) -> asyncio.TimerHandle:
        handle = _Handle()
        call = partial(work, *arguments) if arguments else work
        heapq.heappush(self._timers, (self.now + delay_s, next(self._order), call, handle.live))
        return cast("asyncio.TimerHandle", handle)

    def run_until(self, moment: float) -> None:
        """Let time pass; a turn of the loop after each timer."""
        self._turn()
        while self._timers and self._timers[0][0] <= moment:
            self.now, _, work, live = heapq.heappop(self._timers)
            if live:
                work()
            self._turn()
        self.now = moment

    def _turn(self) -> None:
        while self._soon:
            due, self._soon = self._soon, []
            for work, live in due:
                if live:
                    work()


class _Handle:
    """`live` is emptied by `cancel`."""

    def __init__(self) -> None:
        self.live = [True]

    def cancel(self) -> None:
        self.live.clear()


class _Transport:
    """Counts what is written."""

    def __init__(self) -> None:
        self.writes = 0
        self.unscored = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.unscored += b"\xaarisk_level\xc0" in data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int) -> None:
        """There is no buffer."""


class _Sinks:
    """Where notices, alerts and records go: nowhere."""

    def publish(self, notice: Notice) -> None: ...

    def append(self, entry: AlertEntry) -> None: ...

    def steps_after(self, session_id: str, alert_seq: int) -> list[AlertEntry]:
        return []

    def sessions_of(self, user: str) -> frozenset[str]:
        return frozenset()

    def forget(self, session_ids: Collection[str]) -> None: ...

    async def inherit(self) -> None: ...

    def offer(self, record: Record) -> None: ...


class Crowd:
    """`sessions` clients whose samples are handed to the lane in turn.

    `beside`: what looks on at the models, one of BESIDE. The shadow is the model itself: what it costs is the same.
    """

    def __init__(self, sessions: int = SESSIONS, beside: str = BESIDE[0]) -> None:
        self._loop = loop = VirtualLoop()
        vars(client)["time"] = loop
        model = load_current(default_models_dir(), feature_names=FEATURE_NAMES, batch_rows=BATCH_ROWS)
        self._departures = Departures()
        metrics = Metrics(CollectorRegistry(), version="bench")
        predictor = BatchPredictor(
            model.graph.bound(BATCH_ROWS), loop, loop.monotonic, metrics.models_ran, self._departures.flush
        )
        self._drift = DriftWatch(_reference(), FEATURE_NAMES)
        shadow = ScoredShadow(model.reference, model)
        self._watches = beside == "drift"
        onlookers: dict[str, Onlooker] = {"drift": self._drift, "shadow": shadow.scorer}
        predictor.use(onlookers=[onlookers[beside]] if beside in onlookers else [])
        sinks = _Sinks()
        self._around = Surroundings(
            session=SessionSettings(baseline=BaselineSettings(duration_s=_BASELINE_S), limits=Limits(rate_hz=240)),
            socket=SocketSettings(),
            predictor=predictor,
            announcer=sinks,
            alerts=sinks,
            records=sinks,
            metrics=metrics,
            demand=Demand(),
            clock=loop.monotonic,
            wall_ms=lambda: int(loop.time() * 1_000),
            call_later=Wheel(loop).call_later,
        )
        self._script = StreamScript("", _RATE_HZ)
        self.transports = [_Transport() for _ in range(sessions)]
        self._lanes = [self._lane(number, transport) for number, transport in enumerate(self.transports)]
        self._rounds = 0

    def run(self, rounds: int) -> None:
        """Let each session send so many samples, and answer them."""
        for transport in self.transports:
            transport.unscored = 0
        for number in range(self._rounds, self._rounds + rounds):
            began = 100.0 + number / _RATE_HZ
            for session, lane in enumerate(self._lanes):
                self._loop.run_until(began + session * _APART_S)
                lane.data_received(masked_frame(self._script.message(session, number)))
            self._loop.run_until(began + 0.9 / _RATE_HZ)
            if self._watches and number % round(_RATE_HZ) == 0:
                self._drift.count(1.0)
        self._rounds += rounds

    @property
    def unscored(self) -> int:
        """Writes of the last round that had a result without scores."""
        return sum(transport.unscored for transport in self.transports)

    def _lane(self, number: int, transport: _Transport) -> LaneProtocol:
        """A connection as `LaneProtocol.serve` leaves it, without its handshake."""
        lane = LaneProtocol(_CONFIG, ServerState(), {}, asyncio.get_running_loop(), limits=LaneLimits())
        lane.transport = cast("asyncio.Transport", transport)
        lane.handshake_initiated = True
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        lane.peer = LanePeer(lane.transport, lane.start_close, self._departures, loop)
        lane.sink = self._sink(number, lane.peer)
        lane.deliver = lane.sink.received
        return lane

    def _sink(self, number: int, peer: Peer) -> Sink:
        facts = SessionFacts(
            session_id=f"session-{number:04}",
            user=f"bench-{number}",
            source=Source.EMOTION,
            started_ts=int(self._loop.time() * 1_000),
            result_rate_hz=60.0,
        )
        runner = SessionRunner(SessionCore(facts, self._around.session), self._around, 100.0)
        principal = Principal(facts.user, Role.CLIENT, None, frozenset(), expires_at=time.time() + 1e6)
        return client.ClientSink(
            peer,
            STREAM_CODECS[MSGPACK],
            Opened(runner, "token", 1),
            principal,
            cast("Any", None),
            cast("Any", None),
            self._around.socket,
            self._around.session.limits,
            self._around.metrics,
            Cameras(FacePool(FaceSettings()), None, Limits(), self._around.metrics, time.monotonic),
        )


def _reference() -> Reference:
    folder = default_models_dir() / EMOTION_SAFETY / current_versions(default_models_dir())[EMOTION_SAFETY]
    data = read_reference(folder, read_manifest(folder))
    if data is None:
        raise RuntimeError(f"{folder} has no reference: make one with `python -m training reference`")
    return parse_reference(data, FEATURE_NAMES)


async def _nobody(_scope: object, _receive: object, _send: object) -> None:
    """No application: nobody shakes hands here."""


_CONFIG: Final = uvicorn.Config(_nobody, ws_per_message_deflate=False, log_config=None)


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__)
    parser.add_argument("rounds", type=int, help="samples of each session, after those of the calm minute")
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--beside", choices=BESIDE, default=BESIDE[0], help="what looks on at the models")
    parser.add_argument("--profile", action="store_true", help="print where the time goes, function by function")
    arguments = parser.parse_args()
    crowd = Crowd(arguments.sessions, arguments.beside)
    crowd.run(WARM_ROUNDS)
    spare_the_loop()
    profile = cProfile.Profile()
    if arguments.profile:
        profile.enable()
    began = time.process_time()
    crowd.run(arguments.rounds)
    took = time.process_time() - began
    profile.disable()
    messages = arguments.rounds * arguments.sessions
    print(f"{messages} messages, {took / max(1, messages) * 1e6:.1f} µs each; {crowd.unscored} without scores")
    if arguments.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(60)


if __name__ == "__main__":
    asyncio.run(_main())
