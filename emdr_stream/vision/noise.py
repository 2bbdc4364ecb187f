"""Nothing goes in; for a while nothing that libraries print on stderr comes out, and our own words still do."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def quiet_libraries() -> Iterator[TextIO]:
    """MediaPipe and the decoders write to the file descriptor itself. Gives a stream to the stderr that was there."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with open(kept, "w", encoding="utf-8", closefd=False) as ours:
            yield ours
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
