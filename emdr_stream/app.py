"""Settings and addresses in, the whole service out: the composition root, the only module that knows every part."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from prometheus_client import CollectorRegistry

from emdr_stream import __version__
from emdr_stream.alerts.legacy import folder_of
from emdr_stream.alerts.log import AlertLog
from emdr_stream.broker.base import EVERYBODY, Broker
from emdr_stream.broker.redis import RedisBroker
from emdr_stream.clock import wall_ms
from emdr_stream.domain import Source
from emdr_stream.endpoints.admission import Crowd
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.endpoints.cameras import Cameras, face_settings
from emdr_stream.endpoints.client import ClientEndpoint
from emdr_stream.endpoints.console import ConsoleEndpoint
from emdr_stream.endpoints.departures import Departures
from emdr_stream.endpoints.ops import Part
from emdr_stream.endpoints.ports import LaneLimits
from emdr_stream.endpoints.siblings import Siblings
from emdr_stream.errors import ModelRefused
from emdr_stream.inference.batch import BATCH_ROWS, BatchPredictor
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.models_in_use import LoadedVersions, ModelsInUse
from emdr_stream.recording.erased import ErasedRecordings
from emdr_stream.recording.recorder import Recorder
from emdr_stream.rest.analysis import Analyst
from emdr_stream.rest.forecasts import Forecasts
from emdr_stream.rest.idempotency import PostgresAnswers
from emdr_stream.rest.operations import OPERATIONS
from emdr_stream.rest.parts import RestParts
from emdr_stream.rest.personalizer import Personalizer
from emdr_stream.rest.server import rest_app
from emdr_stream.session.demand import Demand
from emdr_stream.session.loop_watch import LoopWatch
from emdr_stream.session.ports import Surroundings
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.session.room import Room
from emdr_stream.session.standing import Standing
from emdr_stream.session.strain import Strain
from emdr_stream.session.wheel import Wheel
from emdr_stream.settings import ServiceSettings
from emdr_stream.store.archive import Archive
from emdr_stream.store.archive_postgres import PostgresArchive
from emdr_stream.store.postgres import PostgresStore
from emdr_stream.store.roll_up_keeper import RollUpKeeper
from emdr_stream.store.spill import Spill
from emdr_stream.store.unacknowledged import UnacknowledgedWatch, unacknowledged
from emdr_stream.store.writer import RecordWriter
from emdr_stream.stores_watch import StoresWatch
from emdr_stream.telemetry.labels import Loss, StoreLabel
from emdr_stream.telemetry.merge import merged
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.vision.browser import load_shared_faces
from emdr_stream.vision.pool import FacePool

_LOG: Final = logging.getLogger(__name__)
_DRAIN_MS: Final = 2_000
_WRITE_OUT_S: Final = 2.0
_SPARE_CONNECTIONS: Final = 256
"""Beyond the sockets: for handshakes that are refused with a reason, for operators and back ends."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the stores are."""

    redis_url: str
    database_url: str


