"""A simulated client: streams, stops, falls silent, comes back on any node, confirms and obeys as the protocol asks."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Any, Final

from tests.chaos.history import RESTLESS, History
from tests.chaos.link import FINAL, Backoff, Link, LinkLost, linked, now_s
from tests.chaos.world import Node
from tests.system.faces import Mood, sample
from tests.system.sockets import Message, beside, wall_ms

_SAMPLE_S: Final = 0.1
_LEAVE_SHARE: Final = 0.15
_LEAVE_PAUSED_SHARE: Final = 0.02
_REST_SHARE: Final = 0.1
_REST_S: Final = 38.0
"""Longer than a high alert may stay without an acknowledgement before it escalates."""
_CALM_FIRST_S: Final = 6.0
"""A little more than the baseline: earlier the model is not asked."""


class Client:
    """One person before a camera, in one session after the other. `waiting`: sessions that a therapist must resume."""

    def __init__(self, user: str, nodes: Sequence[Node], history: History, waiting: set[str], seed: str) -> None:
        self.user = user
        self._nodes = nodes
        self._history = history
        self._waiting = waiting
        self._rng = random.Random(seed)
        self._backoff = Backoff(self._rng)
        self._sessions = 0
        self.roams = True
        """Whether it loses its connection by itself now and then, comes back on any node, rests, or leaves for good."""
        self._leaves = False
        self.calm = False
        """Set at the end of a run: causes nothing more, and goes on with what it began."""
        self._begin()

    def _begin(self) -> None:
        """Know nothing: the next hello opens a session."""
        self._sessions += 1
        self.session_id = f"{self.user}-{self._sessions}"
        self._token = ""
        self._epoch = self._seq = self._control_epoch = 0
        self.paused = False
        self._requires = "client"
        self._mood = Mood.CALM
        self._silent = False
        self._away_s = 0.0
        self._rests_until_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            node = self._rng.choice(self._nodes)
            code = 0
            try:
                async with linked(node, "/v1/stream") as link:
                    await self._live(link, node)
            except LinkLost as lost:
                code = lost.code
            if self._token or code in FINAL:
                self._log("lost", {"code": code, "node": node.name})
            if code in FINAL:
                self._log("refused", {"code": code, "node": node.name})
                self._begin()
            elif self._leaves:
                self._log("left", {})
                self._waiting.discard(self.session_id)
                self._leaves = False
                self._begin()
            await asyncio.sleep(self._away_s)
            await self._backoff.wait()

    async def _live(self, link: Link, node: Node) -> None:
        await link.send("hello", **self._hello(node))
        welcome = await self._welcomed(link)
        self._log("opened", {**welcome, "node": node.name, "away_s": self._away_s})
        self._away_s = 0.0
        self._epoch, self._token = welcome["epoch"], welcome["resume_token"]
        self._seq = max(self._seq, welcome["seq"] if not welcome["resumed"] else self._seq)
        self._backoff.reset()
        async with beside(self._stream(link)), beside(self._stir(link)):
            while True:
                await self._hear(link, await link.receive())

    def _hello(self, node: Node) -> dict[str, Any]:
        fields: dict[str, Any] = {"source": "emotion", "token": node.service.token("client", self.user)}
        if self._token:
            claim = {"resume_token": self._token, "epoch": self._epoch, "last_seq": self._seq}
            return {**fields, "session_id": self.session_id, "resume": claim}
        fields["token"] = node.service.token("client", self.user, sid=self.session_id)
        return fields

    async def _welcomed(self, link: Link) -> Message:
        while True:
            message = await link.receive()
            if message["type"] == "welcome":
                return message
            self._log("heard", message)

    async def _hear(self, link: Link, message: Message) -> None:
        kind = message["type"]
        if kind in RESTLESS:
            return
        self._log("heard", message)
        if message.get("epoch", self._epoch) < self._epoch:
            return
        self._seq = max(self._seq, message.get("seq", 0))
        if kind == "control.pause":
            await self._pause(link, message)
        elif kind == "control.resume":
            await self._go_on(link, message)
        elif kind == "ended":
            raise LinkLost(4504)

    async def _pause(self, link: Link, message: Message) -> None:
        if message["control_epoch"] >= self._control_epoch:
            if not self.paused and self.roams and self._rng.random() < _REST_SHARE:
                self._rests_until_s = now_s() + _REST_S
            self.paused, self._requires = True, message["resume_requires"]
            self._control_epoch = message["control_epoch"]
        if not self._silent:
            await self._confirm(link, message["control_epoch"])

    async def _go_on(self, link: Link, message: Message) -> None:
        if message["control_epoch"] >= self._control_epoch:
            self.paused, self._requires, self._mood = False, "client", Mood.CALM
            self._control_epoch = message["control_epoch"]
            self._waiting.discard(self.session_id)
        await self._confirm(link, message["control_epoch"])

    async def _confirm(self, link: Link, control_epoch: int) -> None:
        await link.send("applied", control_epoch=control_epoch)
        await link.send("applied", control_epoch=control_epoch, stopped_ts=wall_ms())

    async def _stream(self, link: Link) -> None:
        """Ten samples a second."""
        with contextlib.suppress(LinkLost):
            while True:
                await link.send("sample", **sample(self._mood, wall_ms()))
                await asyncio.sleep(_SAMPLE_S)

    async def _stir(self, link: Link) -> None:
        """What a person does, drawn from the seed."""
        began_s = now_s()
        with contextlib.suppress(LinkLost):
            while True:
                await asyncio.sleep(self._rng.uniform(0.6, 2.5))
                if self.paused:
                    await self._recover(link)
                elif not self.calm:
                    await self._trouble(link, now_s() - began_s > _CALM_FIRST_S)

    async def _recover(self, link: Link) -> None:
        if self._silent:
            self._silent = False
            await self._confirm(link, self._control_epoch)
        elif self.roams and not self.calm and self._rng.random() < _LEAVE_PAUSED_SHARE:
            self._leaves = True
            link.cut()
        elif now_s() < self._rests_until_s:
            return
        elif self._requires == "therapist":
            self._waiting.add(self.session_id)
        elif self._rng.random() < 0.7:
            self._log("sent", {"type": "resume_request"})
            await link.send("resume_request")

    async def _trouble(self, link: Link, known: bool) -> None:
        drawn = self._rng.random()
        if drawn < 0.5:
            self._silent = drawn < 0.1
            self._log("sent", {"type": "stop"})
            await link.send("stop")
        elif drawn < 0.65 and known:
            self._mood = Mood.PANIC
        elif drawn < 0.8 and self.roams:
            self._away_s = self._rng.choice((0.0, 0.3, 1.0, 6.5))
            self._leaves = self._rng.random() < _LEAVE_SHARE
            link.cut()

    def _log(self, what: str, data: Message) -> None:
        self._history.add(now_s(), self.user, what, self.session_id, data)
