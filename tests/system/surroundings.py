"""Surroundings for tests of the embedded stores: folders that every account may enter, processes alive or gone."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emdr_stream.embedded.account import Account


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new temporary folder with the rights that pytest's own lack."""
    path = Path(tempfile.mkdtemp(prefix="emdr-stores-", dir=folder_in_memory()))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def folder_in_memory() -> Path | None:
    """A file system in memory with room for us, if there is one: twenty clusters on a busy disk take a minute."""
    path = Path("/dev/shm")
    if not path.is_dir():
        return None
    room = os.statvfs(path)
    fits = room.f_bavail * room.f_frsize > 1 << 30 and not room.f_flag & os.ST_NOEXEC
    return path if fits else None


def root_only(folder: Path) -> Path:
    """A folder inside `folder` that only root may enter."""
    path = folder / "closed"
    path.mkdir(mode=0o700)
    return path


def rename(folder: Path, name: str) -> Path:
    """Give the folder another name; gives its new path."""
    return folder.rename(folder.with_name(name))


@contextmanager
def living_process(account: Account | None) -> Iterator[int]:
    """The pid of a process that has nothing to do with us, except that the stores' account owns it."""
    switch = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"] if account else []
    with subprocess.Popen([*switch, "sleep", "60"]) as stranger:
        try:
            yield stranger.pid
        finally:
            stranger.kill()


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Wait for `condition`; false when it did not come true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_gone(pid: int) -> bool:
    """Whether no live process has this pid (a zombie that nobody reaped counts as gone)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def owner_of(pid: int) -> int:
    """The user id of a process."""
    return Path(f"/proc/{pid}").stat().st_uid
