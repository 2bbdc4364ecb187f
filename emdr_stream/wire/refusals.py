"""A refusal in, the `error` message that tells a peer of it out."""

from typing import Any

from emdr_stream.errors import RETRYABLE, ProtocolError
from emdr_stream.wire.stream import ErrorMessage
from emdr_stream.wire.values import Id


def error_message(
    problem: ProtocolError, re: Id | None = None, *, fatal: bool = False, retry_after_ms: int | None = None
) -> ErrorMessage:
    """The `error` that tells a peer what is wrong."""
    optional: dict[str, Any] = {}
    if re is not None:
        optional["re"] = re
    if problem.param is not None:
        optional["param"] = problem.param
    if retry_after_ms is not None:
        optional["retry_after_ms"] = retry_after_ms
    return ErrorMessage(
        code=problem.code, message=problem.message, retryable=problem.code in RETRYABLE, fatal=fatal, **optional
    )
