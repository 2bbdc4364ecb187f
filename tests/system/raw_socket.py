"""A port in, a socket that has shaken hands out, with no WebSocket library behind it that would keep to the rules."""

import contextlib
import socket
from collections.abc import Iterator

from tests.system.sockets import MSGPACK


def request(port: int, path: str, subprotocol: str = MSGPACK, more_headers: str = "") -> bytes:
    """The bytes of an upgrade."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {subprotocol}\r\n{more_headers}\r\n"
    ).encode("latin-1")


@contextlib.contextmanager
def shaken(port: int, path: str, more_headers: str = "") -> Iterator[tuple[socket.socket, bytes]]:
    """An upgraded socket, and the headers that answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(request(port, path, more_headers=more_headers))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += raw.recv(1)
        assert b" 101 " in answer, answer
        yield raw, answer


def read_to_end(raw: socket.socket) -> bytes:
    """All that comes until the other side ends it, however it does."""
    everything = b""
    with contextlib.suppress(ConnectionResetError, TimeoutError):
        while chunk := raw.recv(65_536):
            everything += chunk
    return everything


def is_ended(raw: socket.socket) -> bool:
    """Whether the other side has ended the connection; waits as long as the socket's own timeout."""
    try:
        return raw.recv(65_536) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
