"""What is kept as JSON goes in, whether it tells of a person who is erased comes out; pure.

A name counts only where it is somebody's: as the value of a field that holds a user or a session, whole and by the
field's name. A pseudonym may be any word, `service` or `control.pause` too, and whoever is erased must take nobody
else's entries with them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec

from emdr_stream.domain import Role
from emdr_stream.store.chain import EMPTIED, ERASURE

_USERS: Final = ("client", "named", "user")
_SESSION: Final = "session_id"
_SESSIONS: Final = "sessions"
_ALERT: Final = "alert_id"
_BY_OPERATORS: Final = "model."
"""Steps of models: the user of such an entry is whoever ran the command line, and no client."""


class Telling(Enum):
    """What an entry of the audit log has of a person."""

    NOTHING = "nothing"
    NAME = "name"
    """Somebody else's deed, in which the name stands."""
    THEIRS = "theirs"
    """It is about them or one of their sessions, or what they did themselves."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user and the ids of all their sessions."""

    user: str
    sessions: frozenset[str]

    def words(self) -> list[str]:
        """Texts of which one stands in every JSON that tells of them, and in some others: for a first, coarse look."""
        user, sessions = _quoted(self.user), [_quoted(name) for name in sorted(self.sessions)]
        fields = [f'"{field}":{user}' for field in (*_USERS, "by")]
        # An alert's id is its session's and a number.
        return [*fields, *sessions, *(f"{name[:-1]}.a" for name in sessions)]

    def in_entry(self, session_id: str, user: str, body: str) -> Telling:
        """What an entry of the audit log has of them."""
        fields = _fields(body)
        if not _may_be_emptied(body, fields):
            return Telling.NOTHING
        if user == self.user or session_id in self.sessions or self._did(fields) or self._has_session(fields):
            return Telling.THEIRS
        return Telling.NAME if self._has_name(fields) else Telling.NOTHING

    def in_answer(self, answer: str) -> bool:
        """Whether an answer of a route holds them, at whatever depth."""
        try:
            told = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            return True  # the coarse look found a name in it, and nobody can be given this answer
        return any(self._has_session(fields) or self._has_name(fields) for fields in _objects(told))

    def _did(self, fields: dict[str, Any]) -> bool:
        """A client's own deed: of another role the same name is another person's."""
        return fields.get("by") == self.user and fields.get("role") == Role.CLIENT.value

    def _has_name(self, fields: dict[str, Any]) -> bool:
        return any(fields.get(field) == self.user for field in _USERS)

    def _has_session(self, fields: dict[str, Any]) -> bool:
        several = fields.get(_SESSIONS)
        alert_id = fields.get(_ALERT)
        names = [fields.get(_SESSION), *(several if isinstance(several, list) else ())]
        names.append(alert_id.rpartition(".a")[0] if isinstance(alert_id, str) else None)
        return any(isinstance(name, str) and name in self.sessions for name in names)


def _may_be_emptied(body: str, fields: dict[str, Any]) -> bool:
    """Never what tells of an erasure: the entries that it emptied would be without a reason for ever."""
    action = fields.get("action")
    steps = isinstance(action, str) and action.startswith(_BY_OPERATORS)
    return body != EMPTIED and action != ERASURE["action"] and not steps


def _fields(body: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    """Every JSON object within a value."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _objects(each)


def _quoted(name: str) -> str:
    return msgspec.json.encode(name).decode()
