"""A trigger in, the session's next status out: the life of a session as one table (protocol, section 2)."""

from enum import StrEnum
from typing import Final

from emdr_stream.domain import Status


class Trigger(StrEnum):
    """What moves a session from one status to another."""

    PAUSE = "pause"
    RESUME = "resume"
    DETACH = "detach"
    REATTACH = "reattach"
    GRACE_OVER = "grace_over"
    END = "end"


TRANSITIONS: Final[dict[tuple[Status, Trigger], Status]] = {
    (Status.RUNNING, Trigger.PAUSE): Status.PAUSED,
    (Status.RUNNING, Trigger.DETACH): Status.DETACHED,
    (Status.RUNNING, Trigger.REATTACH): Status.PAUSED,
    (Status.RUNNING, Trigger.END): Status.ENDED,
    (Status.PAUSED, Trigger.PAUSE): Status.PAUSED,
    (Status.PAUSED, Trigger.RESUME): Status.RUNNING,
    (Status.PAUSED, Trigger.DETACH): Status.DETACHED,
    (Status.PAUSED, Trigger.REATTACH): Status.PAUSED,
    (Status.PAUSED, Trigger.END): Status.ENDED,
    (Status.DETACHED, Trigger.PAUSE): Status.DETACHED,
    (Status.DETACHED, Trigger.REATTACH): Status.PAUSED,
    (Status.DETACHED, Trigger.GRACE_OVER): Status.ENDED,
    (Status.DETACHED, Trigger.END): Status.ENDED,
}
"""Every move there is. No move leads from paused or detached to running but RESUME, and none leads out of ended."""


def next_status(status: Status, trigger: Trigger) -> Status | None:
    """The status after `trigger`, or None when it is not possible in this status and nothing happens."""
    return TRANSITIONS.get((status, trigger))
