"""Orders on a socket go in, readings of faces go out: the process that sees pictures. It keeps none and writes no file.

    python -m emdr_stream.vision.worker SOCKET_FD

It is started by `vision/launch.py`, and ends when the other side of its socket does.
"""

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from emdr_stream.errors import ConfigurationError, ImageRejected, ModelFailed
from emdr_stream.vision.letters import (
    Answer,
    Begin,
    Failed,
    Leave,
    Look,
    Order,
    Ready,
    Refused,
    Seen,
    Unpacking,
    packed,
)

if TYPE_CHECKING:
    from emdr_stream.vision.reader import Equipment

_READ_BYTES: Final = 1 << 18
_NICER: Final = 5
"""The service's own loop, which hears a client's stop, comes first."""
_ORDERS: Final[msgspec.msgpack.Decoder[Order]] = msgspec.msgpack.Decoder(Order)

Loaded: TypeAlias = "Equipment | None"


def main() -> None:
    """Until the socket ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's affair
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a picture would lie in it
    os.nice(_NICER)
    with socket.socket(fileno=int(sys.argv[1])) as service:
        serve(service)


def serve(service: socket.socket) -> None:
    """Carry out what is ordered, one after the other."""
    orders = _orders(service)
    begin = next(orders, None)
    if not isinstance(begin, Begin):
        return
    equipment, ready = load(begin)
    # Everything that may be written has been: from here on no picture can end in a file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    gc.freeze()
    service.sendall(packed(ready))
    if equipment is None:
        return
    seats = Seats(equipment)
    for order in orders:
        if isinstance(order, Look):
            service.sendall(packed(seats.look(order)))
        elif isinstance(order, Leave):
            seats.leave(order.seat)


def load(begin: Begin) -> tuple[Loaded, Ready]:
    """What all seats share, or why there is none. Packages are imported here: they take a second."""
    try:
        from emdr_stream.vision.loading import load_equipment

        equipment, no_expression = load_equipment(
            begin.limits,
            None if begin.landmarker_file is None else Path(begin.landmarker_file),
            None if begin.models_dir is None else Path(begin.models_dir),
            time.perf_counter,
        )
    except ImportError as problem:
        return None, Ready(problem=f"{problem}: install the package with its extra `webcam`")
    except (ConfigurationError, ModelFailed) as problem:
        return None, Ready(problem=str(problem))
    return equipment, Ready(no_expression=no_expression)


class Seats:
    """A reader for each camera, made at its first picture."""

    def __init__(self, equipment: "Equipment") -> None:
        from emdr_stream.vision.reader import FaceReader

        self._equipment = equipment
        self._new_reader = FaceReader
        self._readers: dict[int, FaceReader] = {}

    def look(self, order: Look) -> Answer:
        """One answer, whatever happens."""
        try:
            reader = self._readers.get(order.seat)
            if reader is None:
                reader = self._readers[order.seat] = self._new_reader(self._equipment)
            return Seen(order.frame, reader.read(order.image, order.ts_ms))
        except ImageRejected as refused:
            return Refused(order.frame, refused.wrong, refused.send)
        except Exception as problem:  # the next picture finds a fresh reader
            self.leave(order.seat)
            return Failed(order.frame, type(problem).__name__)

    def leave(self, seat: int) -> None:
        """Free what the seat held, and give it back to the system: the allocator would keep most of it."""
        reader = self._readers.pop(seat, None)
        if reader is not None:
            reader.close()
            _give_memory_back()


def _orders(service: socket.socket) -> Iterator[Order]:
    unpacking = Unpacking(1 << 31)  # the service may say what it likes
    while data := service.recv(_READ_BYTES):
        yield from map(_ORDERS.decode, unpacking.feed(data))


def _give_memory_back() -> None:
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
        if trim is not None:
            trim(0)


if __name__ == "__main__":
    main()
