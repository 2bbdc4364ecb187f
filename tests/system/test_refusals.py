"""What the service refuses, and how it says so: who does something wrong learns what, and whether to retry."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from emdr_stream.domain import EMOTIONS
from emdr_stream.settings import TokenSettings
from tests.system.faces import Mood, sample
from tests.system.service import Service
from tests.system.sockets import JSON, MSGPACK, Message, of_type, socket, stream, wall_ms, watch

pytestmark = [pytest.mark.system, pytest.mark.anyio]

STREAM, WATCH = "/v1/stream", "/v1/watch"
LEEWAY_S = TokenSettings(b"").leeway_s


async def refusal(service: Service, path: str, subprotocol: str = MSGPACK, **hello: object) -> tuple[Message, int]:
    """The fatal error and the close code that a `hello` gets."""
    async with socket(service, path, subprotocols=[subprotocol]) as client:
        await client.send("hello", **hello)
        code = await client.wait_closed()
        error = client.of("error")[-1]
    assert error["fatal"] is True
    return error, code


@pytest.mark.parametrize("path", [STREAM, WATCH])
@pytest.mark.parametrize("offered", [[], ["emdr.v9.msgpack"]], ids=str)
async def test_a_handshake_without_a_known_subprotocol_is_refused(
    plain: Service, path: str, offered: list[str]
) -> None:
    with pytest.raises(InvalidHandshake) as refused:
        async with socket(plain, path, subprotocols=offered):
            pass
    assert isinstance(refused.value, InvalidStatus)
    assert refused.value.response.status_code == 400
    assert b"emdr.v1.msgpack" in refused.value.response.body


@pytest.mark.parametrize("path", [STREAM, WATCH])
async def test_a_foreign_origin_is_refused(plain: Service, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket(plain, path, origin="https://elsewhere.example"):
            pass
    assert refused.value.response.status_code == 403


async def test_the_services_own_origin_is_welcome(plain: Service) -> None:
    async with socket(plain, STREAM, origin=f"http://127.0.0.1:{plain.port}") as client:
        await client.send("hello", source="emotion", token=plain.token("client", "own-origin"))
        await client.wait_for("welcome")


@pytest.mark.parametrize("subprotocol", [MSGPACK, JSON])
@pytest.mark.parametrize(("path", "role"), [(STREAM, "client"), (WATCH, "therapist")])
async def test_a_bad_token_is_refused_with_4500(plain: Service, path: str, role: str, subprotocol: str) -> None:
    source = {"source": "emotion"} if path == STREAM else {}
    good = plain.token(role, "someone")
    for token in ("none", good[:-4] + "AAAA", None):
        error, code = await refusal(plain, path, subprotocol, **source, **({"token": token} if token else {}))
        assert (error["code"], code) == ("unauthorized", 4500)


@pytest.mark.parametrize("path", [STREAM, WATCH])
async def test_an_expired_token_is_refused_with_4401(plain: Service, path: str) -> None:
    role = "client" if path == STREAM else "therapist"
    error, code = await refusal(plain, path, source="emotion", token=plain.token(role, "late", lifetime_s=-60))
    assert (error["code"], code) == ("token_expired", 4401)


@pytest.mark.parametrize(("path", "role"), [(STREAM, "therapist"), (WATCH, "client")])
async def test_a_wrong_role_is_refused_with_4503(plain: Service, path: str, role: str) -> None:
    error, code = await refusal(plain, path, source="emotion", token=plain.token(role, "wrong"))
    assert (error["code"], code) == ("forbidden", 4503)


@pytest.mark.parametrize("path", [STREAM, WATCH])
async def test_a_token_expires_during_the_connection(plain: Service, path: str) -> None:
    role = "client" if path == STREAM else "therapist"
    async with socket(plain, path) as client:
        hello = {"source": "emotion"} if path == STREAM else {}
        await client.send("hello", token=plain.token(role, "short", lifetime_s=1.0 - LEEWAY_S), **hello)
        await client.wait_for("welcome")
        await client.send("auth", id="renewed", token=plain.token(role, "short", lifetime_s=2.0 - LEEWAY_S))
        await client.wait_for(of_type("done", re="renewed"))
        renewed_at = asyncio.get_running_loop().time()
        assert await client.wait_closed() == 4401
    assert client.of("error")[-1]["code"] == "token_expired"
    assert asyncio.get_running_loop().time() - renewed_at > 1.5


async def test_a_renewed_token_of_somebody_else_is_refused(plain: Service) -> None:
    async with stream(plain, "me") as client:
        await client.send("auth", token=plain.token("client", "somebody-else"))
        assert await client.wait_closed() == 4503


@pytest.mark.parametrize("path", [STREAM, WATCH])
async def test_who_says_nothing_is_closed_with_4508(plain: Service, path: str) -> None:
    async with socket(plain, path) as client:
        assert await client.wait_closed(within_s=3.0) == 4508


async def test_a_client_may_not_choose_a_session_that_its_token_does_not_name(plain: Service) -> None:
    token = plain.token("client", "chooser")
    error, code = await refusal(plain, STREAM, source="emotion", token=token, session_id="mine")
    assert (error["code"], code) == ("forbidden", 4503)
    bound = plain.token("client", "chooser", sid="the-one")
    async with stream(plain, token=bound) as client:
        assert client.of("welcome")[0]["session_id"] == "the-one"
        error, code = await refusal(plain, STREAM, source="emotion", token=bound, session_id="another")
        assert (error["code"], code) == ("forbidden", 4503)


async def test_a_source_whose_model_is_missing_is_named_unavailable(plain: Service) -> None:
    error, code = await refusal(plain, STREAM, source="landmarks", token=plain.token("client", "camera"))
    assert (error["code"], error["param"], code) == ("source_unavailable", "source", 4503)


async def test_a_frame_on_a_stream_of_samples_gets_one_answer(plain: Service) -> None:
    async with stream(plain, "frames") as client:
        await client.send("frame", id=7, ts=wall_ms(), image=b"not even a picture")
        error = await client.wait_for(of_type("error", re=7))
        await client.send("ping", id="still", t0=1.0)
        await client.wait_for(of_type("pong", re="still"))
    assert error["code"] == "source_unavailable"
    assert [message.get("re") for message in client.messages].count(7) == 1


@pytest.mark.parametrize("subprotocol", [MSGPACK, JSON])
async def test_an_oversized_message_closes_with_1009(plain: Service, subprotocol: str) -> None:
    async with stream(plain, "large", subprotocol=subprotocol) as client:
        await client.send("sample", ts=1.0, context={"padding": "x" * 300_000})
        assert await client.wait_closed() == 1009


@pytest.mark.parametrize("path", [STREAM, WATCH])
@pytest.mark.parametrize("subprotocol", [MSGPACK, JSON])
async def test_the_wrong_kind_of_message_closes_with_1003(plain: Service, path: str, subprotocol: str) -> None:
    opened = stream if path == STREAM else watch
    async with opened(plain, "kinds", subprotocol=subprotocol) as client:
        await client.send_raw("{}" if subprotocol == MSGPACK else b"\x80")
        assert await client.wait_closed() == 1003


@pytest.mark.parametrize("path", [STREAM, WATCH])
async def test_malformed_messages_are_errors_until_there_are_too_many(plain: Service, path: str) -> None:
    opened = stream if path == STREAM else watch
    async with opened(plain, "malformed") as client:
        await client.send_raw(b"\xc1")
        first = await client.wait_for("error")
        await client.send("no such type", id="x")
        unknown = await client.wait_for(of_type("error", re="x"))
        for _ in range(29):
            await client.send_raw(b"\xc1")
        assert await client.wait_closed() == 1007
    assert first["code"] == "bad_message" and first["fatal"] is False
    assert unknown["code"] == "unknown_type"
    assert client.of("error")[-1]["fatal"] is True


async def test_an_invalid_field_is_named(plain: Service) -> None:
    async with stream(plain, "fields") as client:
        await client.send("sample", id=1, ts=wall_ms(), dimensions={"valence": 7.0})
        await client.send("sample", id=2, ts=wall_ms(), emotions=dict.fromkeys(EMOTIONS, 0.3))
        await client.send("rating", id=3, scale="sud", value=11)
        await client.send("applied", id=4, control_epoch=99)
        errors = [await client.wait_for(of_type("error", re=number)) for number in (1, 2, 3, 4)]
    assert {error["code"] for error in errors} == {"invalid_field"}
    assert [error["param"].split(".")[0] for error in errors] == ["dimensions", "emotions", "value", "control_epoch"]


async def test_too_many_messages_a_second_are_told_once_and_a_stop_still_counts(plain: Service) -> None:
    async with stream(plain, "hasty") as client:
        for _ in range(200):
            await client.send("sample", **sample(Mood.CALM, wall_ms()))
        await client.send("stop")
        await client.wait_for("control.pause")
        error = await client.wait_for(of_type("error", code="rate_limited"))
    assert error["retryable"] is True and error["retry_after_ms"] > 0
    assert 1 <= len(client.of("error")) <= 3


async def test_a_client_may_tighten_a_threshold_but_not_relax_one(plain: Service) -> None:
    tight = {"safety_thresholds": {"risk": 0.5, "crisis_pause": 0.9}}
    async with stream(plain, "relaxed", config=tight) as client:
        refused = await client.wait_for("error")
    thresholds = client.of("welcome")[0]["thresholds"]
    assert (refused["code"], refused["fatal"]) == ("forbidden", False)
    assert (thresholds["risk"], thresholds["crisis_pause"]) == (0.5, 0.7)


async def test_a_therapist_may_relax_a_threshold(plain: Service) -> None:
    async with watch(plain, "eased") as console, stream(plain, "eased") as client:
        session_id = client.of("welcome")[0]["session_id"]
        await console.send("config.set", id="set", session_id=session_id, thresholds={"risk": 0.7})
        await console.wait_for(of_type("done", re="set"))
        await console.send("subscribe", id="look", sessions=[session_id], rate_hz=1)
        listed = await console.wait_for(of_type("subscribed", re="look"))
    assert listed["sessions"][0]["thresholds"]["risk"] == 0.7


async def test_a_therapist_neither_sees_nor_commands_the_clients_of_others(plain: Service) -> None:
    async with watch(plain, "mine-alone") as console, stream(plain, "not-mine") as client:
        session_id = client.of("welcome")[0]["session_id"]
        for number, (kind, fields) in enumerate(
            (
                ("control.pause", {"session_id": session_id, "reason": "no"}),
                ("session.end", {"session_id": session_id, "reason": "no"}),
                ("config.set", {"session_id": session_id, "thresholds": {"risk": 0.9}}),
                ("subscribe", {"sessions": [session_id], "rate_hz": 1}),
            )
        ):
            await console.send(kind, id=number, **fields)
            error = await console.wait_for(of_type("error", re=number))
            assert error["code"] == "unknown_session"
        await client.send("stop")
        await client.wait_for("control.pause")
        await client.send("ping", t0=0.0)
        await client.wait_for("pong")
    assert {message["type"] for message in console.messages} <= {"welcome", "subscribed", "error", "heartbeat"}
    assert client.of("control.pause")[0]["reason"] == "client_stop"


async def test_a_browser_that_offers_both_subprotocols_gets_messagepack(plain: Service) -> None:
    url = f"ws://127.0.0.1:{plain.port}{STREAM}"
    async with connect(url, subprotocols=[Subprotocol(JSON), Subprotocol(MSGPACK)]) as both:
        assert both.subprotocol == MSGPACK
        assert not both.response or "permessage-deflate" not in str(both.response.headers)
