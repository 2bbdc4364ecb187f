"""How long pictures wait while a face worker loads a version of the expression model, figures out as JSON on stdout.

python -m benchmarks.face_versions VIDEO [LOADS]
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvloop

from benchmarks.bare_faces import STEP_MS
from benchmarks.face_load import reader_in_use
from benchmarks.face_pictures import Pictures, pictures
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.vision.line import Outcome
from emdr_stream.vision.pool import FacePool, FaceSeat, FaceSettings
from emdr_stream.wire.values import ModelRef

LOADS = 25
BETWEEN = 8
"""Pictures between two loads."""


class Camera:
    """One seat, and how long each of its pictures takes."""

    def __init__(self, seat: FaceSeat, seen: Pictures, reader: ModelRef) -> None:
        self._seat = seat
        self._seen = seen
        self._reader = reader
        self._number = 0

    async def read_ms(self) -> float:
        """From one picture's submission to its outcome, in milliseconds."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._number += 1
        jpeg = self._seen.jpegs[self._number % len(self._seen.jpegs)]
        began = time.perf_counter()
        self._seat.submit(jpeg, float(self._number * STEP_MS), outcome.set_result, self._reader)
        await outcome
        return (time.perf_counter() - began) * 1_000


def second_version(models_dir: Path, first: ModelRef) -> ModelRef:
    """A copy of the version in use under another number; both are in the folder afterwards."""
    name, version = first.name, f"{first.version}-copy"
    for copy in (first.version, version):
        shutil.copytree(default_models_dir() / name / first.version, models_dir / name / copy)
    manifest = models_dir / name / version / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": version}))
    return msgspec.structs.replace(first, version=version)


async def measure(seen: Pictures, models_dir: Path, loads: int) -> dict[str, Any]:
    first = reader_in_use()
    second = second_version(models_dir, first)
    settings = FaceSettings(models_dir=models_dir, deadline_s=10.0, first_deadline_s=30.0)
    load_ms, without_ms, beside_ms = [], [], []
    async with FacePool(settings, (first,)) as pool:
        camera = Camera(pool.open("camera"), seen, first)
        for _ in range(60):
            await camera.read_ms()
        for _ in range(loads):
            without_ms.append(max([await camera.read_ms() for _ in range(BETWEEN)]))
            times = []
            async with asyncio.TaskGroup() as group:
                began = time.perf_counter()
                loading = group.create_task(pool.load((second,)))
                while not loading.done():
                    times.append(await camera.read_ms())
            load_ms.append((time.perf_counter() - began) * 1_000)
            beside_ms.append(max(times))
            assert loading.result() is None, loading.result()
            pool.use((first,))
    told = {"load_ms": load_ms, "longest_without_ms": without_ms, "longest_beside_ms": beside_ms}
    return {name: dict(zip(("p50", "max"), np.percentile(each, (50, 100)), strict=True)) for name, each in told.items()}


def main(arguments: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        loads = int(arguments[1]) if len(arguments) > 1 else LOADS
        return uvloop.run(measure(pictures(Path(arguments[0]), 1.0), Path(folder), loads))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
