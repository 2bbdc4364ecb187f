"""Models change while sessions live: on the same socket, or over a restart of the workers; and a shadow never acts."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from emdr_stream.__main__ import main
from tests.good_figures import figures
from tests.system.faces import camera, until_known
from tests.system.plain_model import write_plain_model
from tests.system.service import Service, eventually, service
from tests.system.sockets import SocketClient, of_type, stream, watch
from tests.system.test_workers import come_back

pytestmark = [pytest.mark.system, pytest.mark.anyio]

NAME = "emotion_safety"
CALM_IS_A_CRISIS = -10.0
"""Baseline deviations of fear at which version 2 sees a crisis: in everybody, always."""
SIGNED = ("--sign-off", "Ada Byron, clinical lead", "--reason", "a test of the promotion itself")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_plain_model(tmp_path, "1", metrics=figures())
    write_plain_model(tmp_path, "2", fearful=CALM_IS_A_CRISIS, metrics=figures())
    return tmp_path


@pytest.fixture
def clinic(folder: Path) -> Iterator[Service]:
    with service(model_dir=str(folder), baseline_s="5") as running:
        yield running


async def models(clinic: Service, folder: Path, *arguments: str) -> int:
    where = ("--models", str(folder), "--data-dir", str(clinic.data_dir))
    return await asyncio.to_thread(main, ["models", *arguments, *where])


async def take_up(clinic: Service, number: signal.Signals = signal.SIGUSR1) -> None:
    assert clinic.process is not None
    clinic.process.send_signal(number)


def versions(message: dict[str, Any]) -> list[str]:
    return [model["version"] for model in message["models"]]


async def rows(clinic: Service, query: str) -> list[Any]:
    connection = await asyncpg.connect(clinic.database_url)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


async def until(clinic: Service, query: str, count: int = 1) -> list[Any]:
    """The rows of a query, as soon as there are so many: records are written behind."""
    for _ in range(150):
        if len(found := await rows(clinic, query)) >= count:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"not {count} rows within 15 s: {query}")


def nothing_is_missing(client: SocketClient) -> bool:
    """The durable messages have all the numbers there are, in order."""
    numbers = [message["seq"] for message in client.messages if "seq" in message and message["type"] != "welcome"]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True


async def test_a_live_session_keeps_its_socket_over_a_promotion_and_a_rollback(clinic: Service, folder: Path) -> None:
    async with watch(clinic, "live") as console, stream(clinic, "live") as client, camera(client):
        assert versions(client.of("welcome")[0]) == ["1"]
        await until_known(client)
        assert await models(clinic, folder, "promote", NAME, "2", *SIGNED) == 0
        await take_up(clinic)
        assert versions(await client.wait_for("models")) == ["2"]
        await client.wait_for(of_type("control.pause", reason="crisis"))
        alert = await console.wait_for(of_type("alert", kind="crisis"))
        assert (alert["model"]["name"], alert["model"]["version"]) == (NAME, "2")
        assert await models(clinic, folder, "rollback", NAME, "--reason", "it sees crises everywhere") == 0
        before = len(client.messages)
        await take_up(clinic)
        assert versions(await client.wait_for("models", after=before)) == ["1"]
        await console.send("ack", id="ack", alert_id=alert["alert_id"])
        await console.send("control.resume", id="go", session_id=alert["session_id"], reason="a false alarm")
        await client.wait_for("control.resume")
        calm = len(client.messages)
        await client.wait_for(
            lambda message: message["type"] == "result" and message["safety"]["crisis_probability"] < 0.1, after=calm
        )
        assert client.closed_with is None
        assert nothing_is_missing(client)
        assert not any(message["type"] == "control.pause" for message in client.messages[calm:])
    told = await until(clinic, 'select body from audit_log where body like \'%"action":"models"%\' order by id', 2)
    assert [json.loads(row["body"])["models"][0]["version"] for row in told] == ["2", "1"]
    steps = await rows(clinic, "select event from model_events where event <> 'drift' order by id")
    assert [row["event"] for row in steps] == ["promote", "rollback"]


async def test_what_cannot_be_loaded_leaves_the_present_version_and_readiness_says_so(
    clinic: Service, folder: Path
) -> None:
    async with stream(clinic, "stays") as client, camera(client):
        await until_known(client)
        (folder / NAME / "2" / "model.onnx").write_bytes(b"altered after it was checked")
        (folder / "current.json").write_text(json.dumps({NAME: "2"}))
        await take_up(clinic)

        def refused() -> bool:
            told = json.loads(clinic.get("/readyz")[2])["parts"]["models"]
            return bool(told["ok"]) and "checksum" in told["why"]

        assert await asyncio.to_thread(eventually, refused, 10.0)
        assert "emdr_model_refusals_total 1.0" in clinic.get("/metrics")[2].decode()
        seen = len(client.messages)
        await client.wait_for(
            lambda m: m["type"] == "result" and m["safety"]["crisis_probability"] is not None, after=seen
        )
        assert client.of("models") == []


async def test_a_shadow_is_recorded_and_compared_and_never_acts(
    clinic: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await models(clinic, folder, "shadow", NAME, "2") == 0
    await take_up(clinic)
    async with stream(clinic, "shadowed") as client, camera(client):
        await until_known(client)
        seen = len(client.messages)
        query = "select fields from seconds where fields->'shadow'->'alarms' is not null"
        found = json.loads((await until(clinic, query))[0]["fields"])["shadow"]
        await client.wait_for("result", after=seen)
        assert not any(message["type"] in {"control.pause", "models", "intervention"} for message in client.messages)
    assert (found["version"], found["beside"], found["failed"], found["agreed"]) == ("2", "1", 0, 0.0)
    capsys.readouterr()
    assert await models(clinic, folder, "compare", NAME, "1", "2") == 0
    told = capsys.readouterr().out
    pauses = next(line for line in told.splitlines() if line.startswith("pauses an hour"))
    assert "1 sessions" in told and pauses.split()[3] == "0"
    assert "emdr_shadow_failures_total 0.0" in clinic.get("/metrics")[2].decode()


async def test_a_rolling_restart_brings_the_new_version_and_loses_no_session(folder: Path) -> None:
    with service("--workers", "2", model_dir=str(folder), baseline_s="5") as clinic:
        async with stream(clinic, "rolling") as client, watch(clinic, "rolling") as console:
            await client.send("stop", id="stop")
            raised = await console.wait_for(of_type("alert", kind="client_stop"))
            assert await models(clinic, folder, "promote", NAME, "2", *SIGNED) == 0
            await take_up(clinic, signal.SIGHUP)
            assert await client.wait_closed(within_s=60.0) == 1012
            async with AsyncExitStack() as stack:
                back = await come_back(clinic, stack, "rolling", client)
                if versions(back.of("welcome")[0]) == ["1"]:  # taken by the worker that is still to be restarted
                    assert await back.wait_closed(within_s=60.0) == 1012
                    back = await come_back(clinic, stack, "rolling", back)
                welcome = back.of("welcome")[0]
                assert (welcome["resumed"], welcome["snapshot"]["status"], versions(welcome)) == (True, "paused", ["2"])
                assert welcome["session_id"] == raised["session_id"]
