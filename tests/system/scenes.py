"""Long scenes with live services, played at the same time: each is a story of a client, with what was seen of it.

A baseline takes seconds and a crisis more; one after the other they would take minutes. The tests ask for their scene
and judge it; a scene that failed fails the tests that ask for it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emdr_stream.simulation import Family
from tests.escalations import escalation
from tests.speakers import Look, landmarks, morphcast, samples, speaker_looks
from tests.system.faces import Mood, camera, play, until_known
from tests.system.service import Service
from tests.system.sockets import Message, SocketClient, beside, of_type, resume_of, stream, watch

BASELINE_S: Final = 8
"""Seconds of calm before the models are heard, in place of a minute."""
CALM_S: Final = BASELINE_S + 1.5
CRISIS_S: Final = 30.0
SPEAKING_S: Final = 20.0
KIND_OF: Final = {Family.PANIC: "crisis", Family.SHUTDOWN: "dissociation"}
"""What the service calls the crises of the simulator."""
SHAPES: Final[Mapping[str, Callable[[Iterable[Look]], Iterable[tuple[int, Message]]]]] = {
    "emotion": samples,
    "morphcast": morphcast,
    "landmarks": landmarks,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What both sides heard in a scene; `answers` are those that the scene itself waited for, by name."""

    client: SocketClient
    console: SocketClient
    answers: Mapping[str, Message]


Scene = Callable[[], Coroutine[Any, Any, Seen]]


class Stage:
    """Scenes that were played, by name."""

    def __init__(self, outcomes: Mapping[str, Seen | Exception]) -> None:
        self._outcomes = outcomes

    def __getitem__(self, name: str) -> Seen:
        """What was seen; raises what the scene failed with."""
        outcome = self._outcomes[name]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def play_all(scenes: Mapping[str, Scene]) -> Stage:
    """Play all scenes at the same time, to their ends."""
    outcomes: dict[str, Seen | Exception] = {}

    async def one(name: str, scene: Scene) -> None:
        try:
            outcomes[name] = await scene()
        except Exception as failure:
            outcomes[name] = failure

    async def every() -> None:
        async with asyncio.TaskGroup() as group:
            for name, scene in scenes.items():
                group.create_task(one(name, scene))

    asyncio.run(every())
    return Stage(outcomes)


async def simulated_crisis(service: Service, family: Family, seed: int, subprotocol: str) -> Seen:
    """A simulated client on a service with the shipped model: calm, then the crisis, up to the pause and the alerts."""
    kind = KIND_OF[family]
    user = f"{family.value}-{seed}"
    told = escalation(family, seed, calm_s=CALM_S, crisis_s=CRISIS_S)
    async with (
        watch(service, user, subprotocol=subprotocol) as console,
        stream(service, user, subprotocol=subprotocol) as client,
        beside(play(client, told)),
    ):
        pause = await client.wait_for("control.pause", within_s=CALM_S + CRISIS_S)
        answers = {
            "pause": pause,
            "intervention": await client.wait_for("intervention"),
            "alert": await console.wait_for(of_type("alert", alert_id=pause["alert_id"])),
            "notice": await console.wait_for(of_type("control", action="pause")),
            "told intervention": await console.wait_for("intervention"),
            "state": await console.wait_for(of_type("state", status="paused")),
            "named": await console.wait_for(of_type("alert", kind=kind), within_s=CRISIS_S),
        }
    return Seen(client, console, answers)


async def speaker(service: Service, folder: Path, group: str, source: str, subprotocol: str) -> Seen:
    """A real speaker for some seconds, on a service with the shipped model."""
    user = f"speaker-{group.replace(' ', '-').replace(',', '')}-{source}"
    looks = await asyncio.to_thread(speaker_looks, folder, group, SPEAKING_S)
    async with (
        watch(service, user, subprotocol=subprotocol) as console,
        stream(service, user, subprotocol=subprotocol, source=source) as client,
    ):
        ids = ((at_ms, {**message, "id": at_ms}) for at_ms, message in SHAPES[source](looks))
        await play(client, ids)
        last = await client.wait_for(of_type("result", re=looks[-1].at_ms))
        shown = await console.wait_for(of_type("state", emotions=last["emotions"], safety=last["safety"]))
    return Seen(client, console, {"result": last, "state": shown})


async def cause(service: Service, mood: Mood) -> Seen:
    """A client whose face changes from calm to a mood that pauses, on a service with the plain model."""
    user = f"mood-{mood.value.replace(' ', '-')}"
    async with watch(service, user) as console, stream(service, user) as client, camera(client) as seen:
        await until_known(client)
        seen.mood = mood
        pause = await client.wait_for("control.pause", within_s=15.0)
        alert = await console.wait_for(of_type("alert", alert_id=pause["alert_id"]))
        await client.wait_for("intervention")
        state = await console.wait_for(of_type("state", status="paused"))
    return Seen(client, console, {"pause": pause, "alert": alert, "state": state})


async def crisis_and_back(service: Service) -> Seen:
    """A crisis; the client asks to go on, loses the connection, comes back, asks again; then a therapist resumes."""
    user = "crisis-and-back"
    async with watch(service, user) as console:
        async with stream(service, user) as client, camera(client) as seen:
            await until_known(client)
            seen.mood = Mood.PANIC
            first = await client.wait_for(of_type("control.pause", reason="crisis"), within_s=15.0)
            refused = await ask_to_resume(client)
            asked = await console.wait_for("resume_requested")
        async with stream(service, user, **resume_of(client)) as back, camera(back):
            answers = {
                "pause": first,
                "refused": refused,
                "asked": asked,
                "welcome": back.of("welcome")[0],
                "pause again": await back.wait_for("control.pause"),
                "refused again": await ask_to_resume(back),
                "resumed": await resume_as_therapist(console, back),
                "alert": await console.wait_for(of_type("alert", kind="crisis", state="resolved")),
            }
    return Seen(back, console, answers)


async def calm_again(service: Service) -> Seen:
    """A crisis that passes by itself, while nobody resumes."""
    user = "calm-again"
    async with watch(service, user) as console, stream(service, user) as client, camera(client) as seen:
        await until_known(client)
        seen.mood = Mood.PANIC
        pause = await client.wait_for("control.pause", within_s=15.0)
        seen.mood = Mood.CALM
        calm = await client.wait_for(
            lambda m: m["type"] == "result" and (m["safety"]["crisis_probability"] or 1.0) < 0.05,
            after=len(client.messages),
            within_s=30.0,
        )
        await client.send("set", id="next", action="start", set_no=2)
        refused = await client.wait_for(of_type("error", re="next"))
    return Seen(client, console, {"pause": pause, "calm": calm, "refused": refused})


async def resume_as_therapist(console: SocketClient, client: SocketClient) -> Message:
    """A therapist ends the pause; gives the client's `control.resume`."""
    session_id = client.of("welcome")[0]["session_id"]
    after = len(client.messages)
    await console.send("control.resume", id="resume", session_id=session_id, reason="calm again")
    await console.wait_for(of_type("done", re="resume"))
    return await client.wait_for("control.resume", after=after)


async def ask_to_resume(client: SocketClient) -> Message:
    """The client asks to go on; gives the answer."""
    after = len(client.messages)
    await client.send("resume_request", id="please")
    return await client.wait_for(lambda m: m["type"] in {"error", "control.resume"}, after=after)
