"""What a therapist can rely on at `/v1/watch`: over a real socket, with real sessions and a real alert log."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emdr_stream.broker.base import AlertEntry
from emdr_stream.broker.memory import MemoryHub
from emdr_stream.domain import Role, Status
from emdr_stream.settings import ControlSettings, SocketSettings
from emdr_stream.store.base import RecordKind
from emdr_stream.store.memory import MemoryRecords, MemoryStore
from emdr_stream.wire.codec import JSON, MSGPACK
from emdr_stream.wire.stream import Applied, Bye, Rating, ResumeRequest, Stop
from tests.contract.waiting import until
from tests.session.console_world import CRISIS, Client, Console, Message, Worker, running_worker

pytestmark = pytest.mark.anyio

QUICK_DEADLINES = ControlSettings(
    heartbeat_ms=100, unconfirmed_ms=60_000, rest_hard_ms=60_000, ack_critical_ms=300, ack_high_ms=300
)


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    async with running_worker(tmp_path) as running:
        yield running


async def stopped(console: Console, client: Client) -> Message:
    """Let the client press stop; the alert that the console gets."""
    client.say(Stop())
    return await console.next("alert", kind="client_stop", state="raised")


def step(seq: int, session_id: str = "s1", user: str = "anna", name: str = "a1", **fields: Any) -> AlertEntry:
    """A step of an alert as another worker would have written it."""
    now_ms = time.time_ns() // 1_000_000
    body = {
        "alert_id": f"{session_id}.{name}",
        "session_id": session_id,
        "alert_seq": seq,
        "kind": "client_stop",
        "severity": "high",
        "state": "raised",
        "ts": now_ms,
        "raised_ts": now_ms,
        "evidence": [],
        **fields,
    }
    return AlertEntry(session_id, user, seq, 1, now_ms, msgspec.json.encode(body))


# who may -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
async def test_a_therapist_is_welcomed_and_gets_a_list_states_and_alerts_in_either_codec(
    worker: Worker, codec: str
) -> None:
    client = await worker.client("anna", "s1")
    async with worker.knock(worker.token("anna"), codec) as console:
        welcome = await console.next("welcome")
        assert (welcome["protocol"], welcome["heartbeat_ms"], welcome["user"]) == ("emdr.v1", 100, "dr.noor")
        listed = await console.ask("subscribe", sessions=["*"])
        assert [(s["session_id"], s["user"], s["status"]) for s in listed["sessions"]] == [("s1", "anna", "running")]
        client.sample()
        state = await console.next("state")
        assert (state["session_id"], state["status"], state["signal"]["status"]) == ("s1", "running", "ok")
        alert = await stopped(console, client)
        assert (alert["alert_id"], alert["severity"]) == ("s1.a1", "high")
        assert "alert_seq" not in alert
        assert alert["ack_deadline_ts"] == alert["raised_ts"] + 30_000


async def test_a_service_without_clients_in_its_token_sees_everybody(worker: Worker) -> None:
    await worker.client("anna", "s1")
    token = worker.authority.issue(Role.SERVICE, "backend", now=time.time(), lifetime_s=60)
    async with worker.knock(token) as console:
        listed = await console.ask("subscribe", sessions=["*"])
        assert [s["session_id"] for s in listed["sessions"]] == ["s1"]


async def test_a_client_is_told_that_the_role_is_wrong_and_closed_with_4503(worker: Worker) -> None:
    token = worker.authority.issue(Role.CLIENT, "anna", now=time.time(), lifetime_s=60)
    async with worker.knock(token) as console:
        assert (await console.next("error"))["code"] == "forbidden"
        assert await console.close_code() == 4503


@pytest.mark.parametrize("token", [None, "no.token.ofours"])
async def test_a_bad_token_is_told_and_closed_with_4500(worker: Worker, token: str | None) -> None:
    async with worker.knock(token) as console:
        assert (await console.next("error"))["code"] == "unauthorized"
        assert await console.close_code() == 4500


async def test_another_therapists_session_is_invisible_and_cannot_be_commanded(worker: Worker) -> None:
    foreign = await worker.client("ben", "s2")
    async with worker.console("anna", subscribe=["*"]) as console, worker.console("ben", subscribe=["*"]) as theirs:
        assert (await console.ask("subscribe", sessions=["*"]))["sessions"] == []
        foreign.sample()
        alert = await stopped(theirs, foreign)
        for named in ("s2", "s3"):
            refused = await console.ask("subscribe", sessions=[named])
            assert (refused["code"], refused["param"]) == ("unknown_session", "sessions[0]")
        for command in ("control.pause", "control.resume", "session.end"):
            refused = await console.ask(command, session_id="s2", reason="mistaken")
            unknown = await console.ask(command, session_id="s3", reason="mistaken")
            assert refused["code"] == unknown["code"] == "unknown_session"
            assert refused["message"] == unknown["message"]
        refused = await console.ask("ack", alert_id=alert["alert_id"])
        assert (refused["code"], refused["param"]) == ("invalid_field", "alert_id")
        assert not [m for m in console.seen if m.get("session_id") == "s2"]
    assert foreign.runner.core.status.value == "paused"
    assert not foreign.runner.core.care.alerts.state.open[alert["alert_id"]].by


# what was, and who is there ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
async def test_a_console_that_comes_late_is_told_the_sessions_past(worker: Worker, codec: str) -> None:
    client = await worker.client("anna", "s1")
    client.say(Rating(scale="sud", value=7.0))
    async with worker.knock(worker.token("anna"), codec) as console:
        await console.ask("subscribe", sessions=["*"])
        await client.stream(lambda: any(record.kind is RecordKind.SECOND for record in worker.kept))
        await worker.store.write(worker.kept)
        raised = await stopped(console, client)
        await until(lambda: len(worker.stored.alerts) > 0)
        past = await console.ask("history", session_id="s1")
        assert (past["type"], past["complete"]) == ("history", True)
        told = [(e["kind"], e["fields"].get("action", e["fields"].get("value"))) for e in past["events"]]
        assert told == [("control", "thresholds"), ("rating", 7.0)]
        assert [a["alert_id"] for a in past["alerts"]] == [raised["alert_id"]]
        curve = past["curve"]
        assert len(curve["ts"]) == len(curve["risk"]) == len(curve["valence"]) >= 1
        assert curve["signal"][0] == "ok"
        bare = await console.ask("history", session_id="s1", curve_s=0)
        assert (bare["curve"]["ts"], len(bare["events"])) == ([], 2)


async def test_a_past_that_cannot_be_read_is_told_as_incomplete(worker: Worker) -> None:
    await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["*"]) as console:
        worker.stored.available = False
        past = await console.ask("history", session_id="s1")
        assert (past["complete"], past["events"], past["curve"]["ts"]) == (False, [], [])


async def test_all_consoles_see_which_therapist_has_a_session_before_them(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with (
        worker.console("anna", subscribe=["*"]) as here,
        worker.console("*", subscribe=["*"], sub="dr.abel") as there,
    ):
        assert (await here.ask("attend", session_id="s1"))["type"] == "done"
        await client.stream(lambda: client.runner.now_ms() > 600)
        assert (await there.next("state", attended_by=["dr.noor"]))["session_id"] == "s1"
        await there.ask("attend", session_id="s1")
        until_ms = client.runner.now_ms() + 600
        await client.stream(lambda: client.runner.now_ms() > until_ms)
        await here.next("state", attended_by=["dr.abel", "dr.noor"])
        assert (await here.ask("attend", session_id="s2"))["code"] == "unknown_session"


# live ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [1, 2, 5, 10])
async def test_states_come_at_the_wished_rate_at_most(worker: Worker, rate_hz: int) -> None:
    client = await worker.client("anna", "s1")
    async with worker.console("anna") as console, worker.console("anna") as fast:
        await fast.ask("subscribe", sessions=["*"], rate_hz=10)
        await console.ask("subscribe", sessions=["s1"], rate_hz=rate_hz)
        await client.stream(lambda: client.runner.now_ms() > 1_000)
        await console.listen(0.02)
        period_s = max(0.5, 2.0 / rate_hz)
        ended = time.monotonic() + period_s
        await client.stream(lambda: time.monotonic() > ended)
        states = [m for m in await console.listen(0.02) if m["type"] == "state"]
    assert rate_hz * period_s * 0.6 <= len(states) <= rate_hz * period_s + 1


async def test_a_session_that_opens_later_is_told_to_who_follows_all_and_not_to_who_named_others(
    worker: Worker,
) -> None:
    await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["*"]) as everything, worker.console("anna", subscribe=["s1"]) as one:
        second = await worker.client("anna", "s2")
        opened = await everything.next("session.opened", session_id="s2")
        assert opened["session"]["user"] == "anna"
        second.runner.detach(second.wire)
        await everything.next("session.detached", session_id="s2")
        assert not [m for m in await one.caught_up() if m.get("session_id") == "s2"]


async def test_a_request_to_resume_reaches_the_therapist_who_alone_may_grant_it(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["*"]) as console:
        assert (await console.ask("control.pause", session_id="s1", reason="a word"))["type"] == "done"
        client.say(ResumeRequest())
        await console.next("resume_requested", session_id="s1")
        assert client.wire.sent[-1]["code"] == "resume_denied"
        assert (await console.ask("control.resume", session_id="s1", reason="all well"))["type"] == "done"
        assert (await console.next("control", action="resume"))["by"] == "dr.noor"
    assert client.runner.core.status.value == "running"


async def test_an_unsubscribed_session_is_silent_and_comes_back_with_its_open_alerts(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["*"]) as console:
        first = await stopped(console, client)
        await console.ask("unsubscribe", sessions=["s1"])
        quiet_from = len(console.seen)
        client.sample()
        await console.caught_up()
        assert not [m for m in console.seen[quiet_from:] if m["type"] in ("state", "alert")]
        await console.ask("subscribe", sessions=["s1"])
        assert (await console.next("alert"))["cursor"] == first["cursor"]


async def test_the_silence_is_broken_by_heartbeats_and_a_ping_is_answered(worker: Worker) -> None:
    async with worker.console("anna") as console:
        began = time.monotonic()
        for _ in range(3):
            await console.next("heartbeat")
        assert 0.25 < time.monotonic() - began < 2.0
        pong = await console.ask("ping", t0=1.5)
        assert pong["t0"] == 1.5
        assert pong["t2"] >= pong["t1"] > 1e12


# alerts --------------------------------------------------------------------------------------------------------------


async def test_a_crisis_reaches_the_therapist_with_its_probability_and_pauses(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["*"]) as console:
        await client.stream(lambda: client.runner.core.perception.baseline.ready)
        worker.scores = CRISIS
        await client.stream(lambda: client.runner.core.status.value == "paused")
        alert = await console.next("alert", kind="crisis")
        assert (alert["severity"], alert["probability"], alert["threshold"]) == ("critical", 0.9, 0.8)
        assert (await console.next("control", action="pause"))["reason"] == "crisis"
        assert (await console.next("intervention"))["session_id"] == "s1"


async def test_a_new_subscription_gets_what_is_open_and_nothing_that_is_resolved(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["*"]) as first:
        await stopped(first, client)
        await first.ask("control.resume", session_id="s1", reason="well")
        await first.next("alert", state="resolved")
        await stopped(first, client)
    async with worker.console("anna", subscribe=["s1"]) as second:
        alert = await second.next("alert")
        assert (alert["alert_id"], alert["state"]) == ("s1.a3", "raised")
        assert not [m for m in await second.caught_up() if m["type"] == "alert"]


async def test_a_console_that_comes_back_with_its_cursor_gets_every_step_that_it_missed(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["*"]) as console:
        taken = await stopped(console, client)
    client.runner.acknowledge("s1.a1", "dr.lind", "seen")
    async with worker.console("anna", sub="dr.lind", subscribe=["*"]) as other:
        await other.next("alert", state="acknowledged")
        await other.ask("control.resume", session_id="s1", reason="well")
        await other.next("alert", state="resolved")
    async with worker.console("anna", resume_after=taken["cursor"]) as back:
        await back.ask("subscribe", sessions=["s1"])
        missed = [await back.next("alert") for _ in range(3)]
        assert [m["state"] for m in missed] == ["raised", "acknowledged", "resolved"]
        assert missed[0]["cursor"] == taken["cursor"]
        assert not [m for m in await back.caught_up() if m["type"] == "alert"]


async def test_a_step_that_a_worker_with_a_slow_clock_made_meanwhile_is_not_missed(worker: Worker) -> None:
    # By its worker's clock it is older than the cursor, and it is open no more: only the search further back finds it.
    client = await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["*"]) as console:
        taken = await stopped(console, client)
    for seq, state in ((1, "raised"), (2, "resolved")):
        late = step(seq, "s2", state=state)
        worker.alerts.append(replace(late, ts_ms=late.ts_ms - 30_000))
    await until(lambda: worker.alerts.last_seq("s2") == 2)
    async with worker.console("anna", resume_after=taken["cursor"]) as back:
        await back.ask("subscribe", sessions=["*"])
        await back.next("alert", session_id="s2", state="resolved")


async def test_a_cursor_that_is_none_is_told_and_open_alerts_come_all_the_same(worker: Worker) -> None:
    worker.alerts.append(step(1))
    await worker.client("anna", "s1")
    async with worker.knock(worker.token("anna"), resume_after="yesterday") as console:
        assert (await console.next("error"))["param"] == "resume_after"
        await console.send("subscribe", sessions=["*"])
        await console.next("alert", alert_id="s1.a1")


async def test_alerts_that_are_raised_during_a_replay_are_told_once_and_in_order(worker: Worker) -> None:
    for seq in range(1, 101):
        worker.alerts.append(step(seq, name=f"a{seq}"))
    await until(lambda: worker.alerts.last_seq("s1") == 100)
    async with worker.console("anna", resume_after="1000000000000.s1.000001") as console:
        await console.send("subscribe", sessions=["*"])
        for seq in range(101, 201):
            worker.alerts.append(step(seq, name=f"a{seq}"))
            await asyncio.sleep(0)
        await console.next("alert", alert_id="s1.a200")
        told = [m["alert_id"] for m in console.all("alert")]
    assert told == [f"s1.a{seq}" for seq in range(1, 201)]


async def test_the_first_acknowledgement_wins_and_every_watcher_sees_who(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with (
        worker.console("anna", subscribe=["*"]) as first,
        worker.console("anna", sub="dr.lind", subscribe=["*"]) as second,
    ):
        alert = await stopped(first, client)
        assert (await second.ask("ack", alert_id=alert["alert_id"], note="on it"))["type"] == "done"
        assert (await first.ask("ack", alert_id=alert["alert_id"]))["type"] == "done"
        for console in (first, second):
            told = await console.next("alert", state="acknowledged")
            assert (told["by"], told["note"], told["alert_id"]) == ("dr.lind", "on it", alert["alert_id"])
            assert not [m for m in await console.caught_up() if m["type"] == "alert"]
    acks = [r for r in worker.kept if r.kind is RecordKind.AUDIT and r.fields["action"] == "ack"]
    assert [r.fields["by"] for r in acks] == ["dr.lind", "dr.noor"]


@pytest.mark.parametrize("alert_id", ["s1.a9", "s9.a1", "nonsense", "s1.ax"])
async def test_an_alert_that_does_not_exist_cannot_be_acknowledged(worker: Worker, alert_id: str) -> None:
    await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["*"]) as console:
        refused = await console.ask("ack", alert_id=alert_id)
        assert (refused["code"], refused["param"]) == ("invalid_field", "alert_id")
    written = [r.fields for r in worker.kept if r.kind is RecordKind.AUDIT]
    assert [(row["action"], row["alert_id"], row["refused"]) for row in written] == [("ack", alert_id, True)]


async def test_an_alert_that_nobody_acknowledges_escalates_at_its_deadline(tmp_path: Path) -> None:
    async with running_worker(tmp_path, control=QUICK_DEADLINES) as worker:
        client = await worker.client("anna", "s1")
        async with worker.console("anna", subscribe=["*"]) as console:
            raised = await stopped(console, client)
            escalated = await console.next("alert", state="escalated")
            assert escalated["alert_id"] == raised["alert_id"]
            assert escalated["cursor"] > raised["cursor"]


async def test_an_alert_of_a_session_that_is_over_can_still_be_acknowledged(tmp_path: Path) -> None:
    async with running_worker(tmp_path, control=QUICK_DEADLINES) as worker:
        client = await worker.client("anna", "s1")
        async with worker.console("anna", subscribe=["*"]) as console:
            await stopped(console, client)
            client.say(Bye())
            await console.next("alert", state="escalated")
            await until(lambda: worker.registry.get("s1") is None)
            assert worker.oldest_unacknowledged_s() > 0
            assert (await console.ask("ack", alert_id="s1.a1", note="called"))["type"] == "done"
            assert worker.oldest_unacknowledged_s() == 0
            told = await console.next("alert", state="acknowledged")
            assert (told["by"], told["note"]) == ("dr.noor", "called")
            await console.next("alert", state="resolved")
            assert (await console.ask("ack", alert_id="s1.a1"))["type"] == "done"
            assert not [m for m in await console.caught_up() if m["type"] == "alert"]
        # The second one changes nothing, and stands in the log as every acknowledgement does.
        acks = [r.fields for r in worker.kept if r.kind is RecordKind.AUDIT and r.fields["action"] == "ack"]
        assert [(row["note"], row.get("refused", False)) for row in acks] == [("called", False), (None, False)]
        async with worker.console("anna", subscribe=["*"]) as later:
            assert not [m for m in await later.caught_up() if m["type"] == "alert"]


async def test_an_alert_that_comes_and_goes_while_the_store_is_asked_for_the_past_is_told(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With no past to tell, what had been held meanwhile was forgotten.
    asked, answers = asyncio.Event(), asyncio.Event()
    open_alerts = MemoryStore.open_alerts

    async def slow(store: MemoryStore, users: Any) -> list[AlertEntry]:
        asked.set()
        await answers.wait()
        return await open_alerts(store, users)

    monkeypatch.setattr(MemoryStore, "open_alerts", slow)
    async with worker.console("anna") as console:
        await console.send("subscribe", sessions=["*"])
        await asked.wait()
        for number, state in enumerate(("raised", "resolved"), 1):
            worker.alerts.append(step(number, name="a1", state=state))
        await until(lambda: worker.alerts.last_seq("s1") == 2)
        answers.set()
        for state in ("raised", "resolved"):
            await console.next("alert", alert_id="s1.a1", state=state)


async def test_an_alert_that_only_a_store_knows_is_told_when_the_store_is_back(tmp_path: Path) -> None:
    # So old that nothing but the question for open alerts finds it.
    long_ago_ms = time.time_ns() // 1_000_000 - 7_200_000
    records = MemoryRecords()
    async with running_worker(tmp_path, records=records) as worker:
        records.alerts["s1", 1] = (long_ago_ms, replace(step(1), ts_ms=long_ago_ms))
        records.available = False
        async with worker.console("anna", subscribe=["*"]) as console:
            assert not [m for m in await console.caught_up() if m["type"] == "alert"]
            records.available = True
            await console.next("alert", alert_id="s1.a1")


async def test_alerts_and_states_of_this_worker_arrive_while_the_stores_are_away(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    worker.hub.available = worker.stored.available = False
    async with worker.console("anna", subscribe=["*"]) as console:
        client.sample()
        await console.next("state", session_id="s1")
        await stopped(console, client)
    worker.hub.available = worker.stored.available = True


async def test_a_session_of_another_worker_is_introduced_alerted_acknowledged_and_commanded(tmp_path: Path) -> None:
    hub, records = MemoryHub(), MemoryRecords()
    async with (
        running_worker(tmp_path / "here", hub=hub, records=records) as here,
        running_worker(tmp_path / "there", hub=hub, records=records) as there,
    ):
        client = await there.client("anna", "s1")
        await until(lambda: hub.sessions["s1"].payload is not None)
        async with here.console("anna", subscribe=["*"]) as console:
            ended = time.monotonic() + 1.2
            await client.stream(lambda: time.monotonic() > ended)
            assert (await console.next("session.opened"))["session"]["session_id"] == "s1"
            await stopped(console, client)
            assert (await console.ask("ack", alert_id="s1.a1"))["type"] == "done"
            assert (await console.next("alert", state="acknowledged"))["by"] == "dr.noor"
            assert (await console.ask("control.resume", session_id="s1", reason="we spoke"))["type"] == "done"
            assert client.runner.core.status is Status.RUNNING
            again = await console.ask("control.resume", session_id="s1", reason="once more")
            assert again["type"] in {"done", "error"}
        async with here.console("ben") as stranger:
            refused = await stranger.ask("control.pause", session_id="s1", reason="not mine")
            assert refused["code"] == "unknown_session"
            assert client.runner.core.status is Status.RUNNING
        async with here.console("anna") as named:
            listed = await named.ask("subscribe", sessions=["s1"])
            assert [s["session_id"] for s in listed["sessions"]] == ["s1"]


async def test_a_command_does_not_wait_behind_acknowledgements_to_a_worker_that_is_silent(tmp_path: Path) -> None:
    # Seen in tests/system/test_chaos.py: each acknowledgement waited a second, and the commands behind it with it.
    hub, records = MemoryHub(), MemoryRecords()
    async with (
        running_worker(tmp_path / "here", hub=hub, records=records) as here,
        running_worker(tmp_path / "there", hub=hub, records=records) as there,
        running_worker(tmp_path / "silent", hub=hub, records=records) as silent,
    ):
        client = await there.client("anna", "s1")
        silenced = await silent.client("anna", "s2")
        await until(lambda: {"s1", "s2"} <= {name for name, held in hub.sessions.items() if held.payload is not None})
        await until(lambda: len(here.registry.roll.living) == 3)
        silenced.runner.take(Stop(), time.monotonic())
        await until(lambda: here.alerts.last_seq("s2") == 1)
        silent.broker.receive(lambda _: None)
        async with here.console("anna") as console:
            for _ in range(3):
                await console.send("ack", alert_id="s2.a1")
            began = time.monotonic()
            answer = await console.ask("control.pause", session_id="s1", reason="wait")
            assert answer["type"] == "done" and client.runner.core.care.control.state.reason == "therapist"
            assert time.monotonic() - began < 0.9


async def test_an_alert_that_cannot_be_read_is_told_as_one_of_its_own(worker: Worker) -> None:
    async with worker.console("anna", subscribe=["*"]) as console:
        worker.alerts.append(AlertEntry("s1", "anna", 1, 1, time.time_ns() // 1_000_000, b"\xff"))
        alert = await console.next("alert")
        assert (alert["kind"], alert["severity"], alert["session_id"]) == ("degraded", "high", "s1")


# commands ------------------------------------------------------------------------------------------------------------


async def test_a_therapist_pauses_resumes_and_ends_a_session_and_the_audit_knows(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["s1"]) as console:
        await console.ask("control.pause", session_id="s1", reason="a word", mode="ease_to_center")
        pause = [m for m in client.wire.sent if m["type"] == "control.pause"][-1]
        assert (pause["mode"], pause["resume_requires"], pause["reason"]) == (
            "ease_to_center",
            "therapist",
            "therapist",
        )
        client.say(Applied(control_epoch=pause["control_epoch"]))
        await console.ask("control.resume", session_id="s1", reason="well")
        again = await console.ask("control.resume", session_id="s1", reason="twice")
        assert (again["code"], again["retryable"]) == ("resume_denied", True)
        await console.ask("session.end", session_id="s1", reason="time is up")
        closed = await console.next("session.closed", session_id="s1")
        assert "time is up" in closed["reason"]
        over = await console.ask("control.pause", session_id="s1", reason="late")
        assert over["code"] in ("session_over", "unknown_session")
    audit = [r.fields["action"] for r in worker.kept if r.kind is RecordKind.AUDIT]
    assert audit[:3] == ["control.pause", "control.resume", "control.resume"]
    assert "session.end" in audit


async def test_a_therapist_may_relax_a_threshold_and_set_the_stimulus(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with worker.console("anna", subscribe=["s1"]) as console:
        thresholds = {"crisis_pause": 0.8, "crisis_immediate": 0.9}
        assert (await console.ask("config.set", session_id="s1", thresholds=thresholds))["type"] == "done"
        assert client.runner.core.care.state.thresholds.crisis_pause == 0.8
        assert (await console.ask("config.set", session_id="s1", config={"speed": 0.7}))["type"] == "done"
        assert (await console.next("adapt"))["config"]["speed"] == 0.7
        refused = await console.ask("config.set", session_id="s1", thresholds={"crisis_immediate": 0.3})
        assert (refused["code"], refused["param"]) == ("invalid_field", "thresholds.crisis_immediate")


async def test_a_back_end_may_pause_but_neither_resume_nor_move_a_threshold(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with worker.knock(worker.token("*", sub="backend", role=Role.SERVICE)) as console:
        await console.next("welcome")
        assert (await console.ask("control.pause", session_id="s1", reason="maintenance"))["type"] == "done"
        assert (await console.ask("control.resume", session_id="s1", reason="x"))["code"] == "forbidden"
        refused = await console.ask("config.set", session_id="s1", thresholds={"crisis_pause": 0.9})
        assert (refused["code"], refused["param"]) == ("forbidden", "thresholds")
        assert (await console.ask("config.set", session_id="s1", config={"speed": 0.7}))["type"] == "done"
    assert client.runner.core.status == "paused"
    assert client.runner.core.care.state.thresholds.crisis_pause == 0.7


# keeping the peace ---------------------------------------------------------------------------------------------------


async def test_a_renewed_token_with_fewer_clients_ends_what_it_no_longer_allows_at_once(worker: Worker) -> None:
    anna, ben = await worker.client("anna", "s1"), await worker.client("ben", "s2")
    async with worker.console("anna", "ben", subscribe=["*"]) as console:
        assert (await console.ask("auth", token=worker.token("anna")))["type"] == "done"
        silent_from = len(console.seen)
        ben.say(Stop())
        await stopped(console, anna)
        assert not [m for m in console.seen[silent_from:] if m.get("session_id") == "s2"]
        assert (await console.ask("control.resume", session_id="s2", reason="x"))["code"] == "unknown_session"
        assert (await console.ask("auth", token=worker.token("anna", "ben")))["type"] == "done"
        await console.next("session.opened", session_id="s2")
        await console.next("alert", session_id="s2", state="raised")


async def test_a_renewed_token_must_be_the_same_persons(worker: Worker) -> None:
    async with worker.console("anna") as console:
        assert (await console.ask("auth", token=worker.token("anna", sub="dr.lind")))["code"] == "forbidden"
        assert await console.close_code() == 4503


async def test_a_token_that_expires_is_told_and_closed_with_4401(worker: Worker) -> None:
    async with worker.knock(worker.token("anna", lifetime_s=1.2)) as console:
        await console.next("welcome")
        assert (await console.next("error"))["code"] == "token_expired"
        assert await console.close_code() == 4401


async def test_too_many_malformed_messages_close_with_1007_and_each_is_told_before(tmp_path: Path) -> None:
    async with running_worker(tmp_path, sockets=SocketSettings(max_malformed_per_minute=2)) as worker:
        async with worker.console("anna") as console:
            assert (await console.ask("subscribe", sessions=["*"], rate_hz=3))["param"] == "rate_hz"
            assert (await console.ask("dance"))["code"] == "unknown_type"
            await console.send_raw("{")
            assert await console.close_code() == 1007
        assert console.all("error")[2]["code"] == "bad_message"


async def test_bytes_where_text_was_agreed_close_with_1003(worker: Worker) -> None:
    async with worker.console("anna") as console:
        await console.send_raw(b"\x80")
        assert await console.close_code() == 1003


async def test_a_second_hello_and_a_false_cursor_are_errors_and_not_the_end(worker: Worker) -> None:
    async with worker.console("anna") as console:
        assert (await console.ask("hello"))["code"] == "bad_message"
        assert (await console.ask("received", cursor="nonsense"))["param"] == "cursor"
        assert (await console.ask("received", cursor="1000000000000.s1.000001"))["type"] == "done"


async def test_a_console_that_does_not_read_loses_states_and_is_closed_with_4408_for_alerts(tmp_path: Path) -> None:
    sockets = SocketSettings(conflate_bytes=2_000, outbox_bytes=20_000)
    async with running_worker(tmp_path, sockets=sockets) as worker:
        async with worker.knock(worker.token("anna"), small=True) as console:
            await console.next("welcome")
            await console.ask("subscribe", sessions=["*"])
            seq = 0
            async with asyncio.timeout(10):
                while not worker.closes(4408):
                    seq += 1
                    worker.alerts.append(step(seq, name=f"a{seq}", note="n" * 500))
                    await asyncio.sleep(0.001)
        assert len(worker.console_endpoint) == 0


async def test_states_are_dropped_and_counted_for_a_console_that_does_not_read(tmp_path: Path) -> None:
    sockets = SocketSettings(conflate_bytes=1_000, outbox_bytes=1_000_000)
    async with running_worker(tmp_path, sockets=sockets) as worker:
        clients = [await worker.client("anna", f"s{n}") for n in range(20)]
        async with worker.knock(worker.token("anna"), small=True) as console:
            await console.next("welcome")
            await console.ask("subscribe", sessions=["*"], rate_hz=10)

            def dropped() -> bool:
                for client in clients:
                    client.sample()
                text = worker.metrics.render().decode()
                return "emdr_notices_dropped_total 0.0" not in text

            await until(dropped, within_s=10)
            assert len(worker.console_endpoint) == 1
            await stopped(console, clients[0])


async def test_a_console_that_stops_confirming_alerts_is_closed_with_4408(tmp_path: Path) -> None:
    async with running_worker(tmp_path, sockets=SocketSettings(watcher_lag_s=0.3)) as worker:
        client = await worker.client("anna", "s1")
        async with worker.console("anna", subscribe=["*"]) as console:
            first = await stopped(console, client)
            await console.ask("received", cursor=first["cursor"])
            await console.ask("control.resume", session_id="s1", reason="well")
            assert await console.close_code() == 4408
            assert [m["state"] for m in console.all("alert")] == ["raised", "resolved"]
        assert "emdr_watcher_lag_seconds_count 1.0" in worker.metrics.render().decode()


async def test_a_console_that_confirms_or_never_confirmed_is_not_closed(tmp_path: Path) -> None:
    async with running_worker(tmp_path, sockets=SocketSettings(watcher_lag_s=0.3)) as worker:
        client = await worker.client("anna", "s1")
        async with (
            worker.console("anna", subscribe=["*"]) as confirming,
            worker.console("anna", subscribe=["*"]) as mute,
        ):
            for _ in range(4):
                alert = await stopped(confirming, client)
                await confirming.ask("received", cursor=alert["cursor"])
                client.runner.core.care.alerts.state.open.clear()
                await confirming.listen(0.15)
            assert (await confirming.ask("ping", t0=1))["type"] == "pong"
            assert (await mute.ask("ping", t0=1))["type"] == "pong"


async def test_a_flood_is_told_once_a_second_and_a_pause_among_it_is_obeyed(worker: Worker) -> None:
    client = await worker.client("anna", "s1")
    async with worker.console("anna") as console:
        for _ in range(150):
            await console.send("ping", t0=1)
        await console.ask("control.pause", session_id="s1", reason="now")
        assert client.runner.core.status.value == "paused"
        assert 1 <= len([m for m in console.all("error") if m["code"] == "rate_limited"]) <= 2
        for _ in range(1_000):
            await console.send("ping", t0=1)
        assert await console.close_code() == 4429


async def test_nothing_of_a_console_stays_behind_when_it_leaves(worker: Worker) -> None:
    async with worker.console("anna") as console:
        await console.ask("subscribe", sessions=["*"], rate_hz=10)
        assert worker.demand.rate_hz("anna") == 10
    await until(lambda: len(worker.console_endpoint) == 0)
    assert worker.demand.rate_hz("anna") == 1
    assert 'emdr_ws_connections{role="therapist"} 0.0' in worker.metrics.render().decode()


async def test_a_worker_that_stops_says_goodbye(worker: Worker) -> None:
    async with worker.console("anna") as console:
        worker.console_endpoint.drain(2_000)
        assert (await console.next("goaway"))["time_left_ms"] == 2_000
        assert await console.close_code() == 1012
