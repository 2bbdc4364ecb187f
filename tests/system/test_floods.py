"""A client gone wild, by mistake or on purpose: its own stop still counts, and nobody else's alerts wait behind it."""

import contextlib

import pytest
from websockets.exceptions import ConnectionClosed

from tests.system.service import Service
from tests.system.sockets import JSON, SocketClient, of_type, stream, wall_ms, watch

pytestmark = [pytest.mark.system, pytest.mark.anyio]


async def flood(client: SocketClient, *types: str, times: int, **fields: object) -> None:
    """Send messages as fast as they go, until the service hangs up."""
    with contextlib.suppress(ConnectionClosed):
        for _ in range(times):
            for type_ in types:
                await client.send(type_, **fields)


async def test_stops_and_resumes_without_end_do_not_drown_the_alerts_of_others(plain: Service) -> None:
    async with watch(plain, "wild", "calm") as console, stream(plain, "calm") as other:
        async with stream(plain, "wild", confirms=False) as wild:
            await flood(wild, "stop", "resume_request", times=2_000)
            assert await wild.wait_closed() == 4429
        await other.send("stop")
        session_id = other.of("welcome")[0]["session_id"]
        await console.wait_for(of_type("alert", kind="client_stop", session_id=session_id), within_s=2.0)
        assert console.closed_with is None
        assert len(console.of("alert")) < 200
    assert wild.of("error")[0]["code"] == "rate_limited" and wild.of("error")[0]["retry_after_ms"] > 0


async def test_stops_alone_are_never_refused(plain: Service) -> None:
    async with stream(plain, "stops") as client:
        await flood(client, "stop", times=2_000)
        await client.send("stop", id="last")
        await client.wait_for(of_type("done", re="last"))
    assert client.of("error") == []
    # One pause. It is told again where the client, busy sending, confirmed it late.
    assert len({pause["control_epoch"] for pause in client.of("control.pause")}) == 1


async def test_who_asks_to_resume_without_end_does_not_flood_the_therapist(plain: Service) -> None:
    async with watch(plain, "asks") as console, stream(plain, "asks", confirms=False) as client:
        await console.send("control.pause", session_id=client.of("welcome")[0]["session_id"], reason="hold")
        await client.wait_for("control.pause")
        await flood(client, "resume_request", times=1_000)
        assert await client.wait_closed() == 4429
        await console.wait_for("session.detached")
    assert 1 <= len(console.of("resume_requested")) <= 40
    assert client.of("control.resume") == []


async def test_an_id_that_no_store_can_hold_harms_nobody(plain: Service) -> None:
    async with watch(plain, "huge", "beside") as console, stream(plain, "beside") as other:
        async with stream(plain, "huge", subprotocol=JSON, result_rate_hz=0.1) as client:
            for _ in range(3):
                await client.send("sample", id=10**30, ts=wall_ms(), dimensions={"valence": 0.1})
            error = await client.wait_for("error")
            assert (error["code"], error["param"]) == ("invalid_field", "id")
        await other.send("stop")
        await console.wait_for(of_type("alert", kind="client_stop"))
        assert plain.get("/readyz")[0] == 200
