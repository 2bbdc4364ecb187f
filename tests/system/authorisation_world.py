"""One cell of the authorisation tables goes in, what the real service answers comes out (tests/authorisation_table.py).

Every cell has users of its own, so that all columns of a row can be played at once.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import jwt
from websockets.exceptions import ConnectionClosed

from tests.authorisation_table import message_of
from tests.system.service import TOKEN_KEY, Service
from tests.system.sockets import (
    PATIENCE_S,
    Condition,
    Message,
    SocketClient,
    of_type,
    resume_of,
    socket,
    stream,
    wall_ms,
    watch,
)

ASKED: Final = "asked"
OTHER_KEY: Final = "another key than the service's, also long enough"
_ANSWERS: Final = {"resume_request": "control.resume", "bye": "ended"}
"""Answers that carry no `re`."""
_EFFECTS: Final = ("control.pause", "control.resume", "pattern.adapt", "intervention", "ended")
_CALM: Final = {"valence": 0.1, "arousal": -0.1, "attention": 0.8}


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. `own`: the user whose session it is about; `foreign`: one whom the `own` tokens do not name."""

    service: Service
    path: str
    row: str
    column: str

    @property
    def own(self) -> str:
        return f"own-{self._suffix}"

    @property
    def foreign(self) -> str:
        return f"foreign-{self._suffix}"

    @property
    def sid(self) -> str:
        return f"s-{self._suffix}"

    @property
    def speaker(self) -> str:
        """Who a client's token of this column speaks for."""
        return f"other-{self._suffix}" if self.column == "swapped" else self.own

    def claims(self) -> dict[str, Any]:
        """What the column's token says, apart from its time."""
        on_watch = self.path == "/v1/watch"
        therapist: dict[str, Any] = {"role": "therapist", "sub": "t-own", "clients": [self.own]}
        client: dict[str, Any] = {"role": "client", "sub": self.speaker}
        strange = {**therapist, "sub": "t-other", "clients": ["nobody-else"]} if on_watch else client
        return {
            "client": client,
            "sid": {**client, "sid": self.sid},
            "service": {"role": "service", "sub": "back-end"},
            "service1": {"role": "service", "sub": "back-end", "clients": [self.own]},
            "own": therapist,
            "all": {**therapist, "clients": ["*"]},
            "swapped": strange,
        }.get(self.column, therapist if on_watch else client)

    def token(self) -> str | None:
        if self.column == "none":
            return None
        lifetime_s = -60.0 if self.column == "expired" else 600.0
        claims = {**self.claims(), "exp": time.time() + lifetime_s}
        if self.column == "alg none":
            return jwt.encode(claims, "", algorithm="none")
        good = jwt.encode(claims, OTHER_KEY if self.column == "key" else TOKEN_KEY, algorithm="HS256")
        return forged(good) if self.column == "forged" else good

    def hello(self, **more: Any) -> Message:
        """The hello of this column's token; a back end names its user."""
        fields: Message = {"token": self.token(), **({} if self.path == "/v1/watch" else {"source": "emotion"})}
        if self.path == "/v1/stream" and self.claims()["role"] == "service":
            fields["user"] = self.own
        return {name: value for name, value in {**fields, **more}.items() if value is not None}

    def renewal(self, how: str) -> str:
        """The token of an `auth` row."""
        claims = self.claims()
        changes: dict[str, dict[str, Any]] = {
            "the same person": {},
            "another person": {"sub": "somebody-else"},
            "another role": {"role": "service" if claims["role"] != "service" else "therapist", "clients": ["*"]},
            "less allowed": {"sid": "another-session"} if claims["role"] == "client" else {"clients": ["nobody-else"]},
        }
        changed = changes.get(how, {})
        lifetime_s = -60.0 if how == "expired" else 600.0
        token = jwt.encode({**claims, **changed, "exp": time.time() + lifetime_s}, TOKEN_KEY, algorithm="HS256")
        return forged(token) if how == "forged" else token

    @property
    def _suffix(self) -> str:
        words = f"{self.path[4:]}-{self.row}-{self.column}"
        return "".join(letter if letter.isalnum() else "-" for letter in words)[:50]


