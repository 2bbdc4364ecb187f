"""Settings in, the address of the service's database out, for a command that has a question for it."""

import contextlib
from collections.abc import AsyncIterator

from emdr_stream.embedded import EmbeddedStores, running_stores
from emdr_stream.environment import Environment, data_dir_of, database_url_of
from emdr_stream.errors import ConfigurationError


@contextlib.asynccontextmanager
async def database(environment: Environment) -> AsyncIterator[str]:
    """The configured database, that of a service which runs on the data folder, or the folder's, started for a while.

    Raises ConfigurationError when there is none, StoreUnavailable when it does not start.
    """
    configured = database_url_of(environment)
    if configured is not None:
        yield configured
        return
    data_dir = data_dir_of(environment)
    beside = running_stores(data_dir)
    if beside is not None:
        yield beside.database_url
        return
    if not (data_dir / "postgres").is_dir():
        raise ConfigurationError(
            f"the data folder {data_dir} holds no database: name the service's with --data-dir, "
            "or set EMDR_DATABASE_URL"
        )
    stores = EmbeddedStores(
        data_dir, valkey_binary=environment.valkey_binary, postgres_bin_dir=environment.postgres_bin_dir
    )
    async with stores as own:
        yield own.database_url
