"""Nothing goes in, the corpus of bombs comes out: small inputs that cost a careless reader memory, time or its stack.

Each stands for one value within a message, as raw bytes of its encoding, or as a whole message.
"""

from typing import Final

_DEEP: Final = 5_000
_WIDE: Final = 40_000

JSON_BOMBS: Final[dict[str, bytes]] = {
    "deep arrays": b"[" * _DEEP + b"]" * _DEEP,
    "deep maps": b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
    "arrays that never end": b"[" * _WIDE,
    "a long number": b"9" * _WIDE,
    "a long fraction": b"0." + b"3" * _WIDE,
    "a number beyond all": b"1e999999",
    "a long exponent": b"1e" + b"9" * 1_000,
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "half a surrogate": b'"\\ud800"',
    "escapes": b'"' + b"\\u0000" * 10_000 + b'"',
    "wide array": b"[" + b"0," * _WIDE + b"0]",
    "wide map": b"{" + b",".join(b'"k%d":0' % number for number in range(8_000)) + b"}",
    "one key again and again": b"{" + b'"a":1,' * 10_000 + b'"a":1}',
    "keys of nothing": b"{" + b'"":{},' * 10_000 + b'"":{}}',
    "spaces": b" " * _WIDE + b"1",
}
MSGPACK_BOMBS: Final[dict[str, bytes]] = {
    "deep arrays": b"\x91" * _DEEP + b"\x01",
    "deep maps": b"\x81\xa1a" * _DEEP + b"\x01",
    "deep keys": b"\x81" * _DEEP + b"\x01",
    "an array of four billion": b"\xdd\xff\xff\xff\xff",
    "a map of four billion": b"\xdf\xff\xff\xff\xff",
    "arrays of four billion in each other": b"\xdd\xff\xff\xff\xff" * _DEEP,
    "a text of four gigabytes": b"\xdb\xff\xff\xff\xffabc",
    "bytes of four gigabytes": b"\xc6\xff\xff\xff\xffabc",
    "an extension of four gigabytes": b"\xc9\xff\xff\xff\xff\x01abc",
    "an extension": b"\xd4\x05\x01",
    "an empty extension": b"\xc7\x00\x7f",
    "a timestamp": b"\xd7\xff" + bytes(8),
    "a timestamp beyond all": b"\xc7\x0c\xff" + b"\xff" * 12,
    "never used": b"\xc1",
    "not a number": b"\xcb\x7f\xf8\0\0\0\0\0\0",
    "infinity": b"\xca\x7f\x80\0\0",
    "the largest number": b"\xcf" + b"\xff" * 8,
    "a text that is none": b"\xa3\xff\xfe\xfd",
    "half a surrogate": b"\xa3\xed\xa0\x80",
    "a key that is a map": b"\x81\x80\x01",
    "a key that is bytes": b"\x81\xc4\x01a\x01",
    "a key that is missing": b"\x81\xc0\x01",
    "wide array": b"\xdd" + _WIDE.to_bytes(4, "big") + b"\x01" * _WIDE,
    "one key again and again": b"\xde\x27\x10" + b"\xa1a\x01" * 10_000,
    "empty maps": b"\xdd" + _WIDE.to_bytes(4, "big") + b"\x80" * _WIDE,
}


def whole_messages(*, is_text: bool) -> dict[str, bytes]:
    """Every bomb as a message of its own, as an unknown field, and where a number, a map and a list are expected."""
    if is_text:
        frames = {
            "alone": (b"", b""),
            "unknown field": (b'{"type":"ping","t0":1,"x":', b"}"),
            "number": (b'{"type":"ping","t0":', b"}"),
            "map": (b'{"type":"sample","ts":1,"context":', b"}"),
            "list": (b'{"type":"morphcast","ts":1,"events":', b"}"),
            "type": (b'{"type":', b"}"),
        }
        bombs = JSON_BOMBS
    else:
        frames = {
            "alone": (b"", b""),
            "unknown field": (b"\x83\xa4type\xa4ping\xa2t0\x01\xa1x", b""),
            "number": (b"\x82\xa4type\xa4ping\xa2t0", b""),
            "map": (b"\x83\xa4type\xa6sample\xa2ts\x01\xa7context", b""),
            "list": (b"\x83\xa4type\xa9morphcast\xa2ts\x01\xa6events", b""),
            "type": (b"\x81\xa4type", b""),
        }
        bombs = MSGPACK_BOMBS
    return {
        f"{bomb} as {place}": before + raw + after
        for bomb, raw in bombs.items()
        for place, (before, after) in frames.items()
    }
