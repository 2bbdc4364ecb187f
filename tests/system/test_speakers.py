"""Five minutes of each group of real speakers, replayed: nothing is paused, and a panic put into the same stream is."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.vision.browser import load_browser_faces
from emdr_stream.wire.stream import Landmarks
from tests.speakers import GROUPS, Look, landmarks, morphcast, samples, speaker_looks, with_panic
from tests.system.conftest import SPEAKING
from tests.system.scenes import BASELINE_S as BASELINE_LIVE_S
from tests.system.scenes import SPEAKING_S, Stage
from tests.system.service import readable_folder, run_command

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

BASELINE_S, TALK_S, PANIC_S = 60, 300, 60
PANIC_MS = (BASELINE_S + TALK_S) * 1_000
SHAPES = {"emotion": samples, "morphcast": morphcast}
STREAMS = [(group, source) for group in GROUPS for source in SHAPES]
FACES = [(group, "landmarks") for group in GROUPS]
"""The same speakers by the scores of their faces alone. No panic is put into these: it would be invented twice."""
Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def replayed(test_data: Path) -> Iterator[dict[tuple[str, str], Lines]]:
    """What the service says to each stream, as `emdr-stream replay` writes it down."""
    with readable_folder() as folder:
        files = {stream: folder / f"{number}.jsonl" for number, stream in enumerate((*STREAMS, *FACES))}
        for (group, source), path in files.items():
            _write(path, test_data, group, source)
        done = run_command("replay", *map(str, files.values()), "--out", str(folder / "out"), folder=folder)
        assert done.returncode == 0, done.stderr
        yield {stream: _lines(folder / "out" / path.name) for stream, path in files.items()}


def _write(path: Path, test_data: Path, group: str, source: str) -> None:
    looks = with_panic(speaker_looks(test_data / "speakers", group, BASELINE_S + TALK_S + PANIC_S), BASELINE_S + TALK_S)
    told = _observations(looks) if source == "landmarks" else SHAPES[source](looks)
    lines: Lines = [
        {"emdr_recording": 1, "started_ts": 0, "source": source},
        {"at_ms": 0, "dir": "in", "msg": {"type": "hello", "source": source}},
    ]
    lines += [{"at_ms": at_ms, "dir": "in", "msg": message} for at_ms, message in told]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _observations(looks: Iterable[Look]) -> Iterator[tuple[int, Any]]:
    """What the service sees in the speakers' `landmarks` messages, as it records it."""
    reader = load_browser_faces(default_models_dir())
    assert reader is not None
    for at_ms, message in landmarks(looks):
        seen = reader.read(msgspec.convert(message, Landmarks))
        yield at_ms, {"type": "observation", "ts": message["ts"], "face": msgspec.to_builtins(seen)}


def _lines(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _of(lines: Lines, kind: str) -> Lines:
    return [line for line in lines if line["msg"]["type"] == kind]


@pytest.mark.parametrize("stream", [*STREAMS, *FACES], ids=str)
def test_real_speakers_are_never_paused_nor_alarmed(replayed: dict[tuple[str, str], Lines], stream: Any) -> None:
    talk = [line for line in replayed[stream] if line["at_ms"] < PANIC_MS]
    alarms = [line["msg"] for line in talk if line["msg"]["type"] in {"control.pause", "alert", "intervention"}]
    assert alarms == []
    heard = [line["msg"] for line in _of(talk, "result") if line["at_ms"] > (BASELINE_S + 5) * 1_000]
    assert len(heard) > TALK_S * 5
    assert all(result["safety"]["crisis_probability"] is not None for result in heard)
    assert all(result["signal"]["status"] == "ok" for result in heard)


@pytest.mark.parametrize("stream", STREAMS, ids=str)
def test_a_panic_put_into_the_same_speakers_pauses(replayed: dict[tuple[str, str], Lines], stream: Any) -> None:
    lines = replayed[stream]
    pause = next(line for line in _of(lines, "control.pause") if line["msg"]["reason"] == "crisis")
    assert PANIC_MS < pause["at_ms"] < PANIC_MS + PANIC_S * 1_000
    assert pause["msg"]["resume_requires"] == "therapist"
    alert = next(line["msg"] for line in _of(lines, "alert") if line["msg"]["alert_id"] == pause["msg"]["alert_id"])
    assert alert["kind"] == "crisis" and alert["severity"] == "critical" and alert["evidence"]
    assert _of(lines, "intervention")


@pytest.mark.parametrize("stream", STREAMS, ids=str)
def test_no_model_is_heard_before_the_baseline_stands(replayed: dict[tuple[str, str], Lines], stream: Any) -> None:
    first_minute = [line["msg"] for line in _of(replayed[stream], "result") if line["at_ms"] < (BASELINE_S - 1) * 1_000]
    assert {result["state"]["label"] for result in first_minute} == {"unknown"}
    assert {result["safety"]["crisis_probability"] for result in first_minute} == {None}


@pytest.mark.parametrize(("group", "source"), [live[:2] for live in SPEAKING], ids=str)
def test_a_live_speaker_gets_results_and_no_pause(stage: Stage, group: str, source: str) -> None:
    client = stage[f"{group} {source}"].client
    results = client.of("result")
    assert len(results) > SPEAKING_S * 7
    heard = [m for m in results if m["safety"]["crisis_probability"] is not None]
    assert len(heard) > (SPEAKING_S - BASELINE_LIVE_S - 3) * 7
    assert all(m["state"]["label"] != "unknown" for m in heard)
    assert {m["signal"]["status"] for m in results[10:]} == {"ok"}
    assert sum(results[-1]["emotions"].values()) == pytest.approx(1.0, abs=0.01)
    assert not client.of("control.pause") and not client.of("intervention") and not client.of("error")


@pytest.mark.parametrize(("group", "source"), [live[:2] for live in SPEAKING], ids=str)
def test_a_watcher_sees_the_state_that_the_live_speaker_is_told(stage: Stage, group: str, source: str) -> None:
    seen = stage[f"{group} {source}"]
    result, state = seen.answers["result"], seen.answers["state"]
    told = ("emotions", "dimensions", "state", "safety")
    assert {name: state[name] for name in told} == {name: result[name] for name in told}
    assert state["status"] == "running"
    assert not seen.console.of("alert")
