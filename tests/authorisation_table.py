"""Who may do what on both sockets goes in as two tables, their cells and Markdown come out: the one place of decision.

`tests/system/test_authorisation.py` plays every cell against a real server; `tests/unit/test_security_page.py` holds
`docs/security.md` to the tables and the tables to the messages and roles. A new message or role fails until it has its
row or column here. `python -m tests.authorisation_table docs/security.md` renews the page.

A cell is `ok` (done, or answered as the protocol says), the `code` of an `error` after which the socket goes on, a
close code, or `-` where the combination cannot be made.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emdr_stream.domain import Role
from emdr_stream.generated import renew_page, table

COLUMNS: Final[Mapping[str, tuple[Role | None, str]]] = {
    "client": (Role.CLIENT, "a client's token"),
    "sid": (Role.CLIENT, "a client's token whose `sid` names the session"),
    "service": (Role.SERVICE, "a back end's token without `clients`: everybody"),
    "service1": (Role.SERVICE, "a back end's token with `clients: [own]`"),
    "own": (Role.THERAPIST, "a therapist's token with `clients: [own]`"),
    "all": (Role.THERAPIST, 'a therapist\'s token with `clients: ["*"]`'),
    "swapped": (None, "a valid token of another person of the fitting role, with what belongs to the first one"),
    "none": (None, "no token"),
    "forged": (None, "the right claims, the signature changed"),
    "alg none": (None, "the right claims, `alg: none`, no signature"),
    "key": (None, "the right claims, signed with another key"),
    "expired": (None, "the right claims, ours, but expired"),
    "unsaid": (None, "a good token, the message sent before `hello`"),
}
"""The columns: whose token, and what is told of it on the page."""

STREAM: Final = """
message                | client | sid  | service | service1 | own  | all  | swapped | none | forged | alg none | key  | expired | unsaid
hello                  | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | -
hello: another user    | 4503   | 4503 | ok      | 4503     | 4503 | 4503 | 4503    | 4500 | 4500   | 4500     | 4500 | 4401    | -
hello: foreign session | 4503   | 4503 | 4503    | 4503     | 4503 | 4503 | 4503    | 4500 | 4500   | 4500     | 4500 | 4401    | -
hello: resume own      | ok     | ok   | ok      | ok       | 4503 | 4503 | 4504    | 4500 | 4500   | 4500     | 4500 | 4401    | -
hello: resume, old key | 4503   | 4503 | 4503    | 4503     | 4503 | 4503 | 4504    | 4500 | 4500   | 4500     | 4500 | 4401    | -
hello: resume foreign  | 4504   | 4503 | 4504    | 4504     | 4503 | 4503 | 4504    | 4500 | 4500   | 4500     | 4500 | 4401    | -
hello: a second one    | bad_message | bad_message | bad_message | bad_message | 4503 | 4503 | bad_message | 4500 | 4500 | 4500 | 4500 | 4401 | -
auth: the same person  | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
auth: another person   | 4503   | 4503 | 4503    | 4503     | 4503 | 4503 | 4503    | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
auth: another role     | 4503   | 4503 | 4503    | 4503     | 4503 | 4503 | 4503    | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
auth: less allowed     | 4503   | 4503 | 4503    | 4503     | 4503 | 4503 | 4503    | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
auth: forged           | 4500   | 4500 | 4500    | 4500     | 4503 | 4503 | 4500    | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
auth: expired          | 4401   | 4401 | 4401    | 4401     | 4503 | 4503 | 4401    | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
sample                 | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
morphcast              | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
frame                  | source_unavailable | source_unavailable | source_unavailable | source_unavailable | 4503 | 4503 | source_unavailable | 4500 | 4500 | 4500 | 4500 | 4401 | bad_message
landmarks              | source_unavailable | source_unavailable | source_unavailable | source_unavailable | 4503 | 4503 | source_unavailable | 4500 | 4500 | 4500 | 4500 | 4401 | bad_message
set                    | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
rating                 | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
phase                  | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
stop                   | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
applied                | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
resume_request: own    | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
resume_request: therapist's | resume_denied | resume_denied | resume_denied | resume_denied | 4503 | 4503 | resume_denied | 4500 | 4500 | 4500 | 4500 | 4401 | bad_message
ping                   | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
bye                    | ok     | ok   | ok      | ok       | 4503 | 4503 | ok      | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
control.pause: a watcher's | unknown_type | unknown_type | unknown_type | unknown_type | 4503 | 4503 | unknown_type | 4500 | 4500 | 4500 | 4500 | 4401 | unknown_type
control.resume: a watcher's | unknown_type | unknown_type | unknown_type | unknown_type | 4503 | 4503 | unknown_type | 4500 | 4500 | 4500 | 4500 | 4401 | unknown_type
"""  # noqa: E501 - a table is read across
"""`/v1/stream`. `swapped` opens a session of its own, except where the row brings what is another's."""

