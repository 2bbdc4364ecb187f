"""Lost sockets, restarts and crashes: the session goes on where it was, and a pause stays one."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.scenes import ask_to_resume, resume_as_therapist
from tests.system.service import Service, service
from tests.system.sockets import JSON, NotSeen, SocketClient, of_type, resume_of, socket, stream, watch

pytestmark = [pytest.mark.system, pytest.mark.anyio]


@pytest.fixture(scope="module")
def mortal(plain_models: Path) -> Iterator[Service]:
    """A service that is stopped and killed, and started again on the same folder."""
    # `saved` asks as fast as it is answered, which no honest client does.
    with service(model_dir=str(plain_models), bytes_per_s="268435456") as running:
        yield running


def session_of(client: SocketClient) -> str:
    session_id: str = client.of("welcome")[0]["session_id"]
    return session_id


async def refused(service: Service, user: str, **hello: object) -> tuple[str, int]:
    """Error code and close code of a `hello` that is not welcome."""
    async with socket(service, "/v1/stream") as client:
        await client.send("hello", source="emotion", token=service.token("client", user), **hello)
        code = await client.wait_closed()
        return client.of("error")[0]["code"], code


async def test_a_client_that_comes_back_is_told_what_it_missed(plain: Service) -> None:
    async with watch(plain, "missed") as console:
        async with stream(plain, "missed", subprotocol=JSON) as client:
            pass
        session_id = session_of(client)
        await console.wait_for(of_type("session.detached", session_id=session_id))
        await console.send("control.pause", id="pause", session_id=session_id, reason="wait for me")
        await console.wait_for(of_type("done", re="pause"))
        async with stream(plain, "missed", subprotocol=JSON, **resume_of(client)) as back:
            await back.wait_for("intervention")
            refusal = await ask_to_resume(back)
    welcome = back.of("welcome")[0]
    assert welcome["resumed"] is True and welcome["session_id"] == session_id
    assert welcome["resume_token"] != client.of("welcome")[0]["resume_token"]
    assert welcome["snapshot"]["status"] == "paused"
    missed = [message for message in back.messages if "seq" in message and message["type"] != "welcome"]
    assert [message["seq"] for message in missed[:2]] == [1, 2]
    assert missed[0]["reason"] == "therapist" and missed[0]["resume_requires"] == "therapist"
    assert refusal["code"] == "resume_denied"


async def test_a_resumed_running_session_is_paused_until_the_client_goes_on(plain: Service) -> None:
    async with stream(plain, "running") as client:
        pass
    async with stream(plain, "running", **resume_of(client)) as back:
        pause = await back.wait_for("control.pause")
        resumed = await ask_to_resume(back)
    assert (pause["reason"], pause["mode"], pause["resume_requires"]) == ("client_disconnected", "hard", "client")
    assert resumed["type"] == "control.resume"


async def test_a_second_socket_takes_over_and_the_old_one_closes_with_4409(plain: Service) -> None:
    async with stream(plain, "twice") as old, stream(plain, "twice", **resume_of(old)) as new:
        assert await old.wait_closed() == 4409
        await new.send("ping", id="there", t0=1.0)
        assert (await new.wait_for("pong"))["re"] == "there"
        assert new.of("welcome")[0]["session_id"] == session_of(old)


async def test_a_used_resume_token_is_refused(plain: Service) -> None:
    async with stream(plain, "used") as old:
        claim = resume_of(old)
    async with stream(plain, "used", **claim):
        assert await refused(plain, "used", **claim) == ("resume_denied", 4503)


async def test_a_session_of_somebody_else_is_not_resumed(plain: Service) -> None:
    async with stream(plain, "mine") as client:
        theirs = await refused(plain, "theirs", **resume_of(client))
        nobodys = await refused(plain, "theirs", **{**resume_of(client), "session_id": "nobodys"})
    assert theirs == nobodys == ("unknown_session", 4504)


async def test_after_the_grace_time_the_session_is_over(plain: Service) -> None:
    async with watch(plain, "gone") as console:
        async with stream(plain, "gone") as client:
            pass
        closed = await console.wait_for(of_type("session.closed", session_id=session_of(client)), within_s=8.0)
        assert await refused(plain, "gone", **resume_of(client)) == ("session_over", 4504)
    assert closed["reason"]
    # A test before may have left a store that has just come back: `degraded` is then told, too.
    assert "client_disconnected" in {message["kind"] for message in console.of("alert")}


async def test_a_restart_says_goodbye_and_a_paused_session_is_still_paused(mortal: Service) -> None:
    async with watch(mortal, "restart") as console, stream(mortal, "restart") as client:
        await console.send("control.pause", id=1, session_id=session_of(client), reason="hold")
        pause = await client.wait_for("control.pause")
        await client.wait_for("intervention")
        mortal.terminate()
        goodbye = await client.wait_for("goaway")
        assert await client.wait_closed() == 1012
        assert await console.wait_closed() == 1012
    assert goodbye["time_left_ms"] > 0
    await asyncio.to_thread(mortal.wait)
    await asyncio.to_thread(mortal.start)
    await comes_back_paused(mortal, "restart", client, pause["control_epoch"])


async def test_consoles_that_left_at_once_hold_up_no_stop(mortal: Service) -> None:
    for number in range(8):
        async with socket(mortal, "/v1/watch") as console:
            await console.send("hello", token=mortal.token("therapist", f"t-{number}", clients=["*"]))
            await console.wait_for("welcome")
    began_s = time.monotonic()
    mortal.terminate()
    await asyncio.to_thread(mortal.wait)
    assert time.monotonic() - began_s < 3.0
    assert "shutdown exceeded" not in mortal.log
    await asyncio.to_thread(mortal.start)


async def test_after_a_crash_a_paused_session_is_still_paused(mortal: Service) -> None:
    async with watch(mortal, "crash") as console, stream(mortal, "crash") as client:
        await console.send("control.pause", id=1, session_id=session_of(client), reason="hold")
        pause = await client.wait_for("control.pause")
        await client.send("stop", id="mine too")
        alert = await console.wait_for(of_type("alert", kind="client_stop", state="raised"))
        seen = await console.wait_for(of_type("alert", alert_id=alert["alert_id"]))
        await saved(mortal)
        mortal.kill()
        assert await client.wait_closed() == 1006
    await asyncio.to_thread(mortal.start)
    await alert_is_still_told(mortal, "crash", alert["alert_id"], resume_after=None)
    await alert_is_still_told(mortal, "crash", alert["alert_id"], resume_after=before(seen["cursor"]))
    await comes_back_paused(mortal, "crash", client, pause["control_epoch"])


async def saved(service: Service) -> None:
    """Wait until the keeper has had its turn: what is urgent is saved within a tenth of a second."""
    began_s = time.monotonic()
    async with stream(service, "next") as other:
        while time.monotonic() < began_s + 1.0:
            await other.send("ping", t0=0.0)
            await other.wait_for("pong", after=len(other.messages))


async def comes_back_paused(service: Service, user: str, client: SocketClient, control_epoch: int) -> None:
    """The client's session is there, paused, and only a therapist ends that."""
    async with watch(service, user) as console, stream(service, user, **resume_of(client)) as back:
        again = await back.wait_for("control.pause")
        refusal = await ask_to_resume(back)
        listed = await listing(console)
        resumed = await resume_as_therapist(console, back)
    welcome = back.of("welcome")[0]
    assert welcome["session_id"] == session_of(client) and welcome["resumed"] is True
    assert welcome["epoch"] > client.of("welcome")[0]["epoch"]
    assert welcome["snapshot"]["status"] == "paused"
    assert again["resume_requires"] == "therapist" and again["control_epoch"] >= control_epoch
    assert refusal["code"] == "resume_denied"
    assert listed[session_of(client)] == "paused"
    assert resumed["control_epoch"] > again["control_epoch"]


