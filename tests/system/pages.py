"""In: a browser, a service. Out: the client's page and the therapist's console as people use them, and what they show.

What the client's light does is read from the pixels of its canvas, at each frame, by a script that knows nothing of the
page's own: `light_probe.js`.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgpack
from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, expect

from tests.system.service import Service

PATIENCE_MS: Final = 22_000
"""For what takes a second on a machine that is idle."""
_PROBE: Final = (Path(__file__).parent / "light_probe.js").read_text()
_TONES: Final = (Path(__file__).parent / "tone_probe.js").read_text()
_DESKTOP: Final = {"width": 1280, "height": 800}

expect.set_options(timeout=PATIENCE_MS)

Message = dict[str, Any]


@dataclass(slots=True)
class Wire:
    """What travelled over a page's sockets, in order, decoded."""

    sent: list[Message] = field(default_factory=list)
    received: list[Message] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        def opened(socket: WebSocket) -> None:
            socket.on("framesent", lambda data: self.sent.append(_decoded(data)))
            socket.on("framereceived", lambda data: self.received.append(_decoded(data)))

        page.on("websocket", opened)

    def got(self, kind: str, **fields: object) -> list[Message]:
        return [m for m in self.received if m["type"] == kind and all(m.get(k) == v for k, v in fields.items())]


def _decoded(data: bytes | str) -> Message:
    message: Message = msgpack.unpackb(data if isinstance(data, bytes) else data.encode())
    return {name: value for name, value in message.items() if not isinstance(value, bytes)}


@contextlib.contextmanager
def opened(browser: Browser, **wishes: Any) -> Iterator[Page]:
    """A page in a browser profile of its own, as another person's computer has. `wishes`: of Playwright's context.

    An error that the page's own scripts have let escape fails the test.
    """
    escaped: list[str] = []
    context: BrowserContext = browser.new_context(**{"viewport": _DESKTOP, "locale": "en-GB", **wishes})
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_PROBE)
    context.add_init_script(_TONES)
    context.on("weberror", lambda problem: escaped.append(str(problem.error)))
    try:
        yield context.new_page()
    finally:
        context.close()
    assert not escaped, escaped


def until(page: Page, holds: str) -> None:
    """Wait until this expression holds. Playwright's own way needs `eval` in the page, which its policy forbids."""
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while not page.evaluate(holds):
        assert time.monotonic() < deadline, f"it never came to {holds}"
        page.wait_for_timeout(50)


