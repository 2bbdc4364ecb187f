"""Where the landmarker is looked for, and that nothing but the pinned file is taken."""

import os
from pathlib import Path

import pytest

from emdr_stream.errors import ModelRefused
from emdr_stream.vision import model_file
from emdr_stream.vision.model_file import cached_file, installed_file, open_landmarker, read_landmarker, vouched
from tests.faces import landmarker_or_skip


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_without_a_file_the_mend_is_named(nothing_installed: Path) -> None:
    with pytest.raises(ModelRefused, match="emdr-stream models fetch"):
        read_landmarker(None)


@pytest.mark.parametrize("place", [installed_file, cached_file])
def test_an_altered_file_is_refused_wherever_it_lies(nothing_installed: Path, place: object) -> None:
    path = put(installed_file() if place is installed_file else cached_file(), b"PK\x03\x04 not the model")
    with pytest.raises(ModelRefused, match="checksum") as caught:
        read_landmarker(None)
    assert str(path) in str(caught.value)


def test_the_configured_file_alone_counts(nothing_installed: Path) -> None:
    put(cached_file(), b"another")
    with pytest.raises(ModelRefused, match="cannot be read"):
        read_landmarker(nothing_installed / "nowhere")


def test_the_environments_file_comes_before_the_accounts(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "vouched", lambda content: True)
    put(cached_file(), b"account's")
    assert read_landmarker(None)[0] == b"account's"
    put(installed_file(), b"environment's")
    assert read_landmarker(None)[0] == b"environment's"


def test_the_opened_model_is_a_copy_that_nobody_can_change() -> None:
    landmarker_or_skip()
    opened = open_landmarker(None)
    assert vouched(opened.read_bytes())
    if opened.is_relative_to("/proc"):
        with pytest.raises(PermissionError), open(int(opened.name), "wb", closefd=False) as memory:
            memory.write(b"x")
        os.close(int(opened.name))
