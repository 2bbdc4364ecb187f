"""Nothing goes in, every REST operation of the service comes out, group by group."""

from typing import Final

from emdr_stream.rest.operation import Operation
from emdr_stream.rest.routes import emotion, personalization, proposals, safety, sessions, users

OPERATIONS: Final[tuple[Operation, ...]] = (
    *emotion.OPERATIONS,
    *personalization.OPERATIONS,
    *proposals.OPERATIONS,
    *safety.OPERATIONS,
    *sessions.OPERATIONS,
    *users.OPERATIONS,
)
"""A new group of routes has a module of its own in `routes`, and a line here."""
