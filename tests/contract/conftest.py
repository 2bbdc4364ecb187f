"""A database of one test's own, and the store on it. Files that need other time limits, or twins, have their own."""

from collections.abc import AsyncIterator

import pytest

from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.stores_process import RunningStores


@pytest.fixture
async def database(stores: RunningStores) -> AsyncIterator[str]:
    async with own_database(stores.database_url) as url:
        yield url


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore]:
    made = PostgresStore(database)
    await made.start()
    yield made
    await made.aclose()
