"""A server's address goes in, the address of a fresh, empty database on it comes out; it is dropped afterwards."""

import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg

_serial = itertools.count()


@contextlib.asynccontextmanager
async def own_database(server_url: str) -> AsyncIterator[str]:
    name = f"test_{os.getpid()}_{next(_serial)}"
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"create database {name} template template0")
        try:
            yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        finally:
            await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()
