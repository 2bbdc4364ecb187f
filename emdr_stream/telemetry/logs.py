"""Log records go in, one JSON object a line comes out (readable on a terminal), and nothing in it about a person.

Use the standard library: `getLogger("emdr_stream.x").warning("store lost", extra={"store": "redis"})`. The message is a
constant; what varies goes into `extra`, under a key that KEYS classifies. A value whose key nobody classified is
replaced, and a test fails for it. The text of exceptions is not logged, because peers can put their words into it:
only the types and the places are. Of other libraries' records only the unfilled template is written.
"""

import json
import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO

from emdr_stream.errors import ConfigurationError


class Privacy(Enum):
    """What a key's value may tell."""

    PLAIN = "numbers, words of our own vocabulary, names of our own parts"
    RANDOM = "identifiers that were drawn at random: they lead to a person only for who may read the records"
    PERSONAL = "anything about a person, or a peer's own words: never written"


# fmt: off
_PLAIN: Final = (
    "account", "address", "alert_seq", "amount", "attempt", "backlog", "batch", "bytes", "cause", "close_code",
    "code", "command", "connections", "control_epoch", "count", "depth", "drops", "duration_ms", "epoch",
    "exit_code", "expected", "file", "kind", "lag_ms", "level", "limit", "limit_ms", "loop_lag_ms", "mode", "model",
    "models", "part", "path", "pid", "places", "policy", "port", "problem", "records", "release", "retry_in_s", "role",
    "rows", "seconds", "seq", "sessions", "severity", "sha256", "signal", "sockets", "source", "stage", "state",
    "status", "step", "store", "timeout_ms", "took_ms", "variable", "version", "wait_ms", "waited_ms", "worker",
    "workers",
)
_RANDOM: Final = ("alert_id", "owner", "session_id", "worker_id")
_PERSONAL: Final = (
    "address_of_peer", "authorization", "client", "clients", "context", "crisis", "detail", "dimensions", "dsn",
    "emotions", "evidence", "headers", "image", "key", "note", "origin", "password", "payload", "probability", "reason",
    "risk", "scores", "sub", "text", "token", "url", "user",
)
# fmt: on

KEYS: Final[Mapping[str, Privacy]] = {
    **dict.fromkeys(_PLAIN, Privacy.PLAIN),
    **dict.fromkeys(_RANDOM, Privacy.RANDOM),
    **dict.fromkeys(_PERSONAL, Privacy.PERSONAL),
}
"""Every key that `extra` may have. Whoever logs a new one classifies it here."""

WITHHELD: Final = "[withheld]"
UNCLASSIFIED: Final = "[unclassified]"

_OURS: Final = "emdr_stream"
_LONGEST_TEXT: Final = 300
_FRAMES: Final = 12
_OWN_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
    "taskName",
}

# These tell of each connection, with the peer's address, at INFO.
_TALKATIVE: Final = ("uvicorn.access", "uvicorn.error", "websockets", "asyncio")


def configure_logging(level: str, stream: TextIO, *, readable: bool | None = None, worker: int | None = None) -> None:
    """Send the process's log to `stream`; `readable` None means: if it is a terminal. `level` as logging names it.

    `worker`: written into every line, where several processes share a stream.
    """
    handler = logging.StreamHandler(stream)
    if worker is not None:
        handler.addFilter(partial(_name_worker, worker))
    handler.setFormatter(Readable() if (stream.isatty() if readable is None else readable) else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, root.level))


def _name_worker(worker: int, record: logging.LogRecord) -> bool:
    if not hasattr(record, "worker"):
        record.worker = worker
    return True


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """The record's extra fields, redacted, and what is told of its exception: `error` (types) and `trace` (places)."""
    fields: dict[str, object] = {
        key: _redacted(key, value) for key, value in vars(record).items() if key not in _OWN_ATTRIBUTES
    }
    problem = record.exc_info[1] if record.exc_info else None
    if problem is not None:
        fields["error"] = " < ".join(_types(problem))
        fields["trace"] = places(problem.__traceback__)
        if isinstance(problem, ConfigurationError):
            fields["problem"] = _shortened(str(problem))
    return fields


def event_of(record: logging.LogRecord) -> str:
    """What happened, in constant words: of a library's record the template's first line, without its values.

    Of a traceback that came as a text the type of the exception is told.
    """
    ours = record.name == _OURS or record.name.startswith(f"{_OURS}.")
    text = record.getMessage() if ours else str(record.msg)
    if text.startswith("Traceback "):
        kind = text.rstrip().rpartition("\n")[2].partition(":")[0]
        return _shortened(kind) if kind.replace(".", "").replace("_", "").isalnum() else "an exception"
    return _shortened(text.partition("\n")[0])


class JsonLines(logging.Formatter):
    """One JSON object a line: ts (UTC), level, logger, event, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": _utc(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": event_of(record),
            **fields_of(record),
        }
        return json.dumps(line, ensure_ascii=False, allow_nan=True)


class Readable(logging.Formatter):
    """The same for a person at a terminal: time of day, level, event, key=value."""

    def format(self, record: logging.LogRecord) -> str:
        fields = fields_of(record)
        trace = fields.pop("trace", ())
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        pairs = "".join(f" {key}={_shown(value)}" for key, value in fields.items())
        head = f"{clock}.{int(record.msecs):03d} {record.levelname:<8} {event_of(record)}{pairs}"
        places = trace if isinstance(trace, list) else []
        return "\n".join([head, *(f"    at {place}" for place in places)])


def _redacted(key: str, value: object) -> object:
    privacy = KEYS.get(key)
    if privacy is None:
        return UNCLASSIFIED
    return WITHHELD if privacy is Privacy.PERSONAL else _plain(value)


def _plain(value: object) -> object:
    """Numbers and short texts as they are; of any other object its type alone: who knows what its text tells."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | Path):
        return _shortened(str(value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:20]]
    return f"[{type(value).__name__}]"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _types(problem: BaseException | None) -> Iterator[str]:
    """The exception's type and those that led to it; of a group the types inside."""
    for _ in range(_FRAMES):
        if problem is None:
            return
        inside = f"({', '.join(sorted(_leaves(problem)))})" if isinstance(problem, BaseExceptionGroup) else ""
        yield type(problem).__name__ + inside
        problem = problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)


def _leaves(group: BaseExceptionGroup[BaseException]) -> set[str]:
    names: set[str] = set()
    for problem in group.exceptions:
        names |= _leaves(problem) if isinstance(problem, BaseExceptionGroup) else {type(problem).__name__}
    return names


def places(trace: TracebackType | None) -> list[str]:
    """Where an exception came from, innermost last: file, line and function, without a word of its text."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} {frame.name}" for frame in frames]


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() and " " not in text else json.dumps(text, ensure_ascii=False)


def _utc(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"
