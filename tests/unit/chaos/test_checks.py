"""The checker of histories finds each planted violation, and nothing in a history that kept its promises."""

from dataclasses import replace
from typing import Any

from tests.chaos import alert_checks, control_checks, delays
from tests.chaos.history import Event, Fault, History, Step

SESSION = "s1"
DAY_MS = 1_795_500_000_000
STATES = ("raised", "acknowledged", "resolved")


def step(number: int, state: str = "raised", alert: int = 1, *, epoch: int = 1, ts_ms: int | None = None) -> Step:
    alert_id = f"{SESSION}.a{alert}"
    return Step(SESSION, number, alert_id, state, epoch, DAY_MS + number if ts_ms is None else ts_ms)


def told(history: History, kept: Step, at_s: float, *watchers: str) -> None:
    """Each watcher is told a step."""
    cursor = f"{kept.ts_ms}.{SESSION}.{kept.alert_seq:06d}"
    for watcher in watchers or history.watchers:
        message = {"type": "alert", "cursor": cursor, "alert_id": kept.alert_id, "state": kept.state}
        history.add(at_s, watcher, "heard", SESSION, message)


def good() -> History:
    """One alert from its raising to its end, told to two watchers."""
    history = History(watchers=["t0", "t1"], ended_s=100.0)
    for number, state in enumerate(STATES, 1):
        kept = step(number, state)
        history.table.append(kept)
        history.stream.append(kept)
        told(history, kept, float(number))
    return history


def heard(history: History, at_s: float, type_: str, **fields: Any) -> None:
    """The client is told something."""
    history.add(at_s, "c1", "heard", SESSION, {"type": type_, "epoch": 1, **fields})


def pause(history: History, at_s: float, seq: int, control_epoch: int, requires: str = "client", **fields: Any) -> None:
    told = {"seq": seq, "control_epoch": control_epoch, "resume_requires": requires, "mode": "hard", **fields}
    heard(history, at_s, "control.pause", **told)


def resume(history: History, at_s: float, seq: int, control_epoch: int, by: str = "client") -> None:
    heard(history, at_s, "control.resume", seq=seq, control_epoch=control_epoch, by=by)


def opened(history: History, at_s: float, *, epoch: int = 1, status: str = "running") -> None:
    welcome = {"type": "welcome", "epoch": epoch, "resumed": at_s > 0, "snapshot": {"status": status}}
    history.add(at_s, "c1", "opened", SESSION, welcome)


def paused_session(requires: str = "client") -> History:
    history = History(ended_s=100.0)
    opened(history, 0.0)
    pause(history, 1.0, 1, 1, requires)
    return history


def sent(history: History, at_s: float, type_: str, who: str = "c1") -> None:
    history.add(at_s, who, "sent", SESSION, {"type": type_})


def kinds(history: History) -> list[str]:
    return [violation.kind for violation in control_checks.broken_control(history)]


def test_a_history_that_kept_its_promises_has_no_violation() -> None:
    history = good()
    checks = (
        alert_checks.lost,
        alert_checks.out_of_order,
        alert_checks.numbers_used_twice,
        alert_checks.gaps,
        alert_checks.impossible_lives,
        alert_checks.stale_steps,
        delays.late,
    )
    assert [violation for check in checks for violation in check(history)] == []


def test_a_step_that_one_watcher_was_never_told_is_lost() -> None:
    history = good()
    kept = step(4, alert=4)
    history.table.append(kept)
    history.stream.append(kept)
    told(history, kept, 4.0, "t0")
    assert [violation.text.split()[0] for violation in alert_checks.lost(history)] == ["t1"]


def test_a_step_that_one_store_does_not_keep_is_lost() -> None:
    history = good()
    del history.table[2]
    assert "#3 (resolved) is not in the table" in next(alert_checks.lost(history)).text


def test_an_alert_that_a_client_was_told_of_and_no_store_keeps_is_lost_unless_its_worker_was_killed_at_once() -> None:
    history = good()
    pause(history, 5.0, 1, 1, alert_id="s1.a4")
    assert "s1.a4" in next(alert_checks.lost(history)).text
    history.faults.append(Fault("kill", "n", 5.1, 6.0, sudden=True))
    assert list(alert_checks.lost(history)) == []
    assert list(alert_checks.unkept_causes(history, in_flight=True)) == [(SESSION, "s1.a4")]


