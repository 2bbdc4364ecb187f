"""What a route is: its declaration in, everything that routes, checks, documentation and tests need of it out.

A route is one function and one `Operation`. The routes (`server.py`), the OpenAPI document (`openapi.py`), the
table of `docs/rest.md` (`tables.py`) and the test of who may do what are all made from the declarations.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import Principal
from emdr_stream.endpoints.trail import note_refusal
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.rest.parts import RestParts
from emdr_stream.rest.problems import Problem, ProblemCode, not_found
from emdr_stream.wire.values import Name

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

EVERYBODY: Final = frozenset(Role)
THERAPIST_AND_SERVICE: Final = frozenset({Role.THERAPIST, Role.SERVICE})
SERVICE: Final = frozenset({Role.SERVICE})

PATH_TYPES: Final[Mapping[str, Any]] = {"session_id": Name, "user": Name}
"""What may stand in a path between braces, and of what type it is."""
BODY_BYTES: Final = 262_144
"""As much as one message of a socket: it is decoded at once, on the loop."""

B = TypeVar("B")
Q = TypeVar("Q")
Method = Literal["GET", "POST", "DELETE"]


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common form of bodies and query parameters: what is not known is refused, and not passed over."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Common form of answers."""


class NoQuery(Asked, frozen=True, kw_only=True):
    """For operations without parameters."""


@dataclass(frozen=True, slots=True)
class Lines:
    """An answer that is streamed: pieces of the body as they are made. Once begun, it cannot become a problem."""

    pieces: AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One request that was checked: who asks, and for what. `path`: the values between the braces, of PATH_TYPES."""

    parts: RestParts
    principal: Principal
    operation: str
    path: Mapping[str, str]
    query: Q
    body: B

    def check_user(self, user: str) -> str:
        """The user, if they are one of the caller's. Raises Problem(not_found), and writes it down."""
        if not self.principal.may_see(user):
            self._note(named=user)
            raise not_found("client", "user")
        return user

    def refused_session(self, session_id: str) -> Problem:
        """The answer to a session that does not exist, or is none of theirs; it is written down."""
        self._note(session_id=session_id)
        return not_found("session", "session_id")

    def _note(self, **about: str) -> None:
        refused = ProtocolError(ErrorCode.UNKNOWN_SESSION, "")
        note_refusal(self.parts.registry, self.principal, self.operation, refused, **about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route.

    Args:
        name: Its `operationId`; `group` is the part before the dot.
        path: With PATH_TYPES in braces.
        roles: Who may ask at all; of whom, the handler asks `Call.check_user`.
        handle: Does it; gives a value of `answer`, or `Lines`. Raises Problem, ProtocolError or StoreUnavailable.
        body: What is read of the body, None where there is none.
        query: The query parameters, one a field.
        acts: It changes something: an `Idempotency-Key` is taken.
        problems: Which may come besides those that every route has.
        media: Of the answer; `takes` of the body.
        answers_with: Of a streamed answer, what each line is.
    """

    name: str
    method: Method
    path: str
    summary: str
    roles: frozenset[Role]
    handle: Callable[[Call[Any, Any]], Awaitable[Any]]
    answer: Any = None
    body: Any = None
    query: type[Asked] = NoQuery
    acts: bool = False
    problems: frozenset[ProblemCode] = frozenset()
    media: tuple[str, ...] = (JSON,)
    takes: str = JSON
    body_bytes: int = BODY_BYTES
    answers_with: str = ""

    @property
    def group(self) -> str:
        return self.name.split(".", 1)[0]

    @property
    def path_names(self) -> tuple[str, ...]:
        """The names between the braces, in order."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def all_problems(self) -> frozenset[ProblemCode]:
        """Every problem that this route may answer with, but for those of a wrong address or method."""
        found = {ProblemCode.UNAUTHORIZED, ProblemCode.TOKEN_EXPIRED, ProblemCode.FORBIDDEN}
        found |= {ProblemCode.NOT_ACCEPTABLE, ProblemCode.RATE_LIMITED, ProblemCode.UNAVAILABLE}
        # A query may always hold what is not known.
        found |= {ProblemCode.INVALID_FIELD, *self.problems}
        if self.path_names:
            found.add(ProblemCode.NOT_FOUND)
        if self.body is not None:
            found |= _OF_BODIES
        if self.acts:
            found |= {ProblemCode.IN_PROGRESS, ProblemCode.KEY_REUSED}
        return frozenset(found)


_OF_BODIES: Final = frozenset(
    {
        ProblemCode.BAD_MESSAGE,
        ProblemCode.TOO_SLOW,
        ProblemCode.TOO_LARGE,
        ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    }
)
