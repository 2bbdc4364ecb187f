"""Bytes of a picture go in, its head comes out, or the reason why no decoder may see it; nothing is decoded here.

Each format's headers are walked to their end before any decoder runs (a small file can cost a decoder ten seconds, or
make it allocate gigabytes). The walks jump from length to length and search with `bytes.find` and compiled patterns;
there is no loop over bytes, so 256 KiB of anything take well under 5 ms.
"""

from emdr_stream.domain import Limits
from emdr_stream.errors import ImageRejected
from emdr_stream.vision.head import SEND, PictureFormat, PictureHead
from emdr_stream.vision.jpeg import JPEG_START, jpeg_head
from emdr_stream.vision.png import PNG_START, png_head
from emdr_stream.vision.webp import is_webp, webp_head

__all__ = ["PictureFormat", "PictureHead", "picture_head"]


def picture_head(image: bytes, limits: Limits) -> PictureHead:
    """The head of a whole, still, harmless picture of at most `limits.pixels` and `limits.message_bytes`.

    Raises ImageRejected with a sentence that says what is wrong and what to send.
    """
    if len(image) > limits.message_bytes:
        raise ImageRejected(f"the picture has {len(image)} bytes", f"send at most {limits.message_bytes}")
    if image.startswith(JPEG_START):
        return jpeg_head(image, limits)
    if image.startswith(PNG_START):
        return png_head(image, limits)
    if is_webp(image):
        return webp_head(image, limits)
    if not image:
        raise ImageRejected("the picture is empty", SEND)
    raise ImageRejected("the bytes are no JPEG, PNG or WebP", SEND)