class Service:
    """Every part of one worker, as an asynchronous context; `drain` before leaving it, so that clients come back.

    `siblings`: the other workers that share its port and its data folder.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        addresses: Addresses,
        versions: LoadedVersions,
        siblings: Siblings | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics(CollectorRegistry(), version=__version__)
        self._versions = versions
        self._siblings = siblings
        # With a random part: in a container every process has the same number, and an owner's name must never return.
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.broker: Broker = RedisBroker(addresses.redis_url, instance=self._owner, on_lag=self.metrics.pubsub_lag)
        self.store = PostgresStore(addresses.database_url)
        self.archive: Archive = PostgresArchive(self.store)
        self.alerts = AlertLog(
            folder_of(settings.stores.data_dir, siblings.slot if siblings else 0),
            self.broker,
            self.store,
            on_problem=self._journal_problem,
        )
        spill_bytes = settings.stores.spill_bytes
        self._spill = Spill(settings.stores.data_dir / "spill", spill_bytes) if spill_bytes else None
        self.records = RecordWriter(self.store, spill=self._spill)
        self.authority = TokenAuthority(settings.tokens)
        self.crowd = Crowd(settings.server.max_sockets, settings.server.max_sockets_per_peer)
        self._stores = StoresWatch(self.broker, self.store, self._store_changed)
        self.problem: BaseException | None = None
        """Why it could not be started."""
        self.failed = False
        """A part that runs beside the sessions ended with an error: nothing is kept or told any more, start anew."""
        self._recorder: Recorder | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Service":
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self._start(stack)
                self._stack = stack.pop_all()
        except BaseException as problem:
            # Who serves us hears of it as a text alone.
            self.problem = problem
            if isinstance(problem, Exception):
                _LOG.exception("the service could not start")
            raise
        return self

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Start every part, each to be stopped by the stack: also when a later one cannot be started."""
        settings = self.settings
        loop = asyncio.get_running_loop()
        if settings.server.record_dir is not None:
            self._recorder = Recorder(settings.server.record_dir, settings.session)
            stack.push_async_callback(asyncio.to_thread, self._recorder.close)
        self._recordings = ErasedRecordings(self._recorder, self.store)
        await self._stores.migrate()
        stack.push_async_callback(self.store.aclose)
        for part in (self.broker, self.alerts, self.records):
            stack.push_async_callback(part.aclose)
            await part.start()
        demand, departures = Demand(), Departures()
        self._doubted = asyncio.Event()
        self._standing = Standing(time.monotonic(), self._doubted.set)
        server = settings.server
        self._strain = Strain(server.max_load)
        self._room = Room(self.metrics, time.monotonic, server.max_sessions, server.max_sessions_per_user, self._strain)
        self._predictor = BatchPredictor(
            self._versions.model.graph.bound(BATCH_ROWS),
            loop,
            on_run=self._models_ran,
            # Else a page's results would wait until the loop has read all that has come meanwhile.
            on_answered=departures.flush,
        )
        readers = () if (frames := self._versions.faces.get(Source.FRAME)) is None else frames.all
        self._faces = await stack.enter_async_context(FacePool(face_settings(settings), readers))
        self.models = ModelsInUse(
            settings,
            self._versions,
            self._predictor,
            self._faces,
            self.metrics.models,
            self.records,
            self._owner,
            self._standing,
        )
        around = Surroundings(
            session=settings.session,
            socket=settings.socket,
            predictor=self._predictor,
            announcer=self.broker,
            alerts=self.alerts,
            records=self.records,
            metrics=self.metrics,
            demand=demand,
            clock=time.monotonic,
            wall_ms=wall_ms,
            call_later=Wheel(loop).call_later,
            standing=self._standing,
        )
        self._personalizer = Personalizer(self.store, time.monotonic)
        self.registry = SessionRegistry(
            around,
            self.broker,
            owner=self._owner,
            models=self.models.references,
            looked_by=self._versions.faces,
            room=self._room,
            record=self._recorder.open if self._recorder else None,
            erased=self._let_go,
            doubted=self._doubted,
            known=self.store.knows,
        )
        self._watch = LoopWatch(
            self.metrics,
            self._standing,
            self._strain,
            lambda: self.registry.of_users((EVERYBODY,)),
            self._look_each_second,
        )
        lane = lane_limits(settings)
        browser_faces = load_shared_faces(settings.model_dir or default_models_dir())
        self._cameras = Cameras(self._faces, browser_faces, settings.session.limits, self.metrics, time.monotonic)
        self.client = ClientEndpoint(
            self.registry,
            self.authority,
            settings.socket,
            settings.session.limits,
            lane,
            departures,
            self.metrics,
            self._cameras,
        )
        self.console = ConsoleEndpoint(
            self.registry,
            self.alerts,
            self.broker,
            self.store,
            demand,
            self.authority,
            settings.socket,
            lane,
            self.metrics,
            settings.session.control,
        )
        self.rest = rest_app(self._rest_parts(), OPERATIONS)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        waiting = UnacknowledgedWatch(lambda: self.store.ask(unacknowledged), self.metrics.waiting)
        beside = (self._stores, self._watch, RollUpKeeper(self.archive), self._recordings, waiting)
        for work in (self.registry.keep(), *(part.run() for part in beside)):
            stack.callback(group.create_task(work).cancel)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # The parts' task groups cancel whoever is inside when one of theirs fails.
        self.failed = kind is not None
        await self.drain()
        await self.records.drain(_WRITE_OUT_S)
        try:
            await self._stack.aclose()
        except Exception:
            _LOG.exception("a part of the service failed")
            raise

    async def drain(self) -> None:
        """Say goodbye to every client and save every session; the second time it does nothing."""
        if not self.registry.draining:
            self.console.drain(_DRAIN_MS)
            await self.registry.drain(_DRAIN_MS)

    async def take_up_models(self) -> None:
        """Have the versions score that are put in use now; what is refused leaves the present ones."""
        with contextlib.suppress(ModelRefused):
            self._cameras.use_landmarks(await self.models.take_up(self.registry))

    def _let_go(self, session_ids: Collection[str]) -> None:
        """Somebody is erased, whichever worker was asked: nothing of these sessions stays here, learnt or written."""
        self._personalizer.forget()
        self.console.forget(session_ids)
        self._recordings.forget(session_ids)

    def _rest_parts(self) -> RestParts:
        settings = self.settings
        return RestParts(
            registry=self.registry,
            broker=self.broker,
            records=self.store,
            archive=self.archive,
            answers=PostgresAnswers(self.store),
            analyst=Analyst(self.models, settings.session, time.monotonic),
            forecasts=Forecasts(settings.model_dir or default_models_dir(), self.models),
            personalizer=self._personalizer,
            authority=self.authority,
            metrics=self.metrics,
            settings=settings,
            clock=time.monotonic,
            wall_ms=wall_ms,
        )

    # the operator's questions -------------------------------------------------------------------------------------

    def event_loop_lag_s(self) -> float:
        return self._watch.lag_s

    async def parts(self) -> Sequence[Part]:
        away, migrated = self._stores.away, self._stores.migrated
        journal = self.alerts.journal_ok
        return (
            Part("models", True, self.models.told),
            Part("redis", "redis" not in away, away.get("redis", ""), required=False),
            Part("postgres", "postgres" not in away, away.get("postgres", ""), required=False),
            Part("migrations", migrated, "" if migrated else "the database could not be migrated yet"),
            Part("faces", self._faces.available, self._faces.why, required=False),
            Part("expressions", not (without := self._faces.no_expression), without or "", required=False),
            Part("journal", journal, "" if journal else "the alert journal cannot be written: is the disk full?"),
            Part("room", not (full := self._room.told(len(self.registry))), full, required=False),
            Part("sessions", not self.registry.draining, "the service is stopping" if self.registry.draining else ""),
        )

    async def all_metrics(self) -> bytes:
        """The text of `/metrics`, for every worker of the service."""
        own = self.render_metrics()
        if self._siblings is None:
            return own
        texts = {str(self._siblings.slot): own.decode(), **await self._siblings.metrics()}
        return await asyncio.to_thread(merged, dict(sorted(texts.items())))

    def render_metrics(self) -> bytes:
        """The text of this worker's own metrics."""
        metrics = self.metrics
        for name in StoreLabel:
            metrics.store_up(name, name.value not in self._stores.away)
        metrics.store_backlog(self.records.backlog + self.alerts.backlog)
        metrics.store_rows(self.records.counts.written)
        counts, spill = self.records.counts, self._spill
        metrics.store_lost(Loss.QUEUE, counts.dropped.total())
        metrics.store_lost(Loss.REFUSED, counts.refused.total())
        if spill is not None:
            metrics.store_lost(Loss.ROOM, spill.lost_to_room)
            metrics.store_lost(Loss.CORRUPT, spill.corrupt)
            metrics.store_spill(
                spilled=spill.spilled,
                read_back=spill.read_back,
                size=spill.bytes,
                limit=spill.limit_bytes,
                failures=spill.failures,
            )
        metrics.notices_unsent(self.broker.dropped)
        metrics.stale_epoch_refusals(self.store.refused + self.registry.taken_over)
        metrics.inference_queue(self._predictor.depth)
        if self._recorder is not None:
            metrics.recordings_failed(self._recorder.writer.broken_files)
        return metrics.render()

    # within -------------------------------------------------------------------------------------------------------

    def _store_changed(self, store: str, up: bool) -> None:
        self.registry.store_changed(store, up)

    def _look_each_second(self, now: float) -> None:
        self._cameras.look()
        self.models.check_pictures(self.registry)
        self.models.tick(now)

    def _models_ran(self, rows: int, queued_s: float, infer_s: float) -> None:
        self.metrics.models_ran(rows, queued_s, infer_s)
        self._strain.rows_waited(rows, queued_s)

    def _journal_problem(self, problem: str) -> None:
        self.metrics.alert_journal_failed()
        _LOG.error("the alert log has a problem", extra={"problem": problem})


def lane_limits(settings: ServiceSettings) -> LaneLimits:
    """Bounds of a socket's transport, from the settings. The session closes a slow reader first, with 4408."""
    return replace(
        LaneLimits(),
        max_backlog_bytes=2 * settings.socket.outbox_bytes,
        max_connections=settings.server.max_sockets + _SPARE_CONNECTIONS,
    )