@dataclass(slots=True)
class ClientPage:
    """The client before `/client`."""

    page: Page
    wire: Wire = field(default_factory=Wire)

    @classmethod
    def open(
        cls, page: Page, service: Service, user: str, *, port: int | None = None, token: str | None = None
    ) -> "ClientPage":
        """`port`: of what stands between page and service, if anything does."""
        made = cls.follow(page)
        page.goto(f"http://127.0.0.1:{port or service.port}/client#token={token or service.token('client', user)}")
        return made

    @classmethod
    def follow(cls, page: Page) -> "ClientPage":
        """Listen to a page that somebody else has opened."""
        made = cls(page)
        made.wire.listen(page)
        return made

    def go_through(self, *, camera: bool, sound: bool = False, ends_at: str = "ready") -> None:
        """All steps before the session, by pointer."""
        for step in ("welcome", "ready", "source", "comfort"):
            self.fill(step, camera=camera, sound=sound)
            self.leave(step)
        self.rehearse()
        self.page.locator("#begin").click()
        self.expect_view(ends_at)

    def fill(self, step: str, *, camera: bool = False, sound: bool = False) -> None:
        page = self.page
        if step == "welcome":
            page.locator("#consent").check()
        elif step == "ready":
            for box in page.locator("#step-ready input").all():
                box.check()
        elif step == "source" and camera:
            page.locator("#camera-on").click()
            expect(page.locator("#source-go")).to_be_enabled()
        elif step == "source":
            page.locator("[name=source][value=demo]").check()
        elif step == "comfort" and sound:
            page.locator("#want-sound").check()

    def leave(self, step: str) -> None:
        self.page.locator(f"#step-{step} [type=submit]").click()

    def rehearse(self) -> None:
        """Start the light once, and stop it."""
        self.page.locator("#rehearsal-start").click()
        self.page.locator("#rehearsal-stop").click()
        expect(self.page.locator("#rehearsal-told")).not_to_be_empty()

    def begin_set(self) -> None:
        self.page.locator("#panel .button-main").click()
        self.expect_view("moving")
        self.wait_until_it_moves()

    def go_on(self) -> None:
        """After a pause, by the client's own word."""
        self.page.locator("#panel .ways .button-main").click()
        self.expect_view("ready")

    def expect_view(self, view: str) -> None:
        expect(self.page.locator("body")).to_have_attribute("data-view", view)

    def wait_until_it_moves(self) -> None:
        until(self.page, "lightProbe.moves() >= 10")

    def wait_until_sent(self, kind: str, *, since: int = 0) -> Message:
        """The first message of this type that left after `since` others."""
        deadline = time.monotonic() + PATIENCE_MS / 1_000
        while True:
            found = [message for message in self.wire.sent[since:] if message["type"] == kind]
            if found:
                return found[0]
            assert time.monotonic() < deadline, f"no {kind} was sent"
            self.page.wait_for_timeout(50)

    def last_moved_ms(self) -> float:
        """When the light was last seen elsewhere than a frame before, milliseconds since 1970."""
        moved: float = self.page.evaluate("lightProbe.lastMovedMs()")
        return moved

    def at_key(self) -> Mapping[str, Any]:
        """What the newest stop key found, and how many frames showed the light elsewhere after it."""
        seen: Mapping[str, Any] = self.page.evaluate("lightProbe.atKey()")
        return seen

    def sides_of_tones(self) -> list[tuple[float, float]]:
        """Of the tones that were heard: the side (-1 left, 1 right), and where the light was then, -1 to 1."""
        sides: list[tuple[float, float]] = self.page.evaluate(
            """() => toneProbe.heard().map(({ pan, heardMs }) => [Math.sign(pan), lightProbe.reachAt(heardMs)])
              .filter(([, reach]) => reach !== null)"""
        )
        return sides

    def half_pass_ms(self) -> float:
        """The median time between two crossings of the midline, of those in which no frame was late."""
        until(self.page, "lightProbe.halfPasses().length >= 5")
        lasted: list[float] = self.page.evaluate("lightProbe.halfPasses()")
        return median(lasted)


@dataclass(slots=True)
class ConsolePage:
    """A therapist before `/console`."""

    page: Page
    wire: Wire = field(default_factory=Wire)

    @classmethod
    def open(
        cls, page: Page, service: Service, therapist: str, clients: list[str], *, port: int | None = None
    ) -> "ConsolePage":
        made = cls.follow(page)
        token = service.token("therapist", therapist, clients=clients)
        page.goto(f"http://127.0.0.1:{port or service.port}/console#token={token}")
        made.expect_link("live")
        return made

    @classmethod
    def follow(cls, page: Page) -> "ConsolePage":
        """Listen to a page that somebody else opens."""
        made = cls(page)
        made.wire.listen(page)
        return made

    def until_judged(self) -> None:
        """Wait until the models judge a session: its baseline stands."""
        deadline = time.monotonic() + PATIENCE_MS / 1_000
        while all(message["state"]["label"] == "unknown" for message in self.wire.got("state")):
            assert time.monotonic() < deadline, "the models have judged nothing"
            self.page.wait_for_timeout(50)

    def close_dialog(self) -> None:
        self.page.keyboard.press("Escape")
        expect(self.page.locator("dialog")).to_have_count(0)

    def expect_link(self, state: str) -> None:
        expect(self.page.locator("#link")).to_have_attribute("data-state", state)

    def set_fields(self, values: Mapping[str, str]) -> None:
        """Set pattern and limits of the session that is shown, by the dialog."""
        self.page.locator("[data-key=f]").click()
        for name, value in values.items():
            self.page.locator(f"#field-{name}").fill(value)
        self.page.locator("[data-do=confirm]").click()
        expect(self.page.locator("dialog")).to_have_count(0)

    def alert(self, words: str) -> Any:
        """The card of the open alert of these words."""
        return self.page.locator("#alerts .alert", has_text=words).first
