"""Message types in, what can be said of them out: sockets, messages, fields, in the form that both documents need."""

from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec
from msgspec import inspect

from emdr_stream.errors import ErrorCode
from emdr_stream.wire.stream import ClientMessage, ServerMessage
from emdr_stream.wire.values import LARGEST_ID
from emdr_stream.wire.watch import ConsoleMessage, WatchMessage


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of a message; `kind` is its type and range in words."""

    name: str
    kind: str
    required: bool


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """One message: the Python type, its `type` on the wire, one sentence, its fields without `type`."""

    cls: type[msgspec.Struct]
    tag: str
    summary: str
    fields: tuple[FieldInfo, ...]


@dataclass(frozen=True, slots=True)
class SocketInfo:
    """One WebSocket: what the service receives there and what it sends."""

    name: str
    path: str
    summary: str
    received: tuple[MessageInfo, ...]
    sent: tuple[MessageInfo, ...]


_SUMMARIES: Final = {
    "morphcast": "Events of the MorphCast SDK as the browser received them, at most 64.",
    "phase": "The session enters a phase of the EMDR protocol.",
    "ping": "Asks for the server's clock; answered by `pong`.",
    "unsubscribe": "Ends the live states and alerts of these sessions.",
    "ack": "Acknowledges an alert; the first one wins, it silences and does not resolve.",
    "session.end": "Ends a session.",
    "config.set": "Changes a session's configuration or thresholds.",
    "control.pause": "Pauses a session; latches until a newer `control.resume`.",
    "control.resume": "Ends a pause.",
    "welcome": "Answers `hello`: what the peer needs to go on.",
    "skipped": "Answers a frame or sample that gets no result, and says why.",
    "signal": "How well the service sees the client; sent on every change.",
    "intervention": "Something for the client to do, or for the therapist to offer.",
    "ended": "The session is over.",
    "heartbeat": "Sent when nothing else was for `heartbeat_ms`.",
    "error": "A message was refused, or the socket is about to close.",
    "goaway": "The server is about to close this socket: reconnect and resume.",
    "done": "Answers a message that has no answer of its own and carried an `id`.",
    "subscribed": "Answers `subscribe` with the sessions as they stand.",
    "session.opened": "A session was opened.",
    "session.closed": "A session has ended.",
    "session.detached": "A session's client is not connected.",
    "resume_requested": "A client asks to leave a pause that needs the therapist.",
    "adapt": "A `pattern.adapt` as sent to the client.",
}
"""Sentences for messages whose type has no docstring of its own."""

ERROR_MEANINGS: Final = {
    ErrorCode.BAD_MESSAGE: "not a message at all: it cannot be decoded, or is no map",
    ErrorCode.UNKNOWN_TYPE: "this `type` is not known on this socket",
    ErrorCode.INVALID_FIELD: "`param` names a field that is missing, of the wrong kind or out of range",
    ErrorCode.TOO_LARGE: "the message or picture is larger than the limit",
    ErrorCode.RATE_LIMITED: "too many messages a second",
    ErrorCode.UNAUTHORIZED: "the token is missing, malformed or not ours",
    ErrorCode.FORBIDDEN: "the role does not allow this, or the session is not theirs",
    ErrorCode.TOKEN_EXPIRED: "the token's time is over: send a new one",
    ErrorCode.UNKNOWN_SESSION: "there is no such session",
    ErrorCode.SESSION_OVER: "the session has ended",
    ErrorCode.RESUME_DENIED: "this pause is not the client's to end, or the claim to resume does not hold",
    ErrorCode.PAUSED: "not while the session is paused",
    ErrorCode.NOT_READY: "the session is not ready for reprocessing: an item of `readiness` is missing",
    ErrorCode.SOURCE_UNAVAILABLE: "this source cannot be served here",
    ErrorCode.IMAGE_REJECTED: "the picture cannot be decoded or is of another kind than allowed",
    ErrorCode.OVERLOADED: "the service takes no more for now",
    ErrorCode.INTERNAL: "our fault; the details are in our logs",
}


def sockets() -> tuple[SocketInfo, SocketInfo]:
    """Both sockets, their messages in the order of the type unions."""
    return (
        SocketInfo(
            "stream",
            "/v1/stream",
            "The browser client, one session per socket: samples in; results, control and adaptation out.",
            _messages(ClientMessage),
            _messages(ServerMessage),
        ),
        SocketInfo(
            "watch",
            "/v1/watch",
            "The therapist console, many sessions per socket: live state and alerts out; "
            "acknowledgements and commands in.",
            _messages(WatchMessage),
            _messages(ConsoleMessage),
        ),
    )


def values_of(messages: tuple[MessageInfo, ...]) -> tuple[MessageInfo, ...]:
    """The structured values that these messages are made of, in alphabetical order."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting: list[Any] = [message.cls for message in messages]
    while waiting:
        for part in inspect.type_info(waiting.pop()).fields:  # type: ignore[attr-defined]
            for struct in _structs_in(part.type):
                if struct.cls.__name__ not in found:
                    found[struct.cls.__name__] = struct.cls
                    waiting.append(struct.cls)
    return tuple(
        MessageInfo(cls, name, _first_sentence(cls.__doc__), _fields(cls)) for name, cls in sorted(found.items())
    )


