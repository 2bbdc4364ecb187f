"""The console's page before a service that the test plays, for what a real one does seldom, or never should.

The pages come from a plain web server with the service's own policy; the socket leads to `watch_player.js` in the page.
"""

import base64
import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, expect

from emdr_stream.browser.assets import page_at, read_assets
from emdr_stream.endpoints.pages import CONTENT_SECURITY_POLICY
from tests.system.pages import opened

_PLAYER: Final = (Path(__file__).parent / "watch_player.js").read_text()
_PREFIX: Final = "/assets/played/"


@contextlib.contextmanager
def pages_alone() -> Iterator[int]:
    """A port on which the pages are, and nothing else of the service."""
    files = read_assets()
    page = page_at(files, "console", _PREFIX.strip("/"))
    assert page is not None

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            found = page if path == "/console" else files.get(path.removeprefix(_PREFIX))
            self.send_response(404 if found is None else 200)
            self.send_header("content-security-policy", CONTENT_SECURITY_POLICY)
            if found is not None:
                self.send_header("content-type", found.kind)
                self.send_header("content-length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(b"" if found is None else found.body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def token(user: str = "dr", *, role: str = "therapist", lifetime_s: float = 3_600) -> str:
    """What a page takes for a token; the service that is played takes any."""
    claims = {"sub": user, "role": role, "exp": int(time.time() + lifetime_s)}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, "signature"])


@dataclass(slots=True)
class PlayedConsole:
    """A therapist before `/console`."""

    page: Page
    port: int

    def open(self, *sessions: str, user: str = "dr") -> None:
        """Sign in to a service that has these sessions."""
        self.go(*sessions, fragment=f"#token={token(user)}")
        self.expect_link("live")
        expect(self.page.locator("#sessions .session")).to_have_count(len(sessions))

    def go(self, *sessions: str, fragment: str = "") -> None:
        """Go to the page of such a service."""
        begin = f"for (const name of {json.dumps(sessions)}) player.session(name);"
        self.page.add_init_script(f"{_PLAYER}\n{begin}")
        self.page.goto(f"http://127.0.0.1:{self.port}/console{fragment}")

    def play(self, script: str, argument: object = None) -> Any:
        """Have the service do this: a function of the argument, with `player` at hand."""
        return self.page.evaluate(script, argument)

    def expect_link(self, state: str) -> None:
        expect(self.page.locator("#link")).to_have_attribute("data-state", state)

    def sign_in(self, given: str) -> None:
        self.page.locator("#gate-token").fill(given)
        self.page.locator("#gate-form [type=submit]").click()

    def focused(self) -> str:
        """What has the focus, by its name for a screen reader, its id, or its tag."""
        told: str = self.page.evaluate(
            """() => {
              const at = document.activeElement;
              return at.getAttribute("aria-label") || at.id || at.getAttribute("aria-labelledby") || at.tagName;
            }"""
        )
        return told


@contextlib.contextmanager
def played(browser: Browser, port: int, **wishes: Any) -> Iterator[PlayedConsole]:
    """A page that is not opened yet."""
    with opened(browser, **wishes) as page:
        yield PlayedConsole(page, port)
