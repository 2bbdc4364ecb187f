"""A client's message in, what a recording keeps of it out: no picture, no token, nothing that the core never reads.

Replay gives the core what is kept, and the core must not be able to tell: whatever it reads, or refuses, stays.
"""

from typing import Any, Final

import msgspec

from emdr_stream.pipeline.morphcast.modules import PRIVATE, READERS, drop
from emdr_stream.wire.stream import Auth, Frame, Heard, Hello, Landmarks, Morphcast, MorphcastEvent, Observed, Ping

_NOT_THE_CORES: Final = (Auth, Hello, Ping)
_DEEPEST: Final = 32


def kept(message: Heard) -> Heard | None:
    """What is recorded of a message; None when nothing is: it was for the connection."""
    if isinstance(message, Morphcast):
        return msgspec.structs.replace(message, events=[_event(event) for event in message.events])
    if isinstance(message, (Frame, Landmarks)):
        # Of a session with another source: nobody looked at it.
        return Observed(id=message.id, ts=message.ts)
    return None if isinstance(message, _NOT_THE_CORES) else message


def plain(value: Any, depth: int = 0) -> Any:
    """`value` with only what JSON can hold: maps by text keys, and null for what has no form there."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {key: plain(item, depth + 1) for key, item in value.items() if isinstance(key, str)}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(type(value).__name__)


def _event(event: MorphcastEvent) -> MorphcastEvent:
    reader = READERS.get(event.type)
    if reader is None:
        return msgspec.structs.replace(event, detail=None)
    if reader is drop:
        # Looked at by nobody; one that is no map is refused, and must be again.
        mappish = event.detail is None or isinstance(event.detail, dict)
        return msgspec.structs.replace(event, detail=None if mappish else "")
    return msgspec.structs.replace(event, detail=_impersonal(event.detail))


def _impersonal(value: Any, depth: int = 0) -> Any:
    if isinstance(value, dict) and depth <= _DEEPEST:
        return {key: _impersonal(item, depth + 1) for key, item in value.items() if not _personal(key, item)}
    return value


def _personal(key: object, value: object) -> bool:
    """Flags are an alarm's, under whatever key; everything else under a private name goes."""
    return isinstance(key, str) and not isinstance(value, bool) and key.replace(" ", "").casefold().startswith(PRIVATE)
