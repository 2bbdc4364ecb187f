"""A payload goes in, frames that break RFC 6455 (or bend it) come out, and handshakes that are none."""

from collections.abc import Callable
from random import Random
from typing import Final

TEXT, BINARY = 0x81, 0x82


def frame(payload: bytes, head: int, mask: bytes = b"\0\0\0\0") -> bytes:
    """One masked frame; `head` is the first byte."""
    body = payload if mask == b"\0\0\0\0" else bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes((head,)) + _size(len(payload)) + mask + body


def _size(length: int) -> bytes:
    if length < 126:
        return bytes((0x80 | length,))
    if length < 65_536:
        return b"\xfe" + length.to_bytes(2, "big")
    return b"\xff" + length.to_bytes(8, "big")


def broken_frames(rng: Random, payload: bytes, is_text: bool) -> tuple[str, bytes]:
    """The name of what is done, and the bytes that do it."""
    how = rng.choice(tuple(_BROKEN))
    return how, _BROKEN[how](rng, payload, TEXT if is_text else BINARY)


def _pieces(rng: Random, payload: bytes, head: int, between: bytes = b"") -> bytes:
    """The payload in fragments."""
    cuts = sorted(rng.randrange(len(payload) + 1) for _ in range(rng.choice((1, 2, 5, 40))))
    parts = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    heads = [head & 0x0F, *[0x00] * (len(parts) - 2), 0x80]
    return between.join(frame(part, each) for part, each in zip(parts, heads, strict=True))


def _soup(rng: Random, payload: bytes, head: int) -> bytes:
    """A good frame with some bits flipped anywhere, its header included."""
    damaged = bytearray(frame(payload, head, rng.randbytes(4)))
    for _ in range(rng.choice((1, 2, 8))):
        damaged[rng.randrange(min(len(damaged), 16))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


_BROKEN: Final[dict[str, Callable[[Random, bytes, int], bytes]]] = {
    "fragments": _pieces,
    "pings between fragments": lambda rng, p, h: _pieces(rng, p, h, frame(b"?", 0x89)),
    "a message between fragments": lambda rng, p, h: _pieces(rng, p, h, frame(b"{}", h)),
    "an end of nothing": lambda _, p, __: frame(p[:100], 0x80),
    "a beginning without end": lambda _, p, h: frame(p, h & 0x0F),
    "fragments of bad text": lambda _, __, ___: frame(b"\xf0\x9f", 0x01) + frame(b"\x92", 0x80),
    "unknown opcode": lambda rng, p, _: frame(p, rng.choice((0x83, 0x87, 0x8B, 0x8F))),
    "reserved bits": lambda rng, p, h: frame(p, h | rng.choice((0x40, 0x20, 0x10, 0x70))),
    "not masked": lambda _, p, h: bytes((h, min(len(p), 125))) + p[:125],
    "a long ping": lambda rng, _, __: frame(rng.randbytes(126), 0x89),
    "a ping in fragments": lambda _, __, ___: frame(b"a", 0x09),
    "many pings": lambda rng, _, __: frame(rng.randbytes(125), 0x89) * 200,
    "many pongs": lambda _, __, ___: frame(b"", 0x8A) * 2_000,
    "a terabyte": lambda _, p, h: bytes((h, 0xFF)) + (1 << 40).to_bytes(8, "big") + bytes(4) + p,
    "the longest length": lambda _, p, h: bytes((h, 0xFF)) + b"\xff" * 8 + bytes(4) + p,
    "a wide length": lambda _, p, h: bytes((h, 0xFF)) + len(p).to_bytes(8, "big") + bytes(4) + p,
    "a length that lies": lambda rng, p, h: frame(p + b"x" * rng.choice((1, 200)), h)[: -rng.choice((1, 100))],
    "a close of one byte": lambda _, __, ___: frame(b"\x03", 0x88),
    "a close with a code that may not be": lambda rng, _, __: frame(
        rng.choice((0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535)).to_bytes(2, "big"), 0x88
    ),
    "a close with bad text": lambda _, __, ___: frame(b"\x03\xe8\xff\xfe", 0x88),
    "a message after the close": lambda _, p, h: frame(b"\x03\xe8", 0x88) + frame(p, h),
    "noise": lambda rng, _, __: rng.randbytes(rng.choice((1, 30, 3_000))),
    "soup": _soup,
    "empty frames": lambda _, __, h: frame(b"", h) * 40,
    "larger than allowed": lambda _, __, h: frame(bytes(300_000), h),
}


def broken_request(rng: Random, request: bytes) -> tuple[str, bytes]:
    """A handshake that is damaged; `request` is a good one."""
    how = rng.choice(tuple(_REQUESTS))
    return how, _REQUESTS[how](rng, request)


def _flip(rng: Random, request: bytes) -> bytes:
    damaged = bytearray(request)
    for _ in range(rng.choice((1, 3, 20))):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def _line_less(rng: Random, request: bytes) -> bytes:
    lines = request.split(b"\r\n")
    del lines[rng.randrange(len(lines) - 2)]
    return b"\r\n".join(lines)


def _line_more(rng: Random, request: bytes) -> bytes:
    more = rng.choice(
        (
            b"Upgrade: h2c", b"Connection: close", b"Sec-WebSocket-Version: 8", b"Sec-WebSocket-Key: short",
            b"Content-Length: 99999999999", b"Transfer-Encoding: chunked", b"Origin: null", b"Host: elsewhere",
            b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99", b"X: " + b"y" * 70_000,
            b"Sec-WebSocket-Protocol: " + b"a," * 5_000, b"Authorization: Bearer \xff\xfe", b"X\0: 1", b": nothing",
            b"Expect: 100-continue", b"\xc3\xa4: \xc3\xa4",
        )
    )  # fmt: skip
    head, rest = request.split(b"\r\n", 1)
    return head + b"\r\n" + more + b"\r\n" + rest


def _other_target(rng: Random, request: bytes) -> bytes:
    _, rest = request.split(b" HTTP/1.1\r\n", 1)
    target = rng.choice(
        (b"/v1/stream?token=" + b"x" * 9_000, b"/v1/stream%00", b"/v1/../v1/stream", b"*", b"http://x/v1/stream",
         b"/v1/str\xc3\xa4m", b"/v1/stream?q=\xff", b"//", b"/%ff%fe", b"/v1/stream#here")
    )  # fmt: skip
    return b"GET " + target + b" HTTP/1.1\r\n" + rest


_REQUESTS: Final[dict[str, Callable[[Random, bytes], bytes]]] = {
    "flipped": _flip,
    "a line less": _line_less,
    "a line more": _line_more,
    "another target": _other_target,
    "another method": lambda rng, r: rng.choice((b"POST", b"HEAD", b"CONNECT", b"PRI", b"\x16\x03\x01")) + r[3:],
    "another version": lambda rng, r: r.replace(b"HTTP/1.1", rng.choice((b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9"))),
    "cut": lambda rng, r: r[: rng.randrange(len(r))],
    "twice": lambda _, r: r + r,
    "a thousand headers": lambda _, r: r[:-2] + b"X: 1\r\n" * 1_000 + b"\r\n",
    "frames behind": lambda rng, r: r + frame(rng.randbytes(60), BINARY),
    "bad frames behind": lambda rng, r: r + rng.randbytes(400),
}
