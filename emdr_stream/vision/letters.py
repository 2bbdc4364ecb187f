"""What service and face worker say to each other goes in, bytes come out, and back: MessagePack behind a length."""

from collections.abc import Iterator
from typing import Final

import msgspec

from emdr_stream.domain import Limits
from emdr_stream.vision.reading import FaceReading
from emdr_stream.wire.values import ModelRef

_LENGTH_BYTES: Final = 4
LARGEST_ANSWER: Final = 65_536
"""What a worker has to say of a face is some 400 bytes; one that says more than this is broken."""


class Letter(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """Common form."""


class Begin(Letter, frozen=True, array_like=True, tag=True):
    """First word to a worker: what it needs to know. Paths as text; None: where they usually are.

    `readers`: the versions of the expression model in use.
    """

    limits: Limits
    landmarker_file: str | None
    models_dir: str | None
    readers: tuple[ModelRef, ...] = ()


class Look(Letter, frozen=True, array_like=True, tag=True):
    """Read this picture of this seat. `frame`: a number that no other picture ever has. `ts_ms`: the camera's clock.

    `reader`: the version that reads the expression, and no other does; None: nobody reads it.
    """

    frame: int
    seat: int
    ts_ms: float
    image: bytes
    reader: ModelRef | None = None


class Leave(Letter, frozen=True, array_like=True, tag=True):
    """Nobody sits there any more."""

    seat: int


class Load(Letter, frozen=True, array_like=True, tag=True):
    """Load this version too. Pictures are read meanwhile."""

    reader: ModelRef


class Keep(Letter, frozen=True, array_like=True, tag=True):
    """Let go of every version but these."""

    readers: tuple[ModelRef, ...]


class Ready(Letter, frozen=True, array_like=True, tag=True):
    """A worker has begun. `problem`: why it cannot read faces at all."""

    problem: str | None = None


class Loaded(Letter, frozen=True, array_like=True, tag=True):
    """A version is there. `problem`: why it is not, and faces would have no expression by it."""

    reader: ModelRef
    problem: str | None = None


class Seen(Letter, frozen=True, array_like=True, tag=True):
    """The picture was read."""

    frame: int
    reading: FaceReading


class Refused(Letter, frozen=True, array_like=True, tag=True):
    """The picture is not taken: the parts of ImageRejected."""

    frame: int
    wrong: str
    send: str


class Failed(Letter, frozen=True, array_like=True, tag=True):
    """Reading it went wrong; `kind` is the name of the exception, its text stays here."""

    frame: int
    kind: str


Order = Begin | Look | Leave | Load | Keep
Answer = Ready | Loaded | Seen | Refused | Failed

_ENCODER: Final = msgspec.msgpack.Encoder()


def packed(letter: Order | Answer) -> bytes:
    """The letter with its length before it."""
    content = _ENCODER.encode(letter)
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


class Unpacking:
    """Cuts a stream of bytes into letters' contents; keeps what is not whole yet, at most `largest` bytes."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._kept = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every content that is whole now. Raises ValueError when a length is beyond all measure."""
        if not self._kept and len(data) == _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big"):
            yield data[_LENGTH_BYTES:]  # one letter and nothing else, as nearly always
            return
        self._kept += data
        while len(self._kept) >= _LENGTH_BYTES:
            length = int.from_bytes(self._kept[:_LENGTH_BYTES], "big")
            if length > self._largest:
                raise ValueError("a letter that is too long")
            if len(self._kept) < _LENGTH_BYTES + length:
                return
            content = bytes(self._kept[_LENGTH_BYTES : _LENGTH_BYTES + length])
            del self._kept[: _LENGTH_BYTES + length]
            yield content
