"""Bytes of a WebP go in, its head comes out, or the reason of its refusal; read as in RFC 9649.

Animations are refused, and an extended file whose canvas is not its picture: a decoder would allocate the canvas.
"""

from collections.abc import Iterator
from typing import Final

from emdr_stream.domain import Limits
from emdr_stream.errors import ImageRejected
from emdr_stream.vision.head import SEND, PictureFormat, PictureHead, damaged, head_within, truncated

_KIND: Final = PictureFormat.WEBP
_MOST_CHUNKS: Final = 16
_EXTENDED: Final = b"VP8X"
_LOSSY: Final = b"VP8 "
_LOSSLESS: Final = b"VP8L"
_BESIDE: Final = frozenset({b"ALPH", b"ICCP", b"EXIF", b"XMP "})
"""Chunks that may stand beside the picture of an extended file."""
_MOVING: Final = 0x02
"""Bit of VP8X's flags: the file is an animation."""

Size = tuple[int, int]
"""Width and height in pixels."""


def is_webp(image: bytes) -> bool:
    return image[:4] == b"RIFF" and image[8:12] == b"WEBP"


def webp_head(image: bytes, limits: Limits) -> PictureHead:
    """The head of a WebP, as `is_webp` has found it to be, that is whole. Raises ImageRejected."""
    said = int.from_bytes(image[4:8], "little") + 8
    if said > len(image):
        raise truncated(_KIND)
    if said < len(image):
        raise ImageRejected("something follows the WebP's end", "send one picture in a frame")
    canvas, picture = _sizes(image, limits)
    if picture is None or canvas not in {None, picture}:
        raise damaged(_KIND, "its picture does not fit its header")
    return head_within(limits, _KIND, *picture)


def _sizes(image: bytes, limits: Limits) -> tuple[Size | None, Size | None]:
    """What the extended header says of the canvas, and the picture's own header of the picture."""
    canvas: Size | None = None
    picture: Size | None = None
    for place, (name, body) in enumerate(_chunks(image)):
        if name == _EXTENDED and place == 0:
            canvas = _canvas(body)
            head_within(limits, _KIND, *canvas)
        elif name in {_LOSSY, _LOSSLESS}:
            if picture is not None:
                raise ImageRejected("the WebP holds two pictures", "send one picture in a frame")
            picture = _lossy(body) if name == _LOSSY else _lossless(body)
        elif canvas is None or name not in _BESIDE:
            raise _unexpected(name)
    return canvas, picture


def _chunks(image: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk; an odd length is followed by a byte that fills."""
    position = 12
    for _ in range(_MOST_CHUNKS):
        if position == len(image):
            return
        length = int.from_bytes(image[position + 4 : position + 8], "little")
        end = position + 8 + length
        if position + 8 > len(image) or end + length % 2 > len(image):
            raise truncated(_KIND)
        yield image[position : position + 4], image[position + 8 : end]
        position = end + length % 2
    raise ImageRejected(f"the WebP has more than {_MOST_CHUNKS} chunks", SEND)


def _unexpected(name: bytes) -> ImageRejected:
    if name in {b"ANIM", b"ANMF"}:
        return ImageRejected("the WebP moves", "send one still picture in a frame")
    return damaged(_KIND, "an unknown chunk")


def _canvas(body: bytes) -> Size:
    if len(body) != 10:
        raise damaged(_KIND, "header")
    if body[0] & _MOVING:
        raise ImageRejected("the WebP moves", "send one still picture in a frame")
    return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1


def _lossy(body: bytes) -> Size:
    """Size in the header of a VP8 key frame: RFC 6386, 9.1."""
    tag = int.from_bytes(body[:3], "little")
    first_partition = tag >> 5
    if len(body) < 10 or tag & 1 or body[3:6] != b"\x9d\x01\x2a" or first_partition > len(body) - 10:
        raise damaged(_KIND, "its lossy picture")
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF


def _lossless(body: bytes) -> Size:
    """Size in the header of a VP8L picture: 14 bits each, less one; then alpha and a version that must be 0."""
    bits = int.from_bytes(body[1:5], "little")
    if len(body) < 5 or body[0] != 0x2F or bits >> 29:
        raise damaged(_KIND, "its lossless picture")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
