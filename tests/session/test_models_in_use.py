"""What a worker does when other models are put in use: who is told of what, and what a refusal keeps back."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import pytest

from emdr_stream.broker.memory import MemoryBroker
from emdr_stream.domain import Source
from emdr_stream.endpoints.camera_desk import FRAME_MODEL
from emdr_stream.errors import ModelRefused
from emdr_stream.inference.batch import BATCH_ROWS, BatchPredictor
from emdr_stream.inference.choice import drawn
from emdr_stream.inference.drift import OUTPUTS, Bins, Limits, Reference
from emdr_stream.models_in_use import ModelsInUse, load_versions
from emdr_stream.pipeline.features import FEATURE_NAMES, N_FEATURES
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.session.standing import Standing
from emdr_stream.settings import ServerSettings, ServiceSettings, StoreSettings, TokenSettings
from emdr_stream.wire.stream import Hello
from emdr_stream.wire.values import ModelRef
from tests.angry_reader import write_angry_reader
from tests.session.world import World, attach, room_of, sample
from tests.system.plain_model import write_plain_model
from tests.tiny_model import write_release

pytestmark = pytest.mark.anyio

SAFETY: Final = "emotion_safety"
HALF: Final = 0.5


class Processes:
    """Face workers that refuse what a test says."""

    def __init__(self) -> None:
        self.refusals: dict[str, str] = {}
        """By version."""
        self.in_use: list[tuple[str, ...]] = []
        self.asked = asyncio.Event()

    async def load(self, readers: Sequence[ModelRef]) -> str | None:
        self.asked.set()
        await asyncio.sleep(0)
        return next((self.refusals[reader.version] for reader in readers if reader.version in self.refusals), None)

    def use(self, readers: Sequence[ModelRef]) -> None:
        self.in_use.append(tuple(reader.version for reader in readers))

    def refused(self, reader: ModelRef) -> str | None:
        return self.refusals.get(reader.version)


class Worker:
    """One worker's models and sessions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World()
        self.standing = Standing(0.0)
        self.processes = Processes()
        settings = ServiceSettings(
            ServerSettings(), StoreSettings(data_dir=folder), TokenSettings(b"k" * 32), model_dir=folder
        )
        versions = load_versions(settings)
        bound = versions.model.graph.bound(BATCH_ROWS)
        self.predictor = BatchPredictor(bound, asyncio.get_running_loop())
        self.models = ModelsInUse(
            settings,
            versions,
            self.predictor,
            self.processes,
            self.world.metrics.models,
            self.world,
            "w1",
            self.standing,
        )
        around = replace(self.world.around, predictor=self.predictor, standing=self.standing)
        self.registry = SessionRegistry(
            around,
            MemoryBroker(),
            owner="w1",
            models=self.models.references,
            room=room_of(around, 100),
            looked_by=versions.faces,
        )

    async def camera(self, second: bool) -> str:
        """A webcam session that half of the sessions' share takes in, or does not; its id."""
        ids = (f"s{number}" for number in range(100))
        session = next(each for each in ids if (drawn(FRAME_MODEL, each) < HALF) is second)
        await self.registry.open(Hello(source=Source.FRAME), "u", session)
        return session

    async def listener(self) -> Callable[[], None]:
        """Opens a session; each call is 25 of its samples, scored and counted."""
        await self.registry.open(Hello(source=Source.EMOTION), "u", "s1")
        runner = self.registry.get("s1")
        assert runner is not None
        attach(runner)

        def listen() -> None:
            for _ in range(25):
                self.standing.assure(self.world.now)
                self.world.pass_s(0.1)
                runner.take(sample(self.world), self.world.now)
                self.predictor.finish()
            self.models.tick(self.world.now)

        return listen

    def named(self, session: str) -> dict[str, str]:
        """Who speaks in a session: versions by model."""
        runner = self.registry.get(session)
        assert runner is not None
        return {model.name: model.version for model in runner.core.care.models}

    def put_in_use(self, safety: str = "1", pictures: str = "1", share: str | None = None) -> None:
        (self.folder / "current.json").write_text(json.dumps({SAFETY: safety, FRAME_MODEL: pictures}))
        trial = {FRAME_MODEL: {"share": {"version": share, "share": HALF}}} if share else {}
        (self.folder / "trials.json").write_text(json.dumps(trial))


