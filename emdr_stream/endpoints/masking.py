"""A masked payload and its four bytes of mask in, the plain payload out: in C, where `websockets` was built with it."""

from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

unmask: Final = apply_mask
