"""The clients that README shows: they are the files in `examples/`, and they run against the real service."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node import node
from tests.system.service import Service

pytestmark = pytest.mark.system

_SHOWN = re.compile(r"^<!-- (examples/\S+) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LIMIT_S = 40.0
"""Fifty samples take five seconds; the rest is room for a machine that is busy."""


def played(shipped: Service, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run an example as a newcomer does, with a token of its own user."""
    address = f"ws://127.0.0.1:{shipped.port}/v1/stream"
    token = shipped.token("client", f"example-{Path(command[-1]).suffix[1:]}")
    return subprocess.run(
        [*map(str, command), address, token], capture_output=True, text=True, check=False, timeout=_LIMIT_S
    )


def kinds(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The first word of each line: what kind of message it tells of."""
    return [line.split(maxsplit=1)[0] for line in done.stdout.splitlines()]


def check(done: subprocess.CompletedProcess[str]) -> None:
    """One welcome, an answer to each of the fifty samples unless the machine was too busy, an orderly end."""
    assert done.returncode == 0, done.stderr
    told = kinds(done)
    assert told[0] == "welcome" and told.count("welcome") == 1, told
    assert 25 <= told.count("result") <= 50, told
    assert told[-1] == "ended" and "bye" in done.stdout.splitlines()[-1], told
    assert "error" not in told, done.stdout


def test_the_python_client_of_the_readme_streams_and_ends(shipped: Service, repository: Path) -> None:
    check(played(shipped, sys.executable, repository / "examples" / "client.py"))


def test_the_javascript_client_of_the_readme_streams_and_ends(shipped: Service, repository: Path) -> None:
    # Version 22 knows WebSocket without the flag and takes the flag all the same.
    check(played(shipped, node(), "--experimental-websocket", "--no-warnings", repository / "examples" / "client.mjs"))


def test_a_client_with_a_bad_token_ends_with_an_error(shipped: Service, repository: Path) -> None:
    address = f"ws://127.0.0.1:{shipped.port}/v1/stream"
    command = [sys.executable, str(repository / "examples" / "client.py"), address, "no-token"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT_S)
    assert done.returncode != 0
    assert kinds(done) == ["error"]
    assert "4500" in done.stderr


def test_the_readme_shows_the_examples_as_they_are(repository: Path) -> None:
    shown = dict(_SHOWN.findall((repository / "README.md").read_text()))
    files = {f"examples/{path.name}": path.read_text() for path in (repository / "examples").glob("client.*")}
    assert shown == files
