"""What is said of sessions, courses and clients: what changed, how sure, and what cannot be said; in two languages."""

import re
from dataclasses import replace

import pytest

from emdr_stream.analytics.courses import course_of, courses
from emdr_stream.analytics.dashboard import figures_of
from emdr_stream.analytics.estimates import Sure
from emdr_stream.analytics.figures import ClientSums, Outcome, Period, SessionFigures, Sums
from emdr_stream.analytics.insights import Insight, InsightKind, of_client, of_clients
from emdr_stream.analytics.rollup import summed
from emdr_stream.analytics.trends import of_periods, of_sessions
from emdr_stream.analytics.words import Language, worded
from emdr_stream.progress.measures import Measure
from emdr_stream.progress.signs import SignKind

DAY_MS = 86_400_000
CALM = SessionFigures("s0", "anna", 0, 1_800_000, seconds=1_800, seen=1_700, scored=1_600, calm=1_600, sets=5)


def at(day: int, **changes: object) -> SessionFigures:
    begun = {"session_id": f"s{day:02d}", "began_ms": day * DAY_MS, "ended_ms": day * DAY_MS + 1_800_000}
    return replace(CALM, **{**begun, **changes})  # type: ignore[arg-type]


def about(insights: list[Insight], subject: str) -> list[InsightKind]:
    return [insight.kind for insight in insights if insight.subject == subject]


def pcl5(*values: float) -> list[Outcome]:
    return [Outcome("anna", Measure.PCL5, value, day * DAY_MS + 1) for day, value in enumerate(values)]


def test_a_course_that_improves_is_told_with_its_numbers() -> None:
    sessions = [at(day, hyperarousal=(800 if day < 6 else 80) + day, sud_first=8.0, sud_last=7.0) for day in range(10)]
    told = of_client(sessions, courses(sessions, []))
    (outside,) = [insight for insight in told if insight.subject == "outside_window"]
    assert (outside.kind, outside.better) == (InsightKind.CHANGED, True)
    assert outside.sure in (Sure.LIKELY, Sure.CLEAR)
    assert outside.numbers["before"] == pytest.approx(0.5, abs=0.01)
    assert outside.numbers["after"] == pytest.approx(0.055, abs=0.01)
    assert (outside.numbers["n_before"], outside.numbers["n_after"]) == (6, 4)
    sentence = worded(outside)
    assert "50 % before, 5 % now" in sentence and "-45 %" in sentence and "6 before, 4 now" in sentence


def test_few_sessions_say_not_enough_data_and_nothing_else() -> None:
    for count in range(4):
        told = of_client([at(day) for day in range(count)], [])
        assert {insight.kind for insight in told} == {InsightKind.NOT_ENOUGH}
        assert all("not enough data" in worded(insight) for insight in told)


def test_sessions_alike_show_no_change_and_that_is_not_called_none() -> None:
    sessions = [at(day, hyperarousal=100 + day % 3) for day in range(12)]
    told = [insight for insight in of_client(sessions, []) if insight.subject == "outside_window"]
    assert [insight.kind for insight in told] == [InsightKind.UNCHANGED]
    assert "not the same as no change" in worded(told[0])


def test_a_sure_change_that_is_tiny_is_called_little() -> None:
    sessions = [at(day, hyperarousal=100 + day * 2) for day in range(16)]
    assert about(of_client(sessions, []), "outside_window") == [InsightKind.LITTLE]


def test_reliable_change_deterioration_and_stall_are_those_of_progress() -> None:
    sessions = [at(day) for day in range(1, 9)]
    better = of_client(sessions, courses(sessions, pcl5(50, 45, 40, 30)))
    assert about(better, "pcl5") == [InsightKind.RELIABLE_CHANGE]
    worse = of_client(sessions, courses(sessions, pcl5(40, 58, 60)))
    assert about(worse, "pcl5") == [InsightKind.DETERIORATION]
    assert worse[0].kind is InsightKind.DETERIORATION and worse[0].better is False
    stalled = of_client(sessions, courses(sessions, pcl5(50, 49, 51, 50)))
    assert about(stalled, "pcl5") == [InsightKind.STALL]
    done = of_client(sessions, courses(sessions, pcl5(50, 30, 20)))
    assert set(about(done, "pcl5")) == {InsightKind.GOALS_MET, InsightKind.RELIABLE_CHANGE}
    alone = of_client(sessions, courses(sessions, pcl5(50)))
    assert about(alone, "pcl5") == [InsightKind.NOT_ENOUGH]
    little = of_client(sessions, courses(sessions, pcl5(50, 45)))
    assert about(little, "pcl5") == [InsightKind.NOT_RELIABLE]


