"""A simulated therapist's console: follows everybody, confirms cursors, acknowledges some, resumes and pauses."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Any, Final

from tests.chaos.history import History, Key, key_of
from tests.chaos.link import Backoff, Link, LinkLost, linked, now_s
from tests.chaos.world import Node
from tests.system.sockets import Message, beside

_RECEIVED_S: Final = 1.0
_TURN_S: Final = 0.4
_ACK_SHARE: Final = 0.5


class Console:
    """One screen. `waiting`: sessions whose clients wait for a therapist, as they would by telephone."""

    def __init__(
        self, name: str, home: Node, nodes: Sequence[Node], history: History, waiting: set[str], seed: str
    ) -> None:
        self.name = name
        self._home = home
        self._nodes = nodes
        self._history = history
        self._waiting = waiting
        self._seed = seed
        self._rng = random.Random(seed)
        self._backoff = Backoff(self._rng)
        self._cursor: str | None = None
        self._confirmed: str | None = None
        self._open: dict[str, str] = {}
        self._link: Link | None = None
        self._followed_s = 0.0
        self.told: set[Key] = set()
        """What it was told."""
        self._sessions: dict[str, None] = {}
        self.calm = False

    async def run(self) -> None:
        """Until cancelled."""
        node = self._home
        while True:
            code = 0
            try:
                async with linked(node, "/v1/watch") as link:
                    self._link = link
                    await self._live(link, node)
            except LinkLost as lost:
                code = lost.code
            self._link = None
            self._log("", "lost", {"code": code, "node": node.name})
            await self._backoff.wait()
            node = self._home if self._rng.random() < 0.5 else self._rng.choice(self._nodes)

    def drop(self) -> None:
        """Lose the connection now."""
        if self._link is not None:
            self._link.cut()

    def follows_since(self, moment_s: float) -> bool:
        """Whether it has been told, after that moment, that it follows everybody."""
        return self._followed_s > moment_s

    async def _live(self, link: Link, node: Node) -> None:
        fields: dict[str, Any] = {"token": node.service.token("therapist", self.name, clients=["*"])}
        if self._cursor is not None:
            fields["resume_after"] = self._cursor
        await link.send("hello", **fields)
        await link.send("subscribe", id="all", sessions=["*"], rate_hz=1)
        async with beside(self._confirm(link)), beside(self._treat(link)):
            while True:
                self._hear(await link.receive(), node)

    def _hear(self, message: Message, node: Node) -> None:
        kind = message["type"]
        if kind == "alert":
            self._alerted(message)
        elif kind == "subscribed":
            self._backoff.reset()
            self._followed_s = now_s()
            self._log("", "follows", {"node": node.name})
        elif kind == "error":
            self._log("", "heard", message)
        elif kind == "control":
            self._log(message["session_id"], "heard", {**message, "from": "watch"})
        elif kind == "done" and message.get("re") is not None:
            self._log("", "heard", message)

    def _alerted(self, message: Message) -> None:
        self._cursor = message["cursor"]
        self._log(message["session_id"], "heard", message)
        self._sessions[message["session_id"]] = None
        self.told.add(key_of(message["cursor"]))
        alert_id = message["alert_id"]
        if message["state"] != "raised":
            self._open.pop(alert_id, None)
        # All consoles agree about which alerts are left alone, so that some escalate.
        elif random.Random(f"{self._seed.partition('/')[0]}{alert_id}").random() < _ACK_SHARE:
            self._open[alert_id] = message["session_id"]

    async def _confirm(self, link: Link) -> None:
        with contextlib.suppress(LinkLost):
            while True:
                await asyncio.sleep(_RECEIVED_S)
                if self._cursor not in (None, self._confirmed):
                    await link.send("received", cursor=self._cursor)
                    self._confirmed = self._cursor

    async def _treat(self, link: Link) -> None:
        """Acknowledge, resume and now and then pause; what was refused is tried again while it is still open."""
        with contextlib.suppress(LinkLost):
            while True:
                await asyncio.sleep(_TURN_S * self._rng.uniform(0.5, 1.5))
                for alert_id, session_id in list(self._open.items())[:5]:
                    await self._command(link, session_id, "ack", id=f"ack {alert_id}", alert_id=alert_id)
                for session_id in sorted(self._waiting)[:5]:
                    await self._resume(link, session_id)
                if not self.calm and self._rng.random() < 0.05:
                    await self._pause(link)

    async def _resume(self, link: Link, session_id: str) -> None:
        if self._rng.random() < 0.5:
            said = {"session_id": session_id, "reason": "calm again"}
            await self._command(link, session_id, "control.resume", id=f"resume {session_id}", **said)

    async def _pause(self, link: Link) -> None:
        sessions = list(self._sessions)[-20:]
        if sessions:
            session_id = self._rng.choice(sessions)
            said = {"session_id": session_id, "reason": "wait"}
            await self._command(link, session_id, "control.pause", id=f"pause {session_id}", **said)

    async def _command(self, link: Link, about: str, type_: str, /, **fields: Any) -> None:
        self._log(about, "sent", {"type": type_, **fields})
        await link.send(type_, **fields)

    def _log(self, session_id: str, what: str, data: Message) -> None:
        self._history.add(now_s(), self.name, what, session_id, data)
