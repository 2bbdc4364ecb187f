"""What an operator relies on: health, metrics, the contract, and logs that tell nothing of any person."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.contract.waiting import until
from tests.system.faces import Mood, camera, until_known
from tests.system.scenes import ask_to_resume
from tests.system.service import Service, free_port, run_command, service
from tests.system.sockets import of_type, resume_of, socket, stream, watch

pytestmark = [pytest.mark.system, pytest.mark.anyio]

USER, THERAPIST = "user-whom-no-log-names", "therapist-whom-no-log-names"


async def make_traffic(service: Service) -> list[str]:
    """A session with everything that one may log; gives what must be in no log."""
    secrets = [USER, THERAPIST, service.token("client", USER)]
    async with watch(service, USER, sub=THERAPIST) as console:
        async with stream(service, USER, token=secrets[2]) as client, camera(client) as seen:
            await until_known(client)
            seen.mood = Mood.PANIC
            await client.wait_for("control.pause", within_s=15.0)
            alert = await console.wait_for("alert")
            await console.send("ack", id="ack", alert_id=alert["alert_id"], note="a note about a person")
            await console.wait_for(of_type("done", re="ack"))
            await client.send_raw(b"\xc1")
            await client.wait_for("error")
        async with stream(service, USER, **resume_of(client)) as back:
            await ask_to_resume(back)
            await back.send("rating", id=1, scale="sud", value=9.25)
            await back.wait_for(of_type("done", re=1))
            await back.send("bye")
            await back.wait_closed()
    async with socket(service, "/v1/stream") as stranger:
        await stranger.send("hello", source="emotion", token=secrets[2] + "x")
        await stranger.wait_closed()
    tokens = [m["resume_token"] for m in (*client.of("welcome"), *back.of("welcome"))]
    scores = [repr(m["safety"]["crisis_probability"]) for m in client.of("result")[-3:]]
    return [*secrets, *tokens, *scores, repr(alert["probability"]), "a note about a person", "9.25"]


async def test_the_logs_hold_no_token_no_person_and_no_score(plain: Service) -> None:
    secrets = await make_traffic(plain)
    written = {"log": plain.log, "banner": plain.banner}
    for path in (plain.data_dir / "logs").rglob("*"):
        if path.is_file():
            written[path.name] = path.read_text(errors="replace")
    metrics = plain.get("/metrics")[2].decode()
    for secret in secrets:
        assert [name for name, text in written.items() if secret in text] == []
        assert secret not in metrics


def test_healthz_and_readyz_say_yes(plain: Service) -> None:
    alive, ready = plain.get("/healthz"), plain.get("/readyz")
    assert alive[0] == ready[0] == 200
    assert json.loads(alive[2])["alive"] is True
    parts = json.loads(ready[2])["parts"]
    assert {name for name, part in parts.items() if part["ok"]} >= {"models", "redis", "postgres", "journal"}
    assert all(part["ok"] or (part["why"] and not part["required"]) for part in parts.values())
    assert "expression" in parts["expressions"]["why"] or parts["expressions"]["ok"]


async def test_metrics_count_what_happens(plain: Service) -> None:
    def value(name: str) -> float:
        lines = plain.get("/metrics")[2].decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)

    before = value("emdr_results_total")
    async with stream(plain, "counted") as client, camera(client):
        await client.wait_for("result")
        assert value("emdr_results_total") > before
        assert value("emdr_ws_connections") >= 1


def test_promtool_accepts_the_metrics(plain: Service) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: it comes with Prometheus")
    status, kind, body = plain.get("/metrics")
    assert status == 200 and kind.startswith("text/plain")
    checked = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False, timeout=20)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_the_contract_is_served(plain: Service) -> None:
    status, kind, body = plain.get("/v1/asyncapi.json")
    document = json.loads(body)
    assert (status, kind) == (200, "application/json")
    assert document["asyncapi"].startswith("3.")
    assert {channel["address"] for channel in document["channels"].values()} == {"/v1/stream", "/v1/watch"}


def test_an_unknown_page_is_404_and_a_socket_needs_a_handshake(plain: Service) -> None:
    assert plain.get("/nothing")[0] == 404
    assert plain.get("/v1/stream")[0] in {404, 426}


async def test_the_tokens_of_the_banner_open_both_sockets(plain: Service) -> None:
    tokens = {line.split()[0]: line.split()[1] for line in plain.banner.splitlines() if " eyJ" in line}
    assert tokens.keys() == {"client", "therapist", "service"}
    async with socket(plain, "/v1/stream", bearer=tokens["client"]) as client:
        await client.send("hello", source="emotion")
        await client.wait_for("welcome")
    async with socket(plain, "/v1/watch", bearer=tokens["therapist"]) as console:
        await console.send("hello")
        await console.wait_for("welcome")
    async with socket(plain, "/v1/stream") as backend:
        await backend.send("hello", source="emotion", token=tokens["service"], user="u-by-backend")
        await backend.wait_for("welcome")


async def test_a_token_of_the_command_line_opens_a_session(plain: Service) -> None:
    made = run_command(
        "token", "--role", "client", "--sub", "by-command", "--data-dir", str(plain.data_dir), folder=plain.folder
    )
    assert made.returncode == 0, made.stderr
    async with stream(plain, token=made.stdout.strip()) as client:
        assert client.of("welcome")[0]["resumed"] is False


def test_an_occupied_port_is_told_with_exit_code_2(plain: Service, tmp_path: Path) -> None:
    refused = run_command("serve", "--port", str(plain.port), "--data-dir", str(tmp_path / "data"), folder=tmp_path)
    assert refused.returncode == 2
    assert f"127.0.0.1:{plain.port}" in refused.stderr and "--port" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")], ids=["one worker", "two"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_told_to_stop_ends_after_its_stores_and_can_start_at_once(
    number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    with service(*arguments) as running:
        stores = [running.store_pid(name) for name in ("valkey", "postgres")]
        assert running.process is not None
        running.process.send_signal(number)
        assert running.wait() == 0, running.log
        assert not [pid for pid in stores if Path(f"/proc/{pid}").exists()]
        running.start()


@pytest.fixture
def free() -> int:
    """A port that nobody listens on."""
    return free_port()


def test_a_data_folder_that_is_a_file_is_told_with_exit_code_2(free: int, tmp_path: Path) -> None:
    path = tmp_path / "occupied"
    path.write_text("not a folder")
    refused = run_command("serve", "--port", str(free), "--data-dir", str(path), folder=tmp_path)
    assert_mendable(refused, str(path))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_fails_when_the_service_itself_starts_is_told_with_exit_code_2(
    free: int, tmp_path: Path, workers: str
) -> None:
    # The reason was lost between the service and its server, and with several workers each was started for ever.
    file = tmp_path / "no-folder"
    file.touch()
    with service() as other:
        other.terminate()
        other.wait()
        options = ("--port", str(free), "--data-dir", str(other.data_dir), "--workers", workers, "--record", str(file))
        refused = run_command("serve", *options, folder=tmp_path)
    assert_mendable(refused, f"EMDR_RECORD_DIR: {file}")


async def test_an_embedded_store_that_cannot_be_started_is_tried_again_and_ends_nobody() -> None:
    # What the operating system refuses (no file, no memory) ended the whole service, with every session.
    with service() as running:
        logs = running.data_dir / "logs"
        logs.rename(logs.with_name("away"))
        os.kill(running.store_pid("valkey"), signal.SIGKILL)
        await until(lambda: "an embedded store did not start" in running.log, 20.0)
        logs.with_name("away").rename(logs)
        await until(lambda: json.loads(running.get("/readyz")[2])["parts"]["redis"]["ok"], 20.0)


def test_an_env_file_that_is_not_there_is_told_with_exit_code_2(tmp_path: Path) -> None:
    # It meant every default, and with them the mode for development.
    for name in ("no-such-file", "."):
        refused = run_command("settings", "--env-file", str(tmp_path / name), folder=tmp_path)
        assert_mendable(refused, str(tmp_path / name))


def test_a_data_folder_that_is_in_use_is_told_with_exit_code_2(plain: Service, free: int, tmp_path: Path) -> None:
    refused = run_command("serve", "--port", str(free), "--data-dir", str(plain.data_dir), folder=tmp_path)
    assert_mendable(refused, str(plain.data_dir))


@pytest.mark.parametrize("name", ["model.onnx", "vectors.json"])
def test_an_altered_model_is_told_with_exit_code_2(plain_models: Path, free: int, tmp_path: Path, name: str) -> None:
    models = tmp_path / "models"
    shutil.copytree(plain_models, models)
    altered = models / "emotion_safety" / "1" / name
    data = bytearray(altered.read_bytes())
    data[len(data) // 2] ^= 1
    altered.write_bytes(data)
    refused = run_command(
        "serve", "--port", str(free), "--data-dir", str(tmp_path / "data"), folder=tmp_path, model_dir=str(models)
    )
    assert_mendable(refused, str(altered))
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_folder_without_models_is_told_with_exit_code_2(free: int, tmp_path: Path) -> None:
    refused = run_command(
        "serve", "--port", str(free), "--data-dir", str(tmp_path / "data"), folder=tmp_path, model_dir=str(tmp_path)
    )
    assert_mendable(refused, "EMDR_MODEL_DIR")


def assert_mendable(refused: subprocess.CompletedProcess[str], named: str) -> None:
    """It ended with 2, and one line says what is wrong and names what is to be mended."""
    assert refused.returncode == 2, refused.stderr
    assert named in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stderr.startswith("emdr-stream: ") or f"{os.linesep}emdr-stream: " in refused.stderr
