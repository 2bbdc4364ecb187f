"""The example that keeps every pixel at home: MediaPipe's own package in a real browser, before a real face."""

import functools
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from emdr_stream.vision.model_file import open_landmarker
from tests.mediapipe_web import add_mediapipe
from tests.system.browser import filmed_browser
from tests.system.film import Film, Mood
from tests.system.pages import Wire, opened
from tests.system.service import Service, service

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

_MOST_BYTES = 2_000
"""Scores, pose and place take 700; the smallest picture of a face some thousands."""
_LOST_S = 30.0


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a web server of somebody else: the example, MediaPipe, and its model."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(repository / "examples" / "landmarks.html", folder)
    add_mediapipe(folder)
    shutil.copy(open_landmarker(None), folder / "face_landmarker.task")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def clinic(site: str) -> Iterator[Service]:
    """Its shipped models, and the example's origin among those that may open a socket."""
    with service(baseline_s="5", allowed_origins=site) as running:
        yield running


@pytest.fixture
def filmed(test_data: Path) -> Iterator[tuple[Page, Film]]:
    with filmed_browser(test_data / "video" / "single_face.mp4") as (browser, film), opened(browser) as page:
        yield page, film


def test_a_smile_is_read_of_scores_alone_and_a_face_that_leaves_stops_the_light(
    site: str, clinic: Service, filmed: tuple[Page, Film]
) -> None:
    page, film = filmed
    wire, sizes, asked = Wire(), [], []
    wire.listen(page)
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sizes.append(len(data))))
    page.on("request", lambda request: asked.append(request.url))
    token = clinic.token("client", "u-landmarks")
    page.goto(f"{site}/landmarks.html?service=http://127.0.0.1:{clinic.port}#token={token}")
    page.click("#start")

    told, dot = page.locator("#told"), page.locator("#dot")
    expect(told).to_contain_text("neutral", timeout=60_000)
    expect(dot).not_to_have_attribute("data-still", "")
    film.show(Mood.SMILING)
    expect(told).to_contain_text("joy", timeout=20_000)
    film.show(Mood.CALM)
    expect(told).to_contain_text("neutral", timeout=20_000)

    film.leave()
    expect(told).to_contain_text("lost", timeout=_LOST_S * 1_000)
    expect(dot).to_have_attribute("data-still", "")
    assert wire.got("control.pause", reason="signal_lost")

    kinds = {message["type"] for message in wire.sent}
    assert "landmarks" in kinds and kinds <= {"hello", "landmarks", "ping", "applied"}
    assert max(sizes) < _MOST_BYTES, "no pixel"
    mine = (site, f"http://127.0.0.1:{clinic.port}/assets/", f"ws://127.0.0.1:{clinic.port}/v1/stream")
    assert all(url.startswith((*mine, "blob:", "data:")) for url in asked), asked
