"""The demo, whole and in real time: what it tells in the terminal is also what its console's link shows."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.system.browser import browser
from tests.system.pages import opened
from tests.system.service import environment, eventually, free_port

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

_WHOLE_S = 120.0
"""From the first line of the session to its last."""
_PATIENCE_MS = 100_000


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    told = tmp_path / "told"
    command = [sys.executable, "-m", "emdr_stream", "demo", "--no-browser", "--once", "--patience", "4"]
    with told.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(free_port())], stdout=out, stderr=subprocess.STDOUT, env=environment()
        )
    try:
        yield process, told
    finally:
        process.terminate()
        process.wait(30)


def test_a_demo_that_is_told_to_end_leaves_neither_service_nor_folder(
    demo: tuple["subprocess.Popen[bytes]", Path],
) -> None:
    process, told = demo
    assert eventually(lambda: "listens on" in told.read_text(), 60), told.read_text()
    (service,) = [pid for pid in children(process.pid) if "serve" in Path(f"/proc/{pid}/cmdline").read_text()]
    folder = Path(re.findall(r"--data-dir\0([^\0]+)", Path(f"/proc/{service}/cmdline").read_text())[0]).parent
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert not Path(f"/proc/{service}").exists() and not folder.exists()


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
def test_a_newcomer_sees_an_escalation_a_pause_and_its_acknowledgement_within_two_minutes(
    demo: tuple["subprocess.Popen[bytes]", Path],
) -> None:
    process, told = demo
    assert eventually(lambda: "has begun" in told.read_text(), 60), told.read_text()
    begun = time.monotonic()
    link = re.search(r"http://\S+/console#token=\S+", told.read_text())
    assert link is not None
    with browser() as running, opened(running) as page:
        page.goto(link[0])
        alerts = page.locator("#alerts-panel")
        expect(alerts).to_contain_text("Possible crisis", timeout=_PATIENCE_MS)
        expect(alerts).to_contain_text("far above own baseline")
        expect(page.locator("#detail-status")).to_contain_text("Paused: possible crisis")
        expect(page.locator("#timeline")).to_contain_text("acknowledged")
        expect(page.locator("#detail-status")).to_contain_text("Running", timeout=_PATIENCE_MS)
        expect(page.locator("#detail-status")).to_contain_text("Ended", timeout=_PATIENCE_MS)
    assert time.monotonic() - begun < _WHOLE_S
    assert process.wait(30) == 0
    words = told.read_text()
    steps = ["alert raised: crisis", "PAUSE", "nobody acknowledged in the console", "alert acknowledged: crisis"]
    steps += ["the light moves again", "the session is over"]
    assert all(step in words for step in steps), words
