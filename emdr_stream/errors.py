"""The project's errors and close codes; every failure that a peer or an operator can see has its place here.

EmdrError
├── ConfigurationError      the start is refused: a setting, a file or a binary is wrong; says how to mend it
│   └── ModelRefused        a model file that its manifest does not vouch for
├── StoreUnavailable        Redis or PostgreSQL did not answer in time
│   ├── WritesRefused       it answers and takes no writes: its memory or disk is full, or it is read-only
│   └── FencedOut           a stale owner tried to write: the session has a newer epoch
├── RecordRefused           a store will never take these rows as they are
├── RecordingError          a recording cannot be read (`recording/format.py`)
├── LabelsError             what truly happened cannot be read (`evaluation/labels.py`)
├── ModelFailed             a prediction could not be made
├── Problem                 a REST request that cannot be done (`rest/problems.py`)
└── ProtocolError           the peer's message cannot be taken; becomes an `error` message
    ├── ImageRejected       a picture that is damaged, too large or of another kind than allowed
    └── FatalProtocolError  the same, and the socket is closed with a CloseCode
"""

from enum import IntEnum, StrEnum
from typing import Final


class CloseCode(IntEnum):
    """WebSocket close codes of protocol.md, section 3. 4400-4449 ask the client to come back, 4500-4599 are final."""

    NORMAL = 1000
    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    ABNORMAL = 1006
    INVALID_PAYLOAD = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012
    OVERLOADED = 1013
    TOKEN_EXPIRED = 4401
    TOO_SLOW = 4408
    REPLACED = 4409
    RATE_LIMITED = 4429
    BAD_TOKEN = 4500
    UNSUPPORTED_VERSION = 4501
    FORBIDDEN = 4503
    SESSION_OVER = 4504
    HELLO_TIMEOUT = 4508


CLOSE_CODES: Final[dict[CloseCode, tuple[str, str]]] = {
    CloseCode.NORMAL: ("done", "nothing"),
    CloseCode.GOING_AWAY: ("done: the peer or the server went away", "nothing"),
    CloseCode.UNSUPPORTED_DATA: (
        "a text message where bytes were agreed, or the reverse",
        "fixes itself, does not retry",
    ),
    CloseCode.INVALID_PAYLOAD: ("too many malformed messages", "fixes itself, does not retry"),
    CloseCode.TOO_BIG: ("the message is larger than the limit", "fixes itself, does not retry"),
    CloseCode.POLICY: ("policy: this browser origin is not allowed", "does not retry"),
    CloseCode.INTERNAL: ("our fault; no detail", "reconnects, resumes"),
    CloseCode.RESTART: ("the service restarts", "reconnects after the hint, with jitter"),
    CloseCode.OVERLOADED: ("overloaded", "reconnects after the hint, with jitter"),
    CloseCode.TOKEN_EXPIRED: ("the token expired", "refreshes the token, resumes"),
    CloseCode.TOO_SLOW: ("the peer reads too slowly to be told everything", "resumes"),
    CloseCode.REPLACED: ("another socket took the session over", "does not retry"),
    CloseCode.RATE_LIMITED: ("too many messages", "waits, resumes"),
    CloseCode.BAD_TOKEN: ("the token is missing, malformed or not ours", "stops"),
    CloseCode.UNSUPPORTED_VERSION: ("no known subprotocol or version", "stops"),
    CloseCode.FORBIDDEN: ("the role or the session is not allowed here", "stops"),
    CloseCode.SESSION_OVER: ("the session has ended", "stops"),
    CloseCode.HELLO_TIMEOUT: ("no hello came in time", "stops"),
}
"""Every code that goes on the wire: what it means, what the client does. The documentation's table is made from it."""


class ErrorCode(StrEnum):
    """The `code` of an `error` message."""

    BAD_MESSAGE = "bad_message"
    UNKNOWN_TYPE = "unknown_type"
    INVALID_FIELD = "invalid_field"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a protocol word, no secret
    UNKNOWN_SESSION = "unknown_session"
    SESSION_OVER = "session_over"
    RESUME_DENIED = "resume_denied"
    PAUSED = "paused"
    NOT_READY = "not_ready"
    SOURCE_UNAVAILABLE = "source_unavailable"
    IMAGE_REJECTED = "image_rejected"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


RETRYABLE: Final = frozenset(
    {
        ErrorCode.RATE_LIMITED,
        ErrorCode.TOKEN_EXPIRED,
        ErrorCode.RESUME_DENIED,
        ErrorCode.PAUSED,
        ErrorCode.NOT_READY,
        ErrorCode.OVERLOADED,
        ErrorCode.INTERNAL,
    }
)
"""Codes after which the same message may succeed later."""


class EmdrError(Exception):
    """Root of the project's own errors."""


class ConfigurationError(EmdrError):
    """The service cannot start as configured; the message names the setting and the mend."""


class ModelRefused(ConfigurationError):
    """A model file is missing, altered or of a forbidden kind."""


class StoreUnavailable(EmdrError):
    """A store did not answer in time; the caller goes on without it and tells."""


class WritesRefused(StoreUnavailable):
    """The store answers and takes no writes; for who writes it is away."""


class FencedOut(StoreUnavailable):
    """The session belongs to a newer owner: this writer's epoch is stale and nothing was written."""


class RecordRefused(EmdrError):
    """The store will never take these rows as they are; to try again is useless."""


class ModelFailed(EmdrError):
    """A prediction could not be made; itself a safety event."""


class ProtocolError(EmdrError):
    """A message that cannot be taken. `param` names the field; `re` is the message's `id` when it had one."""

    def __init__(self, code: ErrorCode, message: str, *, param: str | None = None, re: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.re = re


class ImageRejected(ProtocolError):
    """A picture that is not taken. `wrong` says what is wrong with it, `send` what to send instead; both hold words and
    sizes alone, never a byte of the picture."""

    def __init__(self, wrong: str, send: str) -> None:
        super().__init__(ErrorCode.IMAGE_REJECTED, f"{wrong}: {send}", param="image")
        self.wrong = wrong
        self.send = send


class FatalProtocolError(ProtocolError):
    """A message after which the socket closes with `close_code`."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        close_code: CloseCode,
        *,
        param: str | None = None,
        re: int | str | None = None,
    ) -> None:
        super().__init__(code, message, param=param, re=re)
        self.close_code = close_code
