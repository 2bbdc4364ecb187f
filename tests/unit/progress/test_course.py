"""Ratings from text: what is taken, and how each fault is explained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.progress.course import RatingsError, courses_of, rating
from emdr_stream.progress.measures import Measure
from emdr_stream.progress.reading import ratings_of

HEAD = "session,measure,target,value\n"


def test_csv_and_json_say_the_same() -> None:
    text = HEAD + "0,pcl5,,52\n1,SUD,the fall,8\n"
    json = '{"ratings": [{"session": 0, "measure": "PCL-5", "value": 52},'
    json += '{"session": 1, "measure": "sud", "target": "the fall", "value": 8}]}'
    assert ratings_of(text) == ratings_of(json)


def test_columns_may_stand_in_any_order_and_the_measure_may_come_from_the_command() -> None:
    assert ratings_of("value,session\n8,1\n6,2\n", Measure.SUD) == [
        rating("sud", 1, 8),
        rating("sud", 2, 6),
    ]


def test_rows_of_another_measure_are_left_out() -> None:
    text = HEAD + "0,pcl5,,52\n0,sud,,8\n"
    assert [each.measure for each in ratings_of(text, Measure.SUD)] == [Measure.SUD]


def test_the_last_rating_of_a_session_counts_and_a_rise_within_it_does_not() -> None:
    rows = [rating("sud", 1, value) for value in (6, 9, 4)] + [rating("sud", 2, 3)]
    [course] = courses_of(rows)
    assert (course.sessions, course.values) == ((1, 2), (4.0, 3.0))


def test_targets_are_courses_of_their_own_in_order_of_session_with_gaps() -> None:
    rows = [rating("sud", 5, 2, "b"), rating("sud", 1, 8, "a"), rating("sud", 0, 7, "b")]
    courses = courses_of(rows)
    assert [(course.target, course.sessions) for course in courses] == [("b", (0, 5)), ("a", (1,))]


def test_two_pcl5_of_one_session_are_refused() -> None:
    with pytest.raises(RatingsError, match="`session` 3 has two PCL-5"):
        courses_of([rating("pcl5", 3, 40), rating("pcl5", 3, 41)])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: no column `session`"),
        ("session,measure\n0,sud\n", "line 1: no column `value`"),
        ("session,value,mood\n0,1,2\n", "line 1: `mood` is not known"),
        (HEAD + "0,phq9,,8\n", "line 2: `measure` is 'phq9'"),
        (HEAD + "0,sud,,11\n", "line 2: `value` is '11': SUD goes from 0 to 10"),
        (HEAD + "0,voc,,0\n", "line 2: `value` is '0': VoC goes from 1 to 7"),
        (HEAD + "0,sud,,nan\n", "line 2: `value` is 'nan'"),
        (HEAD + "0,sud,,\n", "line 2: `value` is missing"),
        (HEAD + "1,sud,,3\n-1,sud,,8\n", "line 3: `session` is '-1'"),
        (HEAD + "1.5,sud,,8\n", "line 2: `session` is '1.5'"),
        (HEAD + "0,pcl5,the fall,8\n", "line 2: `target` is 'the fall'"),
        (HEAD + "0,sud\n", "line 2: has not as many fields"),
        ("session,value\n0,8\n", "line 2: `measure` is missing"),
        ("[1]", r"ratings\[0\]: is no object"),
        ('[{"session": true, "measure": "sud", "value": 3}]', r"ratings\[0\]: `session` is True"),
        ('[{"session": 0, "measure": "sud", "value": [3]}]', r"ratings\[0\]: `value` is \[3\]"),
        ("{}", "`ratings` is missing"),
        ("{", "is no JSON"),
    ],
)
def test_each_fault_names_its_place_and_field(text: str, told: str) -> None:
    with pytest.raises(RatingsError, match=told):
        ratings_of(text)


@given(st.text(max_size=200) | st.text('[]{}",:0123456789.eE-\nsudvaluesessionmeasure', max_size=200))
def test_any_text_gives_ratings_or_a_told_fault(text: str) -> None:
    try:
        found = ratings_of(text)
    except RatingsError:
        return
    assert all(each.session >= 0 for each in found)
