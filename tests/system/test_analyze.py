"""`emdr-stream analyze` on real pictures and videos, as a person would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faces import landmarker_or_skip

pytestmark = pytest.mark.system


def analyze(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    landmarker_or_skip()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EMDR_")}
    command = [sys.executable, "-m", "emdr_stream", "analyze", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=50)


def test_a_folder_of_pictures_is_a_table(test_data: Path, tmp_path: Path) -> None:
    done = analyze(test_data / "stills", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = {Path(line.split()[0]).name: line for line in done.stdout.splitlines()[1:]}
    assert len(lines) == 10
    assert "many_faces" in lines["two_people.jpg"]
    assert "no_face" not in done.stdout
    assert "MediaPipe" not in done.stderr and "W0000" not in done.stderr, "what libraries print is kept away"
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_a_video_is_json_lines_with_a_face_and_then_none(test_data: Path, tmp_path: Path) -> None:
    done = analyze(test_data / "video" / "face_noface.mov", "--every", 10, "--jsonl", folder=tmp_path)
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["frame"] for one in seen] == list(range(0, 169, 10))
    assert [one["face"]["faces"] for one in seen[:7]] == [1] * 7
    assert [one["face"]["problem"] for one in seen[8:]] == ["no_face"] * 9
    assert seen[1]["ts_ms"] == pytest.approx(10 / 26.4 * 1_000, rel=0.01)
    assert all(one["timing"]["face_ms"] > 0 for one in seen)


def test_a_video_is_drawn(test_data: Path, tmp_path: Path) -> None:
    done = analyze(test_data / "video" / "single_face.mp4", "--every", 6, "--plot", "curves.svg", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all" in done.stdout
    drawn = (tmp_path / "curves.svg").read_text()
    assert "<svg" in drawn and "<image" not in drawn, "curves, and no picture"


def test_what_cannot_be_read_is_a_line_and_exit_code_1(test_data: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes((test_data / "stills" / "single_face.jpg").read_bytes()[:9_000])
    (tmp_path / "text.mp4").write_text("no video")
    done = analyze("cut.jpg", "text.mp4", test_data / "stills" / "single_face.jpg", folder=tmp_path)
    assert done.returncode == 1
    assert "cut off" in done.stdout
    assert "no picture and no video" in done.stdout
    assert "single_face.jpg" in done.stdout, "the others are read all the same"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name pictures"),
        (("nowhere.jpg",), "not there"),
        (("--camera", "99"), "camera 99 cannot be opened"),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = analyze(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
