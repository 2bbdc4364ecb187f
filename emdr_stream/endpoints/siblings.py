"""A folder and a worker's number in; its private door for the other workers of the service, and what they count, out.

All workers answer on one port, so that a scrape of `/metrics` reaches any of them. Whoever it reaches asks the others
through their private sockets and answers for all, each sample with the label `worker`.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_ASK: Final = b"GET /metrics?of=this HTTP/1.0\r\nhost: worker\r\n\r\n"
_PATIENCE_S: Final = 1.0
_SUFFIX: Final = ".sock"


class Siblings:
    """One worker among those of its service. `folder` is theirs alone."""

    def __init__(self, folder: Path, slot: int) -> None:
        self._folder = folder
        self.slot = slot

    def listen(self) -> socket.socket:
        """This worker's own door; whatever an earlier one in the slot left there is replaced."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / f"{self.slot}{_SUFFIX}").unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _Folder(self._folder) as place:
            door.bind(place.of(f"{self.slot}{_SUFFIX}"))
        door.setblocking(False)
        return door

    async def metrics(self) -> Mapping[str, str]:
        """What every other worker counts, by its number; one that does not answer within a second is left out."""
        found: dict[str, str] = {}

        async def ask(name: str) -> None:
            with suppress(OSError, TimeoutError, ValueError):
                async with asyncio.timeout(_PATIENCE_S):
                    found[name] = await self._ask(name)

        async with asyncio.TaskGroup() as group:
            for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
                if path.stem != str(self.slot):
                    group.create_task(ask(path.stem))
        return found

    async def _ask(self, name: str) -> str:
        with _Folder(self._folder) as place:
            reader, writer = await asyncio.open_unix_connection(place.of(f"{name}{_SUFFIX}"))
        try:
            writer.write(_ASK)
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise ValueError("the worker does not tell")
        return body.decode()


class _Folder:
    """Names in a folder that fit into a socket's address, however long the folder's path is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> "_Folder":
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def of(self, name: str) -> str:
        return f"/proc/self/fd/{self._descriptor}/{name}" if sys.platform == "linux" else str(self._folder / name)
