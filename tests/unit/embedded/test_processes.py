"""One process of a store and the locks around it, with small commands of the system instead of the stores."""

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emdr_stream.embedded.account import choose_account
from emdr_stream.embedded.folder import lock_folder, lock_store, own_directory, running_stores, socket_dir, write_pid
from emdr_stream.embedded.process import Launch, StoreProcess
from emdr_stream.embedded.record import StoresRecord, read_record, write_record
from emdr_stream.errors import ConfigurationError

pytestmark = pytest.mark.anyio


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Everything a process needs but its command."""
    lock_fd = os.open(tmp_path / "store.lock", os.O_RDWR | os.O_CREAT)
    yield Launch("store", tmp_path / "store.log", None, lock_fd, signal.SIGTERM)
    os.close(lock_fd)


def ignore() -> None:
    """Nobody listens."""


def shell(script: str) -> list[str]:
    """A command."""
    return ["/bin/sh", "-c", script]


async def test_the_end_is_told_with_code_and_last_lines_of_this_run_only(launch: Launch) -> None:
    for word in ("first", "second"):
        process = StoreProcess(launch, shell(f"echo {word} words; exit 7"), ignore)
        ended = await process.wait()
        assert (ended.name, ended.exit_code, ended.log_tail) == ("store", 7, f"{word} words")
    assert launch.log.read_text() == "first words\nsecond words\n"


async def test_a_process_that_ignores_the_signal_is_killed(launch: Launch) -> None:
    process = StoreProcess(launch, shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"), ignore)
    while "ready" not in process.log_tail():
        os.sched_yield()
    await process.stop([(signal.SIGTERM, 0.1), (signal.SIGKILL, 5.0)])
    assert process.exit is not None
    assert process.exit.exit_code == -signal.SIGKILL


async def test_the_end_is_told_only_when_the_last_child_has_gone(launch: Launch) -> None:
    process = StoreProcess(launch, shell("sleep 0.2 & echo $$"), ignore)
    started = time.monotonic()
    assert (await process.wait()).exit_code == 0
    assert time.monotonic() - started >= 0.2


async def test_secrets_of_the_service_do_not_reach_the_store(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDR_TOKEN_SECRET", "hush")
    monkeypatch.setenv("PGPORT", "1")
    process = StoreProcess(launch, ["/usr/bin/env"], ignore)
    await process.wait()
    names = {line.partition("=")[0] for line in launch.log.read_text().splitlines()}
    assert "LC_ALL" in names
    assert not names & {"EMDR_TOKEN_SECRET", "PGPORT"}


async def test_files_of_the_store_are_private(launch: Launch, tmp_path: Path) -> None:
    await StoreProcess(launch, shell(f"touch {tmp_path}/made"), ignore).wait()
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o600
    assert stat.S_IMODE(launch.log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("script", "expected"),
    [("echo; exec sleep 60", -signal.SIGTERM), ("trap '' TERM; echo; while :; do sleep 0.05; done", -signal.SIGKILL)],
    ids=["obedient", "deaf"],
)
async def test_a_store_of_an_earlier_start_is_asked_to_stop_and_then_killed(
    tmp_path: Path, script: str, expected: int
) -> None:
    fd = await lock_store(tmp_path, "store", signal.SIGTERM)
    with subprocess.Popen(shell(script), pass_fds=[fd], stdout=subprocess.PIPE) as orphan:  # noqa: ASYNC220 - at once
        try:
            assert orphan.stdout
            orphan.stdout.readline()
            write_pid(fd, orphan.pid)
            os.close(fd)
            os.close(await lock_store(tmp_path, "store", signal.SIGTERM, patience_s=0.5))
            assert orphan.wait(5) == expected
        finally:
            orphan.kill()


async def test_a_folder_in_use_names_the_pid_and_is_free_afterwards(tmp_path: Path) -> None:
    record = StoresRecord("unix:///r", "postgresql:///p", "/run", "valkey", "9.1.2")
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert running_stores(tmp_path) is None
    fd = await lock_folder(tmp_path)
    with pytest.raises(ConfigurationError, match=rf"in use by the process with pid {os.getpid()}: stop that one"):
        await lock_folder(tmp_path, patience_s=0)
    addresses = running_stores(tmp_path)
    assert addresses is not None
    assert addresses.redis_url == "unix:///r"
    os.close(fd)
    os.close(await lock_folder(tmp_path, patience_s=0))


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    for content in ("", "[]", '{"redis_url": "x"}', "\udcff"):
        (tmp_path / "stores.json").write_text(content, errors="surrogateescape")
        assert read_record(tmp_path) is None


def test_a_socket_folder_laid_out_by_somebody_else_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "run").symlink_to(elsewhere)
    with pytest.raises(ConfigurationError, match="run is not a folder of the account"):
        socket_dir(tmp_path, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
def test_a_folder_of_another_account_is_refused_and_decides_whom_root_drops_to(tmp_path: Path) -> None:
    path = tmp_path / "postgres"
    path.mkdir()
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigurationError, match="belongs to nobody"):
        own_directory(path, None)
    account = choose_account(tmp_path)
    assert account is not None
    assert account.name == "nobody"
    os.chown(path, 54321, 54321)
    with pytest.raises(ConfigurationError, match=r"user id 54321, which has no account here: change its owner"):
        choose_account(tmp_path)
    with pytest.raises(ConfigurationError, match="'nobody-at-all' for the stores does not exist"):
        choose_account(tmp_path / "new", "nobody-at-all")
