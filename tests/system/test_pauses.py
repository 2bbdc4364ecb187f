"""Every cause of a pause, live: what the client and the therapist are told, and who alone may end it."""

import json
from typing import Any

import asyncpg
import pytest

from emdr_stream.simulation import Family
from tests.contract.waiting import until
from tests.system.conftest import CRISES
from tests.system.faces import Mood
from tests.system.scenes import KIND_OF, Stage, ask_to_resume, resume_as_therapist
from tests.system.service import Service
from tests.system.sockets import of_type, stream, watch

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.mark.parametrize(("family", "seed"), [crisis[:2] for crisis in CRISES], ids=str)
def test_a_simulated_crisis_pauses_the_client_and_alerts_the_therapist(stage: Stage, family: Family, seed: int) -> None:
    answers = stage[f"{family} {seed}"].answers
    pause, alert = answers["pause"], answers["alert"]
    # A shutdown is a crisis too, and the models may say so first; either way it is also called by its own name.
    kinds = {KIND_OF[family], "crisis"}
    assert pause["reason"] in kinds
    assert pause["mode"] == ("hard" if pause["reason"] == "crisis" else "ease_to_center")
    assert pause["resume_requires"] == "therapist"
    assert (alert["kind"], alert["state"]) == (pause["reason"], "raised")
    assert alert["severity"] == ("critical" if alert["kind"] == "crisis" else "high")
    assert answers["named"]["severity"] == ("critical" if KIND_OF[family] == "crisis" else "high")
    assert answers["named"]["evidence"]
    assert alert["probability"] > alert["threshold"]
    assert alert["model"]["sha256"]
    assert any(item["value"] is not None and item.get("baseline") is not None for item in alert["evidence"])
    assert answers["intervention"]["intervention"]["instructions"]
    assert answers["told intervention"]["seq"] == answers["intervention"]["seq"]
    assert answers["notice"]["control_epoch"] == pause["control_epoch"]


@pytest.mark.parametrize(("family", "seed"), [crisis[:2] for crisis in CRISES], ids=str)
def test_a_simulated_client_is_not_paused_while_it_is_calm(stage: Stage, family: Family, seed: int) -> None:
    client = stage[f"{family} {seed}"].client
    pause = client.of("control.pause")[0]
    before = [m for m in client.messages[: client.messages.index(pause)] if m["type"] == "result"]
    heard = [m["safety"]["crisis_probability"] for m in before if m["safety"]["crisis_probability"] is not None]
    assert heard and heard[0] < 0.5
    assert {m["state"]["label"] for m in before[:10]} == {"unknown"}


@pytest.mark.parametrize(
    ("mood", "reason", "mode", "requires", "severity"),
    [
        (Mood.PANIC, "crisis", "hard", "therapist", "critical"),
        (Mood.SHUTDOWN, "dissociation", "ease_to_center", "therapist", "high"),
        (Mood.NO_FACE, "signal_lost", "ease_to_center", "client", "medium"),
    ],
    ids=str,
)
def test_each_cause_pauses_as_the_table_says(
    stage: Stage, mood: Mood, reason: str, mode: str, requires: str, severity: str
) -> None:
    seen = stage[mood.value]
    pause, alert = seen.answers["pause"], seen.answers["alert"]
    assert (pause["reason"], pause["mode"], pause["resume_requires"]) == (reason, mode, requires)
    assert (alert["kind"], alert["severity"]) == (reason, severity)
    assert alert["session_id"] == seen.client.of("welcome")[0]["session_id"]
    assert alert["evidence"]


def test_a_lost_face_is_told_as_stale_and_lost_and_shows_no_old_numbers(stage: Stage) -> None:
    seen = stage[Mood.NO_FACE.value]
    statuses = [m["status"] for m in seen.client.of("signal")]
    assert statuses[-2:] == ["stale", "lost"]
    blind = [m for m in seen.client.of("result") if m["signal"]["status"] in {"stale", "lost"}]
    assert blind
    numbers = [value for m in blind for value in (*m["emotions"].values(), *m["dimensions"].values())]
    assert set(numbers) == {None}
    assert {m["safety"]["crisis_probability"] for m in blind} == {None}
    assert seen.answers["state"]["signal"]["status"] == "lost"


