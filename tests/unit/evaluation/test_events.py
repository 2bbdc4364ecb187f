"""The rules of scoring, as sentences with cases made by hand, and as properties that hold for every case."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.evaluation.course import Course, Pause
from emdr_stream.evaluation.events import explained, match, merged_events, tally
from emdr_stream.evaluation.labels import Event
from tests.unit.evaluation.courses import LENGTH_S, course, event


def found(events: Sequence[Event], alarms_s: Sequence[float]) -> int:
    return tally(course(events, alarms_s)).found


def false(events: Sequence[Event], alarms_s: Sequence[float]) -> int:
    return len(tally(course(events, alarms_s)).false_ms)


@pytest.mark.parametrize(("alarm_s", "hit"), [(169.9, 0), (170, 1), (200, 1), (260, 1), (260.1, 0)])
def test_an_event_is_found_from_thirty_seconds_before_to_sixty_after_its_onset(alarm_s: float, hit: int) -> None:
    assert found([event(200, 220)], [alarm_s]) == hit


@pytest.mark.parametrize(("alarm_s", "count"), [(169.9, 1), (170, 0), (260, 0), (260.1, 1)])
def test_an_alarm_outside_the_window_of_a_short_event_is_false(alarm_s: float, count: int) -> None:
    assert false([event(200, 220)], [alarm_s]) == count


def test_a_late_alarm_within_a_long_event_is_neither_a_hit_nor_false() -> None:
    late = tally(course([event(200, 400)], [300]))
    assert (late.found, late.false_ms) == (0, ())
    assert false([event(200, 400)], [400.1]) == 1


def test_the_time_to_the_alarm_counts_from_the_onset_and_an_early_alarm_took_none() -> None:
    late, early = (tally(course([event(200, 220)], [at])).counted[0].delay_s for at in (207.5, 190))
    assert (late, early) == (7.5, 0.0)


def test_events_of_one_kind_less_than_twenty_seconds_apart_are_one() -> None:
    assert len(merged_events([event(100, 120), event(139, 160)])) == 1
    assert len(merged_events([event(100, 120), event(140, 160)])) == 2
    assert len(merged_events([event(100, 120), event(130, 160, kind="hypoarousal")])) == 2


def test_a_merged_event_begins_with_its_first_part_and_shows_when_a_part_shows() -> None:
    parts = [event(100, 120, observable=False, marginal=True), event(130, 160)]
    [merged] = merged_events(parts)
    assert (merged.onset_ms, merged.end_ms, merged.observable, merged.marginal) == (100_000, 160_000, True, False)


def test_one_alarm_finds_one_event_and_two_alarms_two() -> None:
    close = [event(200, 215), event(220, 240, kind="hypoarousal")]
    assert found(close, [225]) == 1
    assert found(close, [205, 225]) == 2


def test_several_alarms_for_one_event_are_one_hit_and_none_is_false() -> None:
    several = tally(course([event(200, 220)], [195, 210, 240]))
    assert (several.found, several.false_ms) == (1, ())
    assert several.counted[0].alarm_ms == 195_000


@pytest.mark.parametrize("more", [{"marginal": True}, {"observable": False}, {"end_ms": 205_000}])
def test_an_alarm_on_an_event_reported_apart_is_neither_hit_nor_false(more: dict[str, object]) -> None:
    apart = tally(course([event(200, 220, **more)], [210]))
    assert (apart.counted, apart.false_ms) == ((), ())
    assert len(apart.apart) == 1 and apart.apart[0].alarm_ms == 210_000 and apart.apart[0].why_apart


def test_false_alarms_are_counted_where_there_is_no_event_at_all() -> None:
    assert false([], [100, 300]) == 2


def test_false_alarms_less_than_twenty_seconds_apart_count_once() -> None:
    assert false([], [100, 119.9, 300]) == 2
    assert false([], [100, 120, 300]) == 3


def test_a_storm_of_alarms_is_not_one_alarm() -> None:
    assert false([], list(range(0, LENGTH_S, 5))) == LENGTH_S // 20


def test_nothing_before_the_scored_part_counts() -> None:
    early = tally(course([event(30, 50), event(300, 320)], [20, 40, 310], from_s=60))
    assert (len(early.counted), early.found, early.false_ms) == (1, 1, ())
    assert early.scored_s == LENGTH_S - 60


def test_time_is_monitored_paused_or_blind() -> None:
    some = course()
    some.watched.crisis[:100] = np.nan
    some.watched.paused[50:150] = True
    times = tally(some)
    assert (times.blind_s, times.paused_s, times.monitored_s) == (100, 50, 450)


def test_the_time_of_a_false_pause_counts_and_that_of_a_right_one_or_anothers_does_not() -> None:
    pauses = [Pause(50_000, 80_000, "crisis"), Pause(200_000, 230_000, "crisis"), Pause(400_000, 500_000, "therapist")]
    assert tally(course([event(200, 220)], pauses=pauses)).false_pause_s == 30


def test_never_alarming_finds_nothing_and_is_never_false() -> None:
    silent = tally(course([event(200, 220)]))
    assert (silent.found, silent.false_ms) == (0, ())


seconds = st.floats(0, LENGTH_S - 1)
alarm_times = st.lists(seconds, max_size=12)


@st.composite
def some_events(draw: st.DrawFn) -> list[Event]:
    onsets = sorted(draw(st.lists(st.floats(0, LENGTH_S - 60), max_size=5)))
    kinds = st.sampled_from(["hyperarousal", "hypoarousal"])
    return [
        event(at, at + draw(st.floats(1, 60)), kind=draw(kinds), observable=draw(st.booleans()), marginal=False)
        for at in onsets
    ]


@given(some_events(), alarm_times, alarm_times)
def test_more_alarms_never_find_less_and_are_never_less_false(
    events: list[Event], alarms: list[float], more: list[float]
) -> None:
    few, many = tally(course(events, alarms)), tally(course(events, [*alarms, *more]))
    assert many.found >= few.found
    assert len(many.false_ms) >= len(few.false_ms)


@given(some_events(), alarm_times)
def test_every_alarm_is_explained_by_an_event_or_within_twenty_seconds_of_a_false_one(
    events: list[Event], alarms: list[float]
) -> None:
    scored = tally(course(events, alarms))
    merged = merged_events(events)
    for at in (round(alarm * 1_000) for alarm in alarms):
        near = any(0 <= at - each < 20_000 for each in scored.false_ms)
        assert explained(at, merged) or near
    assert not any(explained(at, merged) for at in scored.false_ms)


@given(some_events(), alarm_times)
def test_no_way_to_credit_alarms_finds_more(events: list[Event], alarms: list[float]) -> None:
    merged, times = merged_events(events), sorted(round(alarm * 1_000) for alarm in alarms)
    greedy = sum(each.alarm_ms is not None for each in match(merged, times))
    assert greedy == best_matching(merged, times)


def best_matching(events: list[Event], times: list[int]) -> int:
    """Augmenting paths: slow, and known to be right."""
    owner: dict[int, int] = {}

    def place(number: int, tried: set[int]) -> bool:
        for index, at in enumerate(times):
            onset = events[number].onset_ms
            if onset - 30_000 <= at <= onset + 60_000 and index not in tried:
                tried.add(index)
                if index not in owner or place(owner[index], tried):
                    owner[index] = number
                    return True
        return False

    return sum(place(number, set()) for number in range(len(events)))


@given(some_events(), alarm_times, st.floats(0, LENGTH_S))
def test_the_seconds_of_a_recording_add_up(events: list[Event], alarms: list[float], from_s: float) -> None:
    scored: Course = course(events, alarms, from_s=from_s)
    assert tally(scored).scored_s == pytest.approx(LENGTH_S - np.ceil(scored.from_ms / 1_000))
