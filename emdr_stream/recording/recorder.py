"""What a session's core is told and answers in, its recording out: one file a session, no wait for the disk."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from emdr_stream import __version__
from emdr_stream.domain import Scores
from emdr_stream.errors import ConfigurationError
from emdr_stream.recording import format as lines
from emdr_stream.recording.discretion import kept, plain
from emdr_stream.recording.line_file import LineFile, LineWriter
from emdr_stream.session.effects import Analyse, At, Effect, Raise, Send
from emdr_stream.session.facts import SessionFacts
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.orders import Order
from emdr_stream.wire.stream import Heard
from emdr_stream.wire.watch import Ack

SUFFIX: Final = ".jsonl"


class SessionRecord:
    """One session's record. Every method returns at once and raises nothing; times are session times in ms.

    Call them in the order in which the core is called: a message before it is handed over, effects when they come.
    """

    __slots__ = ("_asked", "_file", "_writer")

    def __init__(self, writer: LineWriter, file: LineFile) -> None:
        self._writer = writer
        self._file = file
        self._asked: int | None = None

    def message(self, at_ms: int, message: Heard) -> None:
        """A client's message that is handed to the core, or what was seen in it."""
        recorded = kept(message)
        if recorded is None:
            return
        try:
            line = lines.message_line(at_ms, recorded)
        except (TypeError, ValueError, OverflowError, RecursionError):
            # MessagePack knows values that JSON has no form for; the core reads none of them.
            line = lines.message_line(at_ms, plain(_fields_of(recorded)))
        self._put(line)

    def command(self, at_ms: int, command: Order, by: str) -> None:
        """A watcher's command that is handed to the core, whether or not it will be obeyed."""
        self._put(lines.message_line(at_ms, command, by=by))

    def acknowledge(self, at_ms: int, alert_id: str, by: str, note: str | None) -> None:
        self._put(lines.message_line(at_ms, Ack(alert_id=alert_id, note=note), by=by))

    def event(
        self, at_ms: int, name: str, *, ticket: int | None = None, scores: Scores | None = None, **told: Any
    ) -> None:
        """Anything else the core is told: `connected`, `disconnected`, `scores`, `store_down`, ...

        `ticket`: of `scores` and `model_failed`, which count only as the answer to the newest `Analyse`; an answer
        that comes too late is left out, as the core leaves it out.
        """
        if scores is not None:
            told |= {"states": scores.states, "risk": scores.risk, "crisis": scores.crisis, "change": scores.change}
        if ticket is not None:
            if ticket != self._asked:
                return
            self._asked = None
        self._put(lines.event_line(at_ms, name, told))

    def effects(self, at_ms: int, effects: Iterable[Effect]) -> None:
        """What the core answered: messages to the client and alerts are recorded."""
        line: bytes | None
        for effect in effects:
            if isinstance(effect, Send):
                line = lines.sent_line(at_ms, effect.message)
            elif isinstance(effect, Raise):
                line = lines.alert_line(at_ms, effect.body)
            else:
                line = None
                if isinstance(effect, At):
                    at_ms = effect.ms
                elif isinstance(effect, Analyse):
                    self._asked = effect.ticket
            if line is not None:
                self._put(line)

    def close(self) -> None:
        """The session is over, or belongs to another worker."""
        self._file.closed = True

    def _put(self, line: bytes) -> None:
        self._writer.put(self._file, line)


class Recorder:
    """Records sessions into a folder, `<session_id>.jsonl` each, readable by this account alone.

    Raises ConfigurationError when the folder cannot be made. A session that is opened again is appended to.
    """

    def __init__(
        self, directory: Path, settings: SessionSettings | None = None, *, writer: LineWriter | None = None
    ) -> None:
        self._directory = directory
        self._settings = settings or SessionSettings()
        self.writer = writer or LineWriter()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            raise ConfigurationError(
                f"EMDR_RECORD_DIR: {directory} cannot be made ({problem.strerror}): name a folder that can be written"
            ) from None

    def open(self, facts: SessionFacts) -> SessionRecord:
        """Raises ValueError for a session id that is no file name; the service makes and accepts none."""
        name = facts.session_id
        if not name or name.startswith(".") or Path(name).name != name:
            raise ValueError("session_id: must be a plain name without `/` and without a leading dot")
        header = lines.encode(lines.header_of(facts, __version__, self._settings))
        return SessionRecord(self.writer, self.writer.open(self._directory / f"{name}{SUFFIX}", header))

    def kept(self) -> list[str]:
        """The sessions of which there is a recording. Blocks; raises OSError."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self._directory.glob(f"*{SUFFIX}"))

    def forget(self, session_ids: Iterable[str]) -> None:
        """Remove these sessions' recordings; returns at once."""
        for session_id in session_ids:
            self.writer.remove(self._directory / f"{session_id}{SUFFIX}")

    def close(self) -> None:
        """Write what waits; called once, when the worker ends."""
        self.writer.close()


def _fields_of(message: Any) -> dict[str, Any]:
    """A message as a map, its values as they are but for structs."""
    named = {name: _value(getattr(message, name)) for name in message.__struct_fields__}
    tag = message.__struct_config__.tag
    return named if tag is None else {**named, "type": tag}


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(item) for item in value]
    return _fields_of(value) if hasattr(value, "__struct_fields__") else value
