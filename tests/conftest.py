"""Fixtures for every test: the anyio backend, the folder of real recordings, and one pair of real stores per run."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.stores_process import RunningStores, StoresProcess

REPOSITORY = Path(__file__).resolve().parent.parent

# Deadlines measure the machine rather than the code: two cores are shared with the stores.
settings.register_profile("default", deadline=None)
settings.register_profile("verify", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


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
    """Addresses of a real Valkey and a real PostgreSQL, started at first use and shared by the whole run.

    Tests keep apart by names of their own: a channel prefix, a session id, a database or a schema.
    """
    # PostgreSQL leaves the root account: the folder must be readable by others, unlike pytest's own.
    folder = Path(tempfile.mkdtemp(prefix="emdr-test-"))
    folder.chmod(0o755)
    try:
        with StoresProcess(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)
