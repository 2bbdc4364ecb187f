"""The examples of `docs/rest.md`: every route has one, and each runs as it stands, against the real service."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from emdr_stream.rest.operations import OPERATIONS
from tests.conftest import REPOSITORY
from tests.system.service import Service, service
from tests.system.sockets import JSON, stream

pytestmark = [
    pytest.mark.system,
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]
_BLOCK = re.compile(r"<!-- example (?P<name>[\w.-]+) -->\n```sh\n(?P<script>.*?)```\n", re.DOTALL)
_NEEDED = re.compile(r"\$([A-Z]+)\b")
_LIMIT_S = 20


@dataclass(frozen=True, slots=True)
class Example:
    """A script of the page and the operation that it shows."""

    name: str
    script: str


EXAMPLES = [
    Example(found["name"], found["script"]) for found in _BLOCK.finditer((REPOSITORY / "docs" / "rest.md").read_text())
]


@pytest.fixture(scope="module")
async def shown(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """A service with a live session, as the variables that the examples use."""
    with service(record_dir="recordings", baseline_s="5") as running:
        async with stream(running, "u-17", subprotocol=JSON) as client:
            await client.send("rating", scale="sud", value=7.0)
            await client.send("sample", ts=1_000, dimensions={"valence": 0.1, "arousal": 0.1, "attention": 0.8})
            await asyncio.sleep(1.0)
            yield variables(running, client.of("welcome")[0]["session_id"])


def variables(running: Service, session_id: str) -> dict[str, str]:
    return {
        "BASE": f"http://127.0.0.1:{running.port}",
        "THERAPIST": running.token("therapist", "t-1", clients=["u-17"]),
        "SERVICE": running.token("service", "back-end"),
        "CLIENT": "u-17",
        "SESSION": session_id,
    }


def test_every_route_has_an_example() -> None:
    assert [example.name for example in EXAMPLES] == [operation.name for operation in OPERATIONS]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_an_example_runs_as_it_stands(shown: dict[str, str], example: Example, tmp_path: Path) -> None:
    operation = next(operation for operation in OPERATIONS if operation.name == example.name)
    fixed = operation.path.split("{")[0]
    assert fixed in example.script, "the example shows its own route"
    assert set(_NEEDED.findall(example.script)) <= set(shown)
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", example.script],
        env={"PATH": os.environ["PATH"], **shown},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert told, done.stdout
    assert not [line for line in told if "title" in line], "a problem came instead"
