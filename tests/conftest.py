"""Fixtures for every test: the anyio backend, the folder of real recordings, and one pair of real stores per worker."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.stores_process import RunningStores, StoresProcess
from tests.system.surroundings import folder_in_memory

REPOSITORY = Path(__file__).resolve().parent.parent

# Deadlines measure the machine rather than the code, and so does how long drawing takes: two cores are shared with the
# stores, with another worker and with whatever else runs.
_ANY_MACHINE: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", **_ANY_MACHINE)
settings.register_profile("verify", **_ANY_MACHINE, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Workers (`-n 2`) get whole files, unless `--dist` asks for something else."""
    if config.getvalue("dist") != "load":
        return None
    from tests.workers import FailuresAtOnce, whole_files

    config.pluginmanager.register(FailuresAtOnce(config))
    return whole_files(config, log)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The service runs on asyncio only."""
    return "asyncio"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real recordings: EMDR_TEST_DATA, or `shared/data` beside the checkout.

    They are too large and too personal to be part of the repository. Without them a developer's run skips these
    tests and says so; a run with CI set fails, so that they cannot go missing unseen.
    """
    configured = os.environ.get("EMDR_TEST_DATA")
    folder = Path(configured) if configured else REPOSITORY.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    reason = f"no recordings at {folder}: set EMDR_TEST_DATA to the folder that holds them"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def stores() -> Iterator[RunningStores]:
    """Addresses of a real Valkey and a real PostgreSQL, started at first use and shared by all that a worker runs.

    Tests keep apart by names of their own: a channel prefix, a session id, a database or a schema.
    """
    # PostgreSQL leaves the root account: the folder must be readable by others, unlike pytest's own.
    folder = Path(tempfile.mkdtemp(prefix="emdr-test-", dir=folder_in_memory()))
    folder.chmod(0o755)
    try:
        with StoresProcess(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)
