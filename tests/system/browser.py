"""A real Chromium for the tests of the pages: its camera can be a video, and what is seen is kept as pictures of pages.

The camera's video is one of the test videos, turned into what Chromium takes, in memory, for as long as the browser
lives. Pictures of pages go to EMDR_SCREENSHOTS; only pages that draw, never what a camera sees: no page shows it.
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
_CAMERA: Final = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
_LONGEST_S: Final = 30
"""Of a video; the browser plays it over and over."""


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
def browser(video: Path | None = None) -> Iterator[Browser]:
    """A browser without a window. `video`: what its camera sees; without one the camera shows a test picture."""
    path = chromium_or_skip()
    with contextlib.ExitStack() as stack:
        arguments = [*_ARGUMENTS, *_CAMERA]
        if video is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=folder_in_memory()))
            arguments.append(f"--use-file-for-fake-video-capture={_as_camera(video, Path(folder))}")
        playwright = stack.enter_context(sync_playwright())
        running = playwright.chromium.launch(executable_path=str(path), args=arguments)
        stack.callback(running.close)
        yield running


def keep_picture(page: Page, name: str) -> None:
    """Keep what the page looks like as NAME.png, for a person to look at; without a folder named, nothing is kept."""
    folder = os.environ.get("EMDR_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def _as_camera(video: Path, folder: Path) -> Path:
    """The video as Motion JPEG, the one form besides raw pixels that Chromium's camera takes."""
    import cv2

    reader = cv2.VideoCapture(str(video))
    made = folder / "camera.mjpeg"
    with made.open("wb") as pictures:
        for _ in range(_LONGEST_S * 30):
            there, picture = reader.read()
            if not there:
                break
            pictures.write(cv2.imencode(".jpg", picture)[1].tobytes())
    reader.release()
    return made
