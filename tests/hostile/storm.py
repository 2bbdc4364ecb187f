"""Options in, a count of connections on stdout: one peer that sends as fast as it can, and comes back when closed.

python -m tests.hostile.storm --port 8001 --kind pongs --seconds 5 < tokens.json
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Final

import msgpack

from tests.hostile.frames import BINARY, frame
from tests.system.raw_socket import request

_READ_BYTES: Final = 256_000
_PATH: Final = "/v1/stream"


def _packed(**message: object) -> bytes:
    return frame(bytes(msgpack.packb(message)), BINARY)


def _filled(unit: bytes) -> bytes:
    """As much as the service reads at once."""
    return unit * (_READ_BYTES // len(unit))


_LARGEST: Final = (
    b"\x83\xa4type\xa6sample\xa2ts\x01\xa7context\x81\xa1a\xdd" + (250_000).to_bytes(4, "big") + b"\x80" * 250_000
)
STORMS: Final[dict[str, Callable[[], bytes]]] = {
    "pongs": lambda: _filled(frame(b"", 0x8A)),
    "pings": lambda: _filled(frame(b"x" * 125, 0x89)),
    "fragments": lambda: frame(b"", 0x02) + _filled(frame(b"", 0x00)),
    "questions": lambda: _filled(_packed(type="ping", t0=1.0)),
    "stops": lambda: _filled(_packed(type="stop")),
    "samples": lambda: _filled(_packed(type="sample", ts=1.0, dimensions={"valence": 0.1})),
    "malformed": lambda: _filled(frame(b"\xc1", BINARY)),
    "largest messages": lambda: frame(_LARGEST, BINARY) * 4,
    "handshakes": lambda: b"",
}


async def stormed(port: int, kind: str, seconds: float, token: str) -> int:
    """Send until the time is over; gives how often it was let in."""
    hello = _packed(type="hello", source="emotion", token=token)
    data, ends, times = STORMS[kind](), time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(port, _PATH))
        try:
            if b" 101 " in await reader.readuntil(b"\r\n\r\n"):
                times += 1
            writer.write(hello if data else frame(b"\x03\xe8", 0x88))
            # What is answered is not read.
            while data and time.monotonic() < ends and not reader.at_eof():
                writer.write(data)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--kind", choices=STORMS, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    os.nice(10)
    print(asyncio.run(stormed(options.port, options.kind, options.seconds, json.load(sys.stdin)[_PATH])))


if __name__ == "__main__":
    main()
