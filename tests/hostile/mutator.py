"""A seed and valid messages go in, mutated ones come out: the same seed gives the same ones.

A mutation of the content changes values, keys and types before encoding; a mutation of the bytes damages what was
encoded; a bomb puts raw bytes of the encoding, which no encoder would write, in the place of a value.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import msgpack

from tests.hostile.bombs import JSON_BOMBS, MSGPACK_BOMBS
from tests.hostile.valid import Message

_PLACE: Final = "@@BOMB@@"
_NASTY: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63), 0.1, -1e308, 1e308, 5e-324,
    math.nan, math.inf, -math.inf, "", "x", "\0", "x" * 3_000, "ÿ\u2028\U0001f600", "NaN", "../../etc/passwd",
    "' or 1=1 --", "%s%n{0}", [], {}, [[]], [None] * 100, {"type": "stop"}, {"": {}}, [0.1] * 3_000,
    {str(number): number for number in range(300)},
)  # fmt: skip
_KEYS: Final = ("type", "id", "ts", "re", "", "__class__", "token", "x" * 200, "ids\0", "epoch", "seq")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One message as it goes on the wire; `how` names the mutations that made it."""

    how: str
    payload: bytes
    is_text: bool


class Mutator:
    """Mutants of one socket and subprotocol, drawn from `rng` alone."""

    def __init__(self, rng: Random, valid: Sequence[Message], *, is_text: bool) -> None:
        self._rng = rng
        self._valid = valid
        self._is_text = is_text
        self._bombs = JSON_BOMBS if is_text else MSGPACK_BOMBS

    def next(self) -> Mutant:
        """One more."""
        rng = self._rng
        message = _copy(rng.choice(self._valid))
        how = []
        for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
            mutate = rng.choice(_CONTENT)
            mutate(rng, message)
            how.append(mutate.__name__.strip("_"))
        bomb = rng.choice(tuple(self._bombs)) if rng.random() < 0.15 else None
        if bomb is not None:
            _change_value(rng, message, _PLACE)
            how.append(bomb)
        payload = self.encoded(message)
        if bomb is not None:
            payload = payload.replace(self.encoded_place(), self._bombs[bomb])
        for _ in range(rng.choice((0, 0, 1, 3)) if how else 1):
            damage = rng.choice(_BYTES)
            payload = damage(rng, payload)
            how.append(damage.__name__.strip("_"))
        # Now and then the other kind of frame.
        return Mutant("+".join(how), payload, self._is_text is not (rng.random() < 0.003))

    def encoded(self, message: Any) -> bytes:
        """As the subprotocol writes it; JSON may hold NaN and Infinity, which is not JSON."""
        if self._is_text:
            return json.dumps(message, default=lambda value: value.decode("latin-1")).encode()
        return bytes(msgpack.packb(message))

    def encoded_place(self) -> bytes:
        return self.encoded(_PLACE)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value


# content --------------------------------------------------------------------------------------------------------------


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with every key in it."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    found = [(value, key) for key in keys]
    for key in keys:
        found += _places(value[key])
    return found


def _change_value(rng: Random, message: Message, value: Any = _PLACE) -> None:
    places = _places(message)
    if places:
        container, key = rng.choice(places)
        container[key] = value


def _nasty_value(rng: Random, message: Message) -> None:
    _change_value(rng, message, _copy(rng.choice(_NASTY)))


def _drop_key(rng: Random, message: Message) -> None:
    maps = [(container, key) for container, key in _places(message) if isinstance(container, dict)]
    if maps:
        container, key = rng.choice(maps)
        del container[key]


def _add_key(rng: Random, message: Message) -> None:
    message[rng.choice(_KEYS)] = _copy(rng.choice(_NASTY))


def _swap_values(rng: Random, message: Message) -> None:
    places = _places(message)
    if places:
        (one, key), (other, other_key) = rng.choice(places), rng.choice(places)
        one[key], other[other_key] = _copy(other[other_key]), _copy(one[key])


def _other_number(rng: Random, message: Message) -> None:
    numbers = [(c, k) for c, k in _places(message) if isinstance(c[k], int | float) and c[k] is not True]
    if numbers:
        container, key = rng.choice(numbers)
        changed = rng.choice((-1, 2, 1e3, 1e-3, 1e300)) * (container[key] or 1)
        # MessagePack has no integers beyond.
        container[key] = changed if abs(changed) < 2**63 else float(changed)


def _many(rng: Random, message: Message) -> None:
    lists = [(c, k) for c, k in _places(message) if isinstance(c[k], list)]
    if lists:
        container, key = rng.choice(lists)
        container[key] = (container[key] * 200)[: rng.choice((64, 65, 400))]


_CONTENT: Final[tuple[Callable[[Random, Message], None], ...]] = (
    _nasty_value, _nasty_value, _drop_key, _add_key, _swap_values, _other_number, _many,
)  # fmt: skip

# bytes ----------------------------------------------------------------------------------------------------------------


def _flip_bits(rng: Random, payload: bytes) -> bytes:
    damaged = bytearray(payload)
    for _ in range(rng.choice((1, 1, 2, 8)) if damaged else 0):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _truncate(rng: Random, payload: bytes) -> bytes:
    return payload[: rng.randrange(len(payload) + 1)]


def _insert(rng: Random, payload: bytes) -> bytes:
    at = rng.randrange(len(payload) + 1)
    return payload[:at] + rng.randbytes(rng.choice((1, 2, 16))) + payload[at:]


def _repeat_slice(rng: Random, payload: bytes) -> bytes:
    start = rng.randrange(len(payload) + 1)
    end = rng.randrange(start, len(payload) + 1)
    return payload[:end] + payload[start:end] * rng.choice((1, 3)) + payload[end:]


def _overwrite(rng: Random, payload: bytes) -> bytes:
    at = rng.randrange(len(payload) + 1)
    odd = rng.choice((b"\xff" * 4, b"\0" * 4, b"\xc1", b"\xdf\xff\xff\xff\xff", b"\xed\xa0\x80", b'"', b"}", b"\\u"))
    return payload[:at] + odd + payload[at + len(odd) :]


def _duplicate_key(_: Random, payload: bytes) -> bytes:
    """The first key again, with another value: what it says first, or last?"""
    if payload[:1] == b"{":
        return b'{"type":"stop","id":1,' + payload[1:]
    if payload and 0x80 < payload[0] < 0x8F:
        return bytes((payload[0] + 1,)) + b"\xa4type\xa4stop" + payload[1:]
    return payload


_BYTES: Final[tuple[Callable[[Random, bytes], bytes], ...]] = (
    _flip_bits, _flip_bits, _truncate, _insert, _repeat_slice, _overwrite, _duplicate_key,
)  # fmt: skip
