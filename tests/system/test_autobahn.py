"""Autobahn's conformance suite against an echo through the lane on both loops, and through the pump without a lane.

The suite (PyPI's `autobahntestsuite`) needs Python 2.7, so it lies outside the environment of the tests. It is looked
for in the interpreter that EMDR_AUTOBAHN_PYTHON names, as `wstest` on the PATH, and in a `python2.7` on the PATH.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from emdr_stream.endpoints.handover import take_over
from emdr_stream.endpoints.ports import LaneLimits, Peer
from tests.system.socket_server import Kind, server_config, serving

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

MAX_MESSAGE_BYTES = 17 * 1024 * 1024
"""Section 9 sends 16 MiB."""
LIMITS = LaneLimits(max_backlog_bytes=4 * MAX_MESSAGE_BYTES, max_odd_frames_hz=1_000_000)
"""No limit that the service adds to the protocol: section 9 sends messages in 65,536 fragments."""
SUITE_S = 500
SECTIONS = {"1", "2", "3", "4", "5", "6", "7", "9", "10"}
"""Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, sizes, the rest; 12 and 13 are compression."""
LEAST_CASES = 300
PASSES = {"OK", "NON-STRICT", "INFORMATIONAL"}
FAILING = {"7.1.5": ("FAILED", "WRONG CODE")}
"""A close between the fragments of a message: the suite wants it answered with 1000, `websockets` says 1002 because the
message can never become whole. The close itself is clean."""
MODULE = ["-m", "autobahntestsuite.wstest"]


class Echo:
    """Sends every message back, in its kind."""

    def __init__(self, peer: Peer) -> None:
        self.received = peer.send

    def closed(self, code: int) -> None:
        """Nothing to release."""


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await take_over(websocket, Echo, LIMITS)


@pytest.fixture(scope="module")
def wstest() -> list[str]:
    """The command that runs the suite."""
    if named := os.environ.get("EMDR_AUTOBAHN_PYTHON"):
        assert has_suite(named), f"EMDR_AUTOBAHN_PYTHON: {named} has no working autobahntestsuite; install it there"
        return [named, *MODULE]
    if command := shutil.which("wstest"):
        return [command]
    if (python := shutil.which("python2.7")) and has_suite(python):
        return [python, *MODULE]
    pytest.skip(
        "Autobahn's suite was not found: install autobahntestsuite for Python 2.7, and name that Python in "
        "EMDR_AUTOBAHN_PYTHON or put its wstest on the PATH"
    )


def has_suite(python: str) -> bool:
    try:
        asked = subprocess.run([python, *MODULE, "--autobahnversion"], capture_output=True, check=False, timeout=60)
    except OSError:
        return False
    return asked.returncode == 0


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
def test_nothing_fails_but_the_case_that_the_parser_is_known_for(kind: Kind, wstest: list[str], tmp_path: Path) -> None:
    app = Starlette(routes=[WebSocketRoute("/", echo)])
    with serving(server_config(kind, app, LIMITS, ws_max_size=MAX_MESSAGE_BYTES)) as (port, _):
        results = run_suite(wstest, f"ws://127.0.0.1:{port}/", tmp_path)
    failing = {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in results.items()
        if not {result["behavior"], result["behaviorClose"]} <= PASSES
    }
    assert failing == FAILING, "\n".join(
        explained(results[case], tmp_path) for case in sorted(failing.keys() - FAILING.keys())
    )
    # A suite that stopped early would have nothing to complain about.
    assert {case.partition(".")[0] for case in results} == SECTIONS
    assert len(results) >= LEAST_CASES


def run_suite(wstest: list[str], url: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Run every case; what came of each, by its number."""
    spec = folder / "spec.json"
    spec.write_text(
        json.dumps(
            {
                "outdir": str(folder),
                "servers": [{"agent": "lane", "url": url}],
                "cases": [f"{section}.*" for section in sorted(SECTIONS, key=int)],
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    command = [*wstest, "-m", "fuzzingclient", "-s", str(spec)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=SUITE_S)
    index = folder / "index.json"
    assert ran.returncode == 0 and index.exists(), ran.stdout[-2_000:] + ran.stderr[-2_000:]
    results: dict[str, dict[str, Any]] = json.loads(index.read_text())["lane"]
    return results


def explained(result: dict[str, Any], folder: Path) -> str:
    report = json.loads((folder / result["reportfile"]).read_text())
    return f"{report['id']} {report['description']}: {report['result']}; {report['resultClose']}"
