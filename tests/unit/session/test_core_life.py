"""The life of a session through the core: the table of events in the protocol, line by line."""

import msgspec
import pytest

from emdr_stream.domain import AlertKind, AlertState
from emdr_stream.errors import ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.session.core import SessionCore
from emdr_stream.session.effects import Keep, Send
from emdr_stream.wire.stream import (
    Applied,
    Bye,
    ControlPause,
    ControlResume,
    Done,
    Ended,
    ErrorMessage,
    InterventionMessage,
    Morphcast,
    Ping,
    ResumeRequest,
    SetMark,
    Stop,
    Welcome,
)
from emdr_stream.wire.watch import (
    ControlNotice,
    InterventionNotice,
    ResumeCommand,
    ResumeRequested,
    SessionClosed,
    SessionDetached,
)
from tests.unit.session.live import CLIENT_CLOCK, CRISIS, Live, neutral_sample


def test_hello_opens_a_running_session() -> None:
    live = Live()
    (welcome,) = live.sent(Welcome)
    assert live.status == "running" and not welcome.resumed and welcome.seq == 0
    assert (welcome.snapshot.status, welcome.snapshot.control_epoch) == ("running", 0)
    assert isinstance(live.effects[0], Send) and live.effects[0].message is welcome


def test_a_cause_pauses_with_control_intervention_and_alert() -> None:
    live = Live()
    live.tell(Stop(id=7))
    (pause,), (word,) = live.pauses(), live.sent(InterventionMessage)
    assert live.status == "paused"
    assert (pause.seq, pause.control_epoch, word.seq) == (1, 1, 2)
    assert live.raised() == ["client_stop"] and pause.alert_id == live.alerts()[0].alert_id
    assert live.sent(Done) == [Done(re=7)]
    assert [notice.control_epoch for notice in live.told(ControlNotice)] == [1]
    assert len(live.told(InterventionNotice)) == 1


def test_a_stricter_cause_sends_a_pause_of_a_new_epoch_that_only_tightens() -> None:
    live = Live()
    live.silence(8.0)
    live.therapist_pauses()
    live.tell(Stop())
    first, second = live.pauses()
    assert (first.reason, first.mode, first.resume_requires) == ("signal_lost", "ease_to_center", "client")
    assert (second.reason, second.mode, second.resume_requires) == ("therapist", "hard", "therapist")
    assert second.control_epoch == first.control_epoch + 1


def test_a_client_may_resume_what_requires_the_client() -> None:
    live = Live()
    live.tell(Stop())
    live.request_resume()
    (resume,) = live.resumes()
    assert live.status == "running" and resume.by == "client"
    assert resume.control_epoch > live.pauses()[0].control_epoch
    assert live.open_alerts() == []


def test_a_client_may_not_resume_what_requires_the_therapist() -> None:
    live = Live()
    live.therapist_pauses()
    live.tell(ResumeRequest(id=5))
    assert live.status == "paused" and live.errors() == ["resume_denied"] and not live.resumes()
    kept = [effect.fields for effect in live.effects if isinstance(effect, Keep) and effect.kind == "audit"]
    tried = [(row["action"], row["by"]) for row in kept if row.get("refused")]
    assert tried == [("resume_request", live.core.facts.user)]
    assert live.told(ResumeRequested) == [ResumeRequested(session_id="s1")]


def test_a_therapist_may_resume_any_pause() -> None:
    live = Live()
    live.therapist_pauses()
    live.therapist_resumes()
    assert live.status == "running" and [resume.by for resume in live.resumes()] == ["dr"]


@pytest.mark.parametrize("paused", [False, True])
def test_a_lost_socket_detaches_and_is_told_after_five_seconds(paused: bool) -> None:
    live = Live()
    if paused:
        live.therapist_pauses()
    live.disconnect()
    assert live.status == "detached" and len(live.told(SessionDetached)) == 1
    live.silence(4.999)
    assert "client_disconnected" not in live.raised()
    live.silence(0.001)
    assert "client_disconnected" in live.raised()


def test_a_client_that_comes_back_is_paused_and_may_resume_by_itself() -> None:
    live = Live()
    live.disconnect()
    live.silence(6.0)
    out = live.reconnect()
    sent = [effect.message for effect in out if isinstance(effect, Send)]
    assert isinstance(sent[0], Welcome) and sent[0].resumed and sent[0].snapshot.status == "paused"
    assert isinstance(sent[1], ControlPause)
    assert (sent[1].reason, sent[1].mode, sent[1].resume_requires) == ("client_disconnected", "hard", "client")
    assert sent[1].seq == sent[0].seq + 1
    assert live.alerts(AlertKind.CLIENT_DISCONNECTED, AlertState.RESOLVED)
    live.request_resume()
    assert live.status == "running"


