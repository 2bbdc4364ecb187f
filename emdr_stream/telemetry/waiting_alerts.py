"""Steps of alerts and looks at the store in, how long the oldest alert has waited for a person out, for `/metrics`.

Alerts of three kinds of sessions: those that live in this worker, those that ended in it and that the store was not
asked about since, and whatever the store has. So an alert waits on when its session is over, lived in another worker
or was there before a restart. Of the store's, it counts how old they were when it was asked: since then somebody may
have acknowledged one in another worker.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from emdr_stream.domain import AlertState, Severity
from emdr_stream.telemetry.instruments import Level
from emdr_stream.wire.values import AlertBody

WATCHED: Final = (Severity.HIGH, Severity.CRITICAL)
"""Others name no time by which somebody must have seen them, and never escalate."""
UNSEEN: Final = (AlertState.RAISED, AlertState.ESCALATED)
_STORED_WITHIN_MS: Final = 30_000
"""An alert is in a store that answers by then, as long as it waits."""


class Waiting(NamedTuple):
    """An alert that nobody has acknowledged. `raised_ts`: wall clock, ms."""

    severity: Severity
    raised_ts: int


class WaitingAlerts(Collector):
    """One worker's; use from the event loop's thread only."""

    def __init__(self, registry: CollectorRegistry, wall_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._oldest = Level(
            "emdr_alerts_oldest_unacknowledged_seconds",
            "How long the oldest alert that nobody has acknowledged waits, sessions that are over included; else 0.",
            ("severity",),
            WATCHED,
        )
        self._here: dict[str, Waiting] = {}
        self._left: dict[str, tuple[Waiting, int]] = {}
        """With the time at which the session was let go."""
        self._stored: dict[str, Waiting] = {}
        self._asked_ms = 0
        registry.register(self)

    def see(self, body: AlertBody) -> None:
        """A step of an alert whose session lives here."""
        if body.state in UNSEEN and body.severity in WATCHED:
            self._here[body.alert_id] = Waiting(body.severity, body.raised_ts)
        else:
            self.acknowledged(body.alert_id)

    def acknowledged(self, alert_id: str) -> None:
        """Somebody has seen it, whichever session it is of."""
        self._here.pop(alert_id, None)
        self._left.pop(alert_id, None)
        self._stored.pop(alert_id, None)

    def let_go(self, alert_ids: Iterable[str], *, over: bool) -> None:
        """Their session does no longer live here. `over`: it lives nowhere, and they wait on."""
        now = self._wall_ms()
        for alert_id in alert_ids:
            waiting = self._here.pop(alert_id, None)
            if over and waiting is not None:
                self._left[alert_id] = waiting, now

    def looked(self, found: Mapping[str, Waiting], asked_ms: int) -> None:
        """The store was asked at `asked_ms`, and these wait."""
        self._stored, self._asked_ms = dict(found), asked_ms
        self._left = {
            alert_id: (waiting, since_ms)
            for alert_id, (waiting, since_ms) in self._left.items()
            if alert_id not in found and asked_ms - since_ms < _STORED_WITHIN_MS
        }

    def collect(self) -> Iterator[Metric]:
        now = self._wall_ms()
        known = [(waiting, now) for waiting in (*self._here.values(), *(left for left, _ in self._left.values()))]
        known += [(waiting, self._asked_ms) for waiting in self._stored.values()]
        for severity in WATCHED:
            ages = (at_ms - waiting.raised_ts for waiting, at_ms in known if waiting.severity is severity)
            self._oldest.put(max(0, max(ages, default=0)) / 1_000, severity)
        yield self._oldest.family()

    def describe(self) -> Iterator[Metric]:
        yield self._oldest.family()
