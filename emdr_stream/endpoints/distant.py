"""A watcher's command and its principal in; whether they may, and for a session of another worker the doing, out."""

from typing import Final

import msgspec

from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import Principal
from emdr_stream.endpoints.trail import note_refusal
from emdr_stream.errors import ErrorCode, ProtocolError, StoreUnavailable
from emdr_stream.session.registry import Elsewhere, SessionRegistry
from emdr_stream.session.switchboard import Request, unreachable
from emdr_stream.wire.orders import Order
from emdr_stream.wire.watch import Ack, Attend, ConfigSet, ResumeCommand

FRESH_S: Final = 0.25
"""How long a resume may wait in line before it must be asked anew."""


def check_command(registry: SessionRegistry, principal: Principal, command: Order, user: str | None) -> None:
    """Raises ProtocolError unless `principal` may give this command to a session of `user`; None for no session.

    A refusal is written down.
    """
    try:
        if user is None or not principal.may_see(user):
            raise unknown_session()
        _check_right(principal, command)
    except ProtocolError as problem:
        fields = msgspec.to_builtins(command)
        action = fields.pop("type")
        note_refusal(registry, principal, action, problem, **fields)
        raise


async def command_elsewhere(
    registry: SessionRegistry, principal: Principal, command: Order, waited_s: float = 0.0
) -> None:
    """Have a session obey that did not live in this worker when the command came, `waited_s` ago.

    Raises ProtocolError, also for a resume that waited: whoever asked may have meant another pause than stands now.
    """
    if isinstance(command, ResumeCommand) and command.control_epoch is None and waited_s > FRESH_S:
        raise ProtocolError(ErrorCode.INTERNAL, "this waited behind others for too long: send it again")
    found = await find(registry, command.session_id)
    runner = registry.get(command.session_id)
    summary = None if found is None else found.summary
    check_command(registry, principal, command, summary.user if summary else runner.user if runner else None)
    if isinstance(command, ResumeCommand) and command.control_epoch is None and summary is not None:
        # What stood when it was asked: one that comes late ends no newer pause.
        command = msgspec.structs.replace(command, control_epoch=summary.control_epoch)
    if runner is not None:
        runner.command(command, principal.sub)
    elif found is not None and found.over:
        raise ProtocolError(ErrorCode.SESSION_OVER, "the session has ended")
    elif found is None or not found.owner_lives or not await _ask(registry, found, command, principal.sub):
        raise unreachable()


async def attend_elsewhere(registry: SessionRegistry, principal: Principal, request: Attend) -> None:
    """Have a session know that this therapist has it before them. Raises ProtocolError."""
    found = await find(registry, request.session_id)
    if found is None or not principal.may_see(found.summary.user):
        raise unknown_session()
    if found.owner_lives:
        await _ask(registry, found, request, principal.sub)


async def acknowledge_elsewhere(
    registry: SessionRegistry, session_id: str, alert_id: str, note: str | None, by: str
) -> bool:
    """Have the worker acknowledge that counts the session's alerts; False when none does, as the session is over.

    Raises ProtocolError.
    """
    found = await find(registry, session_id)
    runner = registry.get(session_id)
    if runner is not None:
        runner.acknowledge(alert_id, by, note)
        return True
    if found is None:
        return False
    if found.owner_lives and await _ask(registry, found, Ack(alert_id=alert_id, note=note), by):
        return True
    if not found.over:
        raise unreachable()
    return False


def unknown_session() -> ProtocolError:
    """The answer to a session that does not exist, or that is none of theirs: which of the two is not told."""
    return ProtocolError(ErrorCode.UNKNOWN_SESSION, "no session of your clients has this id", param="session_id")


async def find(registry: SessionRegistry, session_id: str) -> Elsewhere | None:
    """A session that does not live in this worker. Raises ProtocolError(internal) while that cannot be known."""
    try:
        return await registry.elsewhere(session_id)
    except StoreUnavailable:
        why = "a store is away, and with it where the session lives: send this again"
        raise ProtocolError(ErrorCode.INTERNAL, why) from None


async def _ask(registry: SessionRegistry, found: Elsewhere, request: Request, by: str) -> bool:
    """Have the owner do it; False when the session has just left there."""
    try:
        await registry.switchboard.ask(found.owner, request, by)
    except ProtocolError as problem:
        if problem.code is not ErrorCode.UNKNOWN_SESSION:
            raise
        return False
    return True


def _check_right(principal: Principal, command: Order) -> None:
    """Only a therapist ends a pause or moves thresholds; a back end may watch, pause, end and set the pattern."""
    if principal.role is Role.THERAPIST:
        return
    relaxes = isinstance(command, ConfigSet) and (
        command.thresholds is not None or (command.config is not None and command.config.safety_thresholds is not None)
    )
    if relaxes or isinstance(command, ResumeCommand):
        why = "only a therapist may end a pause or move thresholds"
        raise ProtocolError(ErrorCode.FORBIDDEN, why, param="thresholds" if relaxes else None)
