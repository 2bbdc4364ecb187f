"""The service's own tables and packers in, what the browser library must agree with out: `vectors.json`.

`python -m tests.browser.vectors tests/browser/vectors.json` renews the file; a test fails when it is out of date.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any, Final

import msgpack
import numpy as np

from emdr_stream.errors import CLOSE_CODES
from emdr_stream.pipeline.morphcast.modules import READERS, drop
from emdr_stream.vision.geometry import head_pose

_INTEGERS: Final = (
    *(0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1),
    *(-1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**53) + 1, -(2**53), -(2**63)),
)
_FLOATS: Final = (0.5, -0.5, 1.5e300, -1.25e-300, 0.1, math.pi, 1e22)
_TEXTS: Final = ("", "a", "x" * 31, "x" * 32, "x" * 255, "x" * 256, "ё", "日本語", "🙂", "a\x00b", "\ufeffb")
_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    [],
    {},
    [1, [2, [3]]],
    list(range(15)),
    list(range(16)),
    {f"k{n}": n for n in range(15)},
    {f"k{n}": n for n in range(16)},
    {"type": "sample", "ts": 1795633227482.25, "dimensions": {"valence": 0.1, "arousal": None, "attention": 0.8}},
    {"__proto__": {"polluted": True}, "constructor": 1},
)
_BYTES: Final = (b"", b"\x00\xff", b"x" * 255, b"x" * 256)
_LONG: Final[dict[str, Any]] = {"text": "x" * 65_536, "list": [0] * 65_536, "bytes": b"x" * 65_536}
_MALFORMED: Final = (
    *("", "c1", "c7000100", "d40100", "d8" + "00" * 17, "c90000000001", "91", "dd7fffffff", "df7fffffff", "81a161"),
    *("8101c0", "a1ff", "a2c328", "d9", "da00", "cf00000000", "0101", "c6ffffffff00", "91" * 80 + "c0"),
)
"""Hex: nothing, extension types, what is never used, lengths that lie, keys that are no text, text that is no UTF-8."""
_ANGLES: Final = ((0, 0, 0), (30, 0, 0), (-50, 10, 5), (0, 40, 0), (0, -20, 0), (0, 0, 25), (15, -15, -35))


def vectors() -> dict[str, Any]:
    return {
        "integers": [{"value": str(n), "packed": msgpack.packb(n).hex()} for n in _INTEGERS],
        "floats": [{"value": x, "packed": msgpack.packb(x).hex()} for x in _FLOATS],
        "singles": [
            {"value": float(np.float32(x)), "packed": msgpack.packb(x, use_single_float=True).hex()}
            for x in (0.5, -2.75, 0.1)
        ],
        "odd_floats": [{"value": str(x), "packed": msgpack.packb(x).hex()} for x in (math.inf, -math.inf, math.nan)],
        "texts": [{"value": text, "packed": msgpack.packb(text).hex()} for text in _TEXTS],
        "values": [{"value": value, "packed": msgpack.packb(value).hex()} for value in _VALUES],
        "bytes": [{"value": data.hex(), "packed": msgpack.packb(data).hex()} for data in _BYTES],
        "heads_of_long": {kind: msgpack.packb(value)[:5].hex() for kind, value in _LONG.items()},
        "malformed": list(_MALFORMED),
        "close_codes": {str(int(code)): client for code, (_, client) in sorted(CLOSE_CODES.items())},
        "morphcast_dropped": sorted(name for name, reader in READERS.items() if reader is drop),
        "morphcast_read": sorted(name for name, reader in READERS.items() if reader is not drop),
        "poses": [_pose(*angles) for angles in _ANGLES],
    }


def _pose(yaw: float, pitch: float, roll: float) -> dict[str, Any]:
    """A face's matrix as MediaPipe's browser package gives it, columns first, and what the service reads of it."""
    y, p, r = (math.radians(angle) for angle in (yaw, -pitch, -roll))
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    about_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = 1.1 * about_y @ about_x @ about_z
    matrix[:3, 3] = (1.5, -2.0, -40.0)
    single = matrix.astype(np.float32)
    read = head_pose(single)
    return {
        "data": [round(float(x), 6) for x in single.T.ravel()],
        "pose": dict(zip(("yaw", "pitch", "roll"), (round(angle, 2) for angle in read), strict=True)),
    }


def rendered() -> str:
    lines = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in vectors().items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(rendered(), encoding="utf-8")
