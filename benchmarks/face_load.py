"""JPEG bytes in through the service's own face pool, figures out as JSON on stdout.

    python -m benchmarks.face_load VIDEO SCALE SECONDS          as fast as it goes: frames, CPU and wall, stages
    python -m benchmarks.face_load VIDEO SCALE SECONDS RATE     open loop, RATE frames a second from cameras of 10
    python -m benchmarks.face_load VIDEO SCALE memory           KiB of each further seat

The worker and this loop share the core that this process was put on.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from benchmarks import procfs
from benchmarks.bare_faces import INSTANCES, STEP_MS
from benchmarks.face_pictures import Pictures, pictures
from emdr_stream.endpoints.camera_desk import FRAME_MODEL
from emdr_stream.inference.choice import read_choice
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.vision.line import Outcome
from emdr_stream.vision.pool import FacePool, FaceSeat, FaceSettings
from emdr_stream.vision.reading import FaceReading
from emdr_stream.wire.values import ModelRef

SEATS = 4
CAMERA_HZ = 10


def reader_in_use() -> ModelRef:
    """The version of the model of pictures that is shipped."""
    choice = read_choice(default_models_dir(), FRAME_MODEL)
    assert choice is not None
    return choice.current


class Camera:
    """One seat and the frames it is shown."""

    def __init__(self, seat: FaceSeat, seen: Pictures, first: int = 0) -> None:
        self.readings: list[FaceReading] = []
        self._seat = seat
        self._seen = seen
        self._number = first
        self._reader = reader_in_use()

    def show(self, told: Callable[[FaceReading], None]) -> bool:
        """Whether the seat was free for the next frame."""
        if self._seat.busy:
            return False

        def done(outcome: Outcome) -> None:
            assert isinstance(outcome, FaceReading), outcome
            told(outcome)

        self._number += 1
        jpegs = self._seen.jpegs
        jpeg = jpegs[self._number % len(jpegs)]
        self._seat.submit(jpeg, float(self._number * STEP_MS), done, self._reader)
        return True


async def fastest(pool: FacePool, seen: Pictures, seconds: float) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    cameras = [Camera(pool.open(str(number)), seen, 7 * number) for number in range(SEATS)]
    readings: list[FaceReading] = []
    running = True

    def again(camera: Camera) -> None:
        def told(reading: FaceReading) -> None:
            readings.append(reading)
            if running:
                camera.show(told)

        camera.show(told)

    for camera in cameras:
        again(camera)
    while len(readings) < 20 * SEATS:  # noqa: ASYNC110 - a list sets no event
        await asyncio.sleep(0.05)
    pids = [*pool.pids(), procfs.own_pid()]
    cpu, began = procfs.cpu_s(pids), loop.time()
    del readings[:]
    await asyncio.sleep(seconds)
    spent, wall_s, counted = procfs.spent_since(cpu, procfs.cpu_s(pids)), loop.time() - began, list(readings)
    running = False
    await asyncio.sleep(0.1)
    return {"frames": len(counted), "cpu_s": spent, "wall_s": wall_s, **_stages(counted)}


async def steady(pool: FacePool, seen: Pictures, seconds: float, rate: float) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    count = max(1, round(rate / CAMERA_HZ))
    cameras = [Camera(pool.open(str(number)), seen, 7 * number) for number in range(count)]
    total_ms: list[float] = []
    lag_ms: list[float] = []
    readings: list[FaceReading] = []
    skipped = 0
    period = 1 / (count * CAMERA_HZ)
    start = loop.time() + 1.0
    for tick in range(int(seconds / period)):
        due = start + tick * period
        await asyncio.sleep(max(0.0, due - loop.time()))
        now = loop.time()
        lag_ms.append((now - due) * 1e3)

        def told(reading: FaceReading, due: float = due) -> None:
            total_ms.append((loop.time() - due) * 1e3)
            readings.append(reading)

        skipped += not cameras[tick % count].show(told)
    await asyncio.sleep(0.3)
    warm = len(total_ms) // 5
    p50, p99 = np.percentile(total_ms[warm:], [50, 99])
    lag = float(np.percentile(lag_ms[warm:], 99))
    said = {"cameras": count, "p50_ms": float(p50), "p99_ms": float(p99), "lag_p99_ms": lag, "skipped": skipped}
    return {**said, "frames": len(readings), **_stages(readings[warm:])}


async def memory(pool: FacePool, seen: Pictures) -> dict[str, float]:
    told: asyncio.Event = asyncio.Event()

    async def use(camera: Camera) -> None:
        for _ in range(3):
            told.clear()
            camera.show(lambda reading: told.set())
            await told.wait()

    await use(Camera(pool.open("first"), seen))
    (pid,) = pool.pids()
    before = procfs.memory_kib(pid)
    for number in range(INSTANCES):
        await use(Camera(pool.open(str(number)), seen))
    return {"kib": (procfs.memory_kib(pid) - before) / INSTANCES}


def _stages(readings: list[FaceReading]) -> dict[str, float]:
    return {
        "decode_ms": float(np.mean([reading.decode_ms for reading in readings])),
        "face_ms": float(np.mean([reading.face_ms for reading in readings])),
        "expression_ms": float(np.mean([reading.expression_ms for reading in readings])),
        "read_p50_ms": float(np.median([_read_ms(reading) for reading in readings])),
        "read_p99_ms": float(np.percentile([_read_ms(reading) for reading in readings], 99)),
        "expressions": float(np.mean([reading.view.expression is not None for reading in readings])),
    }


def _read_ms(reading: FaceReading) -> float:
    return reading.decode_ms + reading.face_ms + reading.expression_ms


async def main(arguments: list[str]) -> dict[str, Any]:
    seen = pictures(Path(arguments[0]), float(arguments[1]))
    async with FacePool(FaceSettings(deadline_s=10.0, first_deadline_s=30.0), (reader_in_use(),)) as pool:
        began = time.perf_counter()
        while not pool.available:
            await asyncio.sleep(0.05)
            if time.perf_counter() - began > 60:
                raise SystemExit(pool.why)
        if arguments[2] == "memory":
            return await memory(pool, seen)
        if len(arguments) > 3:
            return await steady(pool, seen, float(arguments[2]), float(arguments[3]))
        return await fastest(pool, seen, float(arguments[2]))


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(sys.argv[1:]))))
