"""A model of expressions goes in, what it adds to the landmarker comes out: milliseconds a frame on one core.

The picture is noise and the landmarks are a face's mean ones: neither changes what is computed.
"""

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from emdr_stream.vision.crop import aligned_crop
from emdr_stream.vision.expression import OnnxExpression, load_expression
from emdr_stream.vision.geometry import ANCHOR_PLACES, ANCHORS, N_BLENDSHAPES, N_LANDMARKS, face_features

WIDTH: Final = 640
HEIGHT: Final = 480
MUST_MS: Final = 0.6
AIM_MS: Final = 0.3
EYE_DISTANCE_PX: Final = 70
"""Between the eyes' centres: a face of 190 pixels, an arm's length from the camera."""
_EMPTYING: Final = np.ones(8_000_000, np.float32)
"""Read between two calls, so that each finds the caches as the landmarker leaves them: full of something else."""
_COLD_CALLS: Final = 200


def speed(expression: OnnxExpression, calls: int = 2000) -> dict[str, float]:
    """Medians and 99th percentiles in ms: crop, features, and the whole of `read` on a picture of 640x480, in a loop;
    `cold`: of the whole, where the caches hold nothing of it."""
    draw = np.random.default_rng(3)
    rgb = draw.integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    landmarks = np.full((N_LANDMARKS, 3), 0.5, np.float32)
    landmarks[list(ANCHORS), :2] += ANCHOR_PLACES * np.array(
        [EYE_DISTANCE_PX / WIDTH, EYE_DISTANCE_PX / HEIGHT], np.float32
    )
    blendshapes = draw.uniform(0, 1, N_BLENDSHAPES).astype(np.float32)
    matrix = np.eye(4, dtype=np.float32)
    steps: dict[str, Callable[[], object]] = {
        "crop": lambda: aligned_crop(rgb, landmarks),
        "features": lambda: face_features(landmarks, blendshapes, matrix, WIDTH, HEIGHT),
        "ms": lambda: expression.read(rgb, landmarks, blendshapes, matrix),
    }
    said: dict[str, float] = {}
    for name, step in steps.items():
        for _ in range(50):
            step()
        taken = [_taken_ms(step) for _ in range(calls)]
        said[name] = round(float(np.median(taken)), 4)
        said[f"{name}_p99"] = round(float(np.percentile(taken, 99)), 4)
    cold = []
    for _ in range(_COLD_CALLS):
        _EMPTYING.sum()
        cold.append(_taken_ms(steps["ms"]))
    said["cold"] = round(float(np.median(cold)), 4)
    return said


def _taken_ms(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return (time.perf_counter() - started) * 1000


def report() -> bool:
    """Print the figures of the model in use; whether the must of 0.6 ms is reached. False without a model."""
    expression = load_expression()
    if expression is None:
        print("models/current.json names no face_expression")
        return False
    said = speed(expression)
    print(f"crop and expression, 640x480, one core: {said['ms']:.3f} ms a frame (p99 {said['ms_p99']:.3f}),")
    print(f"of which crop {said['crop']:.3f}, features {said['features']:.3f}; must {MUST_MS}, aim {AIM_MS};")
    print(f"with caches that hold nothing of it, as the landmarker leaves them: {said['cold']:.3f} ms")
    return said["ms"] <= MUST_MS
