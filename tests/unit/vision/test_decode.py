"""Pixels of a picture: its own and nobody else's, whole or at half size, or none."""

import struct
import zlib
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.domain import Limits
from emdr_stream.errors import ImageRejected
from emdr_stream.vision.decode import Rgb, decode
from tests.hostile.pictures import bombs, drawing, encoded, harmless, jpeg_segment

LIMITS = Limits()
CANARY = (1, 254, 3)
"""A colour, as red, green and blue, that no other picture of these tests comes near."""


def canary() -> bytes:
    return encoded(".jpg", np.full((64, 96, 3), CANARY, np.uint8), cv2.IMWRITE_JPEG_QUALITY, 100)


def shows_canary(pixels: Rgb) -> bool:
    return bool((np.abs(pixels.astype(int) - CANARY).max(axis=2) < 20).mean() > 0.01)


@pytest.mark.parametrize("name", harmless())
def test_pixels_are_contiguous_bytes_in_the_order_red_green_blue(name: str) -> None:
    pixels = decode(harmless()[name], LIMITS)
    assert (pixels.shape, str(pixels.dtype), pixels.flags.c_contiguous) == ((64, 96, 3), "uint8", True)
    if "grey" not in name:
        assert np.abs(pixels.astype(int) - drawing(1)).mean() < 12


@pytest.mark.parametrize("name", harmless())
def test_half_size_is_the_same_picture(name: str) -> None:
    pixels = decode(harmless()[name], LIMITS, halved=True)
    smaller = cv2.resize(decode(harmless()[name], LIMITS), (48, 32), interpolation=cv2.INTER_AREA)
    assert pixels.shape == (32, 48, 3)
    assert np.abs(pixels.astype(int) - smaller).mean() < 6


def test_an_odd_size_is_halved_upwards() -> None:
    assert decode(encoded(".jpg", drawing(1, 97, 65)), LIMITS, halved=True).shape == (33, 49, 3)


def test_a_picture_is_turned_as_its_exif_says() -> None:
    jpeg = encoded(".jpg", drawing(1))
    turned = jpeg_segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")
    pixels = decode(jpeg[:2] + turned + jpeg[2:], LIMITS)
    assert pixels.shape == (96, 64, 3)
    assert np.abs(pixels.astype(int) - np.rot90(decode(jpeg, LIMITS), -1)).mean() < 2


@pytest.mark.parametrize("name", bombs())
def test_no_bomb_gives_pixels(name: str) -> None:
    with pytest.raises(ImageRejected):
        decode(bombs()[name], LIMITS)


@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("name", harmless())
def test_a_cut_off_picture_never_shows_the_one_before(name: str, halved: bool) -> None:
    """OpenCV 4.10 gave the pixels of the previous picture for one that was cut off: one person's face in another's
    frame. The cut is healed here with an end marker, so that the decoder sees it at all."""
    picture = harmless()[name]
    for part in range(1, 16):
        assert shows_canary(decode(canary(), LIMITS))
        cut = picture[: len(picture) * part // 16]
        for healed in (cut, cut + b"\xff\xd9"):
            try:
                pixels = decode(healed, LIMITS, halved=halved)
            except ImageRejected:
                continue
            assert not shows_canary(pixels)


@pytest.mark.parametrize("halved", [False, True])
def test_what_a_damaged_picture_shows_does_not_depend_on_the_one_before(halved: bool) -> None:
    picture = bytearray(harmless()["jpeg 4:2:0"])
    del picture[len(picture) // 2 : -2]
    seen = []
    for before in (canary(), encoded(".jpg", drawing(7)), encoded(".png", drawing(8))):
        decode(before, LIMITS)
        try:
            seen.append(decode(bytes(picture), LIMITS, halved=halved).tobytes())
        except ImageRejected:
            seen.append(b"refused")
    assert all(first == second for first, second in pairwise(seen))


@given(st.sampled_from(sorted(harmless())), st.data())
def test_a_mutated_picture_gives_pixels_of_its_size_or_a_refusal(name: str, data: st.DataObject) -> None:
    picture = bytearray(harmless()[name])
    for _ in range(data.draw(st.integers(1, 6))):
        picture[data.draw(st.integers(0, len(picture) - 1))] = data.draw(st.integers(0, 255))
    decode(canary(), LIMITS)
    try:
        pixels = decode(bytes(picture), LIMITS)
    except ImageRejected:
        return
    assert pixels.ndim == 3 and pixels.shape[2] == 3


def png_of(header: bytes, pixels: bytes) -> bytes:
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    framed = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize("interlaced", [0, 1])
def test_pixels_that_inflate_to_more_than_the_header_says_are_refused_before_a_decoder_inflates_them(
    interlaced: int,
) -> None:
    header = struct.pack(">IIBBBBB", 1280, 720, 8, 2, 0, 0, interlaced)
    bomb = png_of(header, bytes(100_000_000))
    assert len(bomb) < Limits().message_bytes
    with pytest.raises(ImageRejected, match="more than its header says"):
        decode(bomb, Limits())


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (37, 33), (40, 64), (33, 41)])
def test_pixels_of_just_the_right_size_are_decoded(width: int, height: int, interlaced: int) -> None:
    def lines(columns: int, rows: int) -> int:
        return rows * (1 + 3 * columns) if columns and rows else 0

    passes = [(-(-(width - x) // a), -(-(height - y) // d)) for x, y, a, d in ADAM7]
    size = sum(lines(max(0, c), max(0, r)) for c, r in passes) if interlaced else lines(width, height)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
    assert decode(png_of(header, bytes(size)), Limits()).shape == (height, width, 3)


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
