"""Profile and proposals over REST, on a real service and its real stores: between sets, and by a therapist alone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.system.rest import Answer, Asked, ask
from tests.system.service import Service, service
from tests.system.sockets import JSON, SocketClient, stream

pytestmark = [pytest.mark.system, pytest.mark.anyio]
CALM = {
    "dimensions": {"valence": 0.1, "arousal": -0.1, "attention": 0.8},
    "emotions": {
        "joy": 0.1,
        "sadness": 0.05,
        "anger": 0.02,
        "fear": 0.03,
        "surprise": 0.05,
        "disgust": 0.02,
        "neutral": 0.73,
    },
}
GENTLER = {"slower_small", "slower", "shorter", "pause", "grounding"}


@pytest.fixture(scope="module")
def served() -> Iterator[Service]:
    with service(baseline_s="5", rest_rate_hz="1000") as running:
        yield running


async def asked(served: Service, user: str, method: str, path: str, **more: Any) -> Answer:
    token = served.token("therapist", "t-1", clients=[user])
    return await asyncio.to_thread(ask, served, Asked(method, f"/v1/personalization/{path}", **more), token)


async def posted(served: Service, whose: str, path: str, **body: Any) -> Answer:
    return await asked(served, whose, "POST", path, body=body)


@asynccontextmanager
async def session(served: Service, user: str) -> AsyncIterator[tuple[SocketClient, str]]:
    async with stream(served, user, subprotocol=JSON) as client:
        yield client, client.of("welcome")[0]["session_id"]


async def look_calm(client: SocketClient) -> None:
    """Samples ten a second, for as long as one lets it: somebody who is seen well."""
    began = asyncio.get_running_loop().time()
    while True:
        await client.send("sample", ts=round((asyncio.get_running_loop().time() - began) * 1_000), **CALM)
        await asyncio.sleep(0.1)


@asynccontextmanager
async def calm_session(served: Service, user: str) -> AsyncIterator[tuple[SocketClient, str]]:
    async with session(served, user) as (client, session_id), asyncio.TaskGroup() as group:
        looking = group.create_task(look_calm(client))
        try:
            yield client, session_id
        finally:
            looking.cancel()


async def free(served: Service, user: str, session_id: str, changes: bool = False) -> dict[str, Any]:
    """A proposal made while the client is seen well and calm; `changes`: one that would change something."""
    async with asyncio.timeout(30):
        while True:
            answer = await posted(served, user, "optimize", session_id=session_id)
            assert answer.status == 200, answer
            found: dict[str, Any] = answer.json
            if found["reference"] is not None and (found["changes"] or not changes):
                return found
            await asyncio.sleep(0.2)


async def a_set(client: SocketClient, number: int, sud: float) -> None:
    """With pauses: what comes within one millisecond has no order in the records."""
    for message in ({"action": "start", "set_no": number}, {"action": "end", "set_no": number}):
        await client.send("set", **message)
        await asyncio.sleep(0.2)
    await client.send("rating", scale="sud", value=sud)
    await asyncio.sleep(0.2)


async def test_a_profile_grows_with_the_clients_sets_and_an_unknown_client_has_only_peoples(served: Service) -> None:
    async with calm_session(served, "grows") as (client, _):
        nothing = (await asked(served, "grows", "GET", "profile", query={"user": "grows"})).json["profile"]
        assert not nothing["enough"] and "not enough data" in nothing["notes"][0]
        await client.send("rating", scale="sud", value=8.0)
        await asyncio.sleep(0.2)
        for number in range(1, 10):
            await a_set(client, number, 8.0 - 0.5 * number)
        async with asyncio.timeout(10):
            while True:
                told = (await asked(served, "grows", "GET", "profile", query={"user": "grows"})).json["profile"]
                if told["rated_sets"] == 9:
                    break
                await asyncio.sleep(0.1)
    (response,) = told["responses"]
    assert response["setting"] == {"path": "horizontal", "speed": 1.0, "length": 24.0, "sound": False}
    assert response["sud_change"]["observations"] == 9
    assert response["sud_change"]["low"] < response["sud_change"]["value"] < response["sud_change"]["high"]
    assert told["speeds"][0]["sets"] == 9


async def test_a_proposal_is_made_and_nothing_is_applied_until_a_therapist_accepts(served: Service) -> None:
    async with calm_session(served, "accepts") as (client, session_id):
        proposal = await free(served, "accepts", session_id, changes=True)
        assert sum(arm["propensity"] for arm in proposal["arms"]) == pytest.approx(1.0)
        assert 0.1 <= proposal["propensity"] <= 0.8
        assert "predicted_effectiveness" not in proposal["config"], "there are not enough data"
        assert "not enough data" in proposal["effectiveness"]["detail"]
        assert not client.of("pattern.adapt")
        answer = await posted(served, "accepts", "accept", decision_id=proposal["decision_id"])
        assert answer.status == 200, answer
        adapted = await client.wait_for("pattern.adapt")
        assert adapted["config"] == answer.json["applied"]
        assert "predicted_effectiveness" not in adapted["config"]
        again = await posted(served, "accepts", "accept", decision_id=proposal["decision_id"])
        assert (again.status, again.json["applied"]) == (200, None)
        late = await posted(served, "accepts", "reject", decision_id=proposal["decision_id"])
        assert (late.status, late.json["code"]) == (409, "conflict")
        assert len(client.of("pattern.adapt")) == 1
        told = (await asked(served, "accepts", "GET", "profile", query={"user": "accepts"})).json
        assert told["profile"]["answers"]["accepted"] == 1


async def test_the_therapists_own_setting_stays_the_reference_after_a_proposal_was_accepted(served: Service) -> None:
    async with calm_session(served, "reference") as (client, session_id):
        await posted(served, "reference", "lock", user="reference", parts=["length", "path", "sound"])
        proposal = await free(served, "reference", session_id, changes=True)
        await posted(served, "reference", "accept", decision_id=proposal["decision_id"])
        await client.wait_for("pattern.adapt")
        await asyncio.sleep(1.0)
        following = await free(served, "reference", session_id)
        default = next(arm for arm in following["arms"] if arm["arm"] == "default")
        keep = next(arm for arm in following["arms"] if arm["arm"] == "keep")
        assert default["setting"]["speed"] == 1.0
        assert keep["setting"]["speed"] == proposal["config"]["speed"] != 1.0


async def test_within_a_set_nothing_is_proposed_and_nothing_accepted(served: Service) -> None:
    async with session(served, "within") as (client, session_id):
        proposal = (await posted(served, "within", "optimize", session_id=session_id)).json
        await client.send("set", action="start", set_no=1)
        await asyncio.sleep(0.2)
        for path, body in (
            ("optimize", {"session_id": session_id}),
            ("recommend", {"session_id": session_id}),
            ("accept", {"decision_id": proposal["decision_id"]}),
        ):
            answer = await posted(served, "within", path, **body)
            assert (answer.status, answer.json["code"]) == (409, "conflict"), path
        assert not client.of("pattern.adapt")


async def test_a_client_who_is_not_seen_gets_gentler_proposals_only(served: Service) -> None:
    async with session(served, "unseen") as (_, session_id):
        for _ in range(5):
            proposal = (await posted(served, "unseen", "optimize", session_id=session_id)).json
            assert proposal["arm"] in GENTLER and proposal["reference"] is None
        told = (await posted(served, "unseen", "recommend", session_id=session_id)).json
        assert told["gentler_only"]
        assert {each["arm"] for each in told["recommendations"]} <= GENTLER


async def test_a_strengthening_proposal_is_not_applied_once_the_client_is_in_trouble(served: Service) -> None:
    async with calm_session(served, "trouble") as (client, session_id):
        await posted(served, "trouble", "lock", user="trouble", parts=["length", "path", "sound"])
        proposal = await free(served, "trouble", session_id)
        while proposal["config"]["speed"] <= 1.0:
            proposal = await free(served, "trouble", session_id)
        await client.send("stop")
        await client.wait_for("control.pause")
        answer = await posted(served, "trouble", "accept", decision_id=proposal["decision_id"])
        assert (answer.status, answer.json["code"]) == (409, "conflict")
        assert "gentler" in answer.json["detail"]


async def test_what_was_rejected_does_not_come_again_and_what_is_locked_stays(served: Service) -> None:
    async with calm_session(served, "rejects") as (_, session_id):
        proposal = await free(served, "rejects", session_id, changes=True)
        answer = await posted(served, "rejects", "reject", decision_id=proposal["decision_id"], note="not now")
        assert answer.status == 200
        locked = await posted(served, "rejects", "lock", user="rejects", parts=["speed", "speed", "path"])
        assert locked.json["parts"] == ["path", "speed"]
        for _ in range(3):
            following = await free(served, "rejects", session_id)
            assert following["arm"] != proposal["arm"]
            fates = {arm["arm"]: arm["fate"] for arm in following["arms"]}
            assert fates["faster"] == fates["vertical"] == fates[proposal["arm"]] == "masked"


async def test_a_proposal_does_not_outlive_another_change(served: Service) -> None:
    async with calm_session(served, "changed") as (client, session_id):
        proposal = await free(served, "changed", session_id)
        await posted(served, "changed", "adapt", session_id=session_id, config={"speed": 0.7, "duration": 40.0})
        await client.wait_for("pattern.adapt")
        answer = await posted(served, "changed", "accept", decision_id=proposal["decision_id"])
        assert (answer.status, answer.json["code"]) == (409, "conflict")
        assert "changed since" in answer.json["detail"]


async def test_the_same_key_draws_once(served: Service) -> None:
    async with session(served, "keyed") as (_, session_id):
        answers = [
            await asked(
                served,
                "keyed",
                "POST",
                "optimize",
                body={"session_id": session_id},
                headers={"Idempotency-Key": "one"},
            )
            for _ in range(2)
        ]
    assert answers[0].json == answers[1].json


async def test_neither_the_client_nor_their_socket_learns_of_any_of_it(served: Service) -> None:
    async with calm_session(served, "told-nothing") as (client, session_id):
        proposal = await free(served, "told-nothing", session_id)
        mine = served.token("client", "told-nothing")
        for method, path, more in (
            ("GET", "profile", {"query": {"user": "told-nothing"}}),
            ("POST", "optimize", {"body": {"session_id": session_id}}),
            ("POST", "recommend", {"body": {"session_id": session_id}}),
            ("POST", "accept", {"body": {"decision_id": proposal["decision_id"]}}),
            ("POST", "reject", {"body": {"decision_id": proposal["decision_id"]}}),
            ("POST", "lock", {"body": {"user": "told-nothing", "parts": []}}),
        ):
            request = Asked(method, f"/v1/personalization/{path}", **more)
            assert (await asyncio.to_thread(ask, served, request, mine)).status == 403, path
        assert proposal["decision_id"] not in str(client.messages)


async def test_an_erased_client_leaves_no_proposal(served: Service) -> None:
    async with session(served, "erased") as (_, session_id):
        proposal = (await posted(served, "erased", "optimize", session_id=session_id)).json
        await posted(served, "erased", "lock", user="erased", parts=["speed"])
    back_end = served.token("service", "back-end")
    gone = await asyncio.to_thread(ask, served, Asked("DELETE", "/v1/users/erased"), back_end)
    assert gone.status == 200, gone
    answer = await posted(served, "erased", "reject", decision_id=proposal["decision_id"])
    assert (answer.status, answer.json["code"]) == (404, "not_found")


async def test_what_a_therapist_set_during_a_pause_is_what_proposals_begin_with(served: Service) -> None:
    # They began with what was in force: "slower" then took back the much slower wish that waited for the resume.
    async with calm_session(served, "waiting") as (client, session_id):
        await client.send("stop")
        await client.wait_for("control.pause")
        before = (await posted(served, "waiting", "optimize", session_id=session_id)).json
        wish = {"speed": 0.4, "duration": 12.0}
        assert (await posted(served, "waiting", "adapt", session_id=session_id, config=wish)).status == 200
        late = await posted(served, "waiting", "accept", decision_id=before["decision_id"])
        assert (late.status, late.json["code"]) == (409, "conflict")
        for _ in range(6):
            proposal = (await posted(served, "waiting", "optimize", session_id=session_id)).json
            assert proposal["config"]["speed"] <= 0.4 and proposal["config"]["duration"] <= 12.0
            accepted = await posted(served, "waiting", "accept", decision_id=proposal["decision_id"])
            assert accepted.status == 200, accepted
        await client.send("resume_request")
        adapted = await client.wait_for("pattern.adapt")
        assert adapted["config"]["speed"] <= 0.4 and adapted["config"]["duration"] <= 12.0


async def test_a_proposal_is_not_applied_in_a_phase_whose_ranges_it_leaves(served: Service) -> None:
    # The hard mask held when it was drawn, in reprocessing; closure has short, slow sets.
    async with calm_session(served, "phases") as (client, session_id):
        await posted(served, "phases", "lock", user="phases", parts=["length", "path", "sound"])
        faster = slower = await free(served, "phases", session_id, changes=True)
        while faster["config"]["speed"] <= 1.0:
            faster = await free(served, "phases", session_id, changes=True)
        while slower["config"]["speed"] >= 1.0:
            slower = await free(served, "phases", session_id, changes=True)
        await client.send("phase", phase="closure")
        await asyncio.sleep(0.2)
        answer = await posted(served, "phases", "accept", decision_id=faster["decision_id"])
        assert (answer.status, answer.json["code"]) == (409, "conflict"), answer
        assert "phase" in answer.json["detail"]
        assert (await posted(served, "phases", "accept", decision_id=slower["decision_id"])).status == 200


async def at_once(served: Service, user: str, proposal: dict[str, Any], paths: list[str]) -> list[Answer]:
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(posted(served, user, path, decision_id=proposal["decision_id"])) for path in paths]
    return [task.result() for task in asked]


async def test_of_answers_at_the_same_time_one_counts_and_the_others_do_nothing(served: Service) -> None:
    # Each of four clicks changed the session; and who was told that it had been rejected meanwhile had changed it too.
    async with calm_session(served, "at-once") as (client, session_id):
        proposal = await free(served, "at-once", session_id, changes=True)
        answers = await at_once(served, "at-once", proposal, ["accept"] * 4)
        assert [answer.status for answer in answers] == [200] * 4, answers
        assert sum(answer.json["applied"] is not None for answer in answers) == 1
        for _ in range(3):
            proposal = await free(served, "at-once", session_id, changes=True)
            before = len(client.of("pattern.adapt"))
            accepted, rejected = await at_once(served, "at-once", proposal, ["accept", "reject"])
            assert sorted([accepted.status, rejected.status]) == [200, 409]
            await asyncio.sleep(0.3)
            assert len(client.of("pattern.adapt")) - before == (accepted.status == 200)
        assert len(client.of("pattern.adapt")) <= 4
