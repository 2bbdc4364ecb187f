"""Rows of the records become sets: what was in force, what was rated, what broke them off."""

from typing import Any

from emdr_stream.personalization.gathering import (
    Applied,
    Event,
    Sight,
    Span,
    recovery_of,
    session_of,
    sets_of,
    spans_of,
)
from emdr_stream.personalization.outcomes import SetOutcome, benefit
from emdr_stream.personalization.setting import Setting

SEEN = Sight(peak=0.4, after=0.1, attention=0.6, alarmed=False)


def mark(s: float, action: str, set_no: int = 1, **fields: Any) -> Event:
    return Event("set", int(s * 1_000), {"action": action, "set_no": set_no, **fields})


def sud(s: float, value: float) -> Event:
    return Event("rating", int(s * 1_000), {"scale": "sud", "value": value})


def pause(s: float, reason: str) -> Event:
    return Event("control", int(s * 1_000), {"action": "pause", "reason": reason})


def adapt(s: float, reason: str = "the last set was hard (highest risk 0.61)", **config: Any) -> Event:
    return Event("adaptation", int(s * 1_000), {"config": config, "reasons": [reason]})


def read(*events: Event, sight: Sight = SEEN, applied: tuple[Applied, ...] = ()) -> list[SetOutcome]:
    return sets_of("s", events, lambda _: sight, applied=applied)


def test_a_set_has_the_ratings_next_to_it() -> None:
    first, second = read(
        sud(5, 8), mark(10, "start"), mark(34, "end"), sud(50, 6), mark(60, "start", 2), mark(84, "end", 2), sud(90, 5)
    )
    assert (first.sud_before, first.sud_after, first.sud_change) == (8.0, 6.0, -2.0)
    assert (second.sud_before, second.sud_after) == (6.0, 5.0)
    assert (first.seconds, first.at_ms, second.set_no) == (24.0, 10_000, 2)


def test_of_several_ratings_after_a_set_the_last_counts_and_other_scales_do_not() -> None:
    voc = Event("rating", 45_000, {"scale": "voc", "value": 5.0})
    (only,) = read(sud(5, 8), mark(10, "start"), mark(34, "end"), sud(40, 9), voc, sud(50, 7))
    assert only.sud_after == 7.0


def test_a_set_without_a_rating_tells_no_benefit() -> None:
    (only,) = read(mark(10, "start"), mark(34, "end"))
    assert only.sud_change is None
    assert benefit(only) is None


def test_the_benefit_is_the_fall_and_some_recovery_less_a_lost_window() -> None:
    (kept,) = read(sud(5, 8), mark(10, "start"), mark(34, "end"), sud(50, 6))
    assert benefit(kept) == 2.0 + 0.3 * 0.75
    (lost,) = read(
        sud(5, 8), mark(10, "start"), mark(34, "end"), sud(50, 6), sight=Sight(peak=0.9, after=0.9, alarmed=True)
    )
    assert benefit(lost) == 2.0 - 2.0


def test_what_is_in_force_follows_every_change_and_the_therapists_own_only_theirs() -> None:
    sets = read(
        adapt(1, "set by the therapist", speed=1.2, duration=30.0),
        mark(10, "start"),
        mark(34, "end"),
        adapt(34, speed=1.1, duration=26.0),
        mark(60, "start", 2),
        mark(84, "end", 2),
    )
    assert [each.setting for each in sets] == [Setting(speed=1.2, length=30.0), Setting(speed=1.1, length=26.0)]
    assert {each.reference for each in sets} == {Setting(speed=1.2, length=30.0)}


def test_an_accepted_proposal_is_in_force_and_leaves_the_therapists_own_setting() -> None:
    proposal = Applied(40_000, Setting(speed=0.9))
    first, second = read(
        mark(10, "start", config={"speed": 1.0, "duration": 24.0, "pattern_type": "horizontal"}),
        mark(34, "end"),
        adapt(41, "set by the therapist", speed=0.9),
        mark(60, "start", 2),
        mark(84, "end", 2),
        applied=(proposal,),
    )
    assert (first.setting, first.reference) == (Setting(), Setting())
    assert (second.setting, second.reference) == (Setting(speed=0.9), Setting())


def test_the_record_of_a_sets_start_says_what_is_in_force() -> None:
    config = {"pattern_type": "infinity", "speed": 0.8, "duration": 20.0, "audio_config": {"volume": 0.4}}
    (only,) = read(mark(10, "start", config=config), mark(30, "end"))
    assert only.setting == only.reference == Setting("infinity", 0.8, 20.0, True)


def test_a_pause_that_breaks_a_set_off_is_its_end_in_whichever_order_the_rows_come() -> None:
    for events in (
        [mark(10, "start"), mark(20, "interrupted"), pause(20, "crisis")],
        [mark(10, "start"), pause(20, "crisis"), mark(20, "interrupted")],
    ):
        (only,) = read(*events)
        assert (only.stopped, only.left, only.seconds) == ("crisis", True, 10.0)


def test_a_pause_between_sets_breaks_none_off_and_a_stop_is_no_lost_window() -> None:
    (only,) = read(mark(10, "start"), mark(34, "end"), pause(40, "therapist"))
    assert only.stopped is None
    (only,) = read(mark(10, "start"), mark(20, "interrupted"), pause(20, "client_stop"))
    assert (only.stopped, only.left) == ("client_stop", False)


def test_a_set_that_never_ended_is_left_out() -> None:
    assert read(mark(10, "start")) == []


def test_recovery_is_looked_for_until_the_next_set_and_not_after_it() -> None:
    spans = spans_of([mark(10, "start"), mark(34, "end"), mark(50, "start", 2), mark(70, "end", 2)])
    assert spans == [Span(10_000, 34_000, 44_000, 50_000), Span(50_000, 70_000, 80_000, 100_000)]
    early = spans_of([mark(10, "start"), mark(34, "end"), mark(36, "start", 2)])
    assert early == [Span(10_000, 34_000, 44_000, 44_000)]


def test_recovery_is_the_share_of_the_risk_that_is_gone() -> None:
    assert recovery_of(Sight(peak=0.8, after=0.2)) == 0.75
    assert recovery_of(Sight(peak=0.4, after=0.6)) == 0.0
    assert recovery_of(Sight(peak=0.1, after=0.05)) == 0.75
    assert recovery_of(Sight(peak=0.8)) is None


def test_the_next_set_knows_how_the_last_one_ended() -> None:
    first, second = read(mark(10, "start"), mark(34, "end"), mark(60, "start", 2), mark(84, "end", 2))
    assert first.recovery_before is None
    assert (second.recovery_before, second.attention_before) == (0.75, 0.6)


def test_a_session_counts_its_pauses_by_cause() -> None:
    events = [
        pause(20, "crisis"),
        pause(40, "therapist"),
        pause(60, "crisis"),
        Event("control", 70, {"action": "resume"}),
    ]
    found = session_of("s", 0, 0.5, (0.1, None, 0.7), events)
    assert found.pauses == {"crisis": 2, "therapist": 1}
    assert found.levels == (0.1, None, 0.7)
