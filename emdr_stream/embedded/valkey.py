"""Takes a Redis-protocol binary and its folders, gives its command line and whether it answers."""

import asyncio
import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

from emdr_stream.embedded.process import StopStep

DEATH_SIGNAL: Final = signal.SIGTERM  # a clean shutdown: the append-only file is flushed and synced
STOP_STEPS: Final[tuple[StopStep, ...]] = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


def socket_path(run_dir: Path) -> Path:
    """Where the server listens."""
    return run_dir / "valkey.sock"


def url(run_dir: Path) -> str:
    """The address for redis-py."""
    return f"unix://{quote(str(socket_path(run_dir)))}"


def command(binary: Path, data: Path, run_dir: Path) -> list[str]:
    """The command line: no TCP port, each write in a file before it is acknowledged, synced every second.

    While a sync takes long, on a busy disk, writes wait for up to two seconds and are acknowledged meanwhile: a kill
    may cost those. Alerts have a journal of their own, and a claim is above every epoch that is known elsewhere.
    """
    options = {
        "port": "0",
        "unixsocket": str(socket_path(run_dir)),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "logfile": "",
        # Rewriting the file doubles memory for a moment; below 16 MiB it is not worth it.
        "auto-aof-rewrite-min-size": "16mb",
    }
    return [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]


async def answers(run_dir: Path) -> bool:
    """Whether the server answers a PING with PONG: it has loaded its file."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path(run_dir))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await reader.readline()).startswith(b"+PONG")
    except OSError:
        return False
    finally:
        writer.close()
