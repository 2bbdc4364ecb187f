"""What somebody known was refused goes in, a row of the audit log comes out: who tried what, on which session, why not.

Commands and acknowledgements that reach a session are written down by its core. What is turned away before that would
leave no trace, and a person who tries other people's sessions is what an audit log is read for. Who could not prove
who they are is counted (`emdr_auth_failures_total`) and not written: strangers must not be able to fill the log.
"""

from typing import Any, Final

from emdr_stream.endpoints.auth import Principal
from emdr_stream.endpoints.greeting import Greeting
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.session.registry import SessionRegistry

_DENIALS: Final = frozenset({ErrorCode.FORBIDDEN, ErrorCode.RESUME_DENIED, ErrorCode.UNKNOWN_SESSION})
"""Refusals that are about who somebody is, and not about what they sent or how busy we are."""


def note_refusal(
    registry: SessionRegistry,
    by: Principal,
    action: str,
    problem: ProtocolError,
    *,
    session_id: str = "",
    **fields: Any,
) -> None:
    """Write down that `by` may not do `action`. `session_id`: the one that they named, whether or not it exists."""
    runner = registry.get(session_id)
    row = {"action": action, "by": by.sub, "role": by.role.value, **fields}
    registry.audit(
        {**row, "refused": True, "code": problem.code.value},
        session_id=session_id,
        user=runner.user if runner is not None else "",
    )


def note_refused_hello(registry: SessionRegistry, greeting: Greeting, problem: ProtocolError, path: str) -> None:
    """The same for a hello whose token proved who it is, where the refusal is one of right."""
    by, hello = greeting.principal, greeting.hello
    if by is not None and problem.code in _DENIALS:
        session_id = getattr(hello, "session_id", None) or ""
        note_refusal(registry, by, "hello", problem, session_id=session_id, path=path)
