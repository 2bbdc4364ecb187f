"""The file of an export: there once it is whole, for its owner alone, wherever the name leads."""

import os
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from emdr_stream.cli.export import _opened
from emdr_stream.errors import ConfigurationError


def interrupted(file: BinaryIO) -> None:
    file.write(b"ha")
    raise KeyboardInterrupt


def test_a_file_is_there_once_it_is_whole_and_an_interrupt_leaves_the_one_before(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with _opened(str(out)) as file:
        file.write(b"whole")
        assert not out.exists()
    assert out.read_bytes() == b"whole" and out.stat().st_mode & 0o077 == 0
    with pytest.raises(KeyboardInterrupt), _opened(str(out)) as file:
        interrupted(file)
    assert out.read_bytes() == b"whole" and list(tmp_path.iterdir()) == [out]


def test_a_link_stays_a_link_and_what_is_no_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with _opened(str(link)) as file:
        file.write(b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with _opened(str(pipe)) as file:
        file.write(b"through")
    reader.join(10)
    assert read == [b"through"] and pipe.is_fifo()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "none" / "a.jsonl"):
        with pytest.raises(ConfigurationError, match="cannot be written"), _opened(str(out)):
            pass
    assert list(tmp_path.iterdir()) == []
