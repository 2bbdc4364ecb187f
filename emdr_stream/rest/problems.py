"""What went wrong goes in, the one form in which a REST client is told of it comes out: problem details (RFC 9457)."""

from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from emdr_stream.errors import EmdrError, ErrorCode, ProtocolError

MEDIA: Final = "application/problem+json"
_TYPE: Final = "urn:emdr-stream:problem:{code}"
_SOON_S: Final = 1
_AWAY_S: Final = 2
"""When to come back: a worker that died is replaced in seconds, and so long does a store take to come back at best."""


class ProblemCode(StrEnum):
    """The stable name of a problem; what also happens on the sockets has the same name there."""

    BAD_MESSAGE = "bad_message"
    UNAUTHORIZED = "unauthorized"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a protocol word, no secret
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    TOO_SLOW = "too_slow"
    SESSION_OVER = "session_over"
    CONFLICT = "conflict"
    IN_PROGRESS = "in_progress"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_FIELD = "invalid_field"
    KEY_REUSED = "key_reused"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    BUSY = "busy"


class Meaning(msgspec.Struct, frozen=True):
    """The HTTP status of a code, its title, and after how many seconds the same request may succeed."""

    status: int
    title: str
    retry_after_s: int | None = None


MEANINGS: Final[dict[ProblemCode, Meaning]] = {
    ProblemCode.BAD_MESSAGE: Meaning(400, "the body is not JSON, or is no object"),
    ProblemCode.UNAUTHORIZED: Meaning(401, "a token is needed, and this is none of ours"),
    ProblemCode.TOKEN_EXPIRED: Meaning(401, "the token has expired"),
    ProblemCode.FORBIDDEN: Meaning(403, "this role may not do that"),
    ProblemCode.NOT_FOUND: Meaning(404, "there is no such thing among those of your clients"),
    ProblemCode.METHOD_NOT_ALLOWED: Meaning(405, "this method does nothing here"),
    ProblemCode.NOT_ACCEPTABLE: Meaning(406, "the answer has none of the types that are accepted"),
    ProblemCode.TOO_SLOW: Meaning(408, "the body did not come in time"),
    ProblemCode.SESSION_OVER: Meaning(409, "the session has ended"),
    ProblemCode.CONFLICT: Meaning(409, "not as things stand now"),
    ProblemCode.IN_PROGRESS: Meaning(409, "the first request with this key is still being answered", _SOON_S),
    ProblemCode.TOO_LARGE: Meaning(413, "the body is larger than the limit"),
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: Meaning(415, "the body is of another type than is read here"),
    ProblemCode.INVALID_FIELD: Meaning(422, "a field is missing, of the wrong kind or out of range"),
    ProblemCode.KEY_REUSED: Meaning(422, "this idempotency key belongs to another request"),
    ProblemCode.RATE_LIMITED: Meaning(429, "too many requests a second", _SOON_S),
    ProblemCode.INTERNAL: Meaning(500, "our fault"),
    ProblemCode.UNAVAILABLE: Meaning(503, "a store or a worker does not answer now", _AWAY_S),
    ProblemCode.BUSY: Meaning(503, "too much of this is under way", _AWAY_S),
}


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong (RFC 9457). `code` is stable, `detail` is for people; `field` names the place in the request.

    `retry_after_s`: when the same request may succeed, as in the header `Retry-After`; absent where it will not.
    """

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    field: str | UnsetType = UNSET
    retry_after_s: int | UnsetType = UNSET


class Problem(EmdrError):
    """A request that cannot be done. `field` names the place in it; `headers` go out with the answer."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.headers = headers or {}

    @property
    def status(self) -> int:
        return MEANINGS[self.code].status

    def details(self) -> ProblemDetails:
        """The body of the answer."""
        meaning = MEANINGS[self.code]
        optional: dict[str, Any] = {} if self.field is None else {"field": self.field}
        if meaning.retry_after_s is not None:
            optional["retry_after_s"] = meaning.retry_after_s
        return ProblemDetails(
            type=_TYPE.format(code=self.code.value),
            title=meaning.title,
            status=meaning.status,
            detail=self.detail,
            code=self.code,
            **optional,
        )

    def all_headers(self) -> dict[str, str]:
        """The headers of the answer: when to come back, how to prove who one is."""
        told = {"content-type": MEDIA, "cache-control": "no-store", **self.headers}
        meaning = MEANINGS[self.code]
        if meaning.retry_after_s is not None:
            told["retry-after"] = str(meaning.retry_after_s)
        if meaning.status == 401:
            told["www-authenticate"] = "Bearer"
        return told


_OF_THE_SOCKETS: Final[dict[ErrorCode, ProblemCode]] = {
    ErrorCode.BAD_MESSAGE: ProblemCode.BAD_MESSAGE,
    ErrorCode.UNKNOWN_TYPE: ProblemCode.INVALID_FIELD,
    ErrorCode.INVALID_FIELD: ProblemCode.INVALID_FIELD,
    ErrorCode.TOO_LARGE: ProblemCode.TOO_LARGE,
    ErrorCode.RATE_LIMITED: ProblemCode.RATE_LIMITED,
    ErrorCode.UNAUTHORIZED: ProblemCode.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: ProblemCode.FORBIDDEN,
    ErrorCode.TOKEN_EXPIRED: ProblemCode.TOKEN_EXPIRED,
    ErrorCode.UNKNOWN_SESSION: ProblemCode.NOT_FOUND,
    ErrorCode.SESSION_OVER: ProblemCode.SESSION_OVER,
    ErrorCode.RESUME_DENIED: ProblemCode.CONFLICT,
    ErrorCode.PAUSED: ProblemCode.CONFLICT,
    ErrorCode.NOT_READY: ProblemCode.CONFLICT,
    ErrorCode.SOURCE_UNAVAILABLE: ProblemCode.CONFLICT,
    ErrorCode.IMAGE_REJECTED: ProblemCode.INVALID_FIELD,
    ErrorCode.OVERLOADED: ProblemCode.BUSY,
    # On the sockets `internal` says of a session that it cannot be reached now: ask again.
    ErrorCode.INTERNAL: ProblemCode.UNAVAILABLE,
}


def of_protocol(refused: ProtocolError, within: str = "") -> Problem:
    """The same refusal as a REST client is told it. `within`: where in the body the refused message lies."""
    place = ".".join(filter(None, (within, refused.param)))
    return Problem(_OF_THE_SOCKETS[refused.code], refused.message, field=place or None)


def not_found(what: str, field: str | None = None) -> Problem:
    """The answer to what does not exist, and to what is none of theirs: which of the two is not told."""
    return Problem(ProblemCode.NOT_FOUND, f"no {what} of your clients has this id", field=field)


def refuse(detail: str, field: str) -> Problem:
    """A field of the request that cannot be as it is."""
    return Problem(ProblemCode.INVALID_FIELD, detail, field=field)
