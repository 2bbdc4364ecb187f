"""A folder in, a PostgreSQL of one test's own out, all of whose processes may be stopped and continued."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from emdr_stream.embedded import EmbeddedStores
from tests.system.surroundings import folder_in_memory


@dataclass(frozen=True, slots=True)
class OwnPostgres:
    """`url`: where it listens; `folder`: what every account may enter."""

    url: str
    folder: Path

    def signal(self, number: int) -> None:
        """Send a signal to the server and all its helpers."""
        _signal_family(self._pid(), number)

    @property
    def uid(self) -> int:
        """The account that the server runs as."""
        return Path(f"/proc/{self._pid()}").stat().st_uid

    def _pid(self) -> int:
        return int((self.folder / "postgres" / "postmaster.pid").read_text().split("\n")[0])


@contextlib.asynccontextmanager
async def own_postgres() -> AsyncIterator[OwnPostgres]:
    """A server in a new folder, until the block ends."""
    with open_folder() as folder:
        async with EmbeddedStores(folder) as addresses:
            server = OwnPostgres(addresses.database_url, folder)
            try:
                yield server
            finally:
                server.signal(signal.SIGCONT)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that the stores' account can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="emdr-pg-", dir=folder_in_memory()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _signal_family(pid: int, number: int) -> None:
    """Parents first: one that is stopped starts nothing more. Helpers come and go meanwhile."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, number)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            _signal_family(int(child), number)
