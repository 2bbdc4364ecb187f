"""Decoded pictures in, bare FaceLandmarker calls on them, figures out as JSON on stdout: what the face workers stand
beside.

    python -m benchmarks.bare_faces VIDEO SCALE SECONDS [without-matrices]     frames, CPU and wall seconds
    python -m benchmarks.bare_faces VIDEO SCALE memory                         KiB of each further landmarker

MediaPipe's own Python classes, video mode, one face, blendshapes, and the matrix that a head's pose is read from.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import mediapipe
from mediapipe.tasks.python import BaseOptions, vision

from benchmarks import procfs
from benchmarks.face_pictures import Pictures, pictures
from emdr_stream.vision.model_file import read_landmarker

STEP_MS = 100
INSTANCES = 10


def landmarker(matrices: bool = True) -> Any:
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(read_landmarker(None)[1])),
        running_mode=vision.RunningMode.VIDEO,
        num_faces=1,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=matrices,
    )
    return vision.FaceLandmarker.create_from_options(options)


def speed(seen: Pictures, seconds: float, matrices: bool) -> dict[str, float]:
    task, number = landmarker(matrices), 0

    def look() -> None:
        nonlocal number
        number += 1
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, seen.pixels[number % len(seen.pixels)])
        assert task.detect_for_video(image, number * STEP_MS).face_blendshapes

    for _ in range(20):
        look()
    frames, cpu, began = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - began < seconds:
        look()
        frames += 1
    return {"frames": frames, "cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - began}


def memory(seen: Pictures) -> dict[str, float]:
    tasks = [landmarker()]

    def look() -> None:
        for number in range(1, 4):
            image = mediapipe.Image(mediapipe.ImageFormat.SRGB, seen.pixels[number])
            tasks[-1].detect_for_video(image, number * STEP_MS)

    look()
    before = procfs.own_memory_kib()
    for _ in range(INSTANCES):
        tasks.append(landmarker())
        look()
    return {"kib": (procfs.own_memory_kib() - before) / INSTANCES}


if __name__ == "__main__":
    shown = pictures(Path(sys.argv[1]), float(sys.argv[2]))
    figures = memory(shown) if sys.argv[3] == "memory" else speed(shown, float(sys.argv[3]), len(sys.argv) == 4)
    print(json.dumps(figures))
