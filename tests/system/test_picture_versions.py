"""Versions of the model of pictures in real face workers: loaded beside the pictures, refused, let go of, none lost."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from benchmarks.procfs import memory_kib
from emdr_stream.endpoints.camera_desk import FRAME_MODEL
from emdr_stream.inference.manifest import default_models_dir, read_manifest
from emdr_stream.vision.line import Outcome
from emdr_stream.vision.pool import FacePool, FaceSeat, FaceSettings
from emdr_stream.vision.reading import FaceReading
from emdr_stream.wire.values import ModelRef
from tests.angry_reader import ANGER, SURE, write_angry_reader
from tests.faces import jpeg, landmarker_or_skip, still
from tests.tiny_model import write_manifest

pytestmark = [pytest.mark.system, pytest.mark.anyio]
WAIT_S: Final = 30.0


@pytest.fixture
def picture(test_data: Path) -> bytes:
    landmarker_or_skip()
    return jpeg(still(test_data, "single_face.jpg", 320))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped model of pictures as version 1, one that sees anger as 2, and a copy of the shipped one as 3."""
    in_use = json.loads((default_models_dir() / "current.json").read_text())[FRAME_MODEL]
    for version in ("1", "3"):
        copy = tmp_path / FRAME_MODEL / version
        shutil.copytree(default_models_dir() / FRAME_MODEL / in_use, copy)
        write_manifest(copy, {**json.loads((copy / "manifest.json").read_text()), "version": version})
    write_angry_reader(tmp_path, "2")
    (tmp_path / "current.json").write_text(json.dumps({FRAME_MODEL: "1"}))
    return tmp_path


def reader(folder: Path, version: str) -> ModelRef:
    sha256 = read_manifest(folder / FRAME_MODEL / version).sha256
    return ModelRef(name=FRAME_MODEL, version=version, sha256=sha256)


def settings(folder: Path, load_s: float = WAIT_S) -> FaceSettings:
    return FaceSettings(models_dir=folder, deadline_s=WAIT_S, first_deadline_s=WAIT_S, load_s=load_s)


@pytest.fixture
async def pool(folder: Path) -> AsyncIterator[FacePool]:
    async with FacePool(settings(folder), (reader(folder, "1"),)) as made:
        yield made


async def read(seat: FaceSeat, image: bytes, by: ModelRef | None) -> Outcome:
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    seat.submit(image, 0.0, outcome.set_result, by)
    async with asyncio.timeout(WAIT_S):
        return await outcome


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.01)


async def anger(seat: FaceSeat, image: bytes, by: ModelRef | None) -> float | None:
    """What the version sees of it; None where nobody reads the expression."""
    outcome = await read(seat, image, by)
    assert isinstance(outcome, FaceReading)
    assert outcome.view.faces == 1
    return None if outcome.view.expression is None else outcome.view.expression.emotions[ANGER]


async def test_each_picture_is_read_by_the_version_that_it_names_and_by_no_other(
    pool: FacePool, folder: Path, picture: bytes
) -> None:
    one, two = reader(folder, "1"), reader(folder, "2")
    seat = pool.open("a")
    calm = await anger(seat, picture, one)
    assert calm is not None and calm < 0.5
    assert await anger(seat, picture, two) is None, "it is not there yet, and nobody takes its place"
    assert await pool.load((one, two)) is None
    pool.use((one, two))
    for _ in range(3):
        assert await anger(seat, picture, two) == pytest.approx(1.0, abs=1 - SURE)
        assert await anger(seat, picture, one) == pytest.approx(calm, abs=0.1)
    assert await anger(seat, picture, None) is None
    assert pool.statistics().restarts == 0


async def test_what_is_out_of_use_is_let_go_of_and_may_come_back(pool: FacePool, folder: Path, picture: bytes) -> None:
    one, two = reader(folder, "1"), reader(folder, "2")
    seat = pool.open("a")
    await anger(seat, picture, one)
    for there, gone in ((two, one), (one, two), (two, one)):
        assert await pool.load((there,)) is None
        pool.use((there,))
        assert await anger(seat, picture, there) is not None
        assert await anger(seat, picture, gone) is None


async def test_versions_that_come_and_go_leave_no_memory_behind(pool: FacePool, folder: Path, picture: bytes) -> None:
    one, three = reader(folder, "1"), reader(folder, "3")
    seat = pool.open("a")
    await anger(seat, picture, one)
    (pid,) = pool.pids()

    async def change(rounds: int) -> int:
        for coming in (three, one) * rounds:
            assert await pool.load((coming,)) is None
            pool.use((coming,))
            await anger(seat, picture, coming)
        return memory_kib(pid)

    settled = await change(5)
    assert await change(15) - settled < 8_000, "thirty more loads of 3 MB each"


@pytest.mark.parametrize("spoilt", ["model.onnx", "vectors.json"])
async def test_a_version_that_is_altered_is_refused_and_pictures_go_on(
    pool: FacePool, folder: Path, picture: bytes, spoilt: str
) -> None:
    one, two = reader(folder, "1"), reader(folder, "2")
    (folder / FRAME_MODEL / "2" / spoilt).write_bytes(b"altered after it was checked")
    seat = pool.open("a")
    assert await anger(seat, picture, one) is not None
    problem = await pool.load((one, two))
    assert problem is not None and "checksum" in problem and spoilt in problem
    pool.use((one,))
    assert await anger(seat, picture, one) is not None
    assert pool.no_expression is None


