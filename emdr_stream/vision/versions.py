"""Versions of the expression model are named, their readers come out: each loaded once, beside the pictures.

In a worker process. A version that is put in use while cameras run is loaded in a thread of its own: what it takes to
read a file, open it and try it on its stored rows costs no picture more than a share of the processor.
"""

import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Final, TypeAlias

from emdr_stream.vision.letters import Loaded
from emdr_stream.vision.reading import ExpressionReader
from emdr_stream.wire.values import ModelRef

_MOST_WORDS: Final = 1_000
"""A refusal may quote a file, which may be long; a letter may not."""

Tell: TypeAlias = Callable[[Loaded], None]


class Versions:
    """The readers of one process. Only what was asked for and not let go of stays in memory."""

    def __init__(self, load: Callable[[ModelRef], ExpressionReader]) -> None:
        """`load` may raise anything: then there is no such reader, and the reason is told."""
        self._load = load
        self._wanted: set[ModelRef] = set()
        self._readers: dict[ModelRef, ExpressionReader] = {}
        self._asked: SimpleQueue[tuple[ModelRef, Tell]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def of(self, reader: ModelRef | None) -> ExpressionReader | None:
        """The reader of this version and no other; None where it is not there."""
        return None if reader is None else self._readers.get(reader)

    def load(self, reader: ModelRef) -> Loaded:
        """Load a version that is not there yet, on the calling thread."""
        self._wanted.add(reader)
        return self._loaded(reader)

    def load_aside(self, reader: ModelRef, tell: Tell) -> None:
        """The same in a thread of its own, from which `tell` is called. One after the other: a file that hangs costs
        one thread, however often it is tried."""
        self._wanted.add(reader)
        self._asked.put((reader, tell))
        if self._thread is None:
            self._thread = threading.Thread(target=self._load_all, daemon=True)
            self._thread.start()

    def keep(self, readers: Iterable[ModelRef]) -> None:
        """Let go of all others, also of one that is being loaded."""
        self._wanted.intersection_update(readers)
        for other in self._readers.keys() - self._wanted:
            self._readers.pop(other, None)

    def _load_all(self) -> None:
        while True:
            reader, tell = self._asked.get()
            if reader in self._wanted:
                tell(self._loaded(reader))

    def _loaded(self, reader: ModelRef) -> Loaded:
        try:
            made = self._readers.get(reader) or self._load(reader)
        except Exception as problem:  # whatever is wrong with a file, pictures go on
            why = str(problem) or type(problem).__name__
            return Loaded(reader, why[:_MOST_WORDS])
        self._readers[reader] = made
        if reader not in self._wanted:  # let go of meanwhile
            self._readers.pop(reader, None)
        return Loaded(reader)
