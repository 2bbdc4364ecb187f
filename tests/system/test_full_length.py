"""Whole sessions in real time, for `make verify`: each speaker talks for five minutes after a minute of baseline."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.speakers import GROUPS, speaker_looks, with_panic
from tests.system.conftest import SPEAKING
from tests.system.faces import play
from tests.system.scenes import SHAPES, Seen, Stage, play_all
from tests.system.service import Service, service
from tests.system.sockets import of_type, stream, watch

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(900)]

BASELINE_S, TALK_S, PANIC_S = 60, 300, 60


@pytest.fixture(scope="module")
def full() -> Iterator[Service]:
    """A service exactly as users start it."""
    with service() as running:
        yield running


async def whole_session(running: Service, folder: Path, group: str, source: str, subprotocol: str) -> Seen:
    """A minute of baseline, five of talk, and one of the panic that is put in."""
    user = f"whole-{list(GROUPS).index(group)}-{source}"
    looks = with_panic(speaker_looks(folder, group, BASELINE_S + TALK_S + PANIC_S), BASELINE_S + TALK_S)
    async with (
        watch(running, user, subprotocol=subprotocol) as console,
        stream(running, user, subprotocol=subprotocol, source=source) as client,
    ):
        await play(client, SHAPES[source](looks))
        pause = await client.wait_for("control.pause")
        alert = await console.wait_for(of_type("alert", alert_id=pause["alert_id"]))
    return Seen(client, console, {"pause": pause, "alert": alert})


@pytest.fixture(scope="module")
def sessions(full: Service, test_data: Path) -> Stage:
    """All groups in both shapes and encodings, at the same time."""
    folder = test_data / "speakers"
    return play_all(
        {
            f"{group} {source}": partial(whole_session, full, folder, group, source, subprotocol)
            for group, source, subprotocol in SPEAKING
        }
    )


@pytest.mark.parametrize(("group", "source"), [live[:2] for live in SPEAKING], ids=str)
def test_five_minutes_of_a_speaker_are_not_paused_and_a_panic_is(sessions: Stage, group: str, source: str) -> None:
    seen = sessions[f"{group} {source}"]
    pause, alert = seen.answers["pause"], seen.answers["alert"]
    began_s = seen.client.times_s[0]
    panic_s = BASELINE_S + TALK_S
    alarming = {"control.pause", "intervention", "error"}
    alarms = [
        message
        for message, at_s in zip(seen.client.messages, seen.client.times_s, strict=True)
        if message["type"] in alarming and at_s - began_s < panic_s
    ]
    assert alarms == []
    assert panic_s < seen.client.time_of(pause) - began_s < panic_s + PANIC_S + 1
    assert pause["reason"] == "crisis" and pause["resume_requires"] == "therapist"
    assert alert["severity"] == "critical" and alert["evidence"]
    assert len(seen.client.of("result")) > (panic_s + PANIC_S) * 7
