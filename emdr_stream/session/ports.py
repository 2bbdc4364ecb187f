"""What a session needs of its surroundings: a socket to write to, and places for what must be told and kept."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Protocol

from emdr_stream.broker.base import AlertEntry, Notice
from emdr_stream.pipeline.classify import Predictor
from emdr_stream.session.demand import Demand
from emdr_stream.session.effects import Effect
from emdr_stream.session.standing import Standing
from emdr_stream.session.wheel import Timer
from emdr_stream.settings import SessionSettings, SocketSettings
from emdr_stream.store.base import Record
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.orders import Order
from emdr_stream.wire.stream import ErrorMessage, Heard, Result, Skipped

STATE_NOTICE: Final = "state"
"""Kind of the notices that carry a StateMessage: only the newest one of a session is worth keeping."""


class Socket(Protocol):
    """The client's side of the connection. Nothing here waits."""

    def send(self, data: bytes | str) -> None:
        """Send at once, behind what was posted."""

    def post(self, data: bytes | str) -> None:
        """Send by the end of the loop's turn, with what others post meanwhile: for what may wait for them."""

    def close(self, code: int, reason: str = "") -> None: ...

    @property
    def buffered_bytes(self) -> int: ...


class Frames(Protocol):
    """Where the socket's pictures are looked at: each has one answer, and the next one waits for it."""

    def timed(self, result: Result) -> Result:
        """The result with the times of its picture."""

    def answered(self, answer: Result | Skipped | ErrorMessage) -> None:
        """This has been sent: a picture's answer, or an error of another message."""


class Announcer(Protocol):
    """Live notices to watchers; lossy."""

    def publish(self, notice: Notice) -> None: ...


class AlertSink(Protocol):
    """Alerts that must reach every watcher and the records."""

    def append(self, entry: AlertEntry) -> None: ...

    def steps_after(self, session_id: str, alert_seq: int) -> list[AlertEntry]:
        """What is known here of the session's alerts after this number, in order."""

    def sessions_of(self, user: str) -> frozenset[str]:
        """The user's sessions of which alerts are known here."""

    def forget(self, session_ids: Collection[str]) -> None:
        """These sessions were erased."""

    async def inherit(self) -> None:
        """Take over what dead workers of this machine had raised and not brought to the stores."""


class RecordSink(Protocol):
    """Records, written behind."""

    def offer(self, record: Record) -> None: ...


class SessionRecord(Protocol):
    """A session's recording, when recording is on (protocol, section 4)."""

    def message(self, at_ms: int, message: Heard) -> None: ...

    def command(self, at_ms: int, command: Order, by: str) -> None: ...

    def acknowledge(self, at_ms: int, alert_id: str, by: str, note: str | None) -> None: ...

    def event(self, at_ms: int, name: str, **fields: Any) -> None: ...

    def effects(self, at_ms: int, effects: Sequence[Effect]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sessions of a worker share. `clock`: monotonic seconds; `wall_ms`: milliseconds since the Unix epoch."""

    session: SessionSettings
    socket: SocketSettings
    predictor: Predictor
    announcer: Announcer
    alerts: AlertSink
    records: RecordSink
    metrics: Metrics
    demand: Demand
    clock: Callable[[], float]
    wall_ms: Callable[[], int]
    call_later: Callable[[float, Callable[[], None]], Timer]
    standing: Standing = field(default_factory=lambda: Standing(inf))
    """Whether the worker may act, or must first ask whether its sessions are still its own. By default it may."""
    stores_away: set[str] = field(default_factory=set)
    """Names of the stores that do not answer now; the registry keeps it."""
