"""Takes a data folder and the stores' account, gives prepared subfolders, a place for sockets, and locks."""

import asyncio
import fcntl
import hashlib
import os
import pwd
import signal
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from emdr_stream.embedded.account import Account, account_can_enter
from emdr_stream.embedded.record import StoreAddresses, read_record
from emdr_stream.errors import ConfigurationError

# A socket's path holds 107 bytes on Linux, 103 on macOS; PostgreSQL appends "/.s.PGSQL.5432" (14 bytes).
_LONGEST_SOCKET_DIR_BYTES: Final = 103 - 14
_POLL_S: Final = 0.02


def default_data_dir() -> Path:
    """`/var/lib/emdr-stream` for root, whose home other accounts cannot enter; the user's data folder otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/emdr-stream")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "emdr-stream"


def running_stores(data_dir: Path) -> StoreAddresses | None:
    """The addresses of stores that another process runs on `data_dir` now, or None; for commands beside a service."""
    try:
        fd = os.open(data_dir / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        record = read_record(data_dir)
        return StoreAddresses(record.redis_url, record.database_url) if record else None
    finally:
        os.close(fd)
    return None


def prepare_folder(data_dir: Path, account: Account | None) -> None:
    """Make the folder and those of the stores inside. Raises ConfigurationError when it cannot be used as it is."""
    try:
        if not data_dir.exists():
            data_dir.mkdir(parents=True)
            data_dir.chmod(0o711 if account else 0o700)
        (data_dir / "logs").mkdir(mode=0o700, exist_ok=True)
        if not account_can_enter(account, data_dir):
            raise ConfigurationError(_cannot_enter(data_dir, account))
        for name in ("valkey", "postgres"):
            own_directory(data_dir / name, account)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {data_dir} cannot be used ({error.strerror}: {error.filename}): "
            "give us the right to write there, or choose another folder with --data-dir"
        ) from error


def own_directory(path: Path, account: Account | None) -> None:
    """Make `path` a folder for the stores' account alone. Raises ConfigurationError if it belongs to somebody else."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    info = path.lstat()
    uid = os.geteuid() if account is None else account.uid
    if not stat.S_ISDIR(info.st_mode) or info.st_uid not in {uid, os.geteuid()}:
        raise ConfigurationError(
            f"{path} is not a folder of the account {_account_name(uid)} but belongs to {_account_name(info.st_uid)}: "
            "start as that account (or as root), remove it, or choose another folder with --data-dir"
        )
    if account is not None and info.st_uid != account.uid:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    path.chmod(0o700)


def socket_dir(data_dir: Path, account: Account | None) -> Path:
    """A prepared folder for the sockets: `run` in the data folder, or one under /tmp if that path is too long."""
    run_dir = data_dir / "run"
    if len(os.fsencode(run_dir)) > _LONGEST_SOCKET_DIR_BYTES:
        uid = os.geteuid() if account is None else account.uid
        digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
        run_dir = Path(f"/tmp/emdr-{digest}-{uid}")  # noqa: S108 - owner and mode are checked by own_directory
    own_directory(run_dir, account)
    return run_dir


async def lock_folder(data_dir: Path, patience_s: float = 0.5) -> int:
    """Take the folder for this process; gives the lock's descriptor, to be closed at the end.

    The short patience bridges a `running_stores` of another command. Raises ConfigurationError with the owner's pid.
    """
    fd = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if not await _locked_within(fd, patience_s):
        owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise ConfigurationError(
            f"the data folder {data_dir} is in use by the process with pid {owner}: "
            "stop that one, or choose another folder with --data-dir"
        )
    write_pid(fd, os.getpid())
    return fd


async def lock_store(data_dir: Path, name: str, stop_signal: signal.Signals, patience_s: float = 10.0) -> int:
    """Wait until no process of an earlier start of this store is left; gives a lock that the new process shall inherit.

    The store and all its children hold the lock, so it is free exactly when the last of them has gone. One that
    outlived its service is asked to stop and, after `patience_s`, killed. Raises ConfigurationError if it stays.
    """
    fd = os.open(data_dir / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    for signal_to_send in (None, stop_signal, signal.SIGKILL):
        if signal_to_send is not None:
            _signal_holder(fd, signal_to_send)
        if await _locked_within(fd, patience_s if signal_to_send else 0.0):
            os.ftruncate(fd, 0)
            return fd
    os.close(fd)
    raise ConfigurationError(f"a {name} of an earlier start still runs on {data_dir}: end it, then start again")


def write_pid(fd: int, pid: int) -> None:
    """Write `pid` as the lock's only content."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{pid}\n".encode(), 0)


def _signal_holder(fd: int, signal_to_send: signal.Signals) -> None:
    """Signal the pid in a lock that is held; it was written after the lock was taken, so it is one of the holders."""
    content = os.pread(fd, 32, 0).strip()
    if content.isdigit():
        with suppress(ProcessLookupError):
            os.kill(int(content), signal_to_send)


async def _locked_within(fd: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_S)
        else:
            return True


def _cannot_enter(data_dir: Path, account: Account | None) -> str:
    name = account.name if account else _account_name(os.geteuid())
    return (
        f"the account {name}, as which the stores run, cannot enter the data folder {data_dir}: choose one that is not "
        f"inside a root-only folder with --data-dir (root's default is /var/lib/emdr-stream), or chmod o+x its parents"
    )


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"
