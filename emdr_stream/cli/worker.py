"""What the supervisor says on the command line in, one worker served: started by `serve --workers`, not by hand.

python -m emdr_stream.cli.worker PARENT_PID SLOT SOCKET_FD READY_FD OPTIONS
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from emdr_stream.app import Addresses
from emdr_stream.embedded.child import die_with_parent
from emdr_stream.endpoints.siblings import Siblings
from emdr_stream.environment import load_settings
from emdr_stream.errors import ConfigurationError, EmdrError
from emdr_stream.serving import run_loop, serve_worker
from emdr_stream.telemetry.logs import configure_logging


def main(argv: Sequence[str]) -> int:
    """Serve until a signal, or until the supervisor is gone; gives the exit code."""
    parent_pid, slot, socket_fd, ready_fd = map(int, argv[:4])
    options = json.loads(argv[4])
    die_with_parent(parent_pid, signal.SIGTERM)
    env_file = options["env_file"]
    settings = load_settings(Path(env_file) if env_file else None, **options["given"])
    configure_logging(settings.server.log_level, sys.stderr, worker=slot)
    redis_url, database_url = settings.stores.redis_url, settings.stores.database_url
    if redis_url is None or database_url is None:
        raise ConfigurationError("a worker needs the addresses of both stores: start it with `serve --workers`")
    addresses = Addresses(redis_url, database_url)
    listening = socket.socket(fileno=socket_fd)
    listening.setblocking(False)
    siblings = Siblings(settings.stores.data_dir / "workers", slot)

    def ready() -> None:
        os.write(ready_fd, b"1")
        os.close(ready_fd)

    run_loop(serve_worker(settings, addresses, [listening, siblings.listen()], siblings=siblings, ready=ready))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except EmdrError as problem:
        print(f"emdr-stream: {problem}", file=sys.stderr)
        sys.exit(2 if isinstance(problem, ConfigurationError) else 1)