def forged(token: str) -> str:
    """The same token with another signature of the right length."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' * len(signature)}"


async def played(cell: Cell) -> str:
    """What the service makes of it: `ok`, the code of an error, or the close code.

    1013 is in no table: a store was late on a busy machine, and who is told to come back does so.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while (outcome := await _played_once(cell)) == "1013" and time.monotonic() < deadline_s:  # noqa: ASYNC110 - answers
        await asyncio.sleep(1.0)
    return outcome


async def _played_once(cell: Cell) -> str:
    async with AsyncExitStack() as stack:
        if cell.path == "/v1/watch":
            return await _played_on_watch(cell, stack)
        fields, asked = await _prepared(cell, stack)
        knocking = await stack.enter_async_context(socket(cell.service, cell.path))
        if message_of(cell.row) == "hello" and cell.row != "hello: a second one":
            return await _asked(knocking, "hello", fields, of_type("welcome"))
        return await _asked_after_hello(cell, knocking, fields, asked, stack)


# the client's socket --------------------------------------------------------------------------------------------------


async def _prepared(cell: Cell, stack: AsyncExitStack) -> tuple[Message, Message]:
    """The hello of the row, and the fields of its message."""
    row = cell.row
    if row == "hello: another user":
        return cell.hello(user=cell.foreign), {}
    if row in {"hello: foreign session", "hello: resume foreign"}:
        theirs = await stack.enter_async_context(stream(cell.service, cell.foreign))
        claim = resume_of(theirs)
        return cell.hello(**(claim if "resume" in row else {"session_id": claim["session_id"]})), {}
    if row.startswith("hello: resume"):
        return cell.hello(**await _claim(cell, stack, spent="old" in row)), {}
    if row == "morphcast":
        return cell.hello(source="morphcast"), _message(cell)
    return cell.hello(), _message(cell)


async def _claim(cell: Cell, stack: AsyncExitStack, spent: bool) -> Message:
    """What its client would come back with to the session of `own`. `spent`: they have, and were heard since."""
    bound: dict[str, Any] = {"sid": cell.sid} if cell.column == "sid" else {}
    token = cell.service.token("client", cell.own, **bound)
    first = await stack.enter_async_context(stream(cell.service, cell.own, token=token))
    claim = resume_of(first)
    if spent:
        again = await stack.enter_async_context(stream(cell.service, cell.own, token=token, **claim))
        await again.send("rating", id="heard", scale="sud", value=3)
        await again.wait_for(of_type("done", re="heard"))
    return claim


def _message(cell: Cell) -> Message:
    kind, how = message_of(cell.row), cell.row.partition(": ")[2]
    event: Message = {"type": "CY_FACE_AROUSAL_VALENCE_RESULT", "detail": {"output": {"arousal": 0.1, "valence": 0.2}}}
    fields: dict[str, Message] = {
        "auth": {"token": cell.renewal(how)},
        "sample": {"ts": wall_ms(), "dimensions": _CALM},
        "morphcast": {"ts": wall_ms(), "events": [event]},
        "frame": {"ts": wall_ms(), "image": b"a picture"},
        "landmarks": {"ts": wall_ms()},
        "set": {"action": "start", "set_no": 1},
        "rating": {"scale": "sud", "value": 4},
        "phase": {"phase": "preparation"},
        "applied": {"control_epoch": 1},
        "ping": {"t0": 1.0},
        "hello": {"source": "emotion"} if cell.path == "/v1/stream" else {},
        "control.pause": {"session_id": cell.sid, "reason": "a word"},
        "control.resume": {"session_id": cell.sid, "reason": "a word"},
        "received": {"cursor": "1000000000000.s1.000001"},
    }
    return fields.get(kind, {})


async def _asked_after_hello(
    cell: Cell, knocking: SocketClient, hello: Message, fields: Message, stack: AsyncExitStack
) -> str:
    kind = message_of(cell.row)
    if cell.column == "unsaid":
        return await _asked(knocking, kind, fields)
    await knocking.send("hello", **hello)
    first = await knocking.wait_for(lambda m: m["type"] in {"welcome", "error"})
    if first["type"] == "error":
        return await _nothing_but_closed(knocking, kind, fields)
    if kind == "applied" or cell.row == "resume_request: own":
        await knocking.send("stop")
        await knocking.wait_for("control.pause")
    if cell.row == "resume_request: therapist's":
        console = await stack.enter_async_context(watch(cell.service, cell.speaker))
        await console.send("control.pause", session_id=first["session_id"], reason="a word")
        await knocking.wait_for("control.pause")
    answer = _ANSWERS.get(kind)
    return await _asked(knocking, kind, fields, of_type(answer) if answer else None)


