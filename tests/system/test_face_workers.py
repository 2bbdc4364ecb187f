"""Real face workers when things go wrong: a hang, a missing model, a service that is killed; and what they may know."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.vision.line import Outcome
from emdr_stream.vision.pool import FacePool, FaceSeat, FaceSettings
from emdr_stream.vision.reading import FaceReading
from tests.faces import jpeg, landmarker_or_skip, still

pytestmark = [pytest.mark.system, pytest.mark.anyio]
WAIT_S: Final = 30.0

_SERVICE: Final = """
import asyncio, sys
from emdr_stream.vision.pool import FacePool, FaceSettings

async def main():
    async with FacePool(FaceSettings()) as pool:
        while not pool.pids():
            await asyncio.sleep(0.01)
        print(pool.pids()[0], flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.fixture
def picture(test_data: Path) -> bytes:
    landmarker_or_skip()
    return jpeg(still(test_data, "single_face.jpg", 320))


async def read(seat: FaceSeat, image: bytes) -> Outcome:
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    seat.submit(image, 0.0, outcome.set_result)
    async with asyncio.timeout(WAIT_S):
        return await outcome


async def test_a_worker_that_hangs_is_killed_and_replaced(picture: bytes) -> None:
    async with FacePool(FaceSettings(deadline_s=0.5, first_deadline_s=WAIT_S)) as pool:
        hanging, patient = pool.open("hanging"), pool.open("patient")
        assert isinstance(await read(hanging, picture), FaceReading)
        (pid,) = pool.pids()
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(read(hanging, picture))
            second = group.create_task(read(patient, picture))
        lost = first.result()
        assert isinstance(lost, ProtocolError) and lost.code is ErrorCode.INTERNAL
        assert "took too long" in lost.message
        assert isinstance(second.result(), FaceReading)
        assert pool.pids() != [pid]
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_worker_that_dies_at_rest_is_replaced_and_nobody_notices(picture: bytes) -> None:
    async with FacePool(FaceSettings(deadline_s=WAIT_S, first_deadline_s=WAIT_S)) as pool:
        seat = pool.open("a")
        assert isinstance(await read(seat, picture), FaceReading)
        os.kill(pool.pids()[0], signal.SIGKILL)
        async with asyncio.timeout(WAIT_S):
            while pool.available:  # noqa: ASYNC110 - the end of a process sets no event
                await asyncio.sleep(0.002)
        assert isinstance(await read(seat, picture), FaceReading)
        assert seat.strikes == 0


async def test_several_workers_share_the_seats(picture: bytes) -> None:
    async with FacePool(FaceSettings(size=2, deadline_s=WAIT_S, first_deadline_s=WAIT_S)) as pool:
        seats = [pool.open(str(number)) for number in range(4)]
        assert all([isinstance(await read(seat, picture), FaceReading) for seat in seats])
        assert pool.statistics().ready == 2
        assert [seats.index(seat) for seat in seats if seat.slot is seats[0].slot] == [0, 2]


async def test_without_the_landmarker_frames_are_refused_with_the_mend(tmp_path: Path) -> None:
    async with FacePool(FaceSettings(landmarker_file=tmp_path / "nowhere")) as pool:
        outcome = await read(pool.open("a"), b"")
        assert isinstance(outcome, ProtocolError) and outcome.code is ErrorCode.SOURCE_UNAVAILABLE
        assert "emdr-stream models fetch" in outcome.message
        assert not pool.available
        assert "emdr-stream models fetch" in pool.why
        again = await read(pool.open("b"), b"")
        assert isinstance(again, ProtocolError) and again.code is ErrorCode.SOURCE_UNAVAILABLE


async def test_a_worker_knows_no_secret_and_can_write_no_file(picture: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMDR_TOKEN_KEY", "EMDR_REDIS_URL", "EMDR_DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary-4711")
    async with FacePool(FaceSettings(first_deadline_s=WAIT_S)) as pool:
        assert isinstance(await read(pool.open("a"), picture), FaceReading)
        process = Path(f"/proc/{pool.pids()[0]}")
        assert b"canary-4711" not in (process / "environ").read_bytes()
        assert b"canary-4711" not in (process / "cmdline").read_bytes()
        limits = {line[:26].strip(): line[26:].split()[:2] for line in (process / "limits").read_text().splitlines()}
        assert limits["Max file size"] == ["0", "0"]
        assert limits["Max core file size"] == ["0", "0"]
        outputs = {os.readlink(process / "fd" / number) for number in ("0", "1", "2")}
        assert outputs == {"/dev/null"}, "what MediaPipe prints goes nowhere"


def test_workers_die_with_a_service_that_is_killed() -> None:
    landmarker_or_skip()
    service = subprocess.Popen([sys.executable, "-c", _SERVICE], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    with service.stdout:
        pid = int(service.stdout.readline())
        service.kill()
        service.wait()
    deadline = time.monotonic() + WAIT_S
    while _lives(pid):
        assert time.monotonic() < deadline, "the worker outlived its service"
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
