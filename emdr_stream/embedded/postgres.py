"""Takes a PostgreSQL binary and its folders, gives its command lines and whether it accepts connections."""

import os
import pwd
import shutil
import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

from emdr_stream.embedded.account import Account
from emdr_stream.embedded.folder import own_directory
from emdr_stream.embedded.process import StopStep
from emdr_stream.errors import ConfigurationError

DEATH_SIGNAL: Final = signal.SIGINT  # "fast" shutdown: sessions end, a checkpoint is written
INITDB_DEATH_SIGNAL: Final = signal.SIGTERM
STOP_STEPS: Final[tuple[StopStep, ...]] = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_USER: Final = "emdr"
_DATABASE: Final = "postgres"
_PORT: Final = 5432  # part of the socket's name only
_STATUS_LINE: Final = 7  # of postmaster.pid: "starting", "ready" or "stopping"

# fsync, full_page_writes and synchronous_commit stay on: an acknowledged row survives a loss of power.
# The rest keeps the server small (16 MiB of buffers, no parallel workers, no replication).
_SETTINGS: Final = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "340",  # five for each of 64 workers, and some for people
    "shared_buffers": "16MB",
    "huge_pages": "off",
    "max_wal_size": "256MB",
    "min_wal_size": "16MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_worker_processes": "2",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_max_workers": "1",
    "jit": "off",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    # A failing statement would be logged with its values, which are a person's records.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
}


def url(run_dir: Path) -> str:
    """The address for asyncpg; the host is the folder of the socket, who may enter it may connect."""
    return f"postgresql://{_USER}@/{_DATABASE}?host={quote(str(run_dir), safe='/')}&port={_PORT}"


def command(binary: Path, data: Path, run_dir: Path) -> list[str]:
    """The server's command line; settings given there win over files, so they hold for folders of any age."""
    settings = _SETTINGS | {"unix_socket_directories": _quoted(str(run_dir))}
    return [str(binary), "-D", str(data), *(part for pair in settings.items() for part in ("-c", "=".join(pair)))]


def initdb_command(binary: Path, target: Path) -> list[str]:
    """The command that makes a new cluster in `target`, synced to disk, with checksums on its pages."""
    return [
        str(binary.parent / "initdb"),
        f"--pgdata={target}",
        f"--username={_USER}",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
        "--wal-segsize=4",  # MiB: a new folder takes 27 instead of 39
        "--no-instructions",
    ]


def initdb_target(data: Path, account: Account | None) -> Path:
    """An empty folder beside `data` to make the cluster in.

    It is renamed when done, so a start that was cut off leaves no half of one. Raises ConfigurationError when our user
    id has no account, which initdb demands.
    """
    if account is None:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise ConfigurationError(
                f"PostgreSQL's initdb needs an account for user id {os.geteuid()}: add one to /etc/passwd, start the "
                "service as another user, or give it a server of yours by URL"
            ) from None
    target = data.with_name("postgres.new")
    shutil.rmtree(target, ignore_errors=True)
    own_directory(target, account)
    return target


def adopt_cluster(target: Path, data: Path) -> None:
    """Rename a finished cluster to `data` and make that last. Raises ConfigurationError if `data` is not empty."""
    try:
        target.rename(data)
    except OSError as error:
        raise ConfigurationError(
            f"{data} holds files but no PostgreSQL cluster ({error.strerror}): move them away, "
            "or choose another folder with --data-dir"
        ) from error
    parent = os.open(data.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def forget_last_run(data: Path, run_dir: Path) -> None:
    """Remove the lock files of a server that was killed; only while we hold its store lock, which proves it is gone.

    PostgreSQL itself can only look whether the recorded pid exists, and in a container the same pids come back.
    """
    for stale in (data / "postmaster.pid", run_dir / f".s.PGSQL.{_PORT}.lock", run_dir / f".s.PGSQL.{_PORT}"):
        stale.unlink(missing_ok=True)


async def accepts(data: Path) -> bool:
    """Whether the server says of itself that it accepts connections."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def _quoted(path: str) -> str:
    """A path as one element of a PostgreSQL list setting."""
    return '"' + path.replace('"', '""') + '"'
