"""A data folder goes in, the secret that signs tokens comes out; it is made at the first start and stays."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from emdr_stream.errors import ConfigurationError

LEAST_KEY_BYTES: Final = 32
"""RFC 7518, section 3.2: a key of HS256 must not be shorter than the hash."""

_FILE: Final = "token.key"


def key_file(data_dir: Path) -> Path:
    return data_dir / _FILE


def read_or_make_key(data_dir: Path, *, make_folder: bool = True) -> bytes:
    """The key of this data folder; made, for our account's eyes only, if there is none.

    With `make_folder` False an absent folder is refused: a key that no service uses would sign worthless tokens.
    Raises ConfigurationError when the file cannot be made or read, is too short, or others can read it.
    """
    path = key_file(data_dir)
    try:
        if not path.exists():
            _make(path, make_folder)
        mode = stat.S_IMODE(path.stat().st_mode)
        key = path.read_bytes().strip()
    except OSError as problem:
        raise ConfigurationError(
            f"the token key {path} cannot be used ({problem.strerror}): run as the account of the service, "
            "choose another folder with EMDR_DATA_DIR, or set EMDR_TOKEN_KEY"
        ) from problem
    if mode & 0o077:
        raise ConfigurationError(f"others can read the token key {path}: chmod 600 it, or delete it to get a new one")
    if len(key) < LEAST_KEY_BYTES:
        raise ConfigurationError(
            f"the token key {path} is shorter than {LEAST_KEY_BYTES} bytes: delete it to get a new one"
        )
    return key


def _make(path: Path, make_folder: bool) -> None:
    if not path.parent.is_dir():
        if not make_folder:
            raise ConfigurationError(
                f"there is no data folder {path.parent} yet: start the service once, name its folder with "
                "EMDR_DATA_DIR or --data-dir, or set EMDR_TOKEN_KEY"
            )
        path.parent.mkdir(parents=True)
        # Started by root, the embedded stores run as another account that must be able to pass through.
        path.parent.chmod(0o711 if os.geteuid() == 0 else 0o700)
    partial = path.with_name(f"{_FILE}.{os.getpid()}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secrets.token_urlsafe(48).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # Unlike a rename, a link never replaces a key that another process made meanwhile.
        path.hardlink_to(partial)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