WATCH: Final = """
message                      | client | sid  | service   | service1        | own             | all  | swapped         | none | forged | alg none | key  | expired | unsaid
hello                        | 4503   | 4503 | ok        | ok              | ok              | ok   | ok              | 4500 | 4500   | 4500     | 4500 | 4401    | -
hello: a second one          | 4503   | 4503 | bad_message | bad_message   | bad_message     | bad_message | bad_message | 4500 | 4500 | 4500     | 4500 | 4401    | -
auth: the same person        | 4503   | 4503 | ok        | ok              | ok              | ok   | ok              | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
auth: another person         | 4503   | 4503 | 4503      | 4503            | 4503            | 4503 | 4503            | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
auth: another role           | 4503   | 4503 | 4503      | 4503            | 4503            | 4503 | 4503            | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
auth: forged                 | 4503   | 4503 | 4500      | 4500            | 4500            | 4500 | 4500            | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
auth: expired                | 4503   | 4503 | 4401      | 4401            | 4401            | 4401 | 4401            | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
subscribe: own               | 4503   | 4503 | ok        | ok              | ok              | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
subscribe: foreign           | 4503   | 4503 | ok        | unknown_session | unknown_session | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
unsubscribe: own             | 4503   | 4503 | ok        | ok              | ok              | ok   | ok              | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
unsubscribe: foreign         | 4503   | 4503 | ok        | ok              | ok              | ok   | ok              | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
ack: own                     | 4503   | 4503 | ok        | ok              | ok              | ok   | invalid_field   | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
ack: foreign                 | 4503   | 4503 | ok        | invalid_field   | invalid_field   | ok   | invalid_field   | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
control.pause: own           | 4503   | 4503 | ok        | ok              | ok              | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
control.pause: foreign       | 4503   | 4503 | ok        | unknown_session | unknown_session | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
control.resume: own          | 4503   | 4503 | forbidden | forbidden       | ok              | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
control.resume: foreign      | 4503   | 4503 | forbidden | unknown_session | unknown_session | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
session.end: own             | 4503   | 4503 | ok        | ok              | ok              | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
session.end: foreign         | 4503   | 4503 | ok        | unknown_session | unknown_session | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
config.set: pattern, own     | 4503   | 4503 | ok        | ok              | ok              | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
config.set: pattern, foreign | 4503   | 4503 | ok        | unknown_session | unknown_session | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
config.set: threshold, own   | 4503   | 4503 | forbidden | forbidden       | ok              | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
config.set: threshold, foreign | 4503 | 4503 | forbidden | unknown_session | unknown_session | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
attend: own                  | 4503   | 4503 | forbidden | forbidden       | ok              | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
attend: foreign              | 4503   | 4503 | forbidden | forbidden       | unknown_session | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
history: own                 | 4503   | 4503 | ok        | ok              | ok              | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
history: foreign             | 4503   | 4503 | ok        | unknown_session | unknown_session | ok   | unknown_session | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
received                     | 4503   | 4503 | ok        | ok              | ok              | ok   | ok              | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
ping                         | 4503   | 4503 | ok        | ok              | ok              | ok   | ok              | 4500 | 4500   | 4500     | 4500 | 4401    | bad_message
stop: a client's             | 4503   | 4503 | unknown_type | unknown_type | unknown_type    | unknown_type | unknown_type | 4500 | 4500 | 4500   | 4500 | 4401    | unknown_type
resume_request: a client's   | 4503   | 4503 | unknown_type | unknown_type | unknown_type    | unknown_type | unknown_type | 4500 | 4500 | 4500   | 4500 | 4401    | unknown_type
"""  # noqa: E501 - a table is read across
"""`/v1/watch`. `swapped` is another therapist, of other clients than either session's."""

ORIGINS: Final[Mapping[str, tuple[str, str]]] = {
    "none": ("ok", "no browser: the token alone decides"),
    "own": ("ok", "scheme http or https, host and port those of `Host`"),
    "foreign": ("403", "https://elsewhere.example"),
    "other port": ("403", "the same host on another port"),
    "null": ("403", "a sandboxed frame or a local file"),
    "twice": ("400", "two `Origin` headers, the first one ours"),
}
"""What a browser says of the page: the answer to the handshake on either socket, before the upgrade."""


@dataclass(frozen=True, slots=True)
class Table:
    """A socket's cells: `rows[row][column]`."""

    path: str
    rows: Mapping[str, Mapping[str, str]]

    @property
    def messages(self) -> set[str]:
        """The message types that have a row of their own; what belongs to the other socket is marked by "'s"."""
        return {message_of(row) for row in self.rows if not row.endswith(("a watcher's", "a client's"))}


def message_of(row: str) -> str:
    """The message's type in a row's name."""
    return row.partition(":")[0]


def parsed(path: str, text: str) -> Table:
    """Raises ValueError for a row that has more or fewer cells than there are columns, or stands twice."""
    head, *lines = ([cell.strip() for cell in line.split("|")] for line in text.strip().splitlines())
    rows = {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in lines}
    if len(rows) != len(lines):
        raise ValueError(f"{path}: a row stands twice")
    return Table(path, rows)


TABLES: Final = (parsed("/v1/stream", STREAM), parsed("/v1/watch", WATCH))


def blocks() -> dict[str, str]:
    """The generated parts of the page, by name."""
    stream, watch = TABLES
    return {
        "tokens": table(["column", "who knocks"], [[f"`{name}`", told] for name, (_, told) in COLUMNS.items()]),
        "stream-cells": _cells(stream),
        "watch-cells": _cells(watch),
        "origins": table(
            ["`Origin`", "answer", "which"], [[name, answer, told] for name, (answer, told) in ORIGINS.items()]
        ),
    }


def _cells(of: Table) -> str:
    columns = list(COLUMNS)
    return table(
        ["message", *columns],
        [[_told(row), *(cells[column] for column in columns)] for row, cells in of.rows.items()],
    )


def _told(row: str) -> str:
    message, colon, rest = row.partition(":")
    return f"`{message}`{colon}{rest}"


if __name__ == "__main__":
    renew_page(sys.argv[1:], blocks())
