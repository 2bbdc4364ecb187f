"""WebSocket frames (RFC 6455, section 5.2): a message in, its frame out; a buffer in, the place of a payload out."""

from collections.abc import Iterator
from struct import Struct
from typing import Final

MAX_REASON_BYTES: Final = 123
"""A control frame carries 125 bytes, two of them the close code (RFC 6455, section 5.5)."""

FIN: Final = 0x80
TEXT: Final = FIN | 0x1
BINARY: Final = FIN | 0x2

_SHORT_TEXT: Final = tuple(bytes((TEXT, length)) for length in range(126))
_SHORT_BINARY: Final = tuple(bytes((BINARY, length)) for length in range(126))
_MIDDLING_HEAD: Final = Struct(">BBH").pack
_MASK_BYTES: Final = 4


def encode(data: bytes | str) -> bytes:
    """Return the one unmasked frame that carries a whole message, text for str and binary for bytes."""
    if isinstance(data, str):
        payload, head, short = data.encode(), TEXT, _SHORT_TEXT
    else:
        payload, head, short = data, BINARY, _SHORT_BINARY
    length = len(payload)
    if 126 <= length < 65_536:
        return _MIDDLING_HEAD(head, 126, length) + payload
    if length < 126:
        return short[length] + payload
    return bytes((head, 127)) + length.to_bytes(8, "big") + payload


def masked_payload(buffer: bytes, at: int) -> tuple[int, int]:
    """Find the payload of the masked frame whose first byte is `buffer[at]`.

    Returns:
        Start and end of the payload; the mask is the four bytes before the start. The end may lie beyond the buffer.
        (0, 0) if the buffer is too short to tell.
    """
    end = len(buffer)
    if end - at < 2:
        return 0, 0
    length = buffer[at + 1] & 0x7F
    if length < 126:
        start = at + 2 + _MASK_BYTES
    elif length == 126:
        start = at + 4 + _MASK_BYTES
        length = int.from_bytes(buffer[at + 2 : at + 4], "big")
    else:
        start = at + 10 + _MASK_BYTES
        length = int.from_bytes(buffer[at + 2 : at + 10], "big")
    # With a part of the header missing, the length read above is not the real one.
    return (start, start + length) if end >= start - _MASK_BYTES else (0, 0)


class FrameSplitter:
    """Cuts a stream of masked frames into whole frames, whatever the pieces it arrives in.

    Args:
        max_payload_bytes: A longer frame is not waited for.
    """

    __slots__ = ("_max_payload_bytes", "_needed_bytes", "partial")

    def __init__(self, max_payload_bytes: int) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._needed_bytes = 0
        self.partial = bytearray()

    def split(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield each frame with the start of its payload; the beginning of another is kept for the next call.

        A frame that can never become valid, too long or not masked, comes at once with all that follows it and a
        start of 0, for a parser to refuse; nothing may be fed after that.
        """
        if self.partial:
            self.partial += data
            if len(self.partial) < self._needed_bytes:
                return
            data = bytes(self.partial)
            self.partial.clear()
        at, end = 0, len(data)
        while at < end:
            start, stop = masked_payload(data, at)
            if start and self._is_hopeless(data[at + 1], stop - start):
                yield data[at:], 0
                return
            if not start or stop > end:
                self.partial += data[at:]
                self._needed_bytes = stop - at if start else end - at + 1
                return
            yield data[at:stop], start - at
            at = stop

    def _is_hopeless(self, second_byte: int, payload_bytes: int) -> bool:
        return second_byte < 0x80 or payload_bytes > self._max_payload_bytes


def close_reason(reason: str) -> str:
    """Cut a reason to what a close frame can carry, never through the middle of a character."""
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
