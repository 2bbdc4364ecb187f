"""Takes the data folder and who we are, gives the account the stores run as: ours, or another one when we are root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emdr_stream.errors import ConfigurationError

_ACCOUNTS_FOR_ROOT: Final = ("emdr-stream", "postgres", "daemon", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """An existing account that root drops to for the stores."""

    name: str
    uid: int
    gid: int


def choose_account(data_dir: Path, wanted: str | None = None) -> Account | None:
    """The account to drop to, or None to stay who we are (whenever we are not root).

    PostgreSQL refuses to run as root. The owner of what is already there comes first, so that a folder keeps its
    account when others are added to the machine; then `wanted`; then the first of a few that exist nearly everywhere.

    Raises ConfigurationError when `wanted` does not exist, or nobody is left.
    """
    if os.geteuid() != 0:
        return None
    for folder in (data_dir / "postgres", data_dir):
        if folder.exists() and folder.stat().st_uid != 0:
            return _by_uid(folder.stat().st_uid, folder)
    if wanted is not None:
        return _by_name(wanted)
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in _ACCOUNTS_FOR_ROOT:
        if name in known:
            return _by_name(name)
    raise ConfigurationError(
        f"PostgreSQL cannot run as root and none of the accounts {', '.join(_ACCOUNTS_FOR_ROOT)} exists: "
        "create one (useradd --system emdr-stream) or start the service as an ordinary user"
    )


def account_can_enter(account: Account | None, folder: Path) -> bool:
    """Whether `account` (None: we ourselves) may enter `folder`; asked of the kernel, so access lists count."""
    if account is None:
        return os.access(folder, os.X_OK)
    return run_as(account, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]).returncode == 0


def run_as(account: Account | None, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a short command as `account` (None: ourselves), raising as `subprocess.run` does; 10 s at most."""
    common = {"PATH": os.defpath, "LC_ALL": "C"}
    if account is None:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False, env=common, cwd="/")
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
        env=common,
        cwd="/",
        user=account.uid,
        group=account.gid,
        extra_groups=[],
    )


def _by_name(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ConfigurationError(f"the account {name!r} for the stores does not exist on this machine") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _by_uid(uid: int, folder: Path) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigurationError(
            f"{folder} belongs to user id {uid}, which has no account here: change its owner (chown), "
            "or choose another folder with --data-dir"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
