"""`/v1/watch`: a console's socket in, a served watcher out; decides who may, then hands the bytes on."""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from emdr_stream.alerts.log import AlertLog
from emdr_stream.broker.base import Broker
from emdr_stream.clock import wall_ms
from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import Principal, TokenAuthority
from emdr_stream.endpoints.console_parts import ConsoleParts
from emdr_stream.endpoints.greeting import Greeting
from emdr_stream.endpoints.handover import take_over
from emdr_stream.endpoints.late_ack import LateAcknowledgements
from emdr_stream.endpoints.ports import LaneLimits, Peer
from emdr_stream.endpoints.trail import note_refused_hello
from emdr_stream.endpoints.watcher import Watcher
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError
from emdr_stream.session.demand import Demand
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.settings import ControlSettings, SocketSettings
from emdr_stream.store.base import Store
from emdr_stream.telemetry.labels import Refusal
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.codec import WATCH_CODECS
from emdr_stream.wire.watch import WatchHello

_ROLES: Final = frozenset({Role.THERAPIST, Role.SERVICE})


class ConsoleEndpoint:
    """Serves `/v1/watch`. `clock` in seconds, monotonic; `wall_ms` milliseconds since the Unix epoch."""

    def __init__(
        self,
        registry: SessionRegistry,
        alerts: AlertLog,
        broker: Broker,
        store: Store,
        demand: Demand,
        authority: TokenAuthority,
        settings: SocketSettings,
        lane: LaneLimits,
        metrics: Metrics,
        control: ControlSettings,
        clock: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._parts = ConsoleParts(
            registry=registry,
            alerts=alerts,
            broker=broker,
            store=store,
            demand=demand,
            authority=authority,
            settings=settings,
            metrics=metrics,
            control=control,
            late=LateAcknowledgements(registry, alerts, metrics, wall_ms),
            clock=clock,
            wall_ms=wall_ms,
        )
        self._lane = lane
        self._watchers: set[Watcher] = set()

    def __len__(self) -> int:
        return len(self._watchers)

    async def __call__(self, websocket: WebSocket) -> None:
        parts = self._parts
        greeting = Greeting(websocket, WATCH_CODECS, parts.authority, parts.settings, parts.metrics)
        try:
            hello, principal = await greeting.receive(WatchHello, _ROLES)
            self._check_room(principal)
        except WebSocketDisconnect:
            return
        except FatalProtocolError as problem:
            note_refused_hello(parts.registry, greeting, problem, "/v1/watch")
            await greeting.refuse(problem)
            return
        async with asyncio.TaskGroup() as group:
            served: list[tuple[Watcher, asyncio.Task[None]]] = []

            def watch(peer: Peer) -> Watcher:
                watcher = Watcher(peer, greeting.codec, hello, principal, parts)
                served.append((watcher, group.create_task(watcher.run())))
                self._watchers.add(watcher)
                return watcher

            try:
                await take_over(websocket, watch, self._lane)
            finally:
                for watcher, task in served:
                    self._watchers.discard(watcher)
                    task.cancel()

    def _check_room(self, principal: Principal) -> None:
        """Raises FatalProtocolError for a therapist with too many consoles; a back end is no person, and is trusted."""
        most = self._parts.settings.max_consoles_per_user
        if not most or principal.role is not Role.THERAPIST:
            return
        if sum(1 for watcher in self._watchers if watcher.sub == principal.sub) >= most:
            self._parts.metrics.refused(Refusal.USER)
            why = "you have as many consoles open as one may have: close one"
            raise FatalProtocolError(ErrorCode.OVERLOADED, why, CloseCode.OVERLOADED)

    def forget(self, session_ids: Collection[str]) -> None:
        """These sessions were erased."""
        self._parts.late.forget(session_ids)

    def drain(self, time_left_ms: int) -> None:
        """The worker stops: every console is told, and closed with 1012."""
        for watcher in tuple(self._watchers):
            watcher.say_goodbye("the service restarts", time_left_ms)
