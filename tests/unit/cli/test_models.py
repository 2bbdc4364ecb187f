"""`models verify`: a verdict on every version, exit code 1 for a bad one."""

from pathlib import Path

import pytest

from emdr_stream.pipeline.features import FEATURE_NAMES
from tests.tiny_model import write_release
from tests.unit.cli.conftest import Run


def release(folder: Path, **changes: object) -> Path:
    return write_release(folder, width=len(FEATURE_NAMES), **{"feature_names": list(FEATURE_NAMES), **changes})  # type: ignore[arg-type]


def test_good_models_are_told_with_exit_code_0(run: Run, tmp_path: Path) -> None:
    release(tmp_path / "m")
    code, out, _ = run("models", "verify", "--models", str(tmp_path / "m"))
    assert code == 0
    assert "emotion_safety  1        yes" in out


def test_a_bad_model_is_told_with_exit_code_1(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (release(tmp_path / "m") / "model.onnx").write_bytes(b"something else")
    monkeypatch.setenv("EMDR_MODEL_DIR", str(tmp_path / "m"))
    code, out, _ = run("models", "verify")
    assert code == 1
    assert "checksum" in out


def test_a_model_of_other_features_is_bad(run: Run, tmp_path: Path) -> None:
    release(tmp_path / "m", feature_names=["x"])
    code, out, _ = run("models", "verify", "--models", str(tmp_path / "m"))
    assert code == 1
    assert "other features" in out


def test_a_folder_without_models_is_one_line_with_the_mend(run: Run, tmp_path: Path) -> None:
    code, out, err = run("models", "verify", "--models", str(tmp_path / "nowhere"))
    assert (code, out) == (2, "")
    assert "EMDR_MODEL_DIR" in err
