"""Options in, a report as JSON on stdout: hostile peers of every socket and subprotocol against a running service.

    python -m tests.hostile --port 8001 --seed 7 --mutants 1000 < tokens.json

It runs as a process of its own, so that it takes no time from the honest client that a test measures.
"""

import argparse
import asyncio
import json
import os
import sys

from emdr_stream.wire.codec import SUBPROTOCOLS
from tests.hostile.peer import HostilePeer
from tests.hostile.valid import BY_PATH


async def attacked(port: int, seed: int, mutants: int, tokens: dict[str, str]) -> list[HostilePeer]:
    """All four peers at once, after their last mutant."""
    peers = [
        HostilePeer(port, path, subprotocol, seed, lambda path=path: tokens[path])  # type: ignore[misc]
        for path in BY_PATH
        for subprotocol in SUBPROTOCOLS
    ]
    async with asyncio.TaskGroup() as group:
        for peer in peers:
            group.create_task(peer.run(mutants // len(peers)))
    return peers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--mutants", type=int, required=True, help="of all peers together")
    options = parser.parse_args()
    # The service and the honest client come first: what is measured is not a lack of processors.
    os.nice(10)
    peers = asyncio.run(attacked(options.port, options.seed, options.mutants, json.load(sys.stdin)))
    print(json.dumps({f"{peer.path} {peer.subprotocol}": vars(peer.report) for peer in peers}))


if __name__ == "__main__":
    main()
