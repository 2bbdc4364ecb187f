"""A Redis-protocol server of one test, in a folder of its own, that may be killed, stopped and continued."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from emdr_stream.embedded import StoreName, probe_binaries
from tests.system.surroundings import folder_in_memory

START_DEADLINE_S = 10.0


class OwnValkey:
    """The context starts the server and ends it; `url` is where it listens."""

    def __init__(self) -> None:
        self._binary = next(
            found.path for found in probe_binaries() if found.name is StoreName.VALKEY and found.problem is None
        )
        self._folder = Path(tempfile.mkdtemp(prefix="emdr-valkey-", dir=folder_in_memory()))
        self._socket = self._folder / "server.sock"
        self.url = f"unix://{self._socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OwnValkey":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers; what was acknowledged before is there again."""
        options = {"port": "0", "unixsocket": str(self._socket), "dir": str(self._folder), "appendonly": "yes"}
        # Synced once a second, what is acknowledged may stand in no file for two: a busy disk that is being synced
        # holds writes up that long, and a kill then cost a claim that a test looked for.
        options["appendfsync"] = "always"
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen([str(self._binary), *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._answers():
            assert time.monotonic() < deadline, "the test's own server did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9, also when it is stopped."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False
