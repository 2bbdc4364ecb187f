"""Nothing goes in, where a person stands in the database comes out: every table, and how their rows are found in it.

Export and erasure both follow this list, and a test holds it against the database: a table with a user or a session in
it that is missing here fails.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Key(Enum):
    """By which column a person's rows are found."""

    USER = "user_id"
    SESSION = "session_id"


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """`row`: what of a row is exported, as SQL over the alias `t`; `order`: columns that order the rows of one key.

    `document`: the field under which a row's `payload` is exported, which is JSON as bytes; "" for tables without.
    """

    name: str
    key: Key
    order: str
    row: str = "to_jsonb(t)"
    document: str = ""


_EVENT: Final = "to_jsonb(t) - 'id' - 'digest'"

PERSONAL_TABLES: Final = (
    PersonalTable("seconds", Key.SESSION, "ts, epoch"),
    PersonalTable("sets", Key.SESSION, "ts, id", _EVENT),
    PersonalTable("ratings", Key.SESSION, "ts, id", _EVENT),
    PersonalTable("control_events", Key.SESSION, "ts, id", _EVENT),
    PersonalTable("adaptations", Key.SESSION, "ts, id", _EVENT),
    PersonalTable("alerts", Key.USER, "session_id, alert_seq", "to_jsonb(t) - 'payload'", document="alert"),
    PersonalTable("alert_heads", Key.USER, "session_id, alert_id"),
    PersonalTable("session_epochs", Key.SESSION, "epoch"),
    PersonalTable("session_rollups", Key.USER, "began, session_id"),
    PersonalTable("questionnaires", Key.USER, "ts, id", "to_jsonb(t) - 'id'"),
    PersonalTable("decision_answers", Key.USER, "ts, decision_id"),
    PersonalTable("decisions", Key.USER, "ts, decision_id"),
    PersonalTable("pattern_locks", Key.USER, "part"),
    PersonalTable("sessions", Key.USER, "first_seen, session_id"),
    PersonalTable("users", Key.USER, "user_id"),
)
"""In the order in which rows can be deleted: what refers to a row stands before it."""

ELSEWHERE: Final = frozenset({"audit_log"})
"""Tables with a person in them that are neither exported nor deleted row by row: see `erasure.py`."""
