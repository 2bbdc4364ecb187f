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
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from emdr_stream.errors import ConfigurationError, ImageRejected, ModelFailed
from emdr_stream.vision.letters import (
    Answer,
    Begin,
    Failed,
    Keep,
    Leave,
    Load,
    Look,
    Order,
    Ready,
    Refused,
    Seen,
    Unpacking,
    packed,
)
from emdr_stream.vision.versions import Versions

if TYPE_CHECKING:
    from emdr_stream.vision.reader import Equipment

_READ_BYTES: Final = 1 << 16
_NICER: Final = 5
"""The service's own loop, which hears a client's stop, comes first."""
_ORDERS: Final[msgspec.msgpack.Decoder[Order]] = msgspec.msgpack.Decoder(Order)


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
    voice = Voice(service)
    began = start(begin)
    if isinstance(began, str):
        voice.say(Ready(problem=began))
        return
    equipment, versions = began
    for reader in begin.readers:
        voice.say(versions.load(reader))
    # Everything that may be written has been: from here on no picture can end in a file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    gc.freeze()
    voice.say(Ready())
    seats = Seats(equipment, versions)
    for order in orders:
        if isinstance(order, Look):
            voice.say(seats.look(order))
        elif isinstance(order, Leave):
            seats.leave(order.seat)
        else:
            _change(versions, order, voice)


def start(begin: Begin) -> "tuple[Equipment, Versions] | str":
    """What all seats share, or why there is none. Packages are imported here: they take a second."""
    try:
        from emdr_stream.vision.loading import load_finder, load_reader

        landmarker_file = None if begin.landmarker_file is None else Path(begin.landmarker_file)
        equipment = load_finder(begin.limits, landmarker_file, time.perf_counter)
    except ImportError as problem:
        return f"{problem}: install the package with its extra `webcam`"
    except (ConfigurationError, ModelFailed) as problem:
        return str(problem)
    models_dir = None if begin.models_dir is None else Path(begin.models_dir)
    return equipment, Versions(lambda reader: load_reader(models_dir, reader))


def _change(versions: Versions, order: Order, voice: "Voice") -> None:
    if isinstance(order, Load):
        versions.load_aside(order.reader, voice.say)
    elif isinstance(order, Keep):
        versions.keep(order.readers)
        _give_memory_back()


class Voice:
    """What this process says, one whole letter after the other: a version may be loaded while a picture is read."""

    def __init__(self, service: socket.socket) -> None:
        self._service = service
        self._turn = threading.Lock()

    def say(self, answer: Answer) -> None:
        letter = packed(answer)
        with self._turn:
            self._service.sendall(letter)


class Seats:
    """A reader for each camera, made at its first picture."""

    def __init__(self, equipment: "Equipment", versions: Versions) -> None:
        from emdr_stream.vision.reader import FaceReader

        self._versions = versions
        self._equipment = equipment
        self._new_reader = FaceReader
        self._readers: dict[int, FaceReader] = {}

    def look(self, order: Look) -> Answer:
        """One answer, whatever happens."""
        try:
            reader = self._readers.get(order.seat)
            if reader is None:
                reader = self._readers[order.seat] = self._new_reader(self._equipment)
            reader.expression = self._versions.of(order.reader)
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