@pytest.fixture
async def worker(tmp_path: Path) -> Worker:
    for version in ("1", "2"):
        write_plain_model(tmp_path, version)
        write_angry_reader(tmp_path, version)
    (tmp_path / "current.json").write_text(json.dumps({SAFETY: "1", FRAME_MODEL: "1"}))
    return Worker(tmp_path)


async def test_a_share_reaches_the_sessions_that_it_draws_and_ends(worker: Worker) -> None:
    stays, goes = await worker.camera(False), await worker.camera(True)
    worker.put_in_use(share="2")
    await worker.models.take_up(worker.registry)
    assert (worker.named(stays)[FRAME_MODEL], worker.named(goes)[FRAME_MODEL]) == ("1", "2")
    worker.put_in_use()
    await worker.models.take_up(worker.registry)
    assert worker.named(goes)[FRAME_MODEL] == "1"
    assert worker.processes.in_use == [("1", "2"), ("1",)]
    assert worker.models.refused == ""


async def test_a_reader_that_is_refused_keeps_no_safety_model_back(worker: Worker) -> None:
    session = await worker.camera(True)
    worker.processes.refusals["2"] = "its checksum differs"
    worker.put_in_use(safety="2", pictures="2")
    await worker.models.take_up(worker.registry)
    assert worker.named(session) == {SAFETY: "2", FRAME_MODEL: "1"}
    assert worker.processes.in_use == [("1",)], "what was loaded in vain is let go of"
    assert FRAME_MODEL in worker.models.told and "checksum" in worker.models.told
    assert b"emdr_model_refusals_total 1.0" in worker.world.metrics.render()
    worker.processes.refusals.clear()
    await worker.models.take_up(worker.registry)
    assert worker.named(session) == {SAFETY: "2", FRAME_MODEL: "2"}
    assert "checksum" not in worker.models.told


async def test_a_manifest_that_cannot_be_read_is_refused_as_well(worker: Worker) -> None:
    session = await worker.camera(True)
    (worker.folder / FRAME_MODEL / "2" / "manifest.json").write_text("{")
    worker.put_in_use(safety="2", share="2")
    await worker.models.take_up(worker.registry)
    assert worker.named(session) == {SAFETY: "2", FRAME_MODEL: "1"}
    assert "malformed" in worker.models.told


async def test_a_safety_model_that_is_refused_leaves_all_as_it_was(worker: Worker) -> None:
    session = await worker.camera(True)
    (worker.folder / SAFETY / "2" / "model.onnx").write_bytes(b"altered")
    worker.put_in_use(safety="2", pictures="2")
    with pytest.raises(ModelRefused):
        await worker.models.take_up(worker.registry)
    assert worker.named(session) == {SAFETY: "1", FRAME_MODEL: "1"}
    assert worker.processes.in_use == []


async def test_a_share_that_a_process_is_found_without_is_over(worker: Worker) -> None:
    stays, goes = await worker.camera(False), await worker.camera(True)
    worker.put_in_use(share="2")
    await worker.models.take_up(worker.registry)
    worker.models.check_pictures(worker.registry)
    assert worker.named(goes)[FRAME_MODEL] == "2"
    worker.processes.refusals["2"] = "its checksum differs"
    for _ in range(3):
        worker.models.check_pictures(worker.registry)
    assert worker.named(stays)[FRAME_MODEL] == worker.named(goes)[FRAME_MODEL] == "1"
    assert worker.processes.in_use[-1] == ("1",)
    assert "face_expression 2 has no share: its checksum differs" in worker.models.told
    assert b"emdr_model_refusals_total 1.0" in worker.world.metrics.render()


async def test_what_waits_for_a_doubt_to_end_is_heard_before_versions_change(worker: Worker) -> None:
    """The worker stood still: a picture that the present version read is not answered yet."""
    session = await worker.camera(True)
    named: list[str] = []
    worker.standing.hold(lambda: named.append(worker.named(session)[FRAME_MODEL]))
    worker.put_in_use(pictures="2")
    async with asyncio.TaskGroup() as group:
        taking = group.create_task(worker.models.take_up(worker.registry))
        await worker.processes.asked.wait()
        await asyncio.sleep(0.2)  # of what must not happen there is no sign to wait for
        assert not taking.done() and worker.named(session)[FRAME_MODEL] == "1"
        worker.standing.assure(0.0)
    assert named == ["1"]
    assert worker.named(session)[FRAME_MODEL] == "2"


