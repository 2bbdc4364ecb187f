"""Real faces that smile and turn for six minutes, read from pictures and replayed: nothing is paused or alarmed."""

import json
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import msgspec
import pytest

from emdr_stream.domain import Limits
from emdr_stream.vision.loading import load_equipment
from emdr_stream.vision.reader import Equipment, FaceReader
from emdr_stream.wire.face import FaceView
from tests.system.service import readable_folder, run_command
from tests.webcam import jpegs, video

pytestmark = pytest.mark.system

MINUTES, BASELINE_MS = 6, 60_000
VIDEOS = {"single_face.mp4": 30.0, "intel_head-pose-male.gif": 12.5, "intel_head-pose-female.gif": 12.5}
"""Frames a second of each. They last two to five seconds, so they are shown to and fro, without a jump."""


@pytest.fixture(scope="module")
def equipment() -> Iterator[Equipment]:
    loaded, without = load_equipment(Limits(), None, None, time.perf_counter)
    assert without is None
    yield loaded
    loaded.counter.close()


def views(equipment: Equipment, path: Path, fps: float) -> list[FaceView]:
    reader = FaceReader(equipment)
    try:
        return [reader.read(picture, number * 1_000 / fps).view for number, picture in enumerate(jpegs(video(path)))]
    finally:
        reader.close()


@pytest.mark.parametrize("name", VIDEOS)
def test_a_calm_face_on_video_is_never_paused_nor_alarmed(equipment: Equipment, test_data: Path, name: str) -> None:
    fps = VIDEOS[name]
    seen = views(equipment, test_data / "video" / name, fps)
    shown = islice(cycle([*seen, *seen[-2:0:-1]]), round(MINUTES * 60 * fps))
    lines = [{"emdr_recording": 1, "started_ts": 0, "source": "frame"}, _in(0, {"type": "hello", "source": "frame"})]
    for number, view in enumerate(shown):
        at_ms = round(number * 1_000 / fps)
        face = msgspec.to_builtins(view)
        lines.append(_in(at_ms, {"type": "observation", "id": number, "ts": at_ms, "face": face}))
    with readable_folder() as folder:
        path = folder / "calm.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        done = run_command("replay", str(path), "--out", str(folder / "out.jsonl"), folder=folder)
        assert done.returncode == 0, done.stderr
        told = [json.loads(line)["msg"] for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [m for m in told if m["type"] in {"control.pause", "alert", "intervention"}] == []
    answers = [m for m in told if m["type"] in {"result", "skipped"}]
    assert [m["re"] for m in answers] == list(range(round(MINUTES * 60 * fps)))
    heard = [m for m in answers if m["ts"] > BASELINE_MS + 5_000]
    assert all(m["safety"]["crisis_probability"] is not None for m in heard)


def _in(at_ms: int, message: dict[str, object]) -> dict[str, object]:
    return {"at_ms": at_ms, "dir": "in", "msg": message}
