"""In: the folder of real recordings, or a seed. Out: windows of readings, and heart rates at rest, real and simulated.

The speakers' clips are of three people who tell good or bad news. Constants marked `fitted` were fitted on the groups
in FITTED; the group in CONTROL was looked at afterwards. Of the heart rates, even participants serve to fit, odd ones
to check.
"""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import N_SIGNALS, SIGNALS
from emdr_stream.simulation import Family, Parameters, SimulatedSession, draw_person, draw_sensor, simulate_session
from emdr_stream.simulation.sensor import smoothness_of
from training.compare.statistics import FACE, Floats

FRAMES: Final = Path("speakers") / "frames.csv"
HEARTS: Final = Path("heart") / "stress_predict" / "hr_rsp_binary.csv"
STEP_S: Final = 0.08
"""Every second frame of 25 a second."""
WINDOW: Final = 24
CAMERA_WINDOW: Final = 12
"""Of silent faces: short, because one of the two videos has a smile in its middle."""
FITTED: Final = {
    "good news": tuple(f"{clip:03d}" for clip in range(1, 11)),
    "bad news, head up": ("017", "019", "020"),
}
CONTROL: Final = {"bad news, head bent": ("011", "012", "013", "014", "015", "016", "018")}
_READ: Final = {"joy": "happy", "sadness": "sad"}
_COLUMNS: Final = [SIGNALS.index(name) for name in FACE]
VIDEOS: Final = (Path("video") / "single_face.mp4", Path("video") / "face_noface.mov")
"""A face that is neutral, smiles and is neutral again; a face that leaves."""
REST: Final = "0"
LEAST_REST_S: Final = 300
SIMULATED_SESSIONS: Final = 60


