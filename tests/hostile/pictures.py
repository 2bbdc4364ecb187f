"""Nothing goes in; harmless pictures, and the corpus of pictures that hurt a decoder or a reader, come out.

The harmless ones are drawn, nobody's face. A bomb's name says what is wrong with it.
"""

import struct
import zlib
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

MOST_BYTES: Final = 262_144
_SIDES: Final = (96, 64)


def drawing(seed: int, width: int = _SIDES[0], height: int = _SIDES[1]) -> NDArray[np.uint8]:
    """A smooth colourful drawing, uint8 [height, width, 3]; each seed's is another."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def encoded(kind: str, rgb: NDArray[np.uint8], *options: int) -> bytes:
    """A picture as OpenCV writes it; `kind` as a file's ending."""
    done, content = cv2.imencode(kind, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), list(options))
    assert done
    return content.tobytes()


@cache
def harmless() -> dict[str, bytes]:
    """One of each kind that is taken, all of the size 96x64."""
    rgb = drawing(1)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    transparent = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR
    return {
        "jpeg 4:2:0": encoded(".jpg", rgb, sampling, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
        "jpeg 4:2:2": encoded(".jpg", rgb, sampling, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422),
        "jpeg 4:4:4": encoded(".jpg", rgb, sampling, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        "jpeg with restart markers": encoded(".jpg", rgb, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        "grey jpeg": cv2.imencode(".jpg", grey)[1].tobytes(),
        "png": encoded(".png", rgb),
        "grey png": cv2.imencode(".png", grey)[1].tobytes(),
        "png with transparency": cv2.imencode(".png", transparent)[1].tobytes(),
        "lossy webp": encoded(".webp", rgb, cv2.IMWRITE_WEBP_QUALITY, 80),
        "lossless webp": encoded(".webp", rgb, cv2.IMWRITE_WEBP_QUALITY, 101),
        "extended webp": extended(encoded(".webp", rgb, cv2.IMWRITE_WEBP_QUALITY, 80), *_SIDES),
    }


@cache
def bombs() -> dict[str, bytes]:
    """Every bomb; none is larger than a message may be."""
    return {**_jpeg_bombs(), **_png_bombs(), **_webp_bombs(), **_other_bombs(), **_cut_off()}


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
                    for name, content in chunks)  # fmt: skip
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def extended(webp: bytes, width: int, height: int, flags: int = 0) -> bytes:
    """A simple WebP with an extended header before its picture."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    name, length = webp[12:16], int.from_bytes(webp[16:20], "little")
    return riff((b"VP8X", bytes((flags, 0, 0, 0)) + size), (name, webp[20 : 20 + length]))


def _jpeg_bombs() -> dict[str, bytes]:
    rgb = drawing(2)
    good = encoded(".jpg", rgb)
    progressive = encoded(".jpg", drawing(2, 640, 480), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    frame = good.index(b"\xff\xc0")
    length = int.from_bytes(good[frame + 2 : frame + 4], "big")
    header = good[frame : frame + 2 + length]
    scan = good.index(b"\xff\xda")
    one_scan = good[scan:-2]
    last_scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    many = (MOST_BYTES - len(progressive)) // len(last_scan)

    def with_size(width: int, height: int) -> bytes:
        return good[: frame + 5] + struct.pack(">HH", height, width) + good[frame + 9 :]

    def with_header(changed: bytes) -> bytes:
        return good[:frame] + changed + good[frame + 2 + length :]

    bodies = {f"a jpeg of process {marker:x}": with_header(bytes((0xFF, marker)) + header[2:])
              for marker in (*range(0xC1, 0xC4), *range(0xC5, 0xD0), 0xDC, 0xDE, 0xDF)}  # fmt: skip
    return bodies | {
        "a progressive jpeg": progressive,
        "a progressive jpeg of a thousand scans": progressive[:-2] + last_scan * many + b"\xff\xd9",
        "a baseline jpeg of a hundred scans": good[:scan] + one_scan * 100 + b"\xff\xd9",
        "two frame headers": with_header(header + header),
        "no frame header": with_header(b""),
        "no scan": good[:scan] + b"\xff\xd9",
        "65535x65535": with_size(65_535, 65_535),
        "20000x10": with_size(20_000, 10),
        "no height": with_size(640, 0),
        "1x1": with_size(1, 1),
        "twelve bits": with_header(header[:4] + b"\x0c" + header[5:]),
        "four components": with_header(jpeg_segment(0xC0, header[4:9] + b"\x04" + header[10:] + b"\x04\x11\x00")),
        "sampling of nothing": with_header(header[:11] + b"\x00" + header[12:]),
        "sampling beyond all": with_header(header[:11] + b"\xff" + header[12:]),
        "one component thrice": with_header(header[:10] + header[10:13] * 3),
        "a frame header that is longer than said": with_header(jpeg_segment(0xC0, header[4:] + b"\0" * 3)),
        "a scan of a component that is not there": good[: scan + 5] + b"\x77" + good[scan + 6 :],
        "a length of nothing": good[:2] + b"\xff\xe1\x00\x00" + good[2:],
        "a length beyond the end": good[:2] + b"\xff\xe1\xff\xff" + good[2:],
        "a thousand comments": good[:2] + jpeg_segment(0xFE, b"x") * 1_000 + good[2:],
        "sixty thousand comments": good[:2] + jpeg_segment(0xFE, b"") * 60_000 + good[2:],
        "markers without an end": good[:2] + b"\xff" * (MOST_BYTES - 2),
        "a scan of stuffed bytes": good[:scan] + good[scan : scan + 14] + b"\xff\x00" * 120_000,
        "a scan of restart markers": good[:scan] + good[scan : scan + 14] + b"\xff\xd0" * 120_000,
        "a scan of fill bytes": good[:scan] + good[scan : scan + 14] + b"\xff" * 240_000,
        "a second picture behind the first": good + encoded(".jpg", drawing(3)),
        "junk behind the end": good + b"<script>" * 100,
        "no end": good[:-2],
        "an end without pixels": b"\xff\xd8\xff\xd9",
        "an unknown marker": good[:2] + jpeg_segment(0xF7, b"lossless") + good[2:],
    }


def _png_bombs() -> dict[str, bytes]:
    good = encoded(".png", drawing(4))
    start, end = good[:8], png_chunk(b"IEND", b"")
    header = struct.pack(">IIBBBBB", 96, 64, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (96 * 3 + 1) * 64)
    bomb = zlib.compress(b"\0" * 50_000_000, 9)

    def png(*chunks: tuple[bytes, bytes], head: bytes = header) -> bytes:
        return start + png_chunk(b"IHDR", head) + b"".join(png_chunk(*chunk) for chunk in chunks) + end

    def sized(width: int, height: int) -> bytes:
        return png((b"IDAT", pixels), head=struct.pack(">II", width, height) + header[8:])

    wrong = bytearray(good)
    wrong[len(good) // 2] ^= 0xFF
    return {
        "a png of 2^31 pixels across": sized(2**31 - 1, 64),
        "a png of no width": sized(0, 64),
        "a png with 16 bits": png((b"IDAT", pixels), head=header[:8] + b"\x10" + header[9:]),
        "a png of an unknown colour": png((b"IDAT", pixels), head=header[:9] + b"\x07" + header[10:]),
        "a png of an unknown compression": png((b"IDAT", pixels), head=header[:10] + b"\x01" + header[11:]),
        "a compressed text of 50 MB": png((b"zTXt", b"a\0\0" + bomb), (b"IDAT", pixels)),
        "a compressed international text": png((b"iTXt", b"a\0\1\0\0\0" + bomb), (b"IDAT", pixels)),
        "a compressed profile": png((b"iCCP", b"a\0\0" + bomb), (b"IDAT", pixels)),
        "a hundred kilobytes of text": png((b"tEXt", b"a\0" + b"x" * 100_000), (b"IDAT", pixels)),
        "an animated png": png((b"acTL", struct.pack(">II", 2, 0)), (b"IDAT", pixels)),
        "frames of an animated png": png((b"IDAT", pixels), (b"fdAT", b"\0\0\0\1" + pixels)),
        "twenty thousand chunks": png(*[(b"tEXt", b"")] * 20_000, (b"IDAT", pixels)),
        "a palette that is missing": png((b"IDAT", pixels), head=header[:9] + b"\x03" + header[10:]),
        "pixels in two places": png((b"IDAT", pixels[:9]), (b"tEXt", b"a\0b"), (b"IDAT", pixels[9:])),
        "two headers": png((b"IHDR", header), (b"IDAT", pixels)),
        "no pixels": png(),
        "pixels first": start + png_chunk(b"IDAT", pixels) + png_chunk(b"IHDR", header) + end,
        "an unknown critical chunk": png((b"EVIL", b""), (b"IDAT", pixels)),
        "a chunk that is no name": png((b"\0\0\0\0", b""), (b"IDAT", pixels)),
        "a wrong checksum": bytes(wrong),
        "a chunk beyond the end": start + png_chunk(b"IHDR", header) + b"\x7f\xff\xff\xffIDAT" + pixels,
        "a png with a second behind it": good + good,
        "a png without an end": good[:-12],
    }


def _webp_bombs() -> dict[str, bytes]:
    rgb = drawing(5)
    lossy = encoded(".webp", rgb, cv2.IMWRITE_WEBP_QUALITY, 80)
    lossless = encoded(".webp", rgb, cv2.IMWRITE_WEBP_QUALITY, 101)
    picture = lossy[20 : 20 + int.from_bytes(lossy[16:20], "little")]
    bits = 16_383 | 16_383 << 14
    return {
        "an animated webp": extended(lossy, *_SIDES, flags=0x02),
        "frames of an animated webp": riff((b"VP8X", bytes(4) + b"\x5f\0\0\x3f\0\0"), (b"ANMF", picture)),
        "a canvas of 2^24": extended(lossy, 1 << 24, 1 << 24),
        "a canvas that is not the picture's": extended(lossy, 640, 480),
        "a lossy picture of 16383x16383": riff((b"VP8 ", picture[:6] + b"\xff\x3f\xff\x3f" + picture[10:])),
        "a lossless picture of 16384x16384": riff((b"VP8L", b"\x2f" + struct.pack("<I", bits) + lossless[25:])),
        "a lossless picture of another version": riff((b"VP8L", lossless[20:24] + b"\xff" + lossless[25:])),
        "a lossy picture that needs another": riff((b"VP8 ", bytes((picture[0] | 1,)) + picture[1:])),
        "a first part beyond the end": riff((b"VP8 ", bytes((picture[0], 0xFF, 0xFF)) + picture[3:])),
        "two pictures in one webp": riff((b"VP8 ", picture), (b"VP8 ", picture)),
        "a riff that is longer than said": lossy + b"\0\0",
        "a riff that is shorter than said": lossy[:4] + struct.pack("<I", 1 << 30) + lossy[8:],
        "a webp chunk beyond the end": lossy[:16] + struct.pack("<I", 1 << 31) + lossy[20:],
        "ten thousand webp chunks": riff((b"VP8X", bytes(4) + b"\x5f\0\0\x3f\0\0"), *[(b"EXIF", b"")] * 10_000),
        "an unknown webp chunk": riff((b"VP8 ", picture), (b"EVIL", b"")),
        "a webp of nothing": riff(),
    }


def _other_bombs() -> dict[str, bytes]:
    return {
        "nothing": b"",
        "a text": b"data:image/jpeg;base64,/9j/4AAQSkZJRg==",
        "a gif": b"GIF89a" + bytes(100),
        "a bmp": b"BM" + bytes(100),
        "a tiff": b"II*\0" + bytes(100),
        "an avif": b"\0\0\0\x1cftypavif" + bytes(100),
        "zeros": bytes(MOST_BYTES),
        "more bytes than a message may have": b"\xff\xd8" + bytes(MOST_BYTES),
        "a jpeg's first two bytes": b"\xff\xd8",
        "a png's first eight bytes": b"\x89PNG\r\n\x1a\n",
        "a webp's first twelve bytes": b"RIFF\x04\0\0\0WEBP",
    }


def _cut_off() -> dict[str, bytes]:
    """Each harmless picture, cut off after every sixteenth."""
    return {
        f"{name}, {part} sixteenths of it": picture[: len(picture) * part // 16]
        for name, picture in harmless().items()
        for part in range(16)
    }
