"""A client's profile: thin data say what is known of people, and more of them what is known of this one."""

import pytest

from emdr_stream.personalization.outcomes import Answers, SessionOutcome, SetOutcome
from emdr_stream.personalization.profile import Population, profile_of
from emdr_stream.personalization.setting import Setting


def a_set(number: int, *, speed: float = 1.0, change: float | None = -1.0, left: bool | None = False) -> SetOutcome:
    return SetOutcome(
        session="s",
        set_no=number,
        at_ms=number,
        setting=Setting(speed=speed),
        reference=Setting(),
        sud_before=None if change is None else 6.0,
        sud_after=None if change is None else 6.0 + change,
        recovery=0.8,
        left=left,
    )


def a_session(level: float | None = 0.2, hours: float = 1.0, **pauses: int) -> SessionOutcome:
    return SessionOutcome(session="s", at_ms=0, hours=hours, levels=(level, None, 0.7), pauses=pauses)


def test_without_a_set_only_people_in_general_are_told_of_and_it_says_so() -> None:
    found = profile_of([], [])
    assert not found.enough
    assert not found.responses and not found.speeds and not found.triggers
    assert found.baseline["arousal"].observations == 0
    assert "not enough data" in found.notes[0]


def test_a_baseline_moves_from_peoples_to_the_clients_with_their_sessions() -> None:
    one, many = (profile_of([], [a_session(0.4)] * n).baseline["valence"] for n in (1, 20))
    assert 0.0 < one.value < many.value < 0.4
    assert many.value == pytest.approx(0.4, abs=0.02)
    assert many.high - many.low < one.high - one.low
    assert (one.observations, many.observations) == (1, 20)


def test_each_configuration_has_its_response_the_most_used_first() -> None:
    sets = [a_set(n) for n in range(9)] + [a_set(n, speed=1.2, change=-3.0) for n in range(3)]
    first, second = profile_of(sets, []).responses
    assert (first.setting.speed, first.sets, second.setting.speed, second.sets) == (1.0, 9, 1.2, 3)
    assert -3.0 < second.sud_change.value < first.sud_change.value
    assert second.sud_change.high - second.sud_change.low > first.sud_change.high - first.sud_change.low


def test_a_speed_is_tolerated_not_tolerated_or_not_known() -> None:
    sets = [a_set(n) for n in range(40)]
    sets += [a_set(n, speed=1.2, left=n % 2 == 0) for n in range(20)]
    sets += [a_set(n, speed=0.8) for n in range(2)]
    found = {each.low: each.tolerated for each in profile_of(sets, []).speeds}
    assert found == {0.7: None, 0.9: True, 1.1: False}


def test_sets_that_nobody_watched_are_no_sets_without_harm() -> None:
    found = profile_of([a_set(n, left=None) for n in range(40)], [])
    assert found.speeds[0].tolerated is None
    assert found.speeds[0].leaving.observations == 0
    assert any("nobody saw" in note for note in found.notes)


def test_pauses_are_told_an_hour_with_their_cause() -> None:
    found = profile_of([], [a_session(hours=1.0, client_stop=3), a_session(hours=1.0, crisis=1, client_stop=1)])
    stop, crisis = found.triggers
    assert (stop.cause, stop.pauses, crisis.cause) == ("client_stop", 4, "crisis")
    # (0.5 + 4) / (2 + 2)
    assert stop.per_hour.value == pytest.approx(1.125)
    assert stop.per_hour.low < 1.125 < stop.per_hour.high


def test_what_goes_with_trouble_is_told_with_an_interval_that_holds_one_when_nothing_does() -> None:
    fast = [a_set(n + 4, speed=1.2, left=n % 2 == 0) for n in range(20)]
    slow = [a_set(n + 4, left=n % 10 == 0) for n in range(40)]
    found = {each.what: each for each in profile_of(fast + slow, []).circumstances}
    faster = found["faster than the therapist's own setting"]
    assert (faster.with_it, faster.without_it) == (20, 40)
    assert faster.ratio == pytest.approx((10.5 / 20.5) / (4.5 / 40.5))
    assert faster.low > 1.0
    even = [a_set(n + 4, speed=1.0 + 0.2 * (n % 2), left=n % 20 in {0, 1}) for n in range(40)]
    calm = {each.what: each for each in profile_of(even, []).circumstances}
    assert (
        calm["faster than the therapist's own setting"].low < 1.0 < calm["faster than the therapist's own setting"].high
    )


def test_answers_and_sources_are_part_of_it() -> None:
    found = profile_of([a_set(1)], [], Answers(accepted=3, rejected=1, locked=("speed",)), Population())
    assert found.answers.accepted == 3
    assert all(found.sources.values())