def speaker_windows(data: Path, clips: tuple[str, ...]) -> list[Floats]:
    """Readings (n, 9) of each clip; a frame that was left out is a row of NaN. Raises FileNotFoundError."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    frames: dict[str, list[int]] = defaultdict(list)
    with (data / FRAMES).open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            if line["clip"] in clips:
                found[line["clip"]].append([float(line[_READ.get(name, name)]) for name in FACE])
                frames[line["clip"]].append(int(line["frame"]) // 2)
    return [_spread(np.array(rows), frames[clip]) for clip, rows in sorted(found.items())]


def resting_hearts(data: Path) -> tuple[list[Floats], list[Floats]]:
    """Heart rates at rest, one path a person: of even participants, and of odd ones. Raises FileNotFoundError."""
    found: dict[int, list[float]] = defaultdict(list)
    with (data / HEARTS).open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            if line["Label"] == REST:
                found[int(line["Participant"])].append(float(line["HR"] or "nan"))
    paths = {who: np.array(path) for who, path in found.items() if len(path) >= LEAST_REST_S}
    return [paths[who] for who in sorted(paths) if who % 2 == 0], [paths[who] for who in sorted(paths) if who % 2]


def simulated_sessions(
    seed: int, parameters: Parameters | None = None, count: int = SIMULATED_SESSIONS
) -> Iterator[SimulatedSession]:
    """People who talk before the engine that read the speakers: 12.5 frames a second, no smoothing, nothing lost."""
    p = parameters or Parameters()
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        sensor = replace(
            draw_sensor(rng, p),
            name="raw",
            rate_hz=1.0 / STEP_S,
            jitter=0.01,
            smoothness=smoothness_of(0.0, 0.0, 0.0),
            scale=1.0,
            quantum=0.0,
            duplicate_share=0.0,
            disorder_share=0.0,
            sent=np.ones(N_SIGNALS, dtype=np.bool_),
        )
        yield simulate_session(rng, Family.PROCESSING, sensor=sensor, parameters=p, stop_presses=False)


def talking_windows(session: SimulatedSession) -> Iterator[Floats]:
    """Windows (24, 9) of a simulated person who talks without a break."""
    second = np.minimum(session.ts_ms // 1_000, len(session.talk) - 1)
    talks: NDArray[np.bool_] = session.talk[second] & ~session.laugh[second]
    for start in range(0, len(talks) - WINDOW, WINDOW):
        if talks[start : start + WINDOW].all():
            yield session.values[start : start + WINDOW][:, _COLUMNS]


def simulated_hearts(seed: int, persons: int, parameters: Parameters | None = None) -> list[Floats]:
    """Heart rates of as many calm people, a value a second, ten minutes each."""
    p = parameters or Parameters()
    paths: list[Floats] = []
    for number in range(persons):
        rng = np.random.default_rng([seed, 1, number])
        person = replace(draw_person(rng, f"heart-{number}", p), has_heart_rate=True)
        sensor = replace(
            draw_sensor(rng, p),
            rate_hz=5.0,
            sent=np.ones(N_SIGNALS, dtype=np.bool_),
            reports_absence=True,
            quantum=0.0,
            duplicate_share=0.0,
            disorder_share=0.0,
        )
        session = simulate_session(rng, Family.CALM, person=person, sensor=sensor, duration_s=600.0, parameters=p)
        paths.append(_per_second(session))
    return paths


def camera_windows(data: Path) -> list[Floats] | None:
    """What our own camera path reads of the videos (n, 9), each a window; a frame without a face is a row of NaN.

    None where that path is not installed. Raises FileNotFoundError for a video that is not there.
    """
    paths = [data / video for video in VIDEOS]
    for path in paths:
        path.stat()
    command = [sys.executable, "-m", "emdr_stream", "analyze", *map(str, paths), "--every", "2", "--jsonl"]
    told = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 -- our own program
    if told.returncode != 0:
        return None
    frames: dict[str, list[list[float]]] = defaultdict(list)
    for line in map(json.loads, told.stdout.splitlines()):
        seen = line["face"]["expression"]
        row = [float("nan")] * len(FACE) if seen is None else [seen["valence"], seen["arousal"], *seen["emotions"]]
        frames[line["source"]].append(row)
    return [
        np.array(rows[start : start + WINDOW])
        for rows in frames.values()
        for start in range(0, len(rows) - CAMERA_WINDOW, CAMERA_WINDOW)
    ]


def simulated_camera_windows(
    seed: int, parameters: Parameters | None = None, count: int = SIMULATED_SESSIONS
) -> list[Floats]:
    """Windows (12, 9) of calm, silent people before our camera client at 12.5 frames a second."""
    p = parameters or Parameters()
    found: list[Floats] = []
    for number in range(count):
        rng = np.random.default_rng([seed, 2, number])
        sensor = draw_sensor(rng, p)
        while not sensor.name.startswith("camera"):
            sensor = draw_sensor(rng, p)
        session = simulate_session(
            rng, Family.CALM, sensor=replace(sensor, rate_hz=1.0 / STEP_S, jitter=0.01), parameters=p
        )
        second = np.minimum(session.ts_ms // 1_000, len(session.talk) - 1)
        silent = ~(session.talk | session.laugh)[second]
        values = session.values[:, _COLUMNS]
        starts = range(0, len(silent) - CAMERA_WINDOW, CAMERA_WINDOW)
        found += [values[at : at + CAMERA_WINDOW] for at in starts if silent[at : at + CAMERA_WINDOW].all()]
    return found


def _per_second(session: SimulatedSession) -> Floats:
    path = np.full(int(session.duration_s), np.nan)
    path[session.ts_ms // 1_000] = session.values[:, -1]
    return path


def _spread(rows: Floats, frames: list[int]) -> Floats:
    """Rows at their frames, NaN between; emotions sum to 1."""
    rows[:, 2:] /= rows[:, 2:].sum(axis=1, keepdims=True)
    at = np.array(frames) - frames[0]
    spread = np.full((at[-1] + 1, rows.shape[1]), np.nan)
    spread[at] = rows
    return spread
