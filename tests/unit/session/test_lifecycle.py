"""The life of a session: every status with every trigger, against the table of the protocol."""

import pytest

from emdr_stream.domain import Status
from emdr_stream.session.lifecycle import TRANSITIONS, Trigger, next_status

R, P, D, E = Status.RUNNING, Status.PAUSED, Status.DETACHED, Status.ENDED
EXPECTED: dict[Status, dict[Trigger, Status | None]] = {
    R: {
        Trigger.PAUSE: P,
        Trigger.RESUME: None,
        Trigger.DETACH: D,
        Trigger.REATTACH: P,
        Trigger.GRACE_OVER: None,
        Trigger.END: E,
    },
    P: {
        Trigger.PAUSE: P,
        Trigger.RESUME: R,
        Trigger.DETACH: D,
        Trigger.REATTACH: P,
        Trigger.GRACE_OVER: None,
        Trigger.END: E,
    },
    D: {
        Trigger.PAUSE: D,
        Trigger.RESUME: None,
        Trigger.DETACH: None,
        Trigger.REATTACH: P,
        Trigger.GRACE_OVER: E,
        Trigger.END: E,
    },
    E: dict.fromkeys(Trigger),
}
"""Written from the protocol, not from the code; None: it cannot happen, and nothing does."""


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("trigger", Trigger)
def test_every_status_answers_every_trigger_as_the_protocol_says(status: Status, trigger: Trigger) -> None:
    assert next_status(status, trigger) is EXPECTED[status][trigger]


def test_only_an_authorised_resume_leads_to_running() -> None:
    assert {pair for pair, moved in TRANSITIONS.items() if moved is R} == {(P, Trigger.RESUME)}


def test_nothing_leads_out_of_ended() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] is E]
