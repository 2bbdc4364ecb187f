"""What happened in a run, in order: said and heard by clients and consoles, the faults, and what the stores kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

RESTLESS: Final = frozenset({"sample", "result", "state", "heartbeat", "received", "ping", "pong", "done"})
"""Types that come all the time and that no check asks for."""

Key = tuple[str, int, int]
"""Session, number and time of a step, which make its cursor: two steps of one number are two keys."""


@dataclass(frozen=True, slots=True)
class Event:
    """`who` did `what` (`sent`, `heard`, `opened`, `lost`, `left`) about a session; times are monotonic seconds."""

    at_s: float
    who: str
    what: str
    session_id: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> str:
        return str(self.data.get("type", ""))


@dataclass(frozen=True, slots=True)
class Fault:
    """Something was broken from `start_s` to `end_s`.

    `sudden`: a worker was killed or stopped, so that what it had told nobody yet is unknown to whoever goes on.
    `console`: only this watcher was concerned.
    """

    kind: str
    target: str
    start_s: float
    end_s: float
    sudden: bool = False
    console: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step in the life of an alert as a store kept it."""

    session_id: str
    alert_seq: int
    alert_id: str
    state: str
    epoch: int = 1
    ts_ms: int = 0
    severity: str = "medium"
    raised_ts: int = 0
    ack_deadline_ts: int | None = None

    @property
    def key(self) -> Key:
        return self.session_id, self.alert_seq, self.ts_ms


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert step that a watcher was told, for the first time."""

    at_s: float
    who: str
    session_id: str
    alert_seq: int
    ts_ms: int
    alert_id: str
    state: str

    @property
    def key(self) -> Key:
        return self.session_id, self.alert_seq, self.ts_ms


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept; `session_id` names whose history shows it."""

    kind: str
    session_id: str
    text: str


@dataclass(slots=True)
class History:
    """One run. `watchers` follow everybody from the first moment to the last."""

    watchers: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    table: list[Step] = field(default_factory=list)
    stream: list[Step] = field(default_factory=list)
    ended_s: float = 0.0

    def add(self, at_s: float, who: str, what: str, session_id: str, data: Mapping[str, Any]) -> None:
        self.events.append(Event(at_s, who, what, session_id, data))

    def of_session(self, session_id: str) -> Iterator[Event]:
        return (event for event in self.events if event.session_id == session_id)

    def sessions(self) -> list[str]:
        """Every session that a client opened, in order."""
        return list(dict.fromkeys(event.session_id for event in self.events if event.what == "opened"))

    def steps(self) -> dict[Key, Step]:
        """What either store kept."""
        return {step.key: step for step in (*self.stream, *self.table)}

    def deliveries(self) -> list[Delivery]:
        """First deliveries to each watcher, in the order in which they came; repeats (by cursor) are left out."""
        told: dict[tuple[str, str], Delivery] = {}
        for event in self.events:
            if event.what == "heard" and event.type == "alert" and event.who in self.watchers:
                cursor = str(event.data["cursor"])
                told.setdefault((event.who, cursor), _delivery(event, cursor))
        return list(told.values())

    def made_s(self, ts_ms: int) -> float:
        """When a step of this wall clock's time was made: most of them are told within milliseconds."""
        apart = [delivery.at_s - delivery.ts_ms / 1_000 for delivery in self.deliveries()]
        return ts_ms / 1_000 + (median(apart) if apart else 0.0)

    def cut_off_within(self, start_s: float, seconds: float) -> bool:
        """Whether a worker was killed or stopped within `seconds` from `start_s`: it may not have told anybody."""
        return any(fault.sudden and start_s <= fault.start_s <= start_s + seconds for fault in self.faults)


def key_of(cursor: str) -> Key:
    """Opaque to clients; what a cursor is made of is decided in docs/decisions/0007-cursor.md."""
    ts_ms, _, rest = cursor.partition(".")
    session_id, _, number = rest.rpartition(".")
    return session_id, int(number), int(ts_ms)


def _delivery(event: Event, cursor: str) -> Delivery:
    _, number, ts_ms = key_of(cursor)
    return Delivery(event.at_s, event.who, event.session_id, number, ts_ms, event.data["alert_id"], event.data["state"])