async def test_what_a_version_remembered_while_the_worker_stood_still_is_not_the_nexts(tmp_path: Path) -> None:
    """A row is out when versions change: its answer is held back until it is known whose the session is."""
    for version in ("2", "1"):
        write_release(tmp_path, version=version, width=N_FEATURES, feature_names=list(FEATURE_NAMES), remembers=True)
    worker = Worker(tmp_path)
    world, standing = worker.world, worker.standing
    await worker.registry.open(Hello(source=Source.EMOTION), "u", "s1")
    runner = worker.registry.get("s1")
    assert runner is not None
    attach(runner)
    for _ in range(25):
        standing.assure(world.now)
        world.pass_s(0.1)
        runner.take(sample(world), world.now)
        worker.predictor.finish()
    memory = runner.core.perception.memory
    assert memory.state.values, "the baseline stands, and version 1 remembers"
    loaded = worker.processes.load

    async def stand_still(readers: Sequence[ModelRef]) -> str | None:
        problem = await loaded(readers)
        world.pass_s(2.0)
        standing.assure(world.now)
        world.pass_s(0.95)
        runner.take(sample(world), world.now)
        world.pass_s(0.1)
        return problem

    worker.processes.load = stand_still  # type: ignore[method-assign]
    (tmp_path / "current.json").write_text(json.dumps({SAFETY: "2"}))
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.models.take_up(worker.registry))
        while not standing.held:  # noqa: ASYNC110 - what waits sets no event
            await asyncio.sleep(0)
        standing.assure(world.now)
    assert worker.named("s1")[SAFETY] == "2"
    assert memory.state.values == b"" and memory.state.stepped_ms is None


async def test_a_shadow_goes_on_with_what_it_remembers_while_it_stays_the_same(tmp_path: Path) -> None:
    """Other models change beside it: of a shadow that begins anew, minutes of memory would be lost."""
    for version in ("2", "1"):
        write_release(tmp_path, version=version, width=N_FEATURES, feature_names=list(FEATURE_NAMES), remembers=True)
    for version in ("1", "2"):
        write_angry_reader(tmp_path, version)
    (tmp_path / "current.json").write_text(json.dumps({SAFETY: "1", FRAME_MODEL: "1"}))
    trials = tmp_path / "trials.json"
    trials.write_text(json.dumps({SAFETY: {"shadow": "2"}}))
    worker = Worker(tmp_path)
    listen = await worker.listener()

    def seen() -> int:
        listen()
        return worker.world.metrics.models.told().shadow_rows

    first = seen()
    (tmp_path / "current.json").write_text(json.dumps({SAFETY: "1", FRAME_MODEL: "2"}))
    await worker.models.take_up(worker.registry)
    second = seen()
    assert second > first > 0
    (tmp_path / "current.json").write_text(json.dumps({SAFETY: "2", FRAME_MODEL: "2"}))
    trials.write_text(json.dumps({SAFETY: {"shadow": "1"}}))
    await worker.models.take_up(worker.registry)
    assert 0 < seen() < second, "another pair of versions is counted from its beginning"


def write_reference(folder: Path, limit: float) -> None:
    """Beside emotion_safety 1, drawn anew with another limit."""
    bins = Bins(edges=(0.0,), shares=(0.5, 0.5))
    limits = Limits(sessions=1, inputs=limit, outputs=limit)
    inputs, outputs = {FEATURE_NAMES[0]: bins}, {OUTPUTS[0]: bins}
    reference = Reference(
        command="none", data="none", rows=2, sessions=2, limits=limits, inputs=inputs, outputs=outputs
    )
    data = msgspec.json.encode(reference)
    (folder / SAFETY / "1" / "reference.json").write_bytes(data)
    path = folder / SAFETY / "1" / "manifest.json"
    told = {"reference": "reference.json", "reference_sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(json.loads(path.read_text()) | told))


async def test_drift_goes_on_until_the_reference_is_drawn_anew(tmp_path: Path) -> None:
    write_plain_model(tmp_path, "1")
    write_reference(tmp_path, 0.3)
    worker = Worker(tmp_path)
    listen = await worker.listener()

    def told() -> tuple[float, float]:
        worker.models.tick(worker.world.now)
        (drift,) = worker.world.metrics.models.told().drift
        return drift.outputs_limit, drift.sessions

    listen()
    listen()  # every tenth row counts
    limit, sessions = told()
    assert limit == 0.3 and sessions > 0
    await worker.models.take_up(worker.registry)
    assert told() == pytest.approx((0.3, sessions), rel=0.01), "nothing is other than before"
    write_reference(tmp_path, 0.7)
    await worker.models.take_up(worker.registry)
    assert told() == (0.7, 0.0)
