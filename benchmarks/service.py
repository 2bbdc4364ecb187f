"""The real service as its users start it: a core in, a listening process with its stores and a token out."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import procfs
from benchmarks.processes import free_port, pinned, stopped, wait_until_listening

BASELINE_S = 6.0
"""The calm minute, shortened: so long must a session send before the models are heard."""

_SETTINGS = {
    "EMDR_BASELINE_S": str(BASELINE_S),
    "EMDR_RATE_HZ": "240",
    "EMDR_LOG_LEVEL": "WARNING",
    "EMDR_MAX_SESSIONS": "5000",
    "EMDR_MAX_SOCKETS": "10000",
    "EMDR_MAX_LOAD": "0",
    # All the load comes from one address, and may come from one user.
    "EMDR_MAX_SOCKETS_PER_PEER": "0",
    "EMDR_MAX_SESSIONS_PER_USER": "0",
    "EMDR_MAX_CONSOLES_PER_USER": "0",
    "EMDR_BYTES_PER_S": "16777216",
}


@dataclass(frozen=True, slots=True)
class RunningService:
    """`emdr-stream serve`, listening on 127.0.0.1. `token`: of role `service`, which may open anybody's session."""

    pid: int
    port: int
    token: str
    data_dir: Path


@contextmanager
def service(
    core: int | None = 0,
    stores_core: int | None = 1,
    record: bool = False,
    ahead: bool = True,
    stalls: Path | None = None,
    **variables: str,
) -> Iterator[RunningService]:
    """Run `emdr-stream serve` on a free port, with embedded stores in a folder of its own, until the block ends.

    The service is alone on `core`; its stores are moved to `stores_core`, as they would not share a core in earnest.
    `record`: write each session's recording too. `ahead`: of all other work, its own children's too. `stalls`: where to
    write what held its loop (`watched`). `variables`: further settings, without `EMDR_`, in small letters.

    Raises:
        RuntimeError: If the service ends or does not listen in time; its own error is on stderr.
    """
    folder = Path(tempfile.mkdtemp(prefix="emdr-bench-"))
    folder.chmod(0o755)  # the embedded database runs on an account of its own when we are root
    try:
        port, data_dir = free_port(), folder / "data"
        options = ["--port", str(port), "--data-dir", str(data_dir)]
        if record:
            options += ["--record", str(folder / "recordings")]
        command = _COMMAND if stalls is None else [sys.executable, "-m", "benchmarks.watched", str(stalls)]
        process = subprocess.Popen(
            pinned(core, [*command, "serve", *options], ahead),
            env=_environment(**variables),
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        with stopped(process):
            wait_until_listening(process, "emdr-stream serve", port, timeout_s=90.0)
            _move_children(process.pid, stores_core)
            yield RunningService(process.pid, port, token(data_dir, "service"), data_dir)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_COMMAND = [sys.executable, "-m", "emdr_stream"]


def _environment(**variables: str) -> dict[str, str]:
    """Ours, with the package's place: the service runs in another folder than the checkout."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EMDR_")}
    root = str(Path(__file__).parent.parent)
    given = {f"EMDR_{name.upper()}": value for name, value in variables.items()}
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return {**inherited, **_SETTINGS, **given, "PYTHONPATH": path}


def token(data_dir: Path, role: str, *options: str) -> str:
    """A token of this role for a service with this data folder."""
    command = [*_COMMAND, "token", "--role", role, "--hours", "2", "--data-dir", str(data_dir), *options]
    printed = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=True)
    return printed.stdout.strip()


def _move_children(pid: int, core: int | None) -> None:
    """Off the service's core, and behind the load client, with which they share the other: else it would be late."""
    time.sleep(0.5)  # let the stores start the helpers they start with
    if core is None or core >= (os.cpu_count() or 1):
        return
    for child in procfs.process_tree(pid)[1:]:
        for thread in procfs.threads(child):
            with suppress(OSError):
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
                os.sched_setaffinity(thread, {core})
