"""`emdr-stream simulate --out` and `emdr-stream replay`: from a seed to recordings, answers and a verdict."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.__main__ import main
from emdr_stream.cli.replay import first_difference
from emdr_stream.evaluation.labels import read_labels_file
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.recording.reading import Recording, read_recording
from emdr_stream.recording.recorder import Recorder
from emdr_stream.recording.simulated import write_sessions
from emdr_stream.settings import SessionSettings
from emdr_stream.simulation import Family, SimulatedSession, simulate_session
from emdr_stream.wire.stream import Bye
from tests.tiny_model import write_release
from tests.unit.recording.live_session import LiveSession, connect, disconnect, facts, samples, say

Run = Callable[..., int]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write_release(folder, width=len(FEATURE_NAMES), feature_names=list(FEATURE_NAMES))
    return folder


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    assert main(["simulate", "--family", "calm", "--duration", "180", "--out", str(tmp_path / "in")]) == 0
    return tmp_path / "in" / "calm-1-0.jsonl"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    recorder = Recorder(tmp_path)
    LiveSession(recorder.open(facts()), facts()).play([(0, connect()), *samples(100, 3_000), (3_000, say(Bye()))])
    recorder.close()
    return tmp_path / "s-1.jsonl"


def test_the_same_seed_writes_the_same_recordings(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        options = ["--family", "panic", "calm", "--sessions", "3", "--duration", "180", "--seed", "4"]
        assert main(["simulate", *options, "--out", str(tmp_path / folder)]) == 0
    written = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert written == ["calm-4-1.jsonl", "labels.jsonl", "panic-4-0.jsonl", "panic-4-2.jsonl"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in written)
    assert (tmp_path / "a" / written[2]).read_bytes() != (tmp_path / "a" / written[3]).read_bytes()
    assert read_recording((tmp_path / "a" / written[0]).read_bytes().splitlines()).header.session_id == "calm-4-1"


def test_each_recording_has_its_truth_beside_it_and_labels_of_others_are_kept(tmp_path: Path) -> None:
    for options in (["--family", "panic", "--seed", "4"], ["--family", "calm", "--stop-presses"]):
        assert main(["simulate", *options, "--duration", "180", "--out", str(tmp_path)]) == 0
    truths = {truth.recording: truth for truth in read_labels_file(tmp_path / "labels.jsonl")}
    assert list(truths) == ["panic-4-0.jsonl", "calm-1-0.jsonl"]
    panic = truths["panic-4-0.jsonl"]
    assert [event.kind for event in panic.events] == ["hyperarousal"]
    assert panic.seconds is not None and len(panic.seconds.state) == 180
    assert panic.groups["stop_pressed"] == "no"
    assert b'"stop_button"' not in (tmp_path / panic.recording).read_bytes()


def test_labels_that_cannot_be_read_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels.jsonl").write_text('{"recording": 3}')
    assert main(["simulate", "--family", "calm", "--duration", "180", "--out", str(tmp_path)]) == 2
    assert "labels.jsonl, line 1" in capsys.readouterr().err
    assert (tmp_path / "labels.jsonl").read_text() == '{"recording": 3}'
    assert [path.name for path in tmp_path.iterdir()] == ["labels.jsonl"], "nor is anything written beside them"


def test_who_breaks_off_leaves_no_recording_with_the_label_of_another(tmp_path: Path) -> None:
    # Labels are written at the end: those of a longer session stood beside a shorter one, and `evaluate` believed them.
    def simulated(seconds: float) -> SimulatedSession:
        return simulate_session(np.random.default_rng(1), Family.PANIC, duration_s=seconds)

    def broken_off() -> Iterator[SimulatedSession]:
        yield simulated(180.0)
        raise KeyboardInterrupt

    list(write_sessions(tmp_path, [simulated(240.0), simulated(240.0)], 1))
    list(write_sessions(tmp_path, [simulated(240.0)], 11))
    with pytest.raises(KeyboardInterrupt):
        list(write_sessions(tmp_path, broken_off(), 1))
    assert [truth.recording for truth in read_labels_file(tmp_path / "labels.jsonl")] == ["panic-11-0.jsonl"]
    list(write_sessions(tmp_path, [simulated(240.0), simulated(240.0)], 1))
    list(write_sessions(tmp_path, [simulated(180.0)], 1))
    left = {truth.recording: truth for truth in read_labels_file(tmp_path / "labels.jsonl")}
    assert sorted(left) == ["panic-1-0.jsonl", "panic-1-1.jsonl", "panic-11-0.jsonl"], (
        "what was not replaced keeps its own"
    )


def test_the_mixture_tells_how_rare_its_crises_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--mixture", "--sessions", "4", "--duration", "180", "--out", str(tmp_path)]) == 0
    assert "crises in 4 sessions" in capsys.readouterr().out
    assert len({truth.person for truth in read_labels_file(tmp_path / "labels.jsonl")}) == 2


def test_replay_leaves_the_labels_of_a_folder_alone(
    scenario: Path, models: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    labels = scenario.with_name("labels.jsonl")
    out = scenario.parent / "x"
    assert main(["replay", str(scenario), str(labels), "--models", str(models), "--out", str(out)]) == 0
    assert b"labels.jsonl" not in capfdbinary.readouterr().err


def test_a_simulated_session_is_answered_on_stdout(
    scenario: Path, models: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["replay", str(scenario), "--models", str(models)]) == 0
    told = capfdbinary.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert {line["dir"] for line in lines} == {"out"}
    assert lines[0]["msg"]["models"][0]["name"] == "emotion_safety"
    assert lines[-1]["msg"]["type"] == "ended"
    assert b"calm-1-0" in told.err


def test_answers_go_to_a_file_or_for_several_recordings_to_a_folder(
    scenario: Path, models: Path, tmp_path: Path
) -> None:
    second = scenario.with_name("second.jsonl")
    second.write_bytes(scenario.read_bytes())
    assert main(["replay", str(scenario), "--models", str(models), "--out", str(tmp_path / "one.jsonl")]) == 0
    both = ["replay", str(scenario), str(second), "--models", str(models), "--out", str(tmp_path / "many")]
    assert main(both) == 0
    written = (tmp_path / "one.jsonl").read_bytes()
    assert (
        written == (tmp_path / "many" / scenario.name).read_bytes() == (tmp_path / "many" / "second.jsonl").read_bytes()
    )


def test_the_recording_itself_is_never_overwritten(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = recorded.read_bytes()
    assert main(["replay", str(recorded), "--out", str(recorded.parent)]) == 2
    assert "is the recording itself" in capsys.readouterr().err
    assert recorded.read_bytes() == before


def test_two_recordings_of_one_name_are_not_written_over_each_other(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Of a.../s-1.jsonl and b.../s-1.jsonl the second one's lines were left, and the command said that all was well.
    other = tmp_path / "other" / recorded.name
    other.parent.mkdir()
    other.write_bytes(recorded.read_bytes())
    assert main(["replay", str(recorded), str(other), "--out", str(tmp_path / "out")]) == 2
    assert f"would be of {recorded} and of {other}" in capsys.readouterr().err
    assert not (tmp_path / "out" / recorded.name).exists()
    assert main(["replay", str(recorded), str(recorded), "--out", str(tmp_path / "out")]) == 0


def test_a_recording_is_verified_without_a_model(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(recorded), "--verify", "--models", "nowhere"]) == 0
    assert capsys.readouterr().out == ""


def test_a_client_that_vanished_is_verified_to_the_end_of_its_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder(tmp_path)
    gone_ms = 3_000 + SessionSettings().control.grace_ms + 5_000
    live = LiveSession(recorder.open(facts()), facts())
    live.play([(0, connect()), *samples(100, 3_000), (3_000, disconnect), (gone_ms, lambda live, at_ms: None)])
    recorder.close()
    path = tmp_path / "s-1.jsonl"
    recording = read_recording(path.read_bytes().splitlines())
    later = [line for _, line in recording.out if json.loads(line)["at_ms"] > recording.duration_ms]
    assert later and recording.ends_ms == json.loads(later[-1])["at_ms"]
    assert main(["replay", str(path), "--verify"]) == 0, capsys.readouterr().err
    path.write_bytes(path.read_bytes().replace(later[-1], later[-1].replace(b'"at_ms":', b'"at_ms":1')))
    assert main(["replay", str(path), "--verify"]) == 1


def test_a_difference_is_told_with_its_line(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if b'"type":"result"' in line)
    lines[number] = lines[number].replace(b'"attention":', b'"attention":1')
    recorded.write_bytes(b"".join(lines))
    assert main(["replay", str(recorded), "--verify"]) == 1
    told = capsys.readouterr().err
    assert f"line {number + 1}: replay differs" in told
    assert '"attention":1' in told


@pytest.mark.parametrize(("replayed", "said"), [(1, "replayed: (nothing)"), (3, "recorded: (nothing)")])
def test_a_missing_or_an_extra_line_is_a_difference(replayed: int, said: str) -> None:
    header = read_recording([b'{"emdr_recording": 1}']).header
    recording = Recording("walk", header, (), ((5, b"a"), (7, b"a")), 0)
    assert first_difference(recording, [b"a", b"a"]) is None
    difference = first_difference(recording, [b"a"] * replayed)
    assert difference is not None
    assert said in difference


def test_a_bad_file_is_named_and_the_others_are_replayed(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"emdr_recording": 1}\n{"at_ms": 1, "dir": "in"}\n')
    files = [str(bad), str(tmp_path / "absent.jsonl"), str(recorded)]
    assert main(["replay", *files, "--verify", "--models", "nowhere"]) == 1
    told = capsys.readouterr().err
    assert "bad.jsonl, line 2: " in told
    assert "absent.jsonl cannot be read" in told
    assert "s-1.jsonl" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate"],
        ["simulate", "--out", "x", "--url", "ws://y"],
        ["simulate", "--out", "x", "--duration", "0"],
        ["simulate", "--out", "x", "--family", "joyride"],
        ["simulate", "--url", "http://y"],
        ["simulate", "--out", "x", "--sessions", "0"],
        ["replay"],
        ["replay", "x", "--resume-after", "-1"],
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--out", "x", "--duration", "10"], "between 180 and"),
        (["--out", "x", "--video", "x.mp4"], "use it with --url"),
        (["--url", "ws://y", "--video", "absent.mp4", "--duration", "10"], "absent.mp4"),
    ],
)
def test_arguments_that_do_not_fit_together_are_explained(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2
    assert why in capsys.readouterr().err