def test_only_a_therapist_ends_a_crisis_also_after_a_reconnect(stage: Stage) -> None:
    answers = stage["crisis and back"].answers
    welcome, again, resumed = answers["welcome"], answers["pause again"], answers["resumed"]
    assert answers["refused"]["code"] == answers["refused again"]["code"] == "resume_denied"
    assert answers["asked"]["session_id"] == welcome["session_id"]
    assert welcome["resumed"] is True and welcome["snapshot"]["status"] == "paused"
    assert (again["reason"], again["resume_requires"]) == ("crisis", "therapist")
    assert again["control_epoch"] == answers["pause"]["control_epoch"] < resumed["control_epoch"]
    assert resumed["by"] == "t-1"


def test_good_samples_never_end_a_pause(stage: Stage) -> None:
    seen = stage["calm again"]
    assert seen.answers["calm"]["signal"]["status"] == "ok"
    assert seen.answers["refused"]["code"] == "paused"
    assert not seen.client.of("control.resume")
    assert not seen.client.of("pattern.adapt")


@pytest.mark.anyio
async def test_a_client_ends_its_own_stop(plain: Service) -> None:
    async with watch(plain, "own-stop") as console, stream(plain, "own-stop") as client:
        await client.send("stop", id="stop", reason="button")
        pause = await client.wait_for(of_type("control.pause", reason="client_stop", resume_requires="client"))
        await client.wait_for(of_type("done", re="stop"))
        resumed = await ask_to_resume(client)
        await console.wait_for(of_type("alert", kind="client_stop", state="resolved"))
    assert resumed["type"] == "control.resume"
    assert resumed["control_epoch"] == pause["control_epoch"] + 1


@pytest.mark.anyio
async def test_an_unconfirmed_pause_is_sent_again_and_alerted(plain: Service) -> None:
    async with watch(plain, "deaf") as console, stream(plain, "deaf", confirms=False) as client:
        await client.send("stop")
        first = await client.wait_for("control.pause")
        again = await client.wait_for("control.pause", after=client.messages.index(first) + 1)
        alert = await console.wait_for(of_type("alert", kind="pause_unconfirmed", state="raised"))
        await client.send("applied", control_epoch=first["control_epoch"], stopped_ts=0.0)
        await console.wait_for(of_type("alert", alert_id=alert["alert_id"], state="resolved"))
    assert again == first
    times_s = [client.times_s[i] for i, message in enumerate(client.messages) if message["type"] == "control.pause"]
    assert 0.2 < times_s[1] - times_s[0] < 0.75
    assert alert["severity"] == "high"


@pytest.mark.anyio
async def test_a_confirmed_pause_is_recorded_and_not_sent_again(plain: Service) -> None:
    async with watch(plain, "confirmed") as console, stream(plain, "confirmed") as client:
        session_id = client.of("welcome")[0]["session_id"]
        await client.send("stop")
        pause = await client.wait_for("control.pause")
        rows = await recorded(plain, session_id, count=3)
        await resume_as_therapist(console, client)
        resumes = await recorded(plain, session_id, count=5)
    assert [row["action"] for row in rows] == ["pause", "applied", "applied"]
    assert [row["stopped"] for row in rows[1:]] == [False, True]
    assert {row["control_epoch"] for row in rows} == {pause["control_epoch"]}
    assert [row["action"] for row in resumes[3:]] == ["resume", "applied"]
    assert len(client.of("control.pause")) == 1
    assert not [message for message in console.of("alert") if message["kind"] == "pause_unconfirmed"]


async def recorded(service: Service, session_id: str, count: int) -> list[dict[str, Any]]:
    """The control messages of a session in PostgreSQL, once there are `count`; written behind the session's back."""
    question = (
        "select fields from control_events where session_id = $1 and fields->>'action' <> 'thresholds' order by ts, id"
    )
    connection = await asyncpg.connect(service.database_url)
    try:
        rows: list[Any] = []

        async def enough() -> bool:
            rows[:] = await connection.fetch(question, session_id)
            return len(rows) >= count

        await until(enough, within_s=10.0)
    finally:
        await connection.close()
    return [json.loads(row["fields"]) for row in rows]
