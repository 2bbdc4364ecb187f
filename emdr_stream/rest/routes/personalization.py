"""What suits a client: a change of a live session's pattern in, the same change in that session's own core out."""

from typing import Final

from emdr_stream.rest.operation import THERAPIST_AND_SERVICE, Asked, Call, NoQuery, Operation, Told
from emdr_stream.rest.problems import ProblemCode, refuse
from emdr_stream.rest.reach import order
from emdr_stream.wire.values import Name, SessionConfig
from emdr_stream.wire.watch import ConfigSet


class AdaptRequest(Asked, frozen=True, kw_only=True):
    """`config`: what is to change. Thresholds are no part of it: only a therapist moves them, on the socket. Nor is
    `predicted_effectiveness`: the client is told the pattern, and no forecast."""

    session_id: Name
    config: SessionConfig


class Adapted(Told, frozen=True, kw_only=True):
    """The session has taken it. Within a set speed and intensity only go down, and nothing changes while it is paused:
    what waits stands in `live.pending` of `GET /v1/sessions/{session_id}`."""

    session_id: str
    config: SessionConfig


async def adapt(call: Call[AdaptRequest, NoQuery]) -> Adapted:
    """Change the pattern of a live session, by its own core."""
    asked = call.body
    if asked.config.safety_thresholds is not None:
        raise refuse("thresholds are no part of the pattern", "config.safety_thresholds")
    if asked.config.predicted_effectiveness is not None:
        raise refuse("a forecast is no part of the pattern: clients see it", "config.predicted_effectiveness")
    if asked.config == SessionConfig():
        raise refuse("name at least one field that is to change", "config")
    await order(call, ConfigSet(session_id=asked.session_id, config=asked.config))
    return Adapted(session_id=asked.session_id, config=asked.config)


OPERATIONS: Final = (
    Operation(
        name="personalization.adapt",
        method="POST",
        path="/v1/personalization/adapt",
        summary="Change the pattern of a live session, within the bounds that its core keeps.",
        roles=THERAPIST_AND_SERVICE,
        handle=adapt,
        body=AdaptRequest,
        answer=Adapted,
        acts=True,
        problems=frozenset({ProblemCode.NOT_FOUND, ProblemCode.SESSION_OVER, ProblemCode.CONFLICT}),
    ),
)
