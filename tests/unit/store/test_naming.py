"""A person's name counts where a name stands, and nowhere else: in entries of the audit log, and in answers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.store.chain import EMPTIED
from emdr_stream.store.naming import Person, Telling

ANNA = Person("anna", frozenset({"s-1", "s.a2"}))


def body(**fields: object) -> str:
    return msgspec.json.encode(fields, order="deterministic").decode()


@pytest.mark.parametrize(
    "text",
    [
        body(action="hello", by="anna", role="client"),
        body(action="set.pause", session_id="s-1"),
        body(action="ack", alert_id="s-1.a17"),
        body(action="ack", alert_id="s.a2.a1"),
        body(action="subscribe", by="t-1", sessions=["s-9", "s-1"]),
    ],
)
def test_what_a_client_did_and_what_names_their_sessions_is_theirs(text: str) -> None:
    assert ANNA.in_entry("", "", text) is Telling.THEIRS
    assert any(word in text for word in ANNA.words())


def test_an_entry_under_their_user_or_session_is_theirs_whatever_it_says() -> None:
    for text in (body(action="x"), "no JSON", "[]"):
        assert ANNA.in_entry("", "anna", text) is Telling.THEIRS
        assert ANNA.in_entry("s-1", "", text) is Telling.THEIRS


def test_a_deed_of_somebody_else_that_names_them_is_told_apart() -> None:
    for field in ("client", "named", "user"):
        text = body(action="users.export", by="t-1", role="therapist", **{field: "anna"})
        assert ANNA.in_entry("", "", text) is Telling.NAME
        assert any(word in text for word in ANNA.words())


@pytest.mark.parametrize(
    "text",
    [
        body(action="anna", by="anna", role="service"),
        body(action="ack", by="anna", alert_id="s-9.a1", note="anna"),
        body(action="hello", by="anna2", role="client"),
        body(action="ack", alert_id="s-1"),
        body(action="ack", alert_id="s-11.a1"),
        body(action="subscribe", sessions="s-1"),
        body(action="x", anna="anna", words=["anna"]),
        body(action="model.promote", by="anna", role="client"),
        body(action="user.erase", by="anna", role="client", entries=[[1, 2]]),
        EMPTIED,
    ],
)
def test_the_same_word_in_another_place_is_nobody(text: str) -> None:
    assert ANNA.in_entry("", "", text) is Telling.NOTHING


def test_an_operators_step_stands_under_a_name_that_is_no_clients() -> None:
    assert ANNA.in_entry("", "anna", body(action="model.promote", by="anna")) is Telling.NOTHING


def test_an_answer_is_theirs_by_its_fields_at_whatever_depth() -> None:
    assert ANNA.in_answer('{"a":[{"live":{"user":"anna"}}]}')
    assert ANNA.in_answer('{"session_id":"s-1"}') and ANNA.in_answer("no JSON: anna")
    assert not ANNA.in_answer('{"words":"anna","answer":["s-1"],"user":"anna2"}')


@given(name=st.text(min_size=1), session=st.text(min_size=1))
def test_the_coarse_look_misses_nothing(name: str, session: str) -> None:
    person = Person(name, frozenset({session}))
    for fields in (
        {"by": name, "role": "client"},
        {"named": name},
        {"alert_id": f"{session}.a1"},
        {"sessions": [session]},
    ):
        text = body(**fields)
        if person.in_entry("", "", text) is not Telling.NOTHING:
            assert any(word in text for word in person.words())