# the console's socket -------------------------------------------------------------------------------------------------


async def _played_on_watch(cell: Cell, stack: AsyncExitStack) -> str:
    kind, how = message_of(cell.row), cell.row.partition(": ")[2]
    user = cell.foreign if "foreign" in how else cell.own
    theirs = await stack.enter_async_context(stream(cell.service, user))
    fields = {**_message(cell), **await _about(theirs, kind, how)}
    before = len(theirs.messages)
    knocking = await stack.enter_async_context(socket(cell.service, cell.path))
    if cell.row == "hello":
        return await _asked(knocking, "hello", cell.hello(), of_type("welcome"))
    if cell.column == "unsaid":
        return await _asked(knocking, kind, fields)
    await knocking.send("hello", **cell.hello())
    first = await knocking.wait_for(lambda m: m["type"] in {"welcome", "error"})
    if first["type"] == "error":
        outcome = await _nothing_but_closed(knocking, kind, fields)
    else:
        outcome = await _asked(knocking, kind, fields)
    if outcome != "ok":
        await _untouched(theirs, before)
        assert not [message for message in knocking.messages if "session_id" in message]
    return outcome


async def _about(theirs: SocketClient, kind: str, how: str) -> Message:
    """The fields that name the client's session, after what must be there for the command to do something."""
    session_id = theirs.of("welcome")[0]["session_id"]
    if kind in {"ack", "control.resume"}:
        await theirs.send("stop")
        pause = await theirs.wait_for("control.pause")
        await theirs.wait_for("intervention")
        if kind == "ack":
            return {"alert_id": pause["alert_id"]}
    if kind in {"subscribe", "unsubscribe"}:
        return {"sessions": [session_id]}
    if kind == "config.set":
        change = {"thresholds": {"risk": 0.7}} if "threshold" in how else {"config": {"speed": 0.8}}
        return {"session_id": session_id, **change}
    if kind in {"attend", "history"}:
        return {"session_id": session_id}
    commands = {"control.pause", "control.resume", "session.end"}
    return {"session_id": session_id, "reason": "a word"} if kind in commands else {}


async def _untouched(theirs: SocketClient, before: int) -> None:
    """Raises AssertionError when anything was done to the client's session from the `before`-th message on."""
    await theirs.send("ping", t0=2.0)
    await theirs.wait_for(of_type("pong", t0=2.0))
    assert not [m for m in theirs.messages[before:] if m["type"] in _EFFECTS]


# asking ---------------------------------------------------------------------------------------------------------------


async def _asked(knocking: SocketClient, kind: str, fields: Message, done: Condition | None = None) -> str:
    """Send, and name the answer. Where a store was late on a busy machine, `ack` is told to ask again, and does."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        code = await _asked_once(knocking, kind, fields, done)
        if (kind, code) != ("ack", "internal") or time.monotonic() > deadline_s:
            return code


async def _asked_once(knocking: SocketClient, kind: str, fields: Message, done: Condition | None) -> str:
    start = len(knocking.messages)
    await knocking.send(kind, id=ASKED, **fields)
    answer = await knocking.wait_for(
        lambda m: m.get("re") == ASKED or (m["type"] == "error" and m["fatal"]) or bool(done and done(m)), after=start
    )
    if answer["type"] != "error":
        return "ok"
    return str(await knocking.wait_closed()) if answer["fatal"] else str(answer["code"])


async def _nothing_but_closed(knocking: SocketClient, kind: str, fields: Message) -> str:
    """After a refused hello: the message is sent all the same, and must do nothing."""
    with contextlib.suppress(ConnectionClosed):
        await knocking.send(kind, id=ASKED, **fields)
    code = await knocking.wait_closed()
    assert [message["type"] for message in knocking.messages] == ["error"]
    return str(code)


@contextlib.asynccontextmanager
async def knocked(service: Service, path: str, **hello: Any) -> AsyncIterator[SocketClient]:
    """A socket that has said this hello, whatever came of it."""
    async with socket(service, path) as client:
        await client.send("hello", **hello)
        yield client
