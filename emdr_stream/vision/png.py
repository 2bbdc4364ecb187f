"""Bytes of a PNG go in, its head comes out, or the reason of its refusal; chunks are walked as in the W3C's PNG, 5.

Compressed ancillary chunks are refused: libpng inflates them before it shows a pixel, to any size. So is what moves
(APNG), and what no canvas makes: 16 bits a sample, thousands of chunks.
"""

import zlib
from collections.abc import Iterator
from typing import Final
from zlib import crc32

from emdr_stream.domain import Limits
from emdr_stream.errors import ImageRejected
from emdr_stream.vision.head import SEND, PictureFormat, PictureHead, damaged, head_within, truncated

PNG_START: Final = b"\x89PNG\r\n\x1a\n"

_KIND: Final = PictureFormat.PNG
_MOST_CHUNKS: Final = 512
"""Encoders that write the smallest pieces, of 4 KiB, need 64 for 256 KiB; each costs the walk two microseconds."""
_ANCILLARY_BYTES: Final = 8_192
_COMPRESSED: Final = frozenset({b"zTXt", b"iTXt", b"iCCP"})
_ANIMATED: Final = frozenset({b"acTL", b"fcTL", b"fdAT"})
_DEPTHS: Final = {0: {1, 2, 4, 8}, 2: {8}, 3: {1, 2, 4, 8}, 4: {8}, 6: {8}}
"""Bits a sample, by colour type: the W3C's table 11.1 without 16 bits."""
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel, by colour type."""
_PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column and row, and the steps, of each pass (W3C's PNG, 8.2)."""
_FRAMING: Final = 12
"""Length, name and checksum of a chunk, in bytes."""


def png_head(image: bytes, limits: Limits) -> PictureHead:
    """The head of a PNG that starts with PNG_START and is whole. Raises ImageRejected."""
    walk = _Walk(limits)
    position = len(PNG_START)
    for _ in range(_MOST_CHUNKS):
        if position + _FRAMING > len(image):
            raise truncated(_KIND)
        length = int.from_bytes(image[position : position + 4], "big")
        end = position + _FRAMING + length
        if end > len(image):
            raise truncated(_KIND)
        name, body = image[position + 4 : position + 8], image[position + 8 : end - 4]
        if crc32(body, crc32(name)) != int.from_bytes(image[end - 4 : end], "big"):
            raise damaged(_KIND, "a checksum")
        if name == b"IEND":
            return walk.end(rest=len(image) - end)
        walk.chunk(name, body)
        position = end
    raise ImageRejected(f"the PNG has more than {_MOST_CHUNKS} chunks", SEND)


def refuse_long_pixels(image: bytes) -> None:
    """Raise ImageRejected when the pixels of a PNG inflate to more than its header speaks of.

    libpng inflates all of it before it is done, 250 MiB of it from as many kB. This inflates no more than is right, in
    some milliseconds: it is for the process that decodes. `image`: one whose head `png_head` has found harmless.
    """
    right = _pixel_bytes(image[16:29])
    inflating = zlib.decompressobj()
    inflated = 0
    try:
        for body in _data_chunks(image):
            piece = body
            while piece and not inflating.eof:
                inflated += len(inflating.decompress(piece, right + 1 - inflated))
                piece = inflating.unconsumed_tail
                if inflated > right:
                    raise ImageRejected("the PNG's pixels are more than its header says", SEND)
    except zlib.error:
        raise damaged(_KIND, "its pixels cannot be inflated") from None


def _pixel_bytes(header: bytes) -> int:
    """What the pixels take inflated, each line with its filter's byte. `header`: the 13 bytes of IHDR."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits = header[8] * _SAMPLES[header[9]]
    passes = _PASSES if header[12] else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _data_chunks(image: bytes) -> Iterator[bytes]:
    position = len(PNG_START)
    while position + _FRAMING <= len(image):
        length = int.from_bytes(image[position : position + 4], "big")
        if image[position + 4 : position + 8] == b"IDAT":
            yield image[position + 8 : position + 8 + length]
        position += _FRAMING + length


class _Walk:
    """What the chunks said so far."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._head: PictureHead | None = None
        self._palette_missing = False
        self._pixels = False
        self._last = b""
        self._ancillary = 0

    def chunk(self, name: bytes, body: bytes) -> None:
        """Take any chunk but the last."""
        if name in _ANIMATED:
            raise ImageRejected("the PNG moves", "send one still picture in a frame")
        if name in _COMPRESSED:
            raise ImageRejected("the PNG holds compressed text or a colour profile", "send it without")
        if (name == b"IHDR") != (self._head is None):
            raise damaged(_KIND, "the order of its chunks")
        if name == b"IHDR":
            self._header(body)
        elif name == b"IDAT":
            self._data()
        elif name == b"PLTE":
            self._palette_missing = False
        else:
            self._extra(name, body)
        self._last = name

    def end(self, rest: int) -> PictureHead:
        """IEND was read; `rest`: how many bytes follow it."""
        if self._head is None or not self._pixels:
            raise damaged(_KIND, "it ends without its picture")
        if rest:
            raise ImageRejected("something follows the PNG's end", "send one picture in a frame")
        return self._head

    def _header(self, body: bytes) -> None:
        if len(body) != 13:
            raise damaged(_KIND, "header")
        depth, colour, compression, filtering, interlace = body[8:]
        if depth == 16:
            raise ImageRejected("the PNG has 16 bits a sample", "send 8 bits")
        if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
            raise damaged(_KIND, "header")
        width, height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        self._head = head_within(self._limits, _KIND, width, height)
        self._palette_missing = colour == 3

    def _data(self) -> None:
        if self._palette_missing or (self._pixels and self._last != b"IDAT"):
            raise damaged(_KIND, "the order of its chunks")
        self._pixels = True

    def _extra(self, name: bytes, body: bytes) -> None:
        if not name.isalpha() or name[:1].isupper():
            raise damaged(_KIND, "an unknown chunk")
        self._ancillary += len(body)
        if self._ancillary > _ANCILLARY_BYTES:
            raise ImageRejected(f"the PNG holds more than {_ANCILLARY_BYTES} bytes beside its pixels", SEND)
