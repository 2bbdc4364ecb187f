"""Contract of the broker: live notices, the alert log, and session snapshots under a lease with a fencing token.

What goes in and out is bytes that the wire package made; the broker never looks into them.
Implementations: `memory.py` (fast tests) and `redis.py`; both pass `tests/contract/test_broker.py`.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

EVERYBODY: Final = "*"
"""As a user to watch: all users."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A live message about one session of one user; lossy.

    `kind`: where it is given, a newer notice of the same session and kind replaces an older one that still waits;
    without it every notice is kept until a buffer is full. Kind and ids hold no newline.
    """

    session_id: str
    user: str
    payload: bytes
    kind: str = ""


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """One step of an alert's life. (`session_id`, `alert_seq`) is unique and contiguous per session, from 1."""

    session_id: str
    user: str
    alert_seq: int
    epoch: int
    ts_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class AlertPage:
    """A piece of the alert log and the position after it, from which the next piece is asked."""

    position: str
    entries: Sequence[AlertEntry]


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """`lease_left_ms`: how long the owner's lease still runs; 0 when it has run out."""

    epoch: int
    owner: str
    payload: bytes
    lease_left_ms: int = field(default=0, compare=False)


class Subscription(Protocol):
    """Live notices of the users asked for. Iterating ends when closed."""

    async def watch(self, users: Collection[str]) -> None:
        """Replace the set of users whose notices arrive; {"*"} means everybody."""

    def __aiter__(self) -> AsyncIterator[Notice]: ...

    async def aclose(self) -> None: ...


class Broker(Protocol):
    """All methods may raise StoreUnavailable within `timeout` (0.25 s by default), never later.

    `publish` does not wait and does not raise: it buffers (bounded, latest wins per session and kind), sends in
    pipelines and counts what it drops. A published notice reaches each live subscription at most once.
    """

    @property
    def dropped(self) -> int:
        """Notices that other workers did not get: the buffer was full, or the server away."""

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the broker answers and takes writes."""

    # live notices -------------------------------------------------------------------------------------------------
    def publish(self, notice: Notice) -> None: ...

    async def subscribe(self, users: Collection[str]) -> Subscription: ...

    # alert log ----------------------------------------------------------------------------------------------------
    async def append_alert(self, entry: AlertEntry) -> None:
        """Append durably; the same (session_id, alert_seq) twice is one entry for readers."""

    async def alerts_since(self, ts_ms: int) -> list[AlertEntry]:
        """Entries that were raised or arrived at `ts_ms` or later, in order of (session_id, alert_seq)."""

    async def tail_alerts(self, after: str | None, wait_ms: int) -> AlertPage:
        """Entries appended after position `after`, waiting up to `wait_ms` for the first; None asks for the end."""

    # snapshots ----------------------------------------------------------------------------------------------------
    async def claim(self, session_id: str, owner: str, lease_ms: int, at_least: int = 0) -> int:
        """Become the owner: the epoch grows by one (from 0) and is returned. Any earlier owner is fenced out.

        `at_least`: an epoch known from elsewhere (the client's, the store's); the new one is above it even after a
        loss of the broker's data.
        """

    async def renew(self, session_id: str, owner: str, epoch: int, lease_ms: int) -> None:
        """Prolong the lease; raises FencedOut when the session has a newer epoch."""

    async def put_snapshot(self, session_id: str, owner: str, epoch: int, payload: bytes, ttl_ms: int) -> None:
        """Store atomically if `epoch` is still the newest, otherwise raise FencedOut and write nothing."""

    async def get_snapshot(self, session_id: str) -> StoredSnapshot | None: ...
