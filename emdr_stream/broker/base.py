"""Contract of the broker: live notices, the alert log, session snapshots under a fencing token, and who is there.

What goes in and out is bytes that the wire package made; the broker never looks into them.
Implementations: `memory.py` (fast tests) and `redis.py`; both pass `tests/contract/test_broker.py`.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
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


ALERT_BLOCK: Final = 1_000
"""Who takes a session over counts its alerts on from the next multiple of this, plus one. The former owner may have
raised some that nobody has heard of yet: a number used twice would hide one of the two."""


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """One step of an alert's life. (`session_id`, `alert_seq`) is unique; an owner counts without a gap, the first from
    1, each later one from the beginning of a block of its own (ALERT_BLOCK)."""

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
    """What is kept of a session. Whether its owner lives is told by `Broker.beat`."""

    epoch: int
    owner: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Roll:
    """Who is there. `known`: the caller's own lease had not run out before this beat."""

    living: frozenset[str]
    known: bool


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
    def instance(self) -> str:
        """The worker's own name, to which letters come."""

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

    async def alerts_since(
        self, ts_ms: int, users: Collection[str] | None = None, most: int | None = None
    ) -> list[AlertEntry]:
        """Entries that were raised or arrived at `ts_ms` or later, in order of (session_id, alert_seq).

        Of these users (None: everybody's), and of many the newest `most`.
        """

    async def tail_alerts(self, after: str | None, wait_ms: int) -> AlertPage:
        """Entries appended after position `after`, waiting up to `wait_ms` for the first; None asks for the end."""

    # snapshots ----------------------------------------------------------------------------------------------------
    async def claim(self, session_id: str, owner: str, at_least: int = 0, only_at: int | None = None) -> int:
        """Become the owner: the epoch grows by one (from 0) and is returned. Any earlier owner is fenced out.

        `at_least`: an epoch known from elsewhere (the client's, the store's); the new one is above it even after a
        loss of the broker's data. `only_at`: the epoch that was read; when it has grown since, FencedOut is raised and
        nothing is claimed.
        """

    async def put_snapshot(self, session_id: str, owner: str, epoch: int, payload: bytes, ttl_ms: int) -> None:
        """Store atomically if `epoch` is still the newest, otherwise raise FencedOut and write nothing."""

    async def get_snapshot(self, session_id: str) -> StoredSnapshot | None: ...

    async def forget(self, user: str, session_ids: Collection[str]) -> int:
        """Delete what is kept of these sessions, and the user's entries of the alert log; gives how many went."""

    async def compact(self) -> None:
        """Have the server write its file anew, without what was deleted; no promise where it cannot be asked."""

    # workers ------------------------------------------------------------------------------------------------------
    async def beat(self, owner: str, lease_ms: int, took: Collection[str] = (), let_go: Collection[str] = ()) -> Roll:
        """The worker `owner` lives, for `lease_ms` more on the broker's clock, and has taken and let go these sessions.

        A lease of 0 ends it at once: what it still has are orphans from now on.
        """

    async def orphans(self, heir: str, most: int) -> list[str]:
        """Sessions of workers whose lease has run out, `most` at most. They count as the heir's, so nobody else gets
        them; should it die too, they are orphans again."""

    async def owned(self, owner: str) -> frozenset[str]:
        """What counts as the worker's. More than it knows of: an answer of `orphans` was lost on its way."""

    def receive(self, letters: Callable[[bytes], None]) -> None:
        """Have letters to this worker delivered to `letters` from now on."""

    async def post(self, owner: str, letter: bytes) -> bool:
        """Send a letter to a worker; False when nobody there listens. May be lost all the same, or come twice."""