def _messages(union: Any) -> tuple[MessageInfo, ...]:
    return tuple(_message(cls) for cls in get_args(union))


def _message(cls: type[msgspec.Struct]) -> MessageInfo:
    tag = str(cls.__struct_config__.tag)
    summary = _first_sentence(cls.__dict__.get("__doc__")) or _SUMMARIES[tag]
    return MessageInfo(cls, tag, summary, _fields(cls))


def _first_sentence(docstring: str | None) -> str:
    text = " ".join((docstring or "").split("\n\n")[0].split())
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]


def _fields(cls: type[msgspec.Struct]) -> tuple[FieldInfo, ...]:
    info = inspect.type_info(cls)
    return tuple(FieldInfo(part.encode_name, _kind(part.type), part.required) for part in info.fields)  # type: ignore[attr-defined]


def _structs_in(kind: inspect.Type) -> list[inspect.StructType]:
    if isinstance(kind, inspect.StructType):
        return [kind]
    inner: list[inspect.Type] = []
    if isinstance(kind, inspect.UnionType):
        inner = list(kind.types)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        inner = [kind.item_type]
    elif isinstance(kind, inspect.Metadata):
        inner = [kind.type]
    return [struct for part in inner for struct in _structs_in(part)]


_PLAIN_KINDS: Final[dict[type[inspect.Type], str]] = {
    inspect.AnyType: "anything",
    inspect.NoneType: "null",
    inspect.BoolType: "boolean",
    inspect.BytesType: "bytes",
}


def _kind(kind: inspect.Type) -> str:
    """A type in words: `number 0..1`, `text (at most 500)`, `list of Evidence`."""
    match kind:
        case inspect.Metadata(type=inner):
            return _kind(inner)
        case inspect.UnionType(types=types):
            return " or ".join(_kind(part) for part in types)
        case inspect.IntType() | inspect.FloatType():
            return ("integer" if isinstance(kind, inspect.IntType) else "number") + _range(kind.ge, kind.le)
        case inspect.StrType():
            return "text" + _at_most(kind.max_length)
        case inspect.EnumType(cls=enum):
            return " \\| ".join(str(member.value) for member in enum)
        case inspect.LiteralType(values=values):
            return " \\| ".join(str(value) for value in values)
        case inspect.StructType(cls=cls):
            return cls.__name__
        case _:
            return _container(kind)


def _container(kind: inspect.Type) -> str:
    match kind:
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"list{_at_most(kind.max_length)} of {_kind(item)}"
        case inspect.TupleType(item_types=items):
            return "[" + ", ".join(_kind(item) for item in items) + "]"
        case inspect.DictType(value_type=value):
            return f"map of {_kind(value)}"
        case _:
            return _PLAIN_KINDS[type(kind)]


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high == LARGEST_ID:
        return " of 64 bits"
    return f" {'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"


def _at_most(length: int | None) -> str:
    return "" if length is None else f" (at most {length})"