async def test_another_model_by_the_name_that_was_told_is_refused(pool: FacePool, folder: Path, picture: bytes) -> None:
    await anger(pool.open("a"), picture, reader(folder, "1"))
    told = reader(folder, "2")
    shutil.rmtree(folder / FRAME_MODEL / "2")
    shutil.copytree(folder / FRAME_MODEL / "3", folder / FRAME_MODEL / "2")
    write_manifest(
        folder / FRAME_MODEL / "2",
        {**json.loads((folder / FRAME_MODEL / "3" / "manifest.json").read_text()), "version": "2"},
    )
    problem = await pool.load((told,))
    assert problem is not None and "another model than the one that was put in use" in problem


async def test_a_file_that_cannot_be_read_to_its_end_holds_up_no_picture(folder: Path, picture: bytes) -> None:
    """A pipe that nobody writes to: the worker waits for it for ever, in the thread that loads."""
    one, two, three = (reader(folder, version) for version in "123")
    stored = folder / FRAME_MODEL / "2" / "vectors.json"
    stored.unlink()
    os.mkfifo(stored)
    async with FacePool(settings(folder, load_s=1.0), (one,)) as pool:
        seat = pool.open("a")
        await anger(seat, picture, one)
        read_meanwhile = 0
        async with asyncio.TaskGroup() as group:
            loading = group.create_task(pool.load((two,)))
            while not loading.done():
                assert await anger(seat, picture, one) is not None
                read_meanwhile += 1
        assert loading.result() == "not every face worker had it within 1 s"
        assert read_meanwhile >= 5
        pool.use((one,))
        assert await pool.load((three,)) is not None, "behind it in the line"
        assert await anger(seat, picture, one) is not None
        assert (pool.statistics().restarts, pool.statistics().failed) == (0, 0)


async def test_a_worker_that_ends_while_it_loads_costs_no_picture(folder: Path, picture: bytes) -> None:
    """As if the file had brought it down: the picture that it read is read by the next worker, and is not blamed."""
    one, two = reader(folder, "1"), reader(folder, "2")
    stored = folder / FRAME_MODEL / "2" / "vectors.json"
    stored.unlink()
    os.mkfifo(stored)
    async with FacePool(settings(folder), (one,)) as pool:
        seat = pool.open("a")
        await anger(seat, picture, one)
        (pid,) = pool.pids()
        async with asyncio.TaskGroup() as group:
            os.kill(pid, signal.SIGSTOP)
            loading = group.create_task(pool.load((two,)))
            in_work = group.create_task(anger(seat, picture, one))
            while not (seat.busy and seat.slot.line.head):  # noqa: ASYNC110 - what a seat does sets no event
                await asyncio.sleep(0)
            os.kill(pid, signal.SIGKILL)
        assert in_work.result() is not None
        assert loading.result() == "the worker that loaded it ended"
        assert seat.strikes == 0
        assert (pool.statistics().restarts, pool.statistics().failed) == (1, 0)


async def test_a_worker_that_takes_anothers_place_has_what_is_in_use_and_not_what_the_folder_says(
    pool: FacePool, folder: Path, picture: bytes
) -> None:
    """Nobody has been told of the version that the folder names: the signal has not come."""
    one, two = reader(folder, "1"), reader(folder, "2")
    seat = pool.open("a")
    await anger(seat, picture, one)
    (folder / "current.json").write_text(json.dumps({FRAME_MODEL: "2"}))
    os.kill(pool.pids()[0], signal.SIGKILL)
    await until(lambda: pool.statistics().restarts == 1)
    calm = await anger(seat, picture, one)
    assert calm is not None and calm < 0.5
    assert await pool.load((two,)) is None
    pool.use((two,))
    os.kill(pool.pids()[0], signal.SIGKILL)
    await until(lambda: pool.statistics().restarts == 2)
    assert await anger(seat, picture, two) == pytest.approx(1.0, abs=1 - SURE)


async def test_a_worker_that_begins_while_versions_change_reads_when_it_has_those_in_use(
    folder: Path, picture: bytes
) -> None:
    one, two = reader(folder, "1"), reader(folder, "2")
    async with FacePool(settings(folder), (one,)) as pool:
        await until(lambda: bool(pool.pids()))
        assert not pool.available
        pool.use((two,))
        seat = pool.open("a")
        assert await anger(seat, picture, two) == pytest.approx(1.0, abs=1 - SURE)
        assert await anger(seat, picture, one) is None


async def test_several_workers_have_it_or_nobody_has(folder: Path, picture: bytes) -> None:
    one, two = reader(folder, "1"), reader(folder, "2")
    async with FacePool(replace(settings(folder), size=2), (one,)) as pool:
        seats = [pool.open(str(number)) for number in range(2)]
        assert await pool.load((two,)) is None, "also of workers that are just starting"
        pool.use((one, two))
        for seat in seats:
            assert await anger(seat, picture, two) == pytest.approx(1.0, abs=1 - SURE)
        assert seats[0].slot is not seats[1].slot


async def test_where_no_face_can_be_read_a_version_is_nobodys_to_refuse(folder: Path, tmp_path: Path) -> None:
    broken = FaceSettings(models_dir=folder, landmarker_file=tmp_path / "nowhere")
    async with FacePool(broken, (reader(folder, "1"),)) as pool:
        await until(lambda: pool.problem is not None)
        assert await pool.load((reader(folder, "2"),)) is None


async def test_a_version_in_use_that_is_unfit_is_named_and_the_face_is_still_found(
    folder: Path, picture: bytes
) -> None:
    one = reader(folder, "1")
    (folder / FRAME_MODEL / "1" / "model.onnx").write_bytes(b"altered")
    async with FacePool(settings(folder), (one,)) as pool:
        assert await anger(pool.open("a"), picture, one) is None
        assert "checksum" in (pool.no_expression or "")
        assert "checksum" in (pool.refused(one) or "")
