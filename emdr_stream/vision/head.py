"""What a picture's own headers say goes in, a head within the limits comes out; the one refusal all formats share."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from emdr_stream.domain import Limits
from emdr_stream.errors import ImageRejected

LEAST_SIDE: Final = 32
"""A picture with a shorter side cannot show a face: the detector itself looks at 128x128 pixels."""
SEND: Final = "send a baseline JPEG, as canvas.toBlob makes it, or a still WebP or PNG"
AGAIN: Final = "send the whole picture again"


class PictureFormat(StrEnum):
    """The formats that are taken."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


@dataclass(frozen=True, slots=True)
class PictureHead:
    """What a picture says of itself: its format, and its size in pixels as it is stored."""

    format: PictureFormat
    width: int
    height: int


def head_within(limits: Limits, kind: PictureFormat, width: int, height: int) -> PictureHead:
    """The head, if the size is allowed, lying or standing. Raises ImageRejected."""
    longest, shortest = sorted(limits.pixels, reverse=True)
    if max(width, height) > longest or min(width, height) > shortest:
        raise ImageRejected(
            f"the picture has {width}x{height} pixels", f"send at most {longest}x{shortest}, lying or standing"
        )
    if min(width, height) < LEAST_SIDE:
        raise ImageRejected(f"the picture has {width}x{height} pixels", f"send at least {LEAST_SIDE}x{LEAST_SIDE}")
    return PictureHead(kind, width, height)


def truncated(kind: PictureFormat) -> ImageRejected:
    """The refusal of a picture that ends too early."""
    return ImageRejected(f"the {kind.upper()} is cut off", AGAIN)


def damaged(kind: PictureFormat, where: str) -> ImageRejected:
    """The refusal of a picture that contradicts itself; `where` in words of the format."""
    return ImageRejected(f"the {kind.upper()} is damaged ({where})", AGAIN)