def test_a_lower_number_after_a_higher_one_is_out_of_order_and_a_repeat_is_not() -> None:
    history = good()
    told(history, step(1), 5.0, "t0")
    assert list(alert_checks.out_of_order(history)) == []
    late = good()
    told(late, step(5), 5.0, "t0")
    told(late, step(4), 6.0, "t0")
    assert [violation.text for violation in alert_checks.out_of_order(late)] == ["t0 was told #4 after #5"]


def test_two_steps_of_one_number_are_found_even_when_they_look_alike() -> None:
    history = good()
    history.stream.append(replace(step(3, "resolved"), ts_ms=DAY_MS + 77))
    assert [violation.kind for violation in alert_checks.numbers_used_twice(history)] == ["number used twice"]


def test_a_missing_number_is_a_gap_and_the_beginning_of_another_owners_block_is_none() -> None:
    history = good()
    history.table.append(step(1_001, alert=1_001, epoch=2))
    assert list(alert_checks.gaps(history)) == []
    history.table.append(step(5))
    assert [violation.text for violation in alert_checks.gaps(history)] == ["numbers [4] are in no store"]


def test_a_life_without_a_beginning_or_after_its_end_is_impossible() -> None:
    history = good()
    history.table += [step(4, "escalated"), step(5, "acknowledged", alert=5)]
    assert [violation.kind for violation in alert_checks.impossible_lives(history)] == ["impossible life"] * 2


def test_a_step_of_a_stale_owner_is_found() -> None:
    history = good()
    history.table += [step(4, alert=4, epoch=2), step(5, alert=5, epoch=1)]
    assert "epoch 1 after 2" in next(alert_checks.stale_steps(history)).text


def test_what_a_worker_was_stopped_before_telling_may_come_late_and_is_counted() -> None:
    history = History(watchers=["t0"], ended_s=100.0)
    for number in range(1, 8):
        told(history, step(number, ts_ms=DAY_MS + 1_000 * number), float(number))
    told(history, step(1_001, ts_ms=DAY_MS + 12_000), 12.0)
    told(history, step(8, ts_ms=DAY_MS + 10_000), 13.0)
    assert len(list(alert_checks.out_of_order(history))) == 1
    history.faults = [Fault("SIGSTOP of a worker", "n", 10.1, 13.0, sudden=True)]
    assert list(alert_checks.out_of_order(history)) == [] and alert_checks.woken_words(history) == 1
    history.faults = [Fault("SIGSTOP of a worker", "n", 10.5, 13.0, sudden=True)]
    assert len(list(alert_checks.out_of_order(history))) == 1 and alert_checks.woken_words(history) == 0


def test_only_time_in_which_nothing_is_broken_counts_against_an_escalation() -> None:
    history = History(watchers=["t0", "t1"])
    raised = replace(step(1, "raised"), raised_ts=DAY_MS, ack_deadline_ts=DAY_MS + 30_000)
    told(history, raised, 1.0)
    history.table = [raised]
    deadline_s = 31.0
    told(history, step(2, "escalated"), deadline_s + 12.0)
    history.ended_s = deadline_s + 100.0
    assert list(alert_checks.not_escalated(history, 10.0))
    # One that begins a moment after the deadline, one that no worker feels, one that is long over.
    history.faults = [
        Fault("kill", "n", deadline_s + 0.1, deadline_s + 2.5, sudden=True),
        Fault("drop", "t0", deadline_s + 3.0, deadline_s + 8.0, console="t0"),
        Fault("kill", "n", deadline_s - 9.0, deadline_s - 8.0, sudden=True),
    ]
    assert list(alert_checks.not_escalated(history, 10.0)) == []
    assert list(alert_checks.not_escalated(history, 9.0))


def test_an_alert_that_nobody_acknowledged_and_that_did_not_escalate_is_found() -> None:
    history = History(watchers=["t0"], ended_s=100.0)
    kept = replace(step(1), raised_ts=DAY_MS, ack_deadline_ts=DAY_MS + 15_000, severity="critical")
    history.table.append(kept)
    told(history, kept, 1.0)
    assert "never" in next(alert_checks.not_escalated(history, 20.0)).text
    told(history, step(2, "escalated"), 17.0)
    assert list(alert_checks.not_escalated(history, 20.0)) == []


