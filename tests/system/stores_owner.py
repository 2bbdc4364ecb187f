"""A process that owns embedded stores, for tests that kill it: writes a row and a key, prints a line, reads its stdin.

    python stores_owner.py DATA_DIR [ACCOUNT PYTHON CHILD_SCRIPT VALKEY POSTGRES_BIN_DIR]

With an account it becomes an ordinary user first (for runs as root); the other arguments are then files which that
account can read, as those of an ordinary user would be.
"""

import asyncio
import json
import os
import pwd
import sys
from pathlib import Path

import asyncpg

from emdr_stream.embedded import EmbeddedStores, process


async def own(data_dir: Path, valkey_binary: Path | None, postgres_bin_dir: Path | None) -> None:
    """Run the stores until standard input ends."""
    async with EmbeddedStores(data_dir, valkey_binary=valkey_binary, postgres_bin_dir=postgres_bin_dir) as addresses:
        database = await asyncpg.connect(addresses.database_url)
        await database.execute("create table if not exists kept (word text)")
        await database.execute("insert into kept values ('acknowledged')")
        await database.close()
        # By hand: an ordinary user cannot import more of a Python that lies in root's home, and it is faster.
        reader, writer = await asyncio.open_unix_connection(data_dir / "run" / "valkey.sock")
        writer.write(b"SET word acknowledged\r\n")
        assert await reader.readline() == b"+OK\r\n"
        writer.close()
        pids = {name: int((data_dir / f"{name}.lock").read_text()) for name in ("valkey", "postgres")}
        print(json.dumps({"pids": pids, "uid": os.geteuid()}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


def become(name: str, home: Path) -> None:
    """Change to the account for good."""
    account = pwd.getpwnam(name)
    # asyncio imports its threads late, when a Python in root's home is out of reach.
    asyncio.run(asyncio.to_thread(os.getpid))
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = str(home)


def main() -> None:
    """Read the arguments, change the account if asked, run."""
    data_dir, *ordinary = sys.argv[1:]
    valkey_binary = postgres_bin_dir = None
    if ordinary:
        account, python, child, valkey, postgres = ordinary
        become(account, Path(data_dir))
        sys.executable = python
        process.CHILD_SCRIPT = Path(child)
        valkey_binary, postgres_bin_dir = Path(valkey), Path(postgres)
    asyncio.run(own(Path(data_dir), valkey_binary, postgres_bin_dir))


if __name__ == "__main__":
    main()
