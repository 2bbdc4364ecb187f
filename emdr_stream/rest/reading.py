"""A request in; its path, query and body as the operation's types out, or the problem that names what is wrong."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request

from emdr_stream.rest.operation import PATH_TYPES, Operation
from emdr_stream.rest.problems import Problem, ProblemCode, refuse
from emdr_stream.wire.codec import describe, field_of

_BODY_S: Final = 10.0
"""How long a body may take to come."""
_ANY: Final = "*"
_QUALITY: Final = re.compile(r"q=([01](?:\.\d{0,3})?)")


def check_accept(operation: Operation, accept: str | None) -> None:
    """Raises Problem(not_acceptable) when none of the operation's types is accepted."""
    if not accept:
        return
    ranges = [_media_range(part) for part in accept.split(",")]
    if not any(_accepts(ranges, media) for media in operation.media):
        told = ", ".join(operation.media)
        raise Problem(ProblemCode.NOT_ACCEPTABLE, f"this is answered as {told}: say so in `Accept`", field="Accept")


def _media_range(part: str) -> tuple[str, str, float]:
    """Type, subtype and quality of one part of `Accept`; what is no range accepts nothing."""
    name, *parameters = (piece.strip() for piece in part.split(";"))
    kind, _, subtype = name.lower().partition("/")
    qualities = [float(found[1]) for each in parameters if (found := _QUALITY.fullmatch(each.replace(" ", "")))]
    return kind, subtype, qualities[0] if qualities else 1.0


def _accepts(ranges: list[tuple[str, str, float]], media: str) -> bool:
    """The most exact range decides (RFC 9110, section 12.5.1)."""
    kind, _, subtype = media.partition("/")
    for wanted in ((kind, subtype), (kind, _ANY), (_ANY, _ANY)):
        found = [quality for *named, quality in ranges if tuple(named) == wanted]
        if found:
            return max(found) > 0
    return False


def read_path(operation: Operation, given: Mapping[str, str]) -> dict[str, str]:
    """Raises Problem(not_found) for what can be no id: there is nothing of that name."""
    try:
        return {name: msgspec.convert(given[name], PATH_TYPES[name]) for name in operation.path_names}
    except msgspec.ValidationError:
        raise Problem(ProblemCode.NOT_FOUND, "the path holds something that is no id") from None


def read_query(operation: Operation, given: QueryParams) -> Any:
    """Raises Problem(invalid_field)."""
    plain: dict[str, str] = {}
    for name, value in given.multi_items():
        if name in plain:
            raise refuse(f"`{name[:64]}` stands there twice", name[:64])
        plain[name] = value
    try:
        query = msgspec.convert(plain, operation.query, strict=False)
    except msgspec.ValidationError as problem:
        raise refuse(describe(problem), field_of(problem) or "query") from None
    for name, value in plain.items():
        # msgspec takes "28.0" for 28 in a text.
        if isinstance(getattr(query, name), int) and "." in value:
            raise refuse(f"`{name}` must be a whole number", name)
    return query


async def read_body(operation: Operation, request: Request) -> tuple[Any, bytes]:
    """The body, decoded, and as it came; NDJSON stays as it is. Raises Problem."""
    if operation.body is None:
        return None, b""
    _check_type(operation, request)
    try:
        async with asyncio.timeout(_BODY_S):
            data = await _take(request, operation.body_bytes)
    except TimeoutError:
        raise Problem(ProblemCode.TOO_SLOW, f"the body must come within {_BODY_S:g} s") from None
    return (data if operation.body is bytes else decode(data, operation.body)), data


def decode(data: bytes, kind: Any) -> Any:
    """Strict JSON as `kind`. Raises Problem: bad_message, or invalid_field with its place."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, ValueError) as problem:
        raise _explained(data, problem) from None


def _explained(data: bytes, problem: Exception) -> Problem:
    try:
        plain = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, ValueError):
        return Problem(ProblemCode.BAD_MESSAGE, "this is not JSON")
    if not isinstance(plain, dict):
        return Problem(ProblemCode.BAD_MESSAGE, "this is JSON, but no object")
    return Problem(ProblemCode.INVALID_FIELD, describe(problem), field=field_of(problem))


def _check_type(operation: Operation, request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coded = request.headers.get("content-encoding", "identity").lower()
    if kind != operation.takes or coded != "identity":
        why = f"send {operation.takes}, not compressed"
        raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, why, field="Content-Type")


async def _take(request: Request, most: int) -> bytes:
    """The body's bytes, never more than allowed in memory."""
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > most:
        raise _too_large(most)
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise _too_large(most)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(most: int) -> Problem:
    # The rest is not read: the connection cannot be used again.
    return Problem(ProblemCode.TOO_LARGE, f"at most {most} bytes are read here", headers={"connection": "close"})