def test_a_pause_that_required_the_therapist_still_does_after_a_reconnect() -> None:
    live = Live()
    live.settle()
    live.watch_for(5.0, CRISIS)
    before = live.pauses()[-1]
    live.disconnect()
    live.silence(1.0)
    out = live.reconnect()
    assert live.sent(ControlPause, out) == [before]
    live.request_resume()
    assert live.status == "paused" and live.errors() == ["resume_denied"]


def test_a_second_socket_takes_a_running_session_over_and_pauses_it() -> None:
    live = Live()
    live.sample()
    live.reconnect()
    assert live.status == "paused" and live.pauses()[-1].reason == "client_disconnected"


def test_missed_messages_are_replayed_after_the_welcome_when_all_are_there() -> None:
    live = Live()
    live.tell(Stop())
    live.request_resume()
    live.therapist_pauses()
    live.disconnect()
    sent = [effect.message for effect in live.reconnect(last_seq=1) if isinstance(effect, Send)]
    assert isinstance(sent[0], Welcome)
    seqs = [getattr(message, "seq", None) for message in sent[1:]]
    assert seqs == list(range(2, live.seq + 1)), "each once, the pause that stands among them"


@pytest.mark.parametrize("last_seq", [0, -5, 10**9])
def test_a_gap_that_is_not_complete_is_not_replayed_at_all(last_seq: int) -> None:
    live = Live()
    for _ in range(200):
        live.tell(Stop())
        live.request_resume()
    live.therapist_pauses()
    live.disconnect()
    sent = [effect.message for effect in live.reconnect(last_seq=last_seq) if isinstance(effect, Send)]
    assert [type(message) for message in sent] == [Welcome, ControlPause]
    assert sent[1] == live.pauses()[-1]


def test_a_pause_is_told_again_after_a_reconnect_however_much_was_said_since() -> None:
    """The current control message never falls out of the bounded memory of what can be replayed."""
    live = Live()
    live.therapist_pauses()
    for _ in range(300):
        live.core.care.intervene(live.sent(InterventionMessage)[0].intervention, live.now)
    live.disconnect()
    out = live.reconnect(last_seq=0)
    assert live.sent(ControlPause, out) == [live.pauses()[0]]


def test_what_is_sent_anew_carries_the_epoch_that_counts_now() -> None:
    """A client ignores messages of a lower epoch: a replay under the old one would be ignored."""
    live = Live()
    live.therapist_pauses()
    live.disconnect()
    out = live.reconnect(last_seq=0, epoch=3)
    stamped = [getattr(effect.message, "epoch", 3) for effect in out if isinstance(effect, Send)]
    assert set(stamped) == {3}


def test_the_grace_time_ends_the_session() -> None:
    live = Live()
    live.disconnect()
    live.silence(59.999)
    assert live.status == "detached"
    live.silence(0.001)
    assert live.status == "ended" and live.over and len(live.told(SessionClosed)) == 1
    assert live.core.wake_ms == float("inf")


def test_grace_is_not_counted_while_no_worker_could_be_reached() -> None:
    live = Live()
    live.disconnect()
    live.now += 600_000
    live.reconnect()
    assert live.status == "paused" and not live.over


@pytest.mark.parametrize("state", ["running", "paused", "detached"])
def test_a_session_can_be_ended_from_any_status(state: str) -> None:
    live = Live()
    if state == "paused":
        live.tell(Stop())
    if state == "detached":
        live.disconnect()
    live.therapist_ends()
    (ended,) = live.sent(Ended)
    assert live.status == "ended" and live.over and ended.seq == live.seq


def test_bye_ends_with_totals() -> None:
    live = Live()
    live.watch_for(1.0)
    live.sample()
    live.tell(Bye())
    (ended,) = live.sent(Ended)
    assert ended.totals.samples == 11 and ended.totals.duplicates == 1 and ended.totals.duration_s == 1.0


@pytest.mark.parametrize(
    "message",
    [
        neutral_sample(CLIENT_CLOCK, re=3),
        Stop(id=3),
        Applied(id=3, control_epoch=1),
        ResumeRequest(id=3),
        SetMark(id=3, action="start", set_no=1),
        Bye(id=3),
        Ping(id=3, t0=0.0),
    ],
    ids=lambda message: type(message).__name__,
)
def test_after_the_end_every_message_is_answered_with_session_over_and_does_nothing(message: object) -> None:
    live = Live()
    live.tell(Bye())
    out = live.tell(message)
    (answer,) = live.sent(ErrorMessage, out)
    assert (answer.code, answer.re) == ("session_over", 3) and len(out) == 1


