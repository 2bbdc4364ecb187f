"""A console in one worker, its clients' sessions in another: what is told when stores are away and sessions end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from emdr_stream.broker.memory import MemoryHub
from emdr_stream.domain import Status
from emdr_stream.settings import SessionSettings
from emdr_stream.store.memory import MemoryRecords
from emdr_stream.wire.stream import Applied, Stop
from tests.session.console_world import QUICK, Client, Worker, running_worker

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def two_workers(folder: Path, settings: SessionSettings = QUICK) -> AsyncIterator[tuple[Worker, Worker]]:
    hub, records = MemoryHub(), MemoryRecords()
    async with (
        running_worker(folder / "here", hub=hub, records=records, settings=settings) as here,
        running_worker(folder / "there", hub=hub, records=records, settings=settings) as there,
    ):
        yield here, there


async def test_what_cannot_be_known_now_is_no_unknown_session_and_no_refusal(tmp_path: Path) -> None:
    # The answer was final, nothing asked again, and the audit log held that the therapist had been refused.
    async with two_workers(tmp_path) as (here, there), here.console("anna") as console:
        await there.client("anna", "s1")
        here.hub.available = False
        for ask, fields in (("subscribe", {"sessions": ["s1"]}), ("history", {"session_id": "s1"})):
            answer = await console.ask(ask, **fields)
            assert (answer["code"], answer["retryable"]) == ("internal", True), answer
        assert not [record for record in here.kept if record.fields.get("refused")]
        here.hub.available = True
        answer = await console.ask("subscribe", sessions=["s1"])
        assert [session["session_id"] for session in answer["sessions"]] == ["s1"]


async def test_a_session_that_is_over_does_not_open_again_and_says_nothing_more(tmp_path: Path) -> None:
    # A last live state came behind `session.closed`; other workers' consoles took it for a session new to them.
    gone_soon = replace(QUICK, control=replace(QUICK.control, grace_ms=600, disconnect_alert_ms=200))
    async with (
        two_workers(tmp_path, gone_soon) as (here, there),
        here.console("anna", subscribe=["*"], sub="dr.noor") as far,
        there.console("anna", subscribe=["*"], sub="dr.kim") as near,
    ):
        client = await there.client("anna", "s1")
        await far.next("session.opened")
        client.runner.detach(client.wire)
        for console in (near, far):
            await console.next("session.closed", within_s=5)
            told = [m["type"] for m in await console.listen(0.5) if m["type"] in ("state", "session.opened")]
            assert told == []
            opened = [message for message in console.seen if message["type"] == "session.opened"]
            assert len(opened) == 1


def status_of(client: Client) -> Status:
    return client.runner.core.status


async def test_a_resume_is_for_the_pause_that_was_seen(tmp_path: Path) -> None:
    # A crisis that paused anew while the command travelled was ended by a resume that was meant for a lesser pause.
    async with two_workers(tmp_path) as (here, there):
        client = await there.client("anna", "s1")
        async with there.console("anna", subscribe=["*"], sub="dr.noor") as console:
            await console.ask("control.pause", session_id="s1", reason="wait")
            seen = client.runner.core.care.control.state.control_epoch
            client.say(Stop())
            now = client.runner.core.care.control.state.control_epoch
            assert now >= seen
            client.say(Applied(control_epoch=now))
            for control_epoch in (seen - 1, now + 1):
                answer = await console.ask(
                    "control.resume", session_id="s1", reason="go on", control_epoch=control_epoch
                )
                assert answer["code"] == "resume_denied" and "paused anew" in answer["message"]
            assert status_of(client) is Status.PAUSED
            refused = [record.fields for record in there.kept if record.fields.get("refused")]
            assert [(deed["action"], deed["by"]) for deed in refused] == [("control.resume", "dr.noor")] * 2
            await console.ask("control.resume", session_id="s1", reason="go on", control_epoch=now)
            assert status_of(client) is Status.RUNNING
        async with here.console("anna", sub="dr.kim") as far:
            await far.ask("control.pause", session_id="s1", reason="wait")
            answer = await far.ask("control.resume", session_id="s1", reason="go on", control_epoch=now)
            assert answer["code"] == "resume_denied"


async def test_a_console_leaves_out_no_more_sessions_than_are_worth_keeping(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (here, _), here.console("anna", subscribe=["*"]) as console:
        for page in range(10):
            answer = await console.ask("unsubscribe", sessions=[f"s{page}-{number}" for number in range(1_000)])
            assert answer["type"] == "done"
        answer = await console.ask("unsubscribe", sessions=["one-more"])
        assert (answer["code"], answer["param"]) == ("invalid_field", "sessions")