async def listing(console: SocketClient) -> dict[str, str]:
    """The status of each session that a console is told when it subscribes."""
    await console.send("subscribe", id="again", sessions=["*"], rate_hz=1)
    answer = await console.wait_for(of_type("subscribed", re="again"))
    return {session["session_id"]: session["status"] for session in answer["sessions"]}


async def alert_is_still_told(service: Service, user: str, alert_id: str, resume_after: str | None) -> None:
    async with watch(service, user, sub="t-later", resume_after=resume_after) as console:
        alert = await console.wait_for(of_type("alert", alert_id=alert_id))
        assert (alert["kind"], alert["state"]) == ("client_stop", "raised")


def before(cursor: str) -> str:
    """A cursor of a second earlier. Its form is the service's own; a test may know that it begins with the time."""
    time_ms, _, rest = cursor.partition(".")
    return f"{int(time_ms) - 1_000}.{rest}"


async def test_alerts_after_a_cursor_come_once_and_those_before_it_do_not(plain: Service) -> None:
    async with stream(plain, "cursor") as client:
        async with watch(plain, "cursor") as console:
            await client.send("stop")
            raised = await console.wait_for(of_type("alert", kind="client_stop", state="raised"))
        await ask_to_resume(client)
        async with watch(plain, "cursor", resume_after=raised["cursor"]) as later:
            resolved = await later.wait_for(of_type("alert", kind="client_stop", state="resolved"))
    assert resolved["cursor"] > raised["cursor"]
    assert resolved["alert_id"] == raised["alert_id"]
    cursors = [message["cursor"] for message in later.of("alert")]
    assert cursors == sorted(cursors)


async def test_a_bye_ends_the_session_with_its_totals(plain: Service) -> None:
    async with stream(plain, "bye") as client:
        await client.send("bye")
        ended = await client.wait_for("ended")
        assert await client.wait_closed() == 1000
    assert ended["totals"]["pauses"] == 0
    assert await refused(plain, "bye", **resume_of(client)) == ("session_over", 4504)
    with pytest.raises(NotSeen):
        await client.wait_for("control.pause", within_s=0.1)