def test_after_the_end_nothing_else_does_anything_either() -> None:
    live = Live()
    live.settle()
    live.tell(Bye())
    live.disconnect()
    count = len(live.effects)
    live.took(live.core.store_changed("redis", False, live.now))
    live.took(live.core.model_failed(1, live.now))
    live.took(live.core.scored(1, CRISIS, live.now))
    live.silence(100.0)
    assert len(live.effects) == count
    with pytest.raises(ProtocolError) as refused:
        live.core.command(ResumeCommand(id=4, session_id="s1", reason="x"), "dr", live.now)
    assert refused.value.code is ErrorCode.SESSION_OVER and refused.value.re == 4
    with pytest.raises(FatalProtocolError):
        live.core.connected(live.now, epoch=1, resume_token="t", last_seq=0)


def test_an_unacknowledged_alert_outlives_the_session_and_escalates() -> None:
    live = Live()
    live.tell(Stop())
    live.tell(Bye())
    live.silence(30.0)
    assert live.alerts(AlertKind.CLIENT_STOP)[-1].state is AlertState.ESCALATED
    live.took(live.core.acknowledge(live.alerts()[0].alert_id, "dr", None, live.now))
    assert live.alerts()[-1].state is AlertState.RESOLVED and live.open_alerts() == []


def test_commands_and_acknowledgements_are_audited_refused_ones_too() -> None:
    live = Live()
    live.tell(Stop())
    live.took(live.core.acknowledge("s1.a1", "dr", "seen", live.now))
    live.therapist_resumes()
    with pytest.raises(ProtocolError):
        live.therapist_resumes()
    # Once an acknowledgement of no alert left no trace: it was refused before it was written down.
    with pytest.raises(ProtocolError):
        live.core.acknowledge("s1.a9", "dr", "guessed", live.now)
    live.silence(1.0)
    live.sample()
    audit = [effect.fields for effect in live.effects if isinstance(effect, Keep) and effect.kind == "audit"]
    assert [entry["action"] for entry in audit] == ["ack", "control.resume", "control.resume", "ack"]
    assert [entry.get("refused", False) for entry in audit] == [False, False, True, True]


def test_records_are_plain_values() -> None:
    live = Live()
    live.settle()
    live.tell(SetMark(action="start", set_no=1))
    live.watch_for(4.0, CRISIS)
    live.confirm()
    live.therapist_resumes()
    live.tell(Bye())
    for effect in live.effects:
        if isinstance(effect, Keep):
            msgspec.json.decode(msgspec.json.encode(effect.fields))


@pytest.mark.parametrize("message", [Ping(id=1, t0=0.0), Morphcast(id=1, ts=1.0, events=[])])
def test_a_message_that_is_not_for_this_session_is_an_error_not_an_end(message: object) -> None:
    live = Live()
    live.tell(message)
    assert live.errors() and live.status == "running"


def test_a_resume_request_of_a_running_or_detached_session_is_denied() -> None:
    live = Live()
    live.request_resume()
    live.disconnect()
    live.request_resume()
    assert live.errors() == ["resume_denied", "resume_denied"] and not live.sent(ControlResume)


def test_a_pause_commanded_while_detached_holds_after_the_reconnect() -> None:
    live = Live()
    live.disconnect()
    live.therapist_pauses()
    out = live.reconnect()
    assert live.sent(ControlPause, out)[0].resume_requires == "therapist"
    live.request_resume()
    assert live.status == "paused"


def test_time_that_goes_back_counts_as_simultaneous() -> None:
    live = Live()
    live.now = 5_000
    live.tell(Stop())
    live.now = 4_000
    live.took(live.core.acknowledge("s1.a1", "dr", None, live.now))
    stamps = [body.ts for body in live.alerts()]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("paused", [False, True])
def test_what_a_client_knows_and_the_snapshot_does_not_keeps_its_number_and_only_a_therapist_resumes(
    paused: bool,
) -> None:
    # Found by tests/system/test_chaos.py: Redis was away, the client went to another worker, and the pause that it was
    # told there had the seq and the control_epoch of a resume that it had already seen.
    live = Live()
    if paused:
        live.therapist_pauses()
    snapshot = live.core.snapshot(live.now)
    known, counted = snapshot.core.seq + 3, snapshot.control.control_epoch
    core = SessionCore(live.core.facts, live.settings, snapshot)
    core.disconnected(live.now + 10)
    effects = core.connected(live.now + 20, epoch=2, resume_token="u", last_seq=known)
    pauses = [e.message for e in effects if isinstance(e, Send) and isinstance(e.message, ControlPause)]
    assert [pause.seq for pause in pauses] == [known + 1]
    assert pauses[0].control_epoch > counted + 3
    assert pauses[0].resume_requires == "therapist"
    again = core.client(Applied(control_epoch=pauses[0].control_epoch), live.now + 30)
    assert not any(isinstance(e, Send) and isinstance(e.message, ErrorMessage) for e in again)
