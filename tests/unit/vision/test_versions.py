"""Versions of the model of pictures in one process: each loaded once, beside the pictures, and let go of."""

import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from emdr_stream.errors import ModelRefused
from emdr_stream.vision.letters import LARGEST_ANSWER, Loaded, packed
from emdr_stream.vision.versions import Versions
from emdr_stream.wire.face import Expression
from emdr_stream.wire.values import ModelRef

ONE, TWO, THREE = (ModelRef(name="face_expression", version=version, sha256="0" * 64) for version in "123")
WAIT_S: Final = 10.0


class Reader:
    """Reads nothing: only who it is counts here."""

    def read(
        self,
        rgb: NDArray[np.uint8],
        landmarks: NDArray[np.float32],
        blendshapes: NDArray[np.float32],
        matrix: NDArray[np.float32],
    ) -> Expression | None:
        return None


class Place:
    """Versions whose files are read as slowly as a test wants."""

    def __init__(self) -> None:
        self.loaded: list[ModelRef] = []
        self.told: list[Loaded] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.versions = Versions(self._load)

    def _load(self, reader: ModelRef) -> Reader:
        self.loaded.append(reader)
        assert self.may_go_on.wait(WAIT_S)
        return Reader()

    def aside(self, *readers: ModelRef) -> None:
        for reader in readers:
            self.versions.load_aside(reader, self.told.append)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_a_version_is_loaded_once_and_is_nobody_elses() -> None:
    place = Place()
    assert place.versions.load(ONE) == place.versions.load(ONE) == Loaded(ONE)
    assert place.loaded == [ONE]
    assert place.versions.of(ONE) is not None
    assert place.versions.of(TWO) is None
    assert place.versions.of(None) is None
    other = ModelRef(name=ONE.name, version=ONE.version, sha256="1" * 64)
    assert place.versions.of(other) is None, "the same number, another file"


def test_while_one_is_loaded_the_others_read() -> None:
    place = Place()
    place.versions.load(ONE)
    place.may_go_on.clear()
    place.aside(TWO, THREE)
    place.until(lambda: place.loaded == [ONE, TWO])
    assert place.versions.of(ONE) is not None
    assert place.versions.of(TWO) is None and not place.told
    place.may_go_on.set()
    place.until(lambda: place.told == [Loaded(TWO), Loaded(THREE)])
    assert place.versions.of(TWO) is not place.versions.of(THREE)


def test_what_is_let_go_of_leaves_the_memory() -> None:
    place = Place()
    place.versions.load(ONE)
    place.versions.load(TWO)
    there = place.versions.of(ONE)
    assert there is not None
    gone = weakref.ref(there)
    del there
    place.versions.keep([TWO])
    gc.collect()
    assert gone() is None
    assert place.versions.of(ONE) is None and place.versions.of(TWO) is not None


def test_what_is_let_go_of_while_it_is_loaded_does_not_stay() -> None:
    place = Place()
    place.may_go_on.clear()
    place.aside(ONE, TWO)
    place.until(lambda: place.loaded == [ONE])
    place.versions.keep([])
    place.may_go_on.set()
    place.until(lambda: place.told == [Loaded(ONE)])
    assert place.versions.of(ONE) is None
    place.aside(THREE)
    place.until(lambda: len(place.told) == 2)
    assert place.loaded == [ONE, THREE], "nobody wanted the other any more"


@pytest.mark.parametrize("problem", [ModelRefused("its checksum differs"), MemoryError(), ValueError("x" * 1_000_000)])
def test_whatever_is_wrong_is_told_in_a_letter(problem: Exception) -> None:
    def broken(reader: ModelRef) -> Reader:
        raise problem

    versions = Versions(broken)
    told = versions.load(ONE)
    assert told.problem
    assert len(packed(told)) < LARGEST_ANSWER
    assert versions.of(ONE) is None
