"""Commands and questions about live sessions in; done by the session's own core, in whichever worker that lives."""

from typing import Any

from emdr_stream.endpoints.distant import check_command, command_elsewhere
from emdr_stream.rest.operation import Call
from emdr_stream.wire.orders import Order
from emdr_stream.wire.values import SessionSummary


async def order(call: Call[Any, Any], command: Order) -> None:
    """Have the session obey, as a command of `/v1/watch`. The core writes it into the audit log; a refusal is, too.

    Raises ProtocolError: unknown_session, forbidden, session_over, what the core refuses, or `internal` when the worker
    that has the session cannot be reached now.
    """
    registry = call.parts.registry
    runner = registry.get(command.session_id)
    if runner is None:
        await command_elsewhere(registry, call.principal, command)
        return
    check_command(registry, call.principal, command, runner.user)
    runner.command(command, call.principal.sub)


async def live_session(call: Call[Any, Any], session_id: str) -> SessionSummary:
    """A live session of one of the caller's clients. Raises Problem(not_found) for any other, StoreUnavailable."""
    summary = await summary_of(call, session_id)
    if summary is None or not call.principal.may_see(summary.user):
        raise call.refused_session(session_id)
    return summary


async def summary_of(call: Call[Any, Any], session_id: str) -> SessionSummary | None:
    """A session that lives, as it stands; None when it has ended or no worker has it. Raises StoreUnavailable."""
    registry = call.parts.registry
    runner = registry.get(session_id)
    if runner is not None:
        return None if runner.over else runner.core.summary(runner.now_ms())
    elsewhere = await registry.elsewhere(session_id)
    if elsewhere is None or elsewhere.over or not elsewhere.owner_lives:
        return None
    return elsewhere.summary
