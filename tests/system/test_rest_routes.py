"""The REST API against the real service and its real stores: sessions, live commands, estimates, keys, pages."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest

from emdr_stream.rest.operation import NDJSON
from emdr_stream.simulation import Family
from tests.escalations import escalation
from tests.rest_requests import samples
from tests.system.rest import Answer, Asked, ask, get, post
from tests.system.service import Service, service
from tests.system.sockets import JSON, SocketClient, of_type, stream, watch

pytestmark = [pytest.mark.system, pytest.mark.anyio]
CALM = {"valence": 0.1, "arousal": -0.1, "attention": 0.8}


@pytest.fixture(scope="module")
def served() -> Iterator[Service]:
    with service(baseline_s="5", record_dir="recordings", rest_rate_hz="1000") as running:
        yield running


def therapist(served: Service, *clients: str) -> str:
    return served.token("therapist", "t-1", clients=list(clients))


async def asked(served: Service, method: str, path: str, token: str, **more: Any) -> Answer:
    return await asyncio.to_thread(ask, served, Asked(method, path, **more), token)


@asynccontextmanager
async def session(served: Service, user: str) -> AsyncIterator[tuple[SocketClient, str]]:
    async with stream(served, user, subprotocol=JSON) as client:
        yield client, client.of("welcome")[0]["session_id"]


async def eventually(served: Service, path: str, token: str, holds: Any, **query: Any) -> Any:
    """The answer to a question once a condition holds: records are written behind."""
    async with asyncio.timeout(10):
        while True:
            answer = await asked(served, "GET", path, token, query=query)
            if answer.status == 200 and holds(answer.json):
                return answer.json
            await asyncio.sleep(0.05)


# sessions -------------------------------------------------------------------------------------------------------------


async def test_a_live_session_is_told_as_it_stands_and_later_as_it_was(served: Service) -> None:
    token = therapist(served, "told")
    async with session(served, "told") as (client, session_id):
        await client.send("set", action="start", set_no=1)
        await client.send("rating", scale="sud", value=7.0)
        await client.send("sample", ts=1_000, dimensions=CALM)
        now = await eventually(served, f"/v1/sessions/{session_id}", token, lambda told: told["record"])
        assert now["live"]["status"] == "running" and now["live"]["sud"] == 7.0
        assert not now["record"]["ended"]
        await client.send("bye")
        await client.wait_closed()
    over = await eventually(served, f"/v1/sessions/{session_id}", token, lambda told: told["record"]["ended"])
    assert over["live"] is None
    assert over["record"]["totals"]["sets"] == 1 and over["record"]["reason"] == "bye"
    line = await eventually(served, f"/v1/sessions/{session_id}/timeline", token, lambda told: told["curve"]["ts"])
    assert [event["kind"] for event in line["events"]].count("set") == 2
    assert line["curve"]["valence"] == [0.1] and line["curve_next"] is None
    recording = await asked(served, "GET", f"/v1/sessions/{session_id}/recording", token)
    assert recording.headers["content-type"].startswith(NDJSON)
    header, *lines = recording.lines
    assert header["emdr_recording"] == 1 and any(line.get("msg", {}).get("type") == "rating" for line in lines)


async def test_lists_come_in_pages_newest_first_and_each_session_once(served: Service) -> None:
    token = therapist(served, "many-a", "many-b")
    opened = []
    for number in range(5):
        async with session(served, "many-a" if number % 2 else "many-b") as (client, session_id):
            opened.append(session_id)
            await client.send("bye")
            await client.wait_closed()
    await eventually(served, "/v1/sessions", token, lambda page: len(page["items"]) == 5)
    seen: list[str] = []
    after: dict[str, Any] = {}
    while True:
        page = (await asked(served, "GET", "/v1/sessions", token, query={"limit": 2, **after})).json
        seen += [item["session_id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == opened[::-1]
    of_one = (await asked(served, "GET", "/v1/sessions", token, query={"user": "many-a"})).json
    assert [item["session_id"] for item in of_one["items"]] == [opened[3], opened[1]]
    bad = await asked(served, "GET", "/v1/sessions", token, query={"after": "no-cursor"})
    assert (bad.status, bad.json["field"]) == (422, "after")


async def test_a_list_that_has_not_changed_is_not_sent_again(served: Service) -> None:
    token = therapist(served, "tagged")
    first = await asked(served, "GET", "/v1/sessions", token)
    again = await asked(served, "GET", "/v1/sessions", token, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


# live commands --------------------------------------------------------------------------------------------------------


async def test_a_pattern_is_changed_in_the_live_session_as_by_a_console(served: Service) -> None:
    async with session(served, "adapted") as (client, session_id), watch(served, "adapted") as console:
        body = {"session_id": session_id, "config": {"speed": 0.8}}
        answer = await asyncio.to_thread(post, served, "/v1/personalization/adapt", body, therapist(served, "adapted"))
        assert (answer.status, answer.json) == (200, body)
        adapted = await client.wait_for("pattern.adapt")
        assert adapted["config"]["speed"] == 0.8
        notice = await console.wait_for(of_type("adapt", session_id=session_id))
        assert notice["adapt_id"] == adapted["adapt_id"]
    rows = await audit_rows(served, session_id)
    deed = next(row for row in rows if row["action"] == "config.set")
    assert (deed["by"], deed["config"]) == ("t-1", {"speed": 0.8})


async def test_a_back_end_moves_no_threshold_tells_no_forecast_and_nobody_changes_nothing(served: Service) -> None:
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"safety_thresholds": {"risk": 0.9}}, "config.safety_thresholds"),
        ({"speed": 0.9, "predicted_effectiveness": 0.7}, "config.predicted_effectiveness"),
        ({}, "config"),
    )
    async with session(served, "bounded") as (_, session_id):
        for config, field in refused:
            body = {"session_id": session_id, "config": config}
            answer = await asyncio.to_thread(
                post, served, "/v1/personalization/adapt", body, served.token("service", "b")
            )
            assert (answer.status, answer.json["field"]) == (422, field)


async def test_a_reported_alert_reaches_every_console_and_the_one_who_acknowledges_ends_it(served: Service) -> None:
    async with session(served, "reported") as (_, session_id), watch(served, "reported") as console:
        body = {"session_id": session_id, "text": "the client has left the room", "severity": "critical"}
        answer = await asyncio.to_thread(post, served, "/v1/safety/alert", body, served.token("service", "back-end"))
        assert answer.status == 200 and answer.json["raised"] is True
        alert = await console.wait_for(of_type("alert", kind="reported"))
        assert (alert["severity"], alert["report"], alert["reported_by"]) == ("critical", body["text"], "back-end")
        again = await asyncio.to_thread(post, served, "/v1/safety/alert", body, served.token("service", "back-end"))
        assert again.status == 200
        second = await console.wait_for(
            lambda m: m["type"] == "alert" and m["kind"] == "reported" and m["alert_id"] != alert["alert_id"]
        )
        for alert_id in (alert["alert_id"], second["alert_id"]):
            await console.send("ack", id=alert_id, alert_id=alert_id, note="seen to")
            await console.wait_for(of_type("alert", alert_id=alert_id, state="resolved"))
    rows = await audit_rows(served, session_id)
    assert [row["by"] for row in rows if row["action"] == "alert.report"] == ["back-end", "back-end"]


async def test_an_intervention_is_said_to_the_client_in_our_words_or_theirs(served: Service) -> None:
    async with session(served, "soothed") as (client, session_id):
        token = therapist(served, "soothed")
        own = await asyncio.to_thread(
            post, served, "/v1/safety/intervention", {"session_id": session_id, "type": "grounding"}, token
        )
        first = await client.wait_for("intervention")
        assert first["intervention"] == own.json["intervention"] and "feet" in first["intervention"]["instructions"]
        body = {"session_id": session_id, "type": "breathing", "instructions": "Breathe out slowly.", "duration": 30}
        await asyncio.to_thread(post, served, "/v1/safety/intervention", body, token)
        said = await client.wait_for(
            lambda m: m["type"] == "intervention" and m["intervention"]["instructions"] == "Breathe out slowly."
        )
        assert said["intervention"]["duration"] == 30


async def test_what_has_ended_or_never_was_cannot_be_commanded(served: Service) -> None:
    token = therapist(served, "ended")
    async with session(served, "ended") as (client, session_id):
        await client.send("bye")
        await client.wait_closed()
    body = {"session_id": session_id, "text": "too late"}
    over = await asyncio.to_thread(post, served, "/v1/safety/alert", body, token)
    assert (over.status, over.json["code"]) == (409, "session_over")
    never = await asyncio.to_thread(post, served, "/v1/safety/alert", {**body, "session_id": "s-never"}, token)
    assert (never.status, never.json["field"]) == (404, "session_id")


async def test_a_repeat_with_the_same_key_acts_once(served: Service) -> None:
    async with session(served, "keyed") as (_, session_id), watch(served, "keyed") as console:
        body = {"session_id": session_id, "text": "once"}
        token = therapist(served, "keyed")
        answers = [
            await asyncio.to_thread(post, served, "/v1/safety/alert", body, token, Idempotency_Key="key-1")
            for _ in range(3)
        ]
        assert [answer.body for answer in answers] == [answers[0].body] * 3
        await asyncio.to_thread(post, served, "/v1/safety/alert", {**body, "text": "the end"}, token)
        await console.wait_for(of_type("alert", report="the end"))
        assert len([m for m in console.of("alert") if m.get("report") == "once"]) == 1
        other = await asyncio.to_thread(
            post, served, "/v1/safety/alert", {**body, "text": "other"}, token, Idempotency_Key="key-1"
        )
        assert (other.status, other.json["code"]) == (422, "key_reused")


# estimates ------------------------------------------------------------------------------------------------------------


async def test_what_is_analysed_is_what_a_session_would_have_said_and_nothing_is_kept(served: Service) -> None:
    token = served.token("client", "analysed")
    answer = await asyncio.to_thread(post, served, "/v1/emotion/analyze", {"id": 7, "samples": samples(200)}, token)
    told = answer.json
    assert told["id"] == 7 and told["ts"] == samples(200)[-1]["ts"]
    assert told["dimensions"]["valence"] == pytest.approx(0.1)
    assert told["state"] != "unknown" and 0 < told["confidence"] <= 1 and told["model"]["name"] == "emotion_safety"
    few = (await asyncio.to_thread(post, served, "/v1/emotion/analyze", {"samples": samples(5)}, token)).json
    assert (few["state"], few["confidence"], few["predicted_changes"]) == ("unknown", 0.0, None)
    await asyncio.sleep(0.5)
    assert await kept_of(served, "analysed", "analysis", "nobody") == 0


async def test_a_field_of_a_sample_that_cannot_be_is_named_with_its_place(served: Service) -> None:
    given = samples(3)
    given[2]["dimensions"] = {"valence": 7}
    answer = await asyncio.to_thread(
        post, served, "/v1/emotion/analyze", {"samples": given}, served.token("service", "b")
    )
    assert (answer.status, answer.json["field"]) == (422, "samples[2].dimensions.valence")


async def test_a_simulated_panic_is_a_crisis_with_an_intervention_and_a_calm_person_is_none(served: Service) -> None:
    """A simulated person, cut to seconds: calm for the baseline, then the panic."""
    token = served.token("service", "back-end")
    told = escalation(Family.PANIC, 21, calm_s=8.0, crisis_s=20.0)
    body = {"samples": [{name: value for name, value in said.items() if name != "type"} for _, said in told]}
    panic = (await asyncio.to_thread(post, served, "/v1/safety/analyze", body, token)).json
    calm = (await asyncio.to_thread(post, served, "/v1/safety/analyze", {"samples": samples(280)}, token)).json
    assert panic["crisis_probability"] > calm["crisis_probability"]
    assert panic["should_pause_session"] and not calm["should_pause_session"]
    assert panic["recommended_intervention"]["type"] == "grounding" and calm["recommended_intervention"] is None


async def test_a_batch_is_answered_line_by_line_with_progress(served: Service) -> None:
    lines = [msgspec.json.encode({"id": number, "samples": samples(2)}) for number in range(12)]
    lines[3] = b'{"samples": []}'
    lines[4] = b"no json"
    answer = await asyncio.to_thread(
        ask,
        served,
        Asked("POST", "/v1/emotion/batch-process", body=b"\n".join(lines), media=NDJSON),
        served.token("service", "back-end"),
    )
    told = answer.lines
    assert [line["type"] for line in told].count("prediction") == 10
    assert [(line["line"], line["problem"]["code"]) for line in told if line["type"] == "problem"] == [
        (4, "invalid_field"),
        (5, "bad_message"),
    ]
    assert {"type": "progress", "done": 10, "of": 12} in told
    assert told[-1] == {"type": "done", "lines": 12, "predictions": 10, "problems": 2}


async def test_a_course_of_ratings_has_a_forecast_or_the_reason_why_not(served: Service) -> None:
    token = therapist(served, "anybody")
    ratings = [{"session": number, "value": value} for number, value in enumerate((8, 7, 5, 4), 1)]
    body = {"measure": "sud", "ratings": ratings, "horizon": 3}
    told = (await asyncio.to_thread(post, served, "/v1/emotion/predict", body, token)).json
    assert [ahead["session"] for ahead in told["forecast"]["trajectory"]] == [5, 6, 7]
    assert told["not_enough_data"] is None and told["model"]["name"] == "progress"
    body = {"measure": "sud", "ratings": ratings[:1]}
    told = (await asyncio.to_thread(post, served, "/v1/emotion/predict", body, token)).json
    assert told["forecast"] is None and told["not_enough_data"]["have"] == 1
    body = {"measure": "sud", "ratings": [{"session": 1, "value": 11}]}
    assert (await asyncio.to_thread(post, served, "/v1/emotion/predict", body, token)).status == 422


async def test_what_was_typical_of_a_client_is_summed_from_the_recorded_seconds(served: Service) -> None:
    token = therapist(served, "typical")
    async with session(served, "typical") as (client, _):
        for number in range(80):
            await client.send("sample", ts=1_000 + 100 * number, dimensions=CALM)
            await asyncio.sleep(0.1)
        told = await eventually(served, "/v1/emotion/patterns", token, lambda told: told["states"], user="typical")
    assert told["sessions"] == 1 and told["seconds"] > 0
    assert sum(state["share"] for state in told["states"]) == pytest.approx(1)


async def test_the_thresholds_are_told_for_all_and_for_one_session(served: Service) -> None:
    token = served.token("client", "tighter")
    general = await asyncio.to_thread(get, served, "/v1/safety/thresholds", token)
    assert general.json["thresholds"] == {"risk": 0.6, "crisis_pause": 0.7, "crisis_immediate": 0.8}
    async with stream(served, "tighter", config={"safety_thresholds": {"risk": 0.4}}) as client:
        session_id = client.of("welcome")[0]["session_id"]
        own = await asyncio.to_thread(get, served, "/v1/safety/thresholds", token, session_id=session_id)
        assert own.json["thresholds"]["risk"] == 0.4


async def test_a_large_body_is_refused_without_being_read(served: Service) -> None:
    token = served.token("service", "back-end")
    answer = await asyncio.to_thread(
        ask, served, Asked("POST", "/v1/emotion/analyze", headers={"Content-Length": "9999999"}, body=b"{"), token
    )
    assert (answer.status, answer.json["code"]) == (413, "too_large")


async def test_the_log_holds_nothing_of_what_was_sent(served: Service) -> None:
    token = served.token("service", "back-end")
    await asyncio.to_thread(post, served, "/v1/safety/alert", {"session_id": "s-1", "text": "very personal"}, token)
    assert "very personal" not in served.log


# helpers --------------------------------------------------------------------------------------------------------------


async def audit_rows(served: Service, session_id: str) -> list[dict[str, Any]]:
    """What the audit log holds of a session, once all is written."""
    connection = await asyncpg.connect(served.database_url)
    try:
        async with asyncio.timeout(10):
            while True:
                found = await connection.fetch(
                    "select body from audit_log where session_id = $1 order by id", session_id
                )
                if found:
                    await asyncio.sleep(0.3)
                    found = await connection.fetch(
                        "select body from audit_log where session_id = $1 order by id", session_id
                    )
                    return [msgspec.json.decode(row["body"]) for row in found]
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def kept_of(served: Service, *names: str) -> int:
    """Rows of any table in which one of these names stands."""
    connection = await asyncpg.connect(served.database_url)
    try:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        counts = [
            await connection.fetchval(
                f"select count(*) from {table} t where exists"
                " (select 1 from unnest($1::text[]) n where position(n in to_jsonb(t)::text) > 0)",
                list(names),
            )
            for (table,) in tables
        ]
        return sum(counts)
    finally:
        await connection.close()
