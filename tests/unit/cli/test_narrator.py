"""The demo's narrator at a socket that says what a service says: what it tells, and when it acts as the therapist."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from emdr_stream.cli import narrator
from emdr_stream.cli.narrator import Narrator, clock
from emdr_stream.wire.codec import MSGPACK
from tests.contract.waiting import until
from tests.system.sockets import beside

pytestmark = pytest.mark.anyio

_WITHIN_S = 10.0
_NEVER_S = 60.0
_A_WHILE_S = 0.3
"""Many times what the narrator waits for here: what has not come by then does not come."""
EVIDENCE = [{"signal": "fear", "value": 0.61, "baseline": 0.05}, {"signal": "signal_age_ms", "value": None}]


class Desk:
    """The other end of the narrator's socket."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._heard: list[dict[str, Any]] = []
        self._read = 0

    async def listen(self) -> None:
        async for data in self._socket:
            self._heard.append(msgpack.unpackb(data))

    async def say(self, type_: str, /, **fields: Any) -> None:
        await self._socket.send(msgpack.packb({"type": type_, "session_id": "s1", **fields}))

    async def alert(self, state: str, name: str = "a1", **fields: Any) -> None:
        body: dict[str, Any] = {"alert_id": f"s1.{name}", "kind": "crisis", "severity": "critical"}
        body |= {"evidence": EVIDENCE, "ts": 1_000, "raised_ts": 1_000, **fields}
        await self.say("alert", state=state, **body)

    async def pause(self) -> None:
        await self.say("control", action="pause", reason="crisis", resume_requires="therapist")

    async def next(self) -> dict[str, Any]:
        """What the narrator says next."""
        self._read += 1
        await until(lambda: len(self._heard) >= self._read, _WITHIN_S)
        return self._heard[self._read - 1]

    async def says_no_more(self) -> None:
        await asyncio.sleep(_A_WHILE_S)
        assert len(self._heard) == self._read


@contextlib.asynccontextmanager
async def narrated(patience_s: float = _NEVER_S) -> AsyncIterator[tuple[Desk, Narrator, list[str]]]:
    """A narrator at work, who has subscribed."""
    told: list[str] = []
    arrived: asyncio.Future[Desk] = asyncio.get_running_loop().create_future()

    async def desk(socket: ServerConnection) -> None:
        assert socket.request is not None and socket.request.headers["Authorization"] == "Bearer a.b.c"
        arrived.set_result(Desk(socket))
        await arrived.result().listen()

    async with serve(desk, "127.0.0.1", 0, subprotocols=[Subprotocol(MSGPACK)]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        speaking = Narrator(told.append, patience_s)
        async with beside(speaking.watch(f"ws://127.0.0.1:{port}", "a.b.c")):
            async with asyncio.timeout(_WITHIN_S):
                here = await arrived
            assert [(await here.next())["type"], (await here.next())["sessions"]] == ["hello", ["*"]]
            yield here, speaking, told


def tells(told: list[str], words: str) -> Callable[[], bool]:
    return lambda: any(words in line for line in told)


async def test_it_tells_a_session_in_words_and_a_label_only_when_it_changes() -> None:
    async with narrated() as (desk, speaking, told):
        await desk.say("session.opened")
        for label, crisis in (("unknown", None), ("calm", 0.04), ("calm", 0.05), ("hyperarousal", 0.83)):
            await desk.say("state", state={"label": label}, safety={"crisis_probability": crisis})
        await desk.alert("raised")
        await desk.pause()
        await desk.say("intervention", intervention={"type": "grounding"})
        await desk.say("adapt", reasons=["caution is advised within the set (risk 0.64)"])
        await desk.alert("escalated")
        await desk.alert("acknowledged", by="dr.noor")
        await desk.say("control", action="resume", by="dr.noor")
        await desk.say("something.newer")
        await desk.say("session.closed")
        await until(tells(told, "the session is over"), _WITHIN_S)
        assert speaking.seen == [
            "opened", "baseline", "label", "label", "alert.raised", "control.pause", "intervention", "adapt",
            "alert.escalated", "alert.acknowledged", "control.resume", "closed",
        ]  # fmt: skip
        assert "looks hyperarousal (crisis 0.83)" in told
        assert "alert raised: crisis, critical (fear 0.61, own baseline 0.05; signal_age_ms unknown)" in told
        assert "PAUSE: the light stops, more than this person can bear; only the therapist can go on" in told
        assert "alert escalated: crisis, critical: nobody has acknowledged it" in told
        assert "alert acknowledged: crisis, critical by dr.noor" in told
        assert "the light moves again (resumed by dr.noor)" in told
        await desk.says_no_more()


async def test_an_alert_that_rises_is_told_and_acknowledged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrator, "_RESUME_AFTER_S", 60.0)
    async with narrated(patience_s=0.2) as (desk, _, told):
        await desk.pause()
        await desk.alert("raised", threshold=0.7)
        await desk.alert("raised", threshold=0.8, ts=4_000)
        assert (await desk.next())["type"] == "ack"
        assert [line.partition(":")[0] for line in told if line.startswith("alert")] == [
            "alert raised",
            "alert now more urgent",
        ]
        await desk.says_no_more()


async def test_an_alert_that_nobody_takes_is_acknowledged_and_its_pause_ended_a_while_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(narrator, "_RESUME_AFTER_S", 0.05)
    async with narrated(patience_s=0.05) as (desk, _, told):
        await desk.pause()
        await desk.alert("raised")
        ack = await desk.next()
        assert (ack["type"], ack["alert_id"]) == ("ack", "s1.a1")
        assert "the demo" in ack["note"]
        # Its own acknowledgement, as every console hears it, stops it from nothing.
        await desk.alert("acknowledged", by="demo-therapist")
        resume = await desk.next()
        assert (resume["type"], resume["session_id"]) == ("control.resume", "s1")
        assert "nobody acknowledged in the console: the demo does it" in told


async def test_it_leaves_an_alert_to_the_person_at_the_console_who_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrator, "_RESUME_AFTER_S", 0.01)
    async with narrated(patience_s=_A_WHILE_S / 2) as (desk, _, told):
        await desk.pause()
        await desk.alert("raised")
        await desk.alert("acknowledged", by="dr.noor")
        await until(tells(told, "by dr.noor"), _WITHIN_S)
        await desk.says_no_more()


@pytest.mark.parametrize("why", ["another alert waits", "somebody has resumed meanwhile"])
async def test_it_resumes_nothing_that_is_not_its_to_resume(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    monkeypatch.setattr(narrator, "_RESUME_AFTER_S", 0.1)
    async with narrated(patience_s=0.1) as (desk, speaking, _):
        await desk.pause()
        await desk.alert("raised")
        assert (await desk.next())["type"] == "ack"
        if why == "another alert waits":
            monkeypatch.setattr(speaking, "_patience_s", _NEVER_S)
            await desk.alert("raised", name="a2")
        else:
            await desk.say("control", action="resume", by="dr.noor")
        await desk.says_no_more()


def test_each_line_has_the_time_since_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("emdr_stream.cli.narrator.time.monotonic", lambda: now)
    lines: list[str] = []
    tell = clock(lines.append)
    now = 100.0 + 125.9
    tell("a pause")
    assert lines == ["02:05  a pause"]
