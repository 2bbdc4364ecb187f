"""The doctor says what webcam frames lack, and never that the service cannot start for it."""

import json
from pathlib import Path

import pytest

from emdr_stream.cli.camera_checks import check_camera, check_expression, check_landmarker, check_libraries
from emdr_stream.cli.checks import Level
from emdr_stream.vision.model_file import LANDMARKER_SHA256
from tests.faces import landmarker_or_skip
from tests.unit.cli.conftest import Run


def test_what_is_missing_is_a_warning_with_its_mend(tmp_path: Path) -> None:
    found = {finding.subject: finding for finding in check_camera(tmp_path / "nowhere", tmp_path)}
    assert {"mediapipe", "face landmarker", "face expression"} <= found.keys()
    assert all(finding.level is not Level.FAIL for finding in found.values())
    assert found["face landmarker"].mend == "emdr-stream models fetch"
    assert found["face expression"].level is Level.WARN


def test_the_pinned_landmarker_is_named_by_its_checksum() -> None:
    landmarker_or_skip()
    finding = check_landmarker(None)
    assert (finding.level, finding.what[:12]) == (Level.OK, LANDMARKER_SHA256[:12])


def test_an_altered_landmarker_is_found(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"another")
    finding = check_landmarker(tmp_path / "model")
    assert finding.level is Level.WARN
    assert "checksum" in finding.what


def test_libraries_of_the_system_are_named_with_their_packages() -> None:
    assert list(check_libraries(("libc.so.6",))) == []
    (finding,) = check_libraries(("libc.so.6", "libnothing.so.9"))
    assert (finding.level, finding.what.count("lib")) == (Level.WARN, 1)
    assert "libegl1" in finding.mend


@pytest.mark.parametrize("current", ["{}", "[]", "no json", None])
def test_models_without_an_expression_are_told(tmp_path: Path, current: str | None) -> None:
    if current is not None:
        (tmp_path / "current.json").write_text(current)
    assert check_expression(tmp_path).level is Level.WARN


def test_an_expression_model_in_use_is_named(tmp_path: Path) -> None:
    (tmp_path / "current.json").write_text(json.dumps({"face_expression": "2.1"}))
    finding = check_expression(tmp_path)
    assert (finding.level, finding.what) == (Level.OK, "2.1")


def test_the_doctor_looks_at_the_camera(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EMDR_LANDMARKER_FILE", str(tmp_path / "nowhere"))
    _, out, _ = run("doctor", "--json")
    found = {finding["subject"]: finding for finding in json.loads(out)}
    assert found["face landmarker"]["mend"] == "emdr-stream models fetch"
