"""The REST door on its own: real tokens, real metrics, answers kept in memory, and operations of the test's own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from prometheus_client.registry import CollectorRegistry
from starlette.testclient import TestClient

from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.rest.idempotency import MemoryAnswers
from emdr_stream.rest.operation import Operation
from emdr_stream.rest.parts import RestParts
from emdr_stream.rest.server import rest_app
from emdr_stream.settings import RestSettings, ServerSettings, ServiceSettings, StoreSettings, TokenSettings
from emdr_stream.telemetry.metrics import Metrics

KEY = b"a key for tests of the REST door, long"
NOW = 4_000_000_000


@dataclass
class Notebook:
    """Stands for the registry: no session lives here, and what is written down is kept."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def get(self, session_id: str) -> None:
        return None

    def audit(self, fields: dict[str, Any], **about: Any) -> None:
        self.rows.append({**fields, **about})


class World:
    """A door with operations behind it. `now`: its clock, in seconds."""

    def __init__(
        self,
        operations: Sequence[Operation],
        rate_hz: int = 1_000,
        answers: MemoryAnswers | None = None,
        records: Any = None,
        archive: Any = None,
    ) -> None:
        self.now = 0.0
        self.notebook = Notebook()
        self.answers = answers or MemoryAnswers()
        self.metrics = Metrics(CollectorRegistry(), version="1")
        self.authority = TokenAuthority(TokenSettings(KEY))
        settings = ServiceSettings(
            ServerSettings(), StoreSettings(Path()), TokenSettings(KEY), rest=RestSettings(rate_hz=rate_hz)
        )
        nothing = cast("Any", None)
        self.parts = RestParts(
            registry=cast("Any", self.notebook),
            broker=nothing,
            records=records,
            archive=archive,
            answers=self.answers,
            analyst=nothing,
            forecasts=nothing,
            personalizer=nothing,
            authority=self.authority,
            metrics=self.metrics,
            settings=settings,
            clock=lambda: self.now,
            wall_ms=lambda: 0,
        )
        self.client = TestClient(rest_app(self.parts, operations))

    def token(self, role: Role = Role.THERAPIST, sub: str = "t-1", clients: tuple[str, ...] = ("u-1",)) -> str:
        return self.authority.issue(role, sub, now=NOW, lifetime_s=3_600, clients=clients)

    def ask(self, method: str, path: str, *, token: str | None = "", **more: Any) -> Any:
        """`token`: "" for a therapist's, None for none."""
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token()}"
        return self.client.request(method, path, headers=headers, **more)
