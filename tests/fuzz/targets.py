"""What is fuzzed: each target takes bytes and fails if they make the service misbehave; `inputs` draws some for it."""

import atexit
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Final

from emdr_stream.wire.codec import JSON, MSGPACK
from tests.fuzz import content
from tests.fuzz.connection import GOOD_REQUEST, Connections, check_frames
from tests.hostile.frames import broken_frames, broken_request, frame
from tests.hostile.mutator import Mutator
from tests.hostile.valid import BY_PATH, MORPHCAST

Target = Callable[[bytes], None]
_TEXT_HEAD, _BINARY_HEAD = 0x81, 0x82


@cache
def connections() -> Connections:
    """The one server of this process."""
    made = Connections()
    atexit.register(made.close)
    return made


def lane(data: bytes) -> None:
    """The first byte: how many bytes behind it cut the rest into pieces, and whether that begins with a handshake."""
    if not data:
        return
    cuts = data[1 : 1 + data[0] % 8]
    rest = data[1 + len(cuts) :]
    if data[0] >= 192:
        half = len(rest) // 2
        connections().feed([piece for piece in (rest[:half], rest[half:]) if piece])
    else:
        check_frames(connections(), rest, [cut * 7 for cut in cuts])


TARGETS: Final[dict[str, Target]] = {"codec": content.codec, "lane": lane, "morphcast": content.morphcast}


def inputs(target: str, rng: Random) -> Callable[[], bytes]:
    """What draws the next input of a target."""
    return {"codec": _codec_inputs, "lane": _lane_inputs, "morphcast": _morphcast_inputs}[target](rng)


def _codec_inputs(rng: Random) -> Callable[[], bytes]:
    # In the order of the codecs that the first byte chooses.
    mutators = [Mutator(rng, valid, is_text=name == JSON) for valid in BY_PATH.values() for name in (MSGPACK, JSON)]

    def draw() -> bytes:
        number = rng.randrange(len(mutators))
        mutant = mutators[number].next()
        # A first byte from 128 on sends the other kind of frame.
        other = mutant.is_text is (number % 2 == 0)
        return bytes((number + (128 if other is (number % 2 == 0) else 0),)) + mutant.payload

    return draw


def _lane_inputs(rng: Random) -> Callable[[], bytes]:
    mutators = [Mutator(rng, BY_PATH["/v1/stream"], is_text=is_text) for is_text in (False, True)]

    def draw() -> bytes:
        if rng.random() < 0.2:
            return b"\xc0" + broken_request(rng, GOOD_REQUEST)[1]
        frames = b""
        for _ in range(rng.choice((1, 2, 5))):
            mutant = rng.choice(mutators).next()
            head = _TEXT_HEAD if mutant.is_text else _BINARY_HEAD
            good = frame(mutant.payload[:5_000], head, rng.randbytes(4))
            frames += good if rng.random() < 0.5 else broken_frames(rng, mutant.payload[:5_000], mutant.is_text)[1]
        cuts = rng.randbytes(rng.randrange(8))
        return bytes((len(cuts),)) + cuts + frames

    return draw


def _morphcast_inputs(rng: Random) -> Callable[[], bytes]:
    mutator = Mutator(rng, [MORPHCAST], is_text=False)

    def draw() -> bytes:
        mutants = [mutator.next().payload[:65_535] for _ in range(rng.choice((1, 3, 6)))]
        return b"".join(len(each).to_bytes(2) + each for each in mutants)

    return draw
