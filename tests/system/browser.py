"""A real Chromium for the tests of the pages: its camera can be a video, and what is seen is kept as pictures of pages.

Pictures of pages go to EMDR_SCREENSHOTS, or to `.artefacts/pages`; never what a camera sees: the one page that shows it
has that part covered.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.chromium import find_chromium
from tests.system.film import Film
from tests.system.surroundings import folder_in_memory

_ARGUMENTS: Final = (
    "--no-sandbox",  # the root account has no other choice
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
_PICTURES: Final = Path(__file__).resolve().parents[2] / ".artefacts" / "pages"
"""Ignored by git; CI keeps it beside the test report."""
_CAMERA: Final = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


def chromium_or_skip() -> Path:
    """Where Chromium is; skips without one, and fails where CI is set."""
    found = find_chromium()
    if found is not None:
        return found
    reason = "no Chromium: python -m tests.chromium installs one, EMDR_CHROMIUM names one"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def browser(film: Film | None = None) -> Iterator[Browser]:
    """A browser without a window. `film`: what its camera sees; without one the camera shows a test picture."""
    path = chromium_or_skip()
    arguments = [*_ARGUMENTS, *_CAMERA]
    if film is not None:
        arguments.append(f"--use-file-for-fake-video-capture={film.path}")
    with sync_playwright() as playwright, contextlib.ExitStack() as stack:
        running = playwright.chromium.launch(executable_path=str(path), args=arguments)
        stack.callback(running.close)
        yield running


@contextlib.contextmanager
def filmed_browser(video: Path) -> Iterator[tuple[Browser, Film]]:
    """A browser before whose camera sits the person of this video, in the mood that the film is told to show."""
    with tempfile.TemporaryDirectory(dir=folder_in_memory()) as folder:
        film = Film(video, Path(folder))
        with browser(film) as running:
            yield running, film


def keep_picture(page: Page, name: str) -> None:
    """Keep what the page looks like as NAME.png, for a person to look at."""
    folder = Path(os.environ.get("EMDR_SCREENSHOTS") or _PICTURES)
    folder.mkdir(parents=True, exist_ok=True)
    covered = [page.locator("#preview")]
    page.screenshot(path=folder / f"{name}.png", full_page=True, mask=covered, mask_color="#888", animations="disabled")
