"""What REST asks of a live session besides the commands of `/v1/watch`: an alert by a person, a word to the client.

They go the commands' way, to the session's own core in whichever worker it lives, but are no messages of a socket.
"""

from emdr_stream.domain import Severity
from emdr_stream.wire.stream import Incoming
from emdr_stream.wire.values import Intervention, Name, ShortText
from emdr_stream.wire.watch import Command


class ReportAlert(Incoming, tag="alert.report", kw_only=True, frozen=True):
    """A person or a back end has seen something: raise an alert of the kind `reported`. `text`: what was seen."""

    session_id: Name
    severity: Severity
    text: ShortText


class Intervene(Incoming, tag="intervene", kw_only=True, frozen=True):
    """Say something to the client now; nothing of the session changes by it."""

    session_id: Name
    intervention: Intervention


class Forget(Incoming, tag="user.forget", kw_only=True, frozen=True):
    """A person was erased: drop what is known of their sessions. For every worker, whatever lives there."""

    user: Name
    sessions: list[Name]


Order = Command | ReportAlert | Intervene
"""Whatever changes a session from outside; goes to the session's owner and into the audit log."""
