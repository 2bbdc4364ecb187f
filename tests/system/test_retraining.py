"""Retraining as it runs: a real Celery worker in its own process, on a real Redis-protocol server and PostgreSQL."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from emdr_stream.inference.manifest import current_versions
from emdr_stream.inference.models import verify_models
from emdr_stream.pipeline.features import FEATURE_NAMES
from tests.conftest import REPOSITORY
from tests.contract.own_database import own_database
from tests.good_figures import figures
from tests.stores_process import RunningStores
from tests.system.plain_model import write_plain_model
from tests.unit.training.recorded_clients import write_clients
from training.config import DEFAULT_PATH
from training.retrain.app import TASK, make_app
from training.retrain.config import DEFAULT_PATH as TRIGGERS

pytestmark = [pytest.mark.system, pytest.mark.integration, pytest.mark.anyio, pytest.mark.timeout(240)]

DONE_S = 180.0
"""A training of this size takes 15 s of a processor; the rest is room for a machine that is busy."""
SMALL = {"training_sessions": 24, "validation_sessions": 8, "epochs": 1}


@pytest.fixture
async def url(stores: RunningStores) -> AsyncIterator[str]:
    async with own_database(stores.database_url) as address:
        yield address


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Models, recordings, and settings of a training that is small enough for a test."""
    write_plain_model(tmp_path / "models", metrics=figures())
    write_clients(tmp_path / "recordings", 2)
    lines = []
    for line in DEFAULT_PATH.read_text().splitlines():
        name = line.partition("=")[0].strip()
        lines.append(f"{name} = {SMALL[name]}" if name in SMALL else line)
    (tmp_path / "training.toml").write_text("\n".join(lines))
    triggers = TRIGGERS.read_text().replace("new_recordings = 20", "new_recordings = 2")
    (tmp_path / "triggers.toml").write_text(triggers.replace("test_sessions = 300", "test_sessions = 2"))
    return tmp_path


@pytest.fixture
def worker(workplace: Path, stores: RunningStores, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m training worker`, as an operator starts it."""
    command = [sys.executable, "-m", "training", "worker", "--data-dir", str(workplace / "data")]
    command += ["--recordings", str(workplace / "recordings"), "--config", str(workplace / "training.toml")]
    command += ["--retrain-config", str(workplace / "triggers.toml")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EMDR_")}
    environment |= {
        "EMDR_REDIS_URL": stores.redis_url,
        "EMDR_DATABASE_URL": url,
        "EMDR_MODEL_DIR": str(workplace / "models"),
        "PYTHONPATH": str(REPOSITORY),
    }
    with (workplace / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=workplace, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def asked(stores: RunningStores, workplace: Path, **how: Any) -> dict[str, Any]:
    """The task's result, asked for as anybody does who knows its name."""
    result = make_app(stores.redis_url).send_task(TASK, kwargs=how)
    try:
        told: dict[str, Any] = await asyncio.to_thread(result.get, timeout=DONE_S)
    except Exception as failure:
        raise AssertionError(f"{failure!r}\n{(workplace / 'worker.log').read_text()}") from failure
    return told


async def test_new_recordings_lead_to_a_registered_candidate_that_only_a_person_can_put_in_use(
    worker: subprocess.Popen[bytes], workplace: Path, stores: RunningStores, url: str
) -> None:
    told = await asked(stores, workplace)
    assert told["reasons"] == ["2 labelled recordings of consenting clients are new (2 asked)"]
    assert (told["model"], told["version"], told["deployed"]) == ("emotion_safety", "2", False)
    assert "until a person promotes it" in told["why"] and told["missed"]
    models = workplace / "models"
    assert current_versions(models) == {"emotion_safety": "1"}
    assert [verdict.problem for verdict in verify_models(models, FEATURE_NAMES)] == [None, None]
    manifest = json.loads((models / "emotion_safety" / "2" / "manifest.json").read_text())
    assert "labelled recordings of consenting clients" in manifest["training"]["data"]
    assert manifest["reference"] == "reference.json"
    connection = await asyncpg.connect(url)
    try:
        (entry,) = [json.loads(row["body"]) for row in await connection.fetch("select body from audit_log")]
    finally:
        await connection.close()
    assert (entry["action"], entry["version"], entry["by"]) == ("model.register", "2", "retraining")
    again = await asked(stores, workplace)
    assert (again["version"], again["why"]) == (None, "no reason to train anew")
    assert worker.poll() is None