def test_a_client_that_left_for_good_and_is_not_missed_is_found() -> None:
    history = History(watchers=["t0"], ended_s=100.0)
    history.add(10.0, "c1", "left", SESSION, {})
    assert [violation.kind for violation in alert_checks.unnoticed_absences(history, 10.0)] == ["absence not told"]
    missed = {"type": "alert", "kind": "client_disconnected", "state": "raised"}
    history.add(16.0, "t0", "heard", SESSION, missed)
    assert list(alert_checks.unnoticed_absences(history, 10.0)) == []


def test_a_resume_needs_somebody_who_may_and_asked() -> None:
    by_nobody = paused_session()
    resume(by_nobody, 2.0, 2, 2)
    assert kinds(by_nobody) == ["resumed by nobody"]
    by_client = paused_session()
    sent(by_client, 1.5, "resume_request")
    resume(by_client, 2.0, 2, 2)
    assert kinds(by_client) == []
    not_theirs = paused_session("therapist")
    sent(not_theirs, 1.5, "resume_request")
    resume(not_theirs, 2.0, 2, 2)
    assert kinds(not_theirs) == ["resumed by nobody"]
    by_therapist = paused_session("therapist")
    sent(by_therapist, 1.5, "control.resume", "t0")
    resume(by_therapist, 2.0, 2, 2, by="t0")
    assert kinds(by_therapist) == []


def test_a_session_that_comes_back_running_was_resumed_by_nobody() -> None:
    history = paused_session()
    opened(history, 2.0, epoch=2, status="running")
    assert kinds(history) == ["resumed by nobody"]


def test_a_therapists_pause_that_the_client_may_end_suddenly_is_found() -> None:
    history = paused_session("therapist")
    pause(history, 2.0, 2, 2, "client")
    assert kinds(history) == ["resumed by nobody"]


def test_counters_that_go_back_or_repeat_with_other_contents_are_found() -> None:
    repeated = paused_session()
    pause(repeated, 2.0, 1, 1)
    assert kinds(repeated) == []
    pause(repeated, 3.0, 1, 1, "therapist")
    assert kinds(repeated) == ["number used twice"]
    back = paused_session()
    pause(back, 2.0, 5, 1)
    pause(back, 3.0, 3, 2)
    assert kinds(back) == ["counter went back", "counter went back"]


def test_a_lower_epoch_in_a_welcome_is_found_and_a_message_of_one_is_ignored() -> None:
    history = paused_session()
    opened(history, 2.0, epoch=3, status="paused")
    pause(history, 3.0, 9, 9)
    assert kinds(history) == []
    opened(history, 4.0, epoch=2, status="paused")
    assert kinds(history) == ["stale epoch"]


def test_a_client_that_is_refused_for_good_within_its_grace_time_lost_its_session() -> None:
    history = paused_session()
    for what in ("lost", "refused"):
        history.add(5.0, "c1", what, SESSION, {"code": 4504})
    assert [violation.kind for violation in control_checks.sessions_lost(history)] == ["session lost"]


def test_a_delivery_is_late_by_the_longest_time_in_which_nothing_was_broken() -> None:
    history = History(watchers=["t0", "t1"])
    told(history, step(1), 10.0, "t0")
    told(history, step(1), 18.0, "t1")
    assert [found.seconds for found in delays.deliveries(history)] == [0.0, 8.0]
    history.faults = [Fault("kill", "n", 11.0, 15.0), Fault("drop", "t0", 15.5, 17.0, console="t0")]
    assert [found.seconds for found in delays.deliveries(history)] == [0.0, 3.0]
    assert next(delays.late(history, worst_s=2.0)).kind == "late"


def test_the_time_away_that_a_client_chose_does_not_count_as_a_slow_return() -> None:
    history = History()
    history.events = [
        Event(1.0, "c1", "lost", SESSION, {"code": 1006}),
        Event(8.0, "c1", "opened", SESSION, {"away_s": 6.5}),
    ]
    assert [found.seconds for found in delays.returns(history)] == [0.5]
