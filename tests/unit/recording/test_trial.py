"""Trials: what the service did with a recording is what its own lines say, and whose pause it was is known."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.domain import MODEL_STATES, Scores, Thresholds
from emdr_stream.errors import ModelRefused
from emdr_stream.evaluation.labels import Truth
from emdr_stream.inference.batch import Said as BatchSaid
from emdr_stream.inference.manifest import EMOTION_SAFETY, current_versions
from emdr_stream.pipeline.features import Array
from emdr_stream.recording.format import RecordingError, encode
from emdr_stream.recording.reading import Recording, read_recording
from emdr_stream.recording.replay import replay_recording
from emdr_stream.recording.trial import course_of
from emdr_stream.recording.trials import Crew, FileCase, ModelScorer, manifest_thresholds

TRUTH = Truth(recording="a.jsonl", person="p")
LENGTH_S = 180


class Said:
    """A scorer that says a crisis from one second of its own count on, until another."""

    def __init__(self, from_row: int, to_row: int, crisis: float = 0.9) -> None:
        self._rows, self._from, self._to, self._crisis = 0, from_row, to_row, crisis

    def score(self, rows: Array) -> list[Scores]:
        self._rows += len(rows)
        crisis = self._crisis if self._from <= self._rows < self._to else 0.05
        states = [0.0] * len(MODEL_STATES)
        states[0] = 1.0
        return [Scores(tuple(states), 0.1, crisis, (0.0, 0.0, 0.0))]


def recording(*extra: tuple[int, dict[str, object]], hole_s: tuple[int, int] = (0, 0)) -> Recording:
    """Ten samples a second for three minutes, but for a hole; `extra`: other messages with their times."""
    told: list[tuple[int, dict[str, object]]] = [(0, {"type": "hello", "source": "emotion"}), *extra]
    for at_ms in range(100, LENGTH_S * 1_000, 100):
        if not hole_s[0] * 1_000 <= at_ms < hole_s[1] * 1_000:
            sample = {"type": "sample", "ts": at_ms, "dimensions": {"valence": 0.1, "arousal": 0.1, "attention": 0.8}}
            told.append((at_ms, sample))
    told.append((LENGTH_S * 1_000, {"type": "bye"}))
    told.sort(key=lambda pair: pair[0])
    lines = [encode({"at_ms": at_ms, "dir": "in", "msg": message}) for at_ms, message in told]
    return read_recording([encode({"emdr_recording": 1}), *lines])


def test_a_crisis_that_lasts_is_an_alarm_and_a_pause_which_the_therapist_ends() -> None:
    course = course_of(recording(), TRUTH, Said(200, 230), resume_after_s=20)
    assert len(course.alarms_ms) == 1 and course.alarms_ms == course.pauses_ms
    [pause] = course.pauses
    assert (pause.cause, pause.end_ms - pause.start_ms) == ("crisis", 20_000)
    assert course.watched.paused.sum() == 20


def test_the_alarms_are_those_of_the_replayed_lines() -> None:
    class Model:
        """The same answers as a batch."""

        def __init__(self) -> None:
            self._said = Said(200, 230)

        def run(self, features: np.ndarray, memory: np.ndarray) -> BatchSaid:
            [scores] = self._said.score(features[:1].astype(np.float64))
            repeated = np.ones(len(features), np.float32)
            return BatchSaid(
                np.tile(np.array(scores.states, np.float32), (len(features), 1)),
                repeated * np.float32(scores.risk),
                repeated * np.float32(scores.crisis),
                np.zeros((len(features), 3), np.float32),
            )

    lines = [json.loads(line) for line in replay_recording(recording(), model=Model(), resume_after_s=20)]
    told = [line["at_ms"] for line in lines if line["msg"].get("reason") == "crisis"]
    course = course_of(recording(), TRUTH, Said(200, 230), resume_after_s=20)
    assert course.pauses_ms == tuple(told[:1]) and told


def test_nobody_is_heard_before_the_baseline_stands_nor_while_no_client_is_seen() -> None:
    judged = course_of(recording(hole_s=(120, 150)), TRUTH, Said(0, 0)).watched.judged
    assert not judged[:50].any() and judged[70:115].all()
    assert not judged[125:150].any() and judged[155:].all()


def test_a_pause_by_the_client_or_a_lost_signal_is_no_alarm_of_a_model() -> None:
    stopped = course_of(recording((100_000, {"type": "stop"})), TRUTH, Said(0, 0))
    lost = course_of(recording(hole_s=(120, 150)), TRUTH, Said(0, 0))
    assert [pause.cause for pause in stopped.pauses] == ["client_stop"]
    assert [pause.cause for pause in lost.pauses][:1] == ["signal_lost"]
    assert stopped.alarms_ms == lost.alarms_ms == ()
    assert "client_stop" in stopped.other_alerts


def test_the_rule_on_rising_distress_is_no_alarm_of_a_model() -> None:
    rated = [(at_s * 1_000, {"type": "rating", "scale": "sud", "value": v}) for at_s, v in ((80, 6), (90, 8), (100, 9))]
    course = course_of(recording(*rated), TRUTH, Said(0, 0))
    assert course.alarms_ms == () and "high_risk" in course.other_alerts


def test_thresholds_decide() -> None:
    low, high = (
        course_of(recording(), TRUTH, Said(200, 300, crisis=0.5), thresholds=thresholds)
        for thresholds in (Thresholds(crisis_pause=0.4), Thresholds(crisis_pause=0.6))
    )
    assert low.pauses_ms and not high.pauses_ms


def test_a_file_that_is_not_there_is_told_in_its_place(repository: Path, tmp_path: Path) -> None:
    version_dir = shipped(repository)
    with Crew(1) as crew:
        [outcome] = crew.run([FileCase(tmp_path / "none.jsonl", TRUTH)], ModelScorer(version_dir))
    assert isinstance(outcome, RecordingError) and "none.jsonl" in str(outcome)


def test_the_manifests_thresholds_are_read_and_a_wrong_name_is_refused(tmp_path: Path, repository: Path) -> None:
    source = shipped(repository)
    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    folder = tmp_path / source.parent.name / source.name
    folder.mkdir(parents=True)
    for thresholds, good in (({"risk": 0.5}, True), ({"panic": 0.5}, False)):
        (folder / "manifest.json").write_text(json.dumps({**manifest, "thresholds": thresholds}), encoding="utf-8")
        if good:
            assert manifest_thresholds(folder) == Thresholds(risk=0.5)
        else:
            with pytest.raises(ModelRefused, match="panic"):
                manifest_thresholds(folder)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc to see a process by")
@pytest.mark.timeout(300)
def test_workers_do_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, pathlib, time\n"
        "from emdr_stream.recording.trials import Crew\n"
        f"told = pathlib.Path({str(told)!r})\n"
        "def case():\n"
        "    with told.open('a') as file: file.write(f'{os.getpid()} ')\n"
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    with Crew(1 + 1) as crew: list(crew.run([case] * 8, int))\n",
        encoding="utf-8",
    )
    parent = subprocess.Popen([sys.executable, str(script)])
    try:
        until(lambda: told.exists() and len(told.read_text().split()) == 2)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    workers = [int(pid) for pid in told.read_text().split()]
    until(lambda: not any(alive(pid) for pid in workers))


def shipped(repository: Path) -> Path:
    models = repository / "models"
    return models / EMOTION_SAFETY / current_versions(models)[EMOTION_SAFETY]


def until(holds: object, patience_s: float = 200.0) -> None:
    """Wait for a condition."""
    end = time.monotonic() + patience_s
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
