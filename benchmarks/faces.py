"""The face pool and bare FaceLandmarker calls in turn, in one run, on one core; frames a second, ratio and verdict out.

Bare: decoded pictures, MediaPipe's own classes, video mode, with what our results need: blendshapes and the matrix
of the head's pose (`bare_faces.py`); what it is without the pose is told beside it. Ours: JPEG bytes through the
pool and its worker, and back as a view with expression, pose, gaze, quality and count (`face_load.py`); the service's
side of it runs on the same core and is counted. Frames are counted by CPU time, of all processes: others use this
machine too.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.goals import Goal, judge
from benchmarks.processes import pinned

G4 = Goal("G4 webcam frames", "x (frames a CPU second, ours ÷ bare landmarker)", must=0.85, aim=0.95, more=True)
G7 = Goal("G7 memory of a webcam session", "KiB more than a bare landmarker", must=5_120, aim=1_024, more=False)
CORE = 1
LOAD = 0.7
_SMALLER = 0.5
_REPOSITORY = Path(__file__).parent.parent


def report(video: Path, rounds: int, seconds: float) -> bool:
    """G4 and the webcam part of G7."""
    fast = frames_a_second(video, rounds, seconds)
    return memory(video) and fast


def frames_a_second(video: Path, rounds: int, seconds: float) -> bool:
    """G4, the stages, the latencies at 70 % load, and the same with a face of half the size."""
    judged = judge(G4, statistics.median(_pair(video, 1.0, seconds) for _ in range(rounds)))
    print("a face of half the size, which is decoded whole:")
    _pair(video, _SMALLER, seconds)
    _latencies(video, seconds)
    return judged


def memory(video: Path) -> bool:
    """The webcam part of G7."""
    bare = _run("benchmarks.bare_faces", video, 1.0, "memory")["kib"]
    ours = _run("benchmarks.face_load", video, 1.0, "memory")["kib"]
    print(f"a further bare landmarker {bare:.0f} KiB, a further seat {ours:.0f} KiB")
    return judge(G7, ours - bare)


def _pair(video: Path, scale: float, seconds: float) -> float:
    """Bare, ours, bare: the two bare ones are averaged, so that a machine that slows down does not decide."""
    before = _rate(_run("benchmarks.bare_faces", video, scale, seconds))
    ours = _run("benchmarks.face_load", video, scale, seconds)
    bare = statistics.mean((before, _rate(_run("benchmarks.bare_faces", video, scale, seconds))))
    barest = _rate(_run("benchmarks.bare_faces", video, scale, seconds, "without-matrices"))
    stages = ", ".join(f"{name} {ours[f'{name}_ms']:.2f}" for name in ("decode", "face", "expression"))
    told = "with expression" if ours["expressions"] > 0.5 else "WITHOUT an expression model"
    print(
        f"  bare {bare:6.1f} /s ({barest:.1f} without the head's pose: {_rate(ours) / barest:.2f}), ours"
        f" {_rate(ours):6.1f} /s {told}; ms: {stages};"
        f" a read p50 {ours['read_p50_ms']:.2f}, p99 {ours['read_p99_ms']:.2f}"
    )
    return _rate(ours) / bare


def _latencies(video: Path, seconds: float) -> None:
    capacity = _run("benchmarks.face_load", video, 1.0, seconds)
    rate = LOAD * capacity["frames"] / capacity["wall_s"]
    said = _run("benchmarks.face_load", video, 1.0, max(seconds, 10.0), rate)
    print(
        f"at {LOAD:.0%} load, {said['cameras']} cameras of 10 a second: answered p50 {said['p50_ms']:.1f} ms,"
        f" p99 {said['p99_ms']:.1f} ms; lag of the loop p99 {said['lag_p99_ms']:.1f} ms; skipped {said['skipped']}"
        f" of {said['frames'] + said['skipped']}"
    )


def _rate(said: dict[str, Any]) -> float:
    return float(said["frames"] / said["cpu_s"])


def _run(module: str, *arguments: object) -> dict[str, Any]:
    command = pinned(CORE, [sys.executable, "-m", module, *map(str, arguments)])
    done = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{module} ended with status {done.returncode}: {done.stderr[-2_000:]}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said
