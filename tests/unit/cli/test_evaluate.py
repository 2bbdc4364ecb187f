"""`evaluate` from end to end on simulated recordings: figures, files, and what it says when something is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.evaluation.figures import Figures
from emdr_stream.evaluation.labels import Truth, label_line
from emdr_stream.recording.format import encode
from emdr_stream.simulation import Family, recording_lines, simulate_session, truth_of
from tests.unit.cli.conftest import Run

FAMILIES = (Family.PANIC, Family.CALM)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A panic and a calm session, with their labels."""
    folder = tmp_path_factory.mktemp("recordings")
    lines = []
    for number, family in enumerate(FAMILIES):
        session = simulate_session(np.random.default_rng(number), family, duration_s=185)
        name = f"{family.value}.jsonl"
        (folder / name).write_bytes(b"".join(encode(line) + b"\n" for line in recording_lines(session, 0)))
        lines.append(label_line(truth_of(session, name)))
    (folder / "labels.jsonl").write_bytes(b"\n".join(lines))
    return folder


@pytest.mark.timeout(300)
def test_figures_are_printed_kept_and_drawn(run: Run, recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra `training`")
    kept, plots = tmp_path / "figures.json", tmp_path / "plots"
    code, out, err = run(
        "evaluate", "--recordings", str(recordings), "--json", str(kept), "--plots", str(plots), "--resume-after", "20"
    )
    assert code == 0, err
    assert "events found (sensitivity)" in out and "panic" in out and "of the time monitored" in out
    figures = json.loads(kept.read_text())
    assert set(figures) == set(Figures.__struct_fields__)
    assert figures["recordings"] == 2 and 0.0 < figures["hours_monitored"] <= 2 * 125 / 3_600
    assert (plots / "reliability.png").stat().st_size > 1_000


@pytest.mark.timeout(300)
def test_several_processes_give_the_same_figures(run: Run, recordings: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    lines = []
    for number in range(9):
        content = (recordings / f"{FAMILIES[number % 2].value}.jsonl").read_bytes().splitlines(keepends=True)
        begins = [line for line in content if json.loads(line).get("at_ms", 0) < 66_000]
        (many / f"{number}.jsonl").write_bytes(b"".join(begins))
        lines.append(label_line(Truth(recording=f"{number}.jsonl", person=f"p{number}")))
    (many / "labels.jsonl").write_bytes(b"\n".join(lines))
    outs = [run("evaluate", "--recordings", str(many), "--processes", number)[1] for number in ("1", "2")]
    assert outs[0] == outs[1] and "9, 9" in outs[0]


def test_a_labelled_recording_that_is_not_there_is_named(run: Run, recordings: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_bytes(label_line(Truth(recording="lost.jsonl", person="p")))
    code, _, err = run("evaluate", "--recordings", str(recordings), "--labels", str(labels))
    assert code == 2
    assert "lost.jsonl" in err and "`recording`" in err


def test_recordings_without_labels_are_told_and_left_out(run: Run, recordings: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_bytes(label_line(Truth(recording="calm.jsonl", person="p")))
    code, out, err = run("evaluate", "--recordings", str(recordings), "--labels", str(labels))
    assert code == 0
    assert "not scored" in err and "panic.jsonl" in err
    assert "No event that counts was missed." in out


@pytest.mark.parametrize("line", [b'{"recording": "calm.jsonl"}', b'{"recording": "calm.jsonl", "person": 7}'])
def test_a_faulty_label_is_told_with_file_line_and_field(
    run: Run, recordings: Path, tmp_path: Path, line: bytes
) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_bytes(line)
    code, _, err = run("evaluate", "--recordings", str(recordings), "--labels", str(labels))
    assert code == 2
    assert "labels.jsonl, line 1" in err and "person" in err


def test_no_labels_at_all_is_a_state_with_advice(run: Run, recordings: Path, tmp_path: Path) -> None:
    empty = tmp_path / "labels.jsonl"
    empty.write_bytes(b"\n")
    code, out, err = run("evaluate", "--recordings", str(recordings), "--labels", str(empty))
    assert (code, out) == (1, "")
    assert "holds no label" in err and "docs/evaluation.md" in err


def test_a_recording_that_is_none_is_told_and_the_others_are_scored(run: Run, recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "calm.jsonl").write_bytes((recordings / "calm.jsonl").read_bytes())
    (tmp_path / "broken.jsonl").write_bytes(b"nothing\n")
    lines = [label_line(Truth(recording=f"{name}.jsonl", person="p")) for name in ("broken", "calm")]
    (tmp_path / "labels.jsonl").write_bytes(b"\n".join(lines))
    code, out, err = run("evaluate", "--recordings", str(tmp_path))
    assert code == 1
    assert "broken.jsonl, line 1" in err and "recordings, persons" in out


def test_a_folder_that_is_none_is_told(run: Run, tmp_path: Path) -> None:
    code, _, err = run("evaluate", "--recordings", str(tmp_path / "nowhere"))
    assert code == 2 and "--recordings" in err


def test_plots_without_matplotlib_say_what_to_install(
    run: Run, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emdr_stream.cli.evaluation_plots.find_spec", lambda name: None)
    code, _, err = run("evaluate", "--recordings", str(recordings), "--plots", str(tmp_path / "plots"))
    assert code == 2
    assert "emdr-stream[training]" in err
