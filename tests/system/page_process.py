"""Addresses and tokens in, a page of the browser library in a process of its own out, with its events as they come."""

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.node import node
from tests.system.service import Service

Event = dict[str, Any]
PATIENCE_S = 20.0
_SCRIPT = Path(__file__).resolve().parents[1] / "browser" / "live.mjs"


class NotTold(AssertionError):
    """An event did not come in time; the message holds what came instead."""


@dataclass(slots=True)
class Page:
    """A running page. `events`: all that it told so far, in order; `at_ms` is by its own clock."""

    process: "subprocess.Popen[str]"
    events: list[Event] = field(default_factory=list)
    _news: "queue.SimpleQueue[Event | None]" = field(default_factory=queue.SimpleQueue)

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._news.put(json.loads(line))
        self._news.put(None)

    def wait_for(self, who: str, event: str, holds: Callable[[Event], bool] = lambda _: True, after: int = 0) -> Event:
        """The first such event, of those from number `after` on. Raises NotTold."""
        deadline = time.monotonic() + PATIENCE_S
        seen = after
        while True:
            for told in self.events[seen:]:
                if told["who"] == who and told["event"] == event and holds(told):
                    return told
            seen = len(self.events)
            try:
                news = self._news.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                news = None
            if news is None:
                raise NotTold(f"no {event} of the {who}; instead: {self.events[after:][-25:]}")
            self.events.append(news)

    def ask(self, do: str, **fields: object) -> Event:
        """Have the page do something; gives its answer."""
        assert self.process.stdin is not None
        after = len(self.events)
        self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self.process.stdin.flush()
        return self.wait_for("page", "answer", lambda told: told["to"] == do, after)

    def of(self, who: str, event: str) -> list[Event]:
        return [told for told in self.events if told["who"] == who and told["event"] == event]


@contextlib.contextmanager
def page(service: Service, user: str) -> Iterator[Page]:
    """A client's and a therapist's page of this user."""
    tokens = (service.token("client", user), service.token("therapist", f"{user}-t", clients=[user]))
    command = [node(), "--experimental-websocket", "--no-warnings", str(_SCRIPT), f"ws://127.0.0.1:{service.port}"]
    process = subprocess.Popen([*command, *tokens], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    running = Page(process)
    listening = threading.Thread(target=running.listen, daemon=True)
    listening.start()
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        listening.join(5)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
