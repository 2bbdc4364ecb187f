"""Bytes of a JPEG go in, its head comes out, or the reason of its refusal; markers are walked as in ITU-T T.81, B.

Only what a camera or a canvas makes is taken: baseline (SOF0), 8 bits, grey or three components, each in one scan. A
progressive JPEG of 256 KiB with many scans costs a decoder seconds; other processes are not made by any browser.
"""

import re
from typing import Final

from emdr_stream.domain import Limits
from emdr_stream.errors import ImageRejected
from emdr_stream.vision.head import SEND, PictureFormat, PictureHead, damaged, head_within, truncated

JPEG_START: Final = b"\xff\xd8"

_KIND: Final = PictureFormat.JPEG
_EOI: Final = 0xD9
_SOS: Final = 0xDA
_SOF0: Final = 0xC0
_REFUSED: Final = {
    0xC1: "extended sequential",
    0xC2: "progressive",
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical progressive",
    0xC7: "hierarchical lossless",
    0xC8: "of a reserved process",
    0xC9: "arithmetic",
    0xCA: "arithmetic progressive",
    0xCB: "arithmetic lossless",
    0xCC: "arithmetic",
    0xCD: "hierarchical arithmetic",
    0xCE: "hierarchical arithmetic",
    0xCF: "hierarchical arithmetic",
    0xDC: "of a height told later (DNL)",
    0xDE: "hierarchical",
    0xDF: "hierarchical",
}
"""Frame headers and markers of other processes, by their second byte."""
_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
"""DHT, DQT, DRI, COM and the application segments: walked over."""
_MOST_SEGMENTS: Final = 64
"""A camera's JPEG has some ten; each costs the walk a microsecond and the decoder more."""
_SAMPLINGS: Final = frozenset({1, 2, 4})
_MOST_BLOCKS: Final = 10
"""Blocks of an interleaved unit: T.81, B.2.3."""
# In a scan's data 0xFF is followed by 0 (a stuffed byte), a restart marker, or by another 0xFF that fills.
_SCAN_END: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def jpeg_head(image: bytes, limits: Limits) -> PictureHead:
    """The head of a JPEG that starts with JPEG_START and is whole. Raises ImageRejected."""
    walk = _Walk(image, limits)
    position = len(JPEG_START)
    for _ in range(_MOST_SEGMENTS):
        marker = image[position : position + 2]
        if len(marker) < 2:
            raise truncated(_KIND)
        if marker[0] != 0xFF:
            raise damaged(_KIND, "no marker where one must be")
        if marker[1] == _EOI:
            return walk.end(position + 2)
        position = walk.segment(marker[1], position + 2)
    raise ImageRejected(f"the JPEG has more than {_MOST_SEGMENTS} segments", SEND)


class _Walk:
    """What the markers said so far."""

    def __init__(self, image: bytes, limits: Limits) -> None:
        self._image = image
        self._limits = limits
        self._head: PictureHead | None = None
        self._components: frozenset[int] = frozenset()
        self._to_come: frozenset[int] = frozenset()
        """Components without a scan yet."""

    def segment(self, marker: int, start: int) -> int:
        """Take the segment whose length stands at `start`; gives where the next marker is."""
        if marker in _REFUSED:
            raise ImageRejected(f"the JPEG is {_REFUSED[marker]}", SEND)
        length = int.from_bytes(self._image[start : start + 2], "big")
        end = start + length
        if end > len(self._image) or start + 2 > len(self._image):
            raise truncated(_KIND)
        if length < 2:
            raise damaged(_KIND, "a length that cannot be")
        body = self._image[start + 2 : end]
        if marker == _SOF0:
            self._frame(body)
        elif marker == _SOS:
            self._scan(body)
            return self._after_scan(end)
        elif marker not in _TABLES:
            raise damaged(_KIND, "an unknown marker")
        return end

    def end(self, position: int) -> PictureHead:
        """EOI was read up to `position`."""
        if self._head is None or self._to_come:
            raise damaged(_KIND, "it ends without its picture")
        if self._image[position:].strip(b"\0"):  # some cameras fill up with zeros
            raise ImageRejected("something follows the JPEG's end", "send one picture in a frame")
        return self._head

    def _frame(self, body: bytes) -> None:
        if self._head is not None:
            raise ImageRejected("the JPEG has two frame headers", SEND)
        if len(body) < 6 or len(body) != 6 + 3 * body[5]:
            raise damaged(_KIND, "frame header")
        if body[0] != 8:
            raise ImageRejected(f"the JPEG has {body[0]} bits a sample", "send 8 bits")
        if body[5] not in {1, 3}:
            raise ImageRejected(f"the JPEG has {body[5]} components", "send grey or YCbCr")
        height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        self._head = head_within(self._limits, _KIND, width, height)
        self._components = self._to_come = frozenset(body[6::3])
        _check_sampling(body)

    def _scan(self, body: bytes) -> None:
        if self._head is None:
            raise damaged(_KIND, "a scan before the frame header")
        if not body or len(body) != 4 + 2 * body[0]:
            raise damaged(_KIND, "scan header")
        named = body[1 : 1 + 2 * body[0] : 2]
        if not named or len(set(named)) != len(named) or not self._components.issuperset(named):
            raise damaged(_KIND, "scan header")
        if not self._to_come.issuperset(named):
            raise ImageRejected("the JPEG has more scans than components", SEND)
        self._to_come -= set(named)

    def _after_scan(self, start: int) -> int:
        found = _SCAN_END.search(self._image, start)
        if found is None:
            raise truncated(_KIND)
        return found.start()


def _check_sampling(body: bytes) -> None:
    """`body`: a frame header's, of a length that fits."""
    identifiers, factors = body[6::3], [divmod(both, 16) for both in body[7::3]]
    if len(set(identifiers)) != len(identifiers):
        raise damaged(_KIND, "frame header")
    blocks = sum(across * down for across, down in factors)
    if not all(_SAMPLINGS.issuperset(pair) for pair in factors) or blocks > _MOST_BLOCKS:
        raise ImageRejected("the JPEG's sampling factors are unusual", "send 4:4:4, 4:2:2 or 4:2:0")
