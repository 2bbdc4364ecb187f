"""A port in, a line to it out that can drop everything: connections stay open, and nothing more comes through."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator


class DroppingLine:
    """A TCP proxy of threads on a port of its own; while it drops, it takes bytes and connections and gives none."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._drops = threading.Event()
        self._open: set[socket.socket] = set()
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def drop(self) -> None:
        """From here on nothing comes through, in either direction, on old connections and new ones."""
        self._drops.set()

    def restore(self) -> None:
        """Let new connections through. The old ones have lost bytes and are ended, as a restarted router does."""
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._drops.clear()

    def close(self) -> None:
        self._listening.close()
        self.restore()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near, socket.create_connection(("127.0.0.1", self._target)) as far:
            self._open |= {near, far}
            try:
                self._carry_until_closed({near: far, far: near})
            finally:
                self._open -= {near, far}

    def _carry_until_closed(self, other: dict[socket.socket, socket.socket]) -> None:
        while True:
            for end in select.select(list(other), [], [])[0]:
                data = end.recv(65_536)
                if not data:
                    return
                if not self._drops.is_set():
                    other[end].sendall(data)


@contextlib.contextmanager
def dropping_line(target: int) -> Iterator[DroppingLine]:
    line = DroppingLine(target)
    try:
        yield line
    finally:
        line.close()