def test_a_course_counts_sessions_and_takes_the_last_rating_of_each() -> None:
    sessions = [at(1, sud_last=6.0), at(3, sud_last=None), at(5, sud_last=2.0)]
    outcomes = [
        Outcome("anna", Measure.PCL5, 50, 0),
        Outcome("anna", Measure.PCL5, 44, 3 * DAY_MS + 1),
        Outcome("anna", Measure.PCL5, 43, 4 * DAY_MS),
        Outcome("anna", Measure.SUD, 5, 6 * DAY_MS, target="the fall"),
    ]
    told = {(course.measure, course.target): course for course in courses(sessions, outcomes)}
    assert told[Measure.PCL5, ""].sessions == (0, 2)
    assert told[Measure.PCL5, ""].values == (50, 43)
    assert told[Measure.SUD, ""].sessions == (1, 3)
    assert told[Measure.SUD, "the fall"].sessions == (3,)
    assert course_of(told[Measure.SUD, ""]).values == (6.0, 2.0)
    assert SignKind.SUDDEN_GAIN not in told[Measure.PCL5, ""].signs


def sums(alerts: int, hours: float = 2.0) -> Sums:
    return Sums(sessions=3, clients=1, seconds=int(hours * 3_600), seen=7_000, scored=7_000, alerts=alerts)


def test_of_many_clients_each_is_one_value_however_many_sessions_they_had() -> None:
    before = [ClientSums(f"u{n}", 0, sums(alerts=2 + n % 2)) for n in range(8)]
    after = [ClientSums(f"u{n}", 0, sums(alerts=8 + n % 2)) for n in range(8)]
    (told,) = [insight for insight in of_clients(before, after) if insight.subject == "alerts_per_hour"]
    assert (told.kind, told.of, told.better) == (InsightKind.CHANGED, "clients", None)
    assert told.numbers["change"] == pytest.approx(3.0)
    thin = of_clients(before[:2], after[:2])
    assert {insight.kind for insight in thin} == {InsightKind.NOT_ENOUGH}


def test_every_insight_is_worded_in_both_languages_with_its_own_numbers_alone() -> None:
    sessions = [at(day, hyperarousal=800 if day < 6 else 80 + day, sud_first=9.0, sud_last=9 - day) for day in range(9)]
    outcomes = [*pcl5(40, 58, 60), Outcome("anna", Measure.VOC, 3, 0, target="the fall")]
    told = of_client(sessions, courses(sessions, outcomes)) + of_client([], [])
    assert len({insight.kind for insight in told}) >= 4
    for insight in told:
        english, russian = worded(insight), worded(insight, Language.RU)
        assert english != russian and re.search("[а-я]", russian) and not re.search("[а-я]", english)
        assert "{" not in english + russian and "None" not in english + russian
        for word in ("because", "due to", "caused", "потому", "из-за"):
            assert word not in english + russian


def test_trends_are_told_with_their_points_and_slope() -> None:
    falling = [at(day, hyperarousal=900 - 90 * day) for day in range(9)]
    told = {trend.name: trend for trend in of_sessions(falling)}
    outside = told["outside_window"]
    assert (len(outside.points), outside.step, outside.better) == (9, "session", -1)
    assert outside.slope.value == pytest.approx(-90 / 1_600)
    assert outside.slope.sure is Sure.CLEAR
    assert told["sud_gain"].points == () and told["sud_gain"].slope.sure is Sure.NOT_ENOUGH


def test_a_period_without_sessions_is_a_step_without_a_value() -> None:
    periods = [Period(n * DAY_MS, (n + 1) * DAY_MS, Sums() if n == 2 else sums(n)) for n in range(7)]
    (alerts,) = [trend for trend in of_periods(periods) if trend.name == "alerts_per_hour"]
    assert [at_ms // DAY_MS for at_ms, _ in alerts.points] == [0, 1, 3, 4, 5, 6]
    assert alerts.slope.value == pytest.approx(0.5)


def test_figures_without_data_are_unknown_and_not_zero() -> None:
    empty = figures_of(Sums())
    assert (empty.sight, empty.outside_window, empty.alerts_per_hour, empty.ack_mean_s, empty.sud_gain) == (None,) * 5
    told = figures_of(summed([at(1, hyperarousal=400, sud_first=8.0, sud_last=3.0), at(2)]))
    assert told.outside_window == pytest.approx(400 / 3_200)
    assert (told.sud_pairs, told.sud_gain, told.hours) == (1, 5.0, 1.0)
