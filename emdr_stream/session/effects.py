"""What the pure core asks for: values that the runner carries out, in their order."""

from typing import Any

import msgspec

from emdr_stream.wire.stream import ServerMessage
from emdr_stream.wire.values import AlertBody
from emdr_stream.wire.watch import SessionNotice


class At(msgspec.Struct, frozen=True, gc=False):
    """The effects that follow happened at this session time: that of the deadline or event that caused them."""

    ms: int


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send this to the client."""

    message: ServerMessage


class Notify(msgspec.Struct, frozen=True, gc=False):
    """Tell the watchers, live; may be lost."""

    message: SessionNotice


class Raise(msgspec.Struct, frozen=True, gc=False):
    """A step in the life of an alert: must reach every watcher, and the records."""

    body: AlertBody


class Keep(msgspec.Struct, frozen=True, gc=False):
    """Write a record: `kind` is a RecordKind's value, `fields` plain JSON values."""

    kind: str
    fields: dict[str, Any]


class Analyse(msgspec.Struct, frozen=True, gc=False):
    """Score this row (float64, shape (ROW_LENGTH,), valid until the core is next called); come back with `ticket`."""

    ticket: int
    row: Any


class PauseConfirmed(msgspec.Struct, frozen=True, gc=False):
    """For the metrics: the client's stimulus is at rest, so long after the pause was sent."""

    seconds: float


class AlertAcknowledged(msgspec.Struct, frozen=True, gc=False):
    """For the metrics: somebody has seen an alert, so long after it was raised."""

    seconds: float


class Over(msgspec.Struct, frozen=True, gc=False):
    """The session has ended; the socket closes."""

    reason: str


Effect = At | Send | Notify | Raise | Keep | Analyse | PauseConfirmed | AlertAcknowledged | Over
