"""What every console of a worker is made with: parts of the service in, one value out."""

from collections.abc import Callable
from dataclasses import dataclass

from emdr_stream.alerts.log import AlertLog
from emdr_stream.broker.base import Broker
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.endpoints.late_ack import LateAcknowledgements
from emdr_stream.session.demand import Demand
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.settings import ControlSettings, SocketSettings
from emdr_stream.store.base import Store
from emdr_stream.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """`clock` in seconds, monotonic; `wall_ms` milliseconds since the Unix epoch."""

    registry: SessionRegistry
    alerts: AlertLog
    broker: Broker
    demand: Demand
    authority: TokenAuthority
    settings: SocketSettings
    metrics: Metrics
    control: ControlSettings
    late: LateAcknowledgements
    store: Store
    clock: Callable[[], float]
    wall_ms: Callable[[], int]
