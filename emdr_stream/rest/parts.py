"""What every REST route is made with: parts of the service in, one value out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from emdr_stream.broker.base import Broker
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.rest.analysis import Analyst
from emdr_stream.rest.export_desk import ExportDesk
from emdr_stream.rest.forecasts import Forecasts
from emdr_stream.rest.idempotency import KeptAnswers
from emdr_stream.rest.personalizer import Personalizer
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.settings import ServiceSettings
from emdr_stream.store.archive import Archive
from emdr_stream.store.base import SessionPast
from emdr_stream.store.connections import TimedConnection
from emdr_stream.telemetry.metrics import Metrics

Result = TypeVar("Result")


class Records(Protocol):
    """What is asked of the records in PostgreSQL; every call raises StoreUnavailable within its time, never later."""

    async def ask(
        self, question: Callable[[TimedConnection], Awaitable[Result]], budget_s: float | None = None
    ) -> Result:
        """What a question of another module says. `budget_s`: its time, by default the store's own."""

    async def past(self, session_id: str, seconds_since_ms: int, most: int) -> SessionPast: ...


@dataclass(frozen=True, slots=True)
class RestParts:
    """`clock` in seconds, monotonic; `wall_ms` milliseconds since the Unix epoch."""

    registry: SessionRegistry
    broker: Broker
    records: Records
    archive: Archive
    answers: KeptAnswers
    analyst: Analyst
    forecasts: Forecasts
    personalizer: Personalizer
    authority: TokenAuthority
    metrics: Metrics
    settings: ServiceSettings
    clock: Callable[[], float]
    wall_ms: Callable[[], int]
    exports: ExportDesk = field(default_factory=ExportDesk)
