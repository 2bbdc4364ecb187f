"""The real service as a process, its tokens and its HTTP answers, for the system tests; clients lie in sockets.py."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt

from tests.system.surroundings import folder_in_memory

START_DEADLINE_S = 60.0
"""A start takes 3 s, the first one on a folder 5 s; the rest is room for a machine that is busy."""
STOP_DEADLINE_S = 20.0
TOKEN_KEY = "a key for system tests, longer than needed"
LISTENING = "is listening on port"


class ServiceFailed(RuntimeError):
    """The service did not start, or did not stop, in time; the message holds what it wrote."""


@dataclass(slots=True)
class Service:
    """One service on a data folder and a port of its own; may be stopped, killed and started again on both."""

    folder: Path
    environment: Mapping[str, str]
    port: int
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> str:
        """All that the service logged, over all its starts."""
        return self._file("log").read_text()

    @property
    def banner(self) -> str:
        """What the newest start printed."""
        return self._file("banner").read_text()

    def start(self) -> None:
        """Start, and wait until it says that it listens. Raises ServiceFailed."""
        command = [sys.executable, "-m", "emdr_stream", "serve", "--port", str(self.port)]
        command += ["--data-dir", str(self.data_dir), *self.arguments]
        with self._file("log").open("ab") as log, self._file("banner").open("wb") as banner:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=dict(self.environment), stdout=banner, stderr=log
            )
        started = self.process
        if not eventually(lambda: LISTENING in self.banner or started.poll() is not None, START_DEADLINE_S):
            self.kill()
        if LISTENING not in self.banner:
            raise ServiceFailed(f"the service did not start (exit {started.poll()}):\n{self.log}")

    def terminate(self) -> None:
        """Ask it to stop, as an operator does, without waiting for it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the end; gives the exit status. Raises ServiceFailed."""
        assert self.process is not None
        try:
            return self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServiceFailed(f"the service did not stop in {STOP_DEADLINE_S:.0f} s:\n{self.log}") from None

    def kill(self) -> None:
        """End it at once, without a word, as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def token(self, role: str, sub: str, *, lifetime_s: float = 3_600, **claims: object) -> str:
        """A token as a back end signs it. `claims`: `sid`, `clients`."""
        payload = {"role": role, "sub": sub, "exp": time.time() + lifetime_s, **claims}
        return jwt.encode(payload, TOKEN_KEY, algorithm="HS256")

    def get(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of an HTTP answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.headers["content-type"], answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.headers["content-type"], refusal.read()

    def store_pid(self, store: str) -> int:
        """The process of an embedded store: `valkey` or `postgres`."""
        return int((self.data_dir / f"{store}.lock").read_text())

    @property
    def database_url(self) -> str:
        """Where the embedded PostgreSQL listens."""
        from emdr_stream.embedded.folder import running_stores

        stores = running_stores(self.data_dir)
        assert stores is not None
        return stores.database_url

    def _file(self, name: str) -> Path:
        return self.folder / f"service.{name}"


@contextlib.contextmanager
def service(*arguments: str, **variables: str) -> Iterator[Service]:
    """A running service in a folder of its own; `variables` are settings without `EMDR_`, in small letters."""
    with readable_folder() as folder:
        running = Service(folder, environment(**variables), free_port(), arguments)
        try:
            running.start()
            yield running
        finally:
            if running.process is not None and running.process.poll() is None:
                running.terminate()
                running.wait()


def environment(**variables: str) -> dict[str, str]:
    """The environment of a service: ours without its settings, and with those given."""
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("EMDR_")}
    given = {f"EMDR_{name.upper()}": value for name, value in variables.items()}
    # It runs in a folder of its own, and may not be installed.
    source = str(Path(__file__).resolve().parents[2])
    return {**ours, "PYTHONPATH": source, "EMDR_TOKEN_KEY": TOKEN_KEY, **given}


@contextlib.contextmanager
def readable_folder() -> Iterator[Path]:
    """A new folder that other accounts may enter, unlike pytest's own: PostgreSQL leaves the root account."""
    folder = Path(tempfile.mkdtemp(prefix="emdr-system-", dir=folder_in_memory()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_command(*arguments: str, folder: Path, timeout_s: float = 60, **variables: str) -> Any:
    """Run `emdr-stream` to its end; gives the CompletedProcess, with text."""
    return subprocess.run(
        [sys.executable, "-m", "emdr_stream", *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait for `condition`; false when it did not come true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
