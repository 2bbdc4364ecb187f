"""The browser library against the real service: what a client and a therapist live through, a dead service included."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emdr_stream import __version__
from tests.system.page_process import Event, Page, page
from tests.system.service import Service, service
from tests.system.sockets import of_type, socket

pytestmark = [pytest.mark.anyio, pytest.mark.system, pytest.mark.timeout(120)]

_TIMEOUT_MS = 2_000
_REST_MS = 250
"""After `timeout_ms` of silence the stimulus is at rest within this."""


@pytest.fixture(scope="module")
def mortal(plain_models: Path) -> Iterator[Service]:
    """A service of this module's own: it is stopped and killed, and started again on the same folder."""
    with service(model_dir=str(plain_models)) as running:
        yield running


def paused_for(cause: str) -> Any:
    return lambda told: not told["local"] and told["cause"] == cause


def running(told: Event) -> bool:
    return bool(told["status"] == "running" and told["connected"])


def comes_back_paused(client: Page, after: int) -> None:
    """After a break: the same session, paused; nothing moves until it is asked for and granted."""
    first = client.of("session", "welcome")[0]
    back = client.wait_for("session", "welcome", after=after)
    assert back["resumed"] is True and back["session_id"] == first["session_id"]
    client.wait_for("session", "pause", paused_for("client_disconnected"), after)
    assert client.ask("state")["paused"] is True
    assert not [told for told in client.events[after:] if told["event"] == "resume"]
    assert client.ask("resume")["ok"] is True
    client.wait_for("session", "state", running, after)


def test_a_session_streams_is_paused_by_its_therapist_and_stops_itself(plain: Service) -> None:
    with page(plain, "page-life") as client:
        client.wait_for("session", "welcome")
        client.wait_for("session", "result", lambda told: told["results"] > 20)
        clock = client.ask("clock")
        assert 0 <= clock["round_trip_ms"] < 2_000
        assert abs(clock["offset_ms"]) <= clock["round_trip_ms"] / 2 + 5  # one machine, one clock

        assert client.ask("set", action="begin")["ok"] is True
        assert client.ask("command", name="pause", reason="look at me", mode="ease_to_center")["ok"] is True
        pause = client.wait_for("session", "pause", paused_for("therapist"))
        assert (pause["mode"], pause["resumeRequires"]) == ("ease_to_center", "therapist")
        assert client.ask("set", action="begin")["code"] == "paused"
        assert client.ask("resume")["code"] == "resume_denied"
        assert client.ask("command", name="resume", reason="we have spoken")["ok"] is True
        client.wait_for("session", "resume", lambda told: told["by"] == "page-life-t")

        after = len(client.events)
        assert client.ask("stop", reason="too much")["paused"] is True
        stopped = client.wait_for("session", "pause", after=after)
        assert (stopped["local"], stopped["cause"]) == (True, "client_stop")
        client.wait_for("session", "pause", paused_for("client_stop"), after)
        alert = client.wait_for("console", "alert", lambda told: told["kind"] == "client_stop")
        assert client.ask("acknowledge", alert_id=alert["alert_id"], note="called")["ok"] is True
        client.wait_for("console", "alert", lambda told: told["state"] == "acknowledged")
        assert client.ask("rate", sud=7)["ok"] is True
        assert client.ask("resume")["ok"] is True

        client.ask("end")
        assert client.wait_for("session", "ended")["reason"] == "bye"
        assert client.wait_for("session", "closed")["code"] == 1000
        assert "pause_unconfirmed" not in {told["kind"] for told in client.of("console", "alert")}
        assert not client.of("session", "error") or {e["code"] for e in client.of("session", "error")} == {
            "resume_denied"
        }


def test_a_service_that_freezes_stops_the_light_in_time_and_the_session_comes_back_paused(mortal: Service) -> None:
    with page(mortal, "page-freeze") as client:
        client.wait_for("session", "result")
        client.wait_for("console", "connection", lambda told: told["connected"])
        assert mortal.process is not None
        after = len(client.events)
        os.kill(mortal.process.pid, signal.SIGSTOP)
        try:
            lost = client.wait_for("session", "pause", lambda told: told["cause"] == "connection_lost", after)
            badge = client.wait_for("console", "connection", lambda told: not told["connected"], after)
        finally:
            os.kill(mortal.process.pid, signal.SIGCONT)
        assert _TIMEOUT_MS <= lost["silentForMs"] <= _TIMEOUT_MS + _REST_MS
        assert badge["silentForMs"] <= 2_500
        comes_back_paused(client, after)
        client.wait_for("console", "connection", lambda told: told["connected"], after)


def test_a_service_that_is_killed_stops_the_light_at_once_and_the_session_comes_back_paused(mortal: Service) -> None:
    with page(mortal, "page-kill") as client:
        client.wait_for("session", "result", lambda told: told["results"] > 20)
        client.wait_for("console", "connection", lambda told: told["connected"])
        after = len(client.events)
        mortal.kill()
        lost = client.wait_for("session", "pause", lambda told: told["cause"] == "connection_lost", after)
        assert lost["silentForMs"] < _TIMEOUT_MS + _REST_MS
        assert client.ask("stop", reason="while nobody hears")["paused"] is True
        mortal.start()
        back = client.wait_for("session", "welcome", after=after)
        assert back["resumed"] is True
        # The stop that nobody heard is told now.
        client.wait_for("console", "alert", lambda told: told["kind"] == "client_stop", after)
        assert client.ask("state")["paused"] is True
        cursors = [event["cursor"] for event in client.of("console", "alert")]
        assert len(cursors) == len(set(cursors)), "no alert is told twice"


async def test_pages_of_the_service_itself_may_open_its_sockets_and_others_may_not(plain: Service) -> None:
    own = f"http://127.0.0.1:{plain.port}"
    async with socket(plain, "/v1/stream", origin=own) as client:
        await client.send("hello", source="emotion", token=plain.token("client", "own-page"))
        await client.wait_for(of_type("welcome"))
    with pytest.raises(Exception, match="403"):
        async with socket(plain, "/v1/stream", origin="http://elsewhere.example"):
            pass


async def test_the_library_is_served_as_it_lies_in_the_package(plain: Service, repository: Path) -> None:
    for name in ("client/index.js", "client/sources/camera_worker.js"):
        status, kind, body = await asyncio.to_thread(plain.get, f"/assets/{__version__}/{name}")
        assert (status, kind) == (200, "text/javascript; charset=utf-8")
        assert body == (repository / "emdr_stream" / "browser" / name).read_bytes()
    status, _, body = await asyncio.to_thread(plain.get, "/assets/latest/client/index.js")
    assert status == 200 and b"export { connect" in body
    raw = await asyncio.to_thread(_raw_get, plain.port, f"/assets/{__version__}/client/../../app.py")
    assert raw.startswith(b"HTTP/1.1 404")


def _raw_get(port: int, path: str) -> bytes:
    """As no client would ask: the path goes out as it is."""
    import socket as sockets

    with sockets.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        return line.recv(4_096)
