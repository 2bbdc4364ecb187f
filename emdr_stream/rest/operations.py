"""Nothing goes in, every REST operation of the service comes out, group by group."""

from typing import Final

from emdr_stream.rest.operation import Operation
from emdr_stream.rest.routes import (
    analytics,
    analytics_files,
    analytics_models,
    emotion,
    personalization,
    proposals,
    safety,
    sessions,
    users,
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    *emotion.OPERATIONS,
    *personalization.OPERATIONS,
    *proposals.OPERATIONS,
    *safety.OPERATIONS,
    *analytics.OPERATIONS,
    *analytics_files.OPERATIONS,
    *analytics_models.OPERATIONS,
    *sessions.OPERATIONS,
    *users.OPERATIONS,
)
"""A new group of routes has a module of its own in `routes`, and a line here."""
