"""Other versions are put in use while a session lives: it is told, its alerts name who says so, nothing is lost."""

from emdr_stream.domain import AlertKind
from emdr_stream.session.effects import Keep, Raise, Send
from emdr_stream.wire.stream import Models, Welcome
from emdr_stream.wire.values import ModelRef
from tests.unit.session.live import CRISIS, Live, facts_of

ONE, TWO = (ModelRef(name="emotion_safety", version=version, sha256=version * 64) for version in "12")


def live() -> Live:
    session = Live(facts=facts_of(models=(ONE,)))
    session.settle()
    return session


def welcomed(session: Live) -> tuple[ModelRef, ...]:
    return [e.message for e in session.effects if isinstance(e, Send) and isinstance(e.message, Welcome)][-1].models


def test_the_client_is_told_and_the_records_hold_who_spoke_before() -> None:
    session = live()
    effects = session.core.models_changed((TWO,), session.now)
    assert [e.message for e in effects if isinstance(e, Send)] == [Models(models=(TWO,))]
    kept = {e.kind: e.fields for e in effects if isinstance(e, Keep)}
    assert kept["audit"]["action"] == "models"
    assert [model["version"] for name in ("former", "models") for model in kept["audit"][name]] == ["1", "2"]
    assert [model["version"] for model in kept["session"]["models"]] == ["2"]


def test_an_alert_names_the_version_that_saw_it() -> None:
    session = live()
    session.took(session.core.models_changed((TWO,), session.now))
    session.watch_for(4.0, CRISIS)
    (body,) = [e.body for e in session.effects if isinstance(e, Raise) and e.body.kind is AlertKind.CRISIS]
    assert body.model == TWO


def test_what_was_seen_before_counts_on() -> None:
    """A crisis that had nearly held long enough is not forgotten because another version says so too."""
    session = live()
    session.watch_for(1.5, CRISIS)
    session.took(session.core.models_changed((TWO,), session.now))
    session.watch_for(1.0, CRISIS)
    assert any(isinstance(e, Raise) and e.body.kind is AlertKind.CRISIS for e in session.effects)
    assert session.core.perception.baseline.ready


def test_another_worker_and_a_client_that_comes_back_know_it_too() -> None:
    session = live()
    session.took(session.core.models_changed((TWO,), session.now))
    other = session.restored()
    other.disconnect()
    other.reconnect()
    assert welcomed(other) == (TWO,)


def test_the_same_versions_again_are_nothing_new_and_a_session_that_is_over_hears_nothing() -> None:
    session = live()
    assert session.core.models_changed((ONE,), session.now) == []
    session.therapist_ends()
    assert session.core.models_changed((TWO,), session.now) == []
