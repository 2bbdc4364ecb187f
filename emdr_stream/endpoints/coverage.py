"""Subscribe and unsubscribe wishes in, the sessions that a console follows out: values, without I/O or time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from emdr_stream.broker.base import EVERYBODY

ALL_SESSIONS: Final = "*"
"""In `subscribe` and `unsubscribe`: every session that the token allows, also those yet to open."""
MOST_LEFT_OUT: Final = 10_000
"""Sessions that one console may leave out of all: any id can be named, and each is kept."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One session that was named: whose it is, and how many live states a second are wished."""

    user: str
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which sessions a console follows. `clients`: the users that its token allows, "*" for everybody.

    `all_rate_hz`: the rate for every session of these users, None when only the named ones are followed.
    `left_out`: sessions that were unsubscribed from while all are followed.
    """

    clients: frozenset[str]
    all_rate_hz: int | None = None
    named: Mapping[str, Followed] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    def may_see(self, user: str) -> bool:
        return user in self.clients or EVERYBODY in self.clients

    def covers(self, session_id: str, user: str) -> bool:
        """Whether what happens in this session of this user is the console's to be told."""
        if not self.may_see(user):
            return False
        return session_id in self.named or (self.all_rate_hz is not None and session_id not in self.left_out)

    def rate_hz(self, session_id: str) -> int:
        """The wished rate of a covered session; that of its own name before that of all."""
        followed = self.named.get(session_id)
        return followed.rate_hz if followed is not None else self.all_rate_hz or 1

    @property
    def users(self) -> frozenset[str]:
        """The users whose live notices are needed."""
        if self.all_rate_hz is not None:
            return self.clients
        return frozenset(followed.user for followed in self.named.values())

    @property
    def highest_rate_hz(self) -> int:
        return max((self.all_rate_hz or 1, *(followed.rate_hz for followed in self.named.values())))

    def with_all(self, rate_hz: int) -> "Coverage":
        """Everything, at one rate: earlier wishes are replaced."""
        return Coverage(self.clients, rate_hz)

    def with_sessions(self, users: Mapping[str, str], rate_hz: int) -> "Coverage":
        """These sessions too; `users` tells whose each is."""
        added = {session_id: Followed(user, rate_hz) for session_id, user in users.items()}
        return replace(self, named={**self.named, **added}, left_out=self.left_out - added.keys())

    def without(self, session_ids: Iterable[str]) -> "Coverage":
        """The same without these sessions; "*" ends everything."""
        gone = frozenset(session_ids)
        if ALL_SESSIONS in gone:
            return Coverage(self.clients)
        named = {session_id: followed for session_id, followed in self.named.items() if session_id not in gone}
        left_out = self.left_out | gone if self.all_rate_hz is not None else frozenset()
        return replace(self, named=named, left_out=left_out)

    def for_clients(self, clients: frozenset[str]) -> "Coverage":
        """The same under a renewed token: named sessions of users that it no longer allows are dropped."""
        allowed = Coverage(clients)
        named = {session_id: followed for session_id, followed in self.named.items() if allowed.may_see(followed.user)}
        return replace(self, clients=clients, named=named)
