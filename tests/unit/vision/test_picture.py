"""A picture's headers: what is harmless is taken as it is, everything else is refused with a sentence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.domain import Limits
from emdr_stream.errors import ErrorCode, ImageRejected
from emdr_stream.vision.picture import PictureFormat, PictureHead, picture_head
from tests.hostile.pictures import bombs, drawing, encoded, harmless, jpeg_segment

LIMITS = Limits()
JPEG = harmless()["jpeg 4:2:0"]


def refusal(image: bytes) -> ImageRejected:
    with pytest.raises(ImageRejected) as caught:
        picture_head(image, LIMITS)
    return caught.value


@pytest.mark.parametrize("name", harmless())
def test_a_harmless_picture_is_taken_with_its_format_and_size(name: str) -> None:
    kind = next(kind for kind in PictureFormat if kind in name)
    assert picture_head(harmless()[name], LIMITS) == PictureHead(kind, 96, 64)


@pytest.mark.parametrize("name", bombs())
def test_a_bomb_is_refused_with_what_is_wrong_and_what_to_send(name: str) -> None:
    error = refusal(bombs()[name])
    assert (error.code, error.param) == (ErrorCode.IMAGE_REJECTED, "image")
    assert error.wrong and error.send
    assert error.message.isprintable() and len(error.message) < 200, "a refusal holds words, no bytes of the picture"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a progressive jpeg", "progressive"),
        ("a jpeg of process c9", "arithmetic"),
        ("a jpeg of process c3", "lossless"),
        ("a jpeg of process de", "hierarchical"),
        ("a baseline jpeg of a hundred scans", "more scans"),
        ("65535x65535", "65535x65535"),
        ("twelve bits", "12 bits"),
        ("two frame headers", "two frame headers"),
        ("a second picture behind the first", "follows"),
        ("no end", "cut off"),
        ("a thousand comments", "segments"),
        ("a compressed text of 50 MB", "compressed"),
        ("an animated png", "moves"),
        ("a hundred kilobytes of text", "beside its pixels"),
        ("an animated webp", "moves"),
        ("a canvas of 2^24", "16777216"),
        ("a gif", "no JPEG, PNG or WebP"),
        ("nothing", "empty"),
        ("more bytes than a message may have", "262146 bytes"),
    ],
)
def test_the_refusal_names_the_cause(name: str, words: str) -> None:
    assert words in refusal(bombs()[name]).wrong


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (640, 480)])
def test_the_largest_picture_is_taken_lying_and_standing(width: int, height: int) -> None:
    assert picture_head(encoded(".jpg", drawing(1, width, height)), LIMITS).width == width


@pytest.mark.parametrize(("width", "height"), [(1281, 720), (1280, 721), (721, 1280), (900, 900)])
def test_a_larger_picture_is_refused_with_the_size_that_is_allowed(width: int, height: int) -> None:
    error = refusal(encoded(".jpg", drawing(1, width, height)))
    assert f"{width}x{height}" in error.wrong
    assert "1280x720" in error.send


def test_what_a_camera_writes_beside_its_pixels_is_walked_over() -> None:
    exif = jpeg_segment(0xE1, b"Exif\0\0" + JPEG + b"\xff\xd9\xff\xd8" * 100)  # with a picture of its own inside
    assert picture_head(JPEG[:2] + exif + JPEG[2:] + bytes(100), LIMITS).width == 96


def test_components_in_scans_of_their_own_are_baseline_too() -> None:
    """T.81 allows it: three scans, each of one component, in any order; a fourth is one too many."""
    scan = JPEG.index(b"\xff\xda")
    names = JPEG[scan + 5 : scan + 11 : 2]
    alone = [jpeg_segment(0xDA, bytes((1, name, 0, 0, 63, 0))) + b"\x12\x34" for name in names]
    assert picture_head(JPEG[:scan] + b"".join(alone) + b"\xff\xd9", LIMITS).width == 96
    assert "more scans" in refusal(JPEG[:scan] + b"".join([*alone, alone[0]]) + b"\xff\xd9").wrong
    assert "without its picture" in refusal(JPEG[:scan] + alone[0] + b"\xff\xd9").wrong


@given(st.binary(max_size=2_000), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]))
def test_random_bytes_give_a_head_or_a_refusal_and_nothing_else(content: bytes, start: bytes) -> None:
    _head_or_refusal(start + content)


@given(st.data())
def test_mutated_pictures_give_a_head_or_a_refusal_and_nothing_else(data: Any) -> None:
    picture = bytearray(data.draw(st.sampled_from(sorted(harmless().values()))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(picture) - 1))
        match data.draw(st.sampled_from(("set", "cut", "insert", "repeat"))):
            case "set":
                picture[place] = data.draw(st.integers(0, 255))
            case "cut":
                del picture[place : place + data.draw(st.integers(1, 40))]
            case "insert":
                picture[place:place] = data.draw(st.binary(min_size=1, max_size=40))
            case _:
                picture[place:place] = picture[place : place + 200]
        if not picture:
            return
    _head_or_refusal(bytes(picture))


def _head_or_refusal(image: bytes) -> None:
    try:
        head = picture_head(image, LIMITS)
    except ImageRejected:
        return
    assert 32 <= min(head.width, head.height) <= 720
    assert max(head.width, head.height) <= 1280
