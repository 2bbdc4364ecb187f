"""What metrics tell apart: the fixed values that their labels have."""

from enum import StrEnum


class SampleOutcome(StrEnum):
    """What became of a `sample` or `morphcast` message."""

    ACCEPTED = "accepted"
    MALFORMED = "malformed"
    """Refused; of a message that cannot be decoded nobody knows whether it was one of these."""
    LATE = "late"
    """Older than the newest, sorted in."""
    TOO_LATE = "too_late"
    """Older than the limit, dropped."""
    DUPLICATE = "duplicate"
    UNUSABLE = "unusable"
    """A lost face, or nothing in it."""
    RATE_LIMITED = "rate_limited"
    EMPTY = "empty"
    """No event in it says anything about the client."""


class FrameOutcome(StrEnum):
    """What became of a `frame`."""

    READ = "read"
    NO_FACE = "no_face"
    MANY_FACES = "many_faces"
    UNUSABLE = "unusable"
    """A face is there, too small, dark, bright, blurred or turned away to be read."""
    STALE = "stale"
    """Older than one that came before, or looked at too late."""
    SUPERSEDED = "superseded"
    """A newer one came while it waited."""
    RATE = "rate"
    """Sent faster than the camera's present rate, or the socket's."""
    REJECTED = "rejected"
    """No picture that may be decoded."""
    FAILED = "failed"
    """Our fault: the worker that looked at it died or took too long."""


class Stage(StrEnum):
    """Where a message's time goes, for those whose result brings scores, and for every frame that is looked at."""

    DECODE = "decode"
    """A frame's bytes become pixels."""
    FACE = "face"
    """The face is found and measured."""
    EXPRESSION = "expression"
    """Its expression is read."""

    QUEUE = "queue"
    """Its row waits for the batch."""
    INFER = "infer"
    """The batch's features are derived and its graph is run."""
    TOTAL = "total"
    """From receipt to the answer's write."""


class ResumeResult(StrEnum):
    """How `hello.resume` ended."""

    REPLAYED = "replayed"
    """Everything that the client missed is sent again."""
    SNAPSHOT = "snapshot"
    """Something is forgotten: the snapshot in `welcome` stands for it."""
    DENIED = "denied"
    OVER = "over"
    FAILED = "failed"
    """No such session, no room for it, or a malformed claim."""


class AuthFailure(StrEnum):
    """Why somebody was not let in."""

    MISSING = "missing"
    UNAUTHORIZED = "unauthorized"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a label, no secret
    FORBIDDEN = "forbidden"
    ORIGIN = "origin"


class Refusal(StrEnum):
    """Which limit somebody met before there was a session."""

    WORKER = "worker"
    """Sockets of this worker."""
    PEER = "peer"
    """Sockets of one address."""
    USER = "user"
    """Live sessions of one client, or consoles of one therapist."""
    SESSIONS = "sessions"
    """Live sessions of this worker."""
    LOAD = "load"
    """What the sessions of this worker need of its core."""
    CONNECTION = "connection"
    """TCP connections of this worker, handshakes and plain HTTP included."""


class Journal(StrEnum):
    """Which local write failed."""

    ALERT = "alert"
    RECORDING = "recording"
    SPILL = "spill"


class StoreLabel(StrEnum):
    """What the service keeps its state and its records in."""

    REDIS = "redis"
    POSTGRES = "postgres"


class Loss(StrEnum):
    """Why a record was lost."""

    QUEUE = "queue"
    """It waited in memory, and there was no room left: neither PostgreSQL nor the disk took it."""
    ROOM = "room"
    """It waited on the disk, and had to go for newer or weightier ones."""
    CORRUPT = "corrupt"
    """It waited on the disk and cannot be read, or could not be written down."""
    REFUSED = "refused"
    """PostgreSQL never takes it."""
