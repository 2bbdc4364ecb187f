"""Sets, ratings and settings through the core: what the client and the therapist may change, and when."""

import msgspec
import pytest

from emdr_stream.domain import Phase, Source, Thresholds
from emdr_stream.errors import ProtocolError
from emdr_stream.session.effects import Keep
from emdr_stream.session.facts import merged, open_facts
from emdr_stream.settings import ControlSettings, SessionSettings
from emdr_stream.wire.stream import (
    Hello,
    PatternAdapt,
    PhaseMark,
    Rating,
    SetMark,
    Stop,
    Welcome,
)
from emdr_stream.wire.values import Readiness, SessionConfig, ThresholdChange
from emdr_stream.wire.watch import ConfigSet
from tests.unit.session.live import (
    CALM,
    CRISIS,
    RISKY,
    Live,
    facts_of,
)
from tests.unit.session.test_core_causes import cause_crisis

NAN = float("nan")


@pytest.mark.parametrize("state", ["paused", "detached"])
def test_no_set_starts_unless_the_session_runs(state: str) -> None:
    live = Live()
    live.tell(Stop()) if state == "paused" else live.disconnect()
    live.tell(SetMark(id=2, action="start", set_no=1))
    assert live.errors() == ["paused"] and live.core.care.state.set_started_ms is None


@pytest.mark.parametrize("value", [NAN, float("inf"), -0.1, 10.5])
def test_a_rating_out_of_its_scale_is_refused(value: float) -> None:
    live = Live()
    live.tell(Rating(scale="sud", value=value))
    assert live.errors() == ["invalid_field"] and not live.core.care.state.ratings


def test_a_rising_sud_is_alerted_with_every_model_off_and_resolved_when_it_falls() -> None:
    live = Live()
    for value in (5.0, 7.0, 8.0):
        live.tell(Rating(scale="sud", value=value))
    assert live.raised() == ["high_risk"] and live.status == "running"
    assert [evidence.value for evidence in live.alerts()[0].evidence] == [5.0, 7.0, 8.0]
    live.tell(Rating(scale="sud", value=9.0))
    assert live.open_alerts() == ["high_risk"]
    live.tell(Rating(scale="sud", value=6.0))
    assert live.open_alerts() == []


def test_calm_models_do_not_resolve_what_the_rating_says() -> None:
    live = Live()
    live.settle()
    live.watch_for(4.0, RISKY)
    for value in (5.0, 7.0, 8.0):
        live.tell(Rating(scale="sud", value=value))
    live.watch_for(30.0, CALM)
    assert live.open_alerts() == ["high_risk"]
    live.tell(Rating(scale="sud", value=4.0))
    assert live.open_alerts() == []


@pytest.mark.parametrize("stopped_first", [True, False])
def test_what_the_rating_says_is_still_advised_after_a_stop_and_a_resume(stopped_first: bool) -> None:
    # Only the models' risk was asked: the alert stood open beside a level of `normal`, and no set became gentler.
    live = Live()
    live.settle()
    if stopped_first:
        live.tell(Stop())
    for value in (5.0, 7.0, 8.0):
        live.tell(Rating(scale="sud", value=value))
    live.tell(Stop())
    live.confirm()
    live.request_resume()
    live.watch_for(3.0, CALM)
    assert live.open_alerts() == ["high_risk"] and live.core.care.monitor.level == "advise"
    live.tell(SetMark(action="start", set_no=1))
    live.watch_for(1.0, CALM)
    assert live.sent(PatternAdapt)[0].config.speed == 0.8
    live.tell(Rating(scale="sud", value=6.0))
    live.watch_for(1.0, CALM)
    assert live.open_alerts() == [] and live.core.care.monitor.level == "normal"


@pytest.mark.parametrize("values", [(8.0, 8.0, 8.0), (9.0, 8.0, 9.0), (5.0, 6.0, 7.0), (7.0, 9.0)])
def test_other_ratings_raise_nothing(values: tuple[float, ...]) -> None:
    live = Live()
    for value in values:
        live.tell(Rating(scale="sud", value=value))
    assert live.raised() == []


def test_within_a_set_the_stimulus_only_becomes_gentler() -> None:
    live = Live(facts=facts_of(config=SessionConfig(speed=1.0, intensity=0.8, duration=24.0)))
    live.settle()
    live.tell(SetMark(action="start", set_no=1))
    wish = ConfigSet(session_id="s1", config=SessionConfig(speed=1.8, intensity=0.5))
    live.took(live.core.command(wish, "dr", live.now))
    live.watch_for(30.0, RISKY)
    speeds, intensities = [1.0], [0.8]
    for message in live.sent(PatternAdapt):
        speeds += [message.config.speed] if message.config.speed is not None else []
        intensities += [message.config.intensity] if message.config.intensity is not None else []
    assert len(speeds) > 1 and speeds == sorted(speeds, reverse=True)
    assert len(intensities) > 1 and intensities == sorted(intensities, reverse=True)
    count = len(live.sent(PatternAdapt))
    live.tell(SetMark(action="end", set_no=1))
    assert live.sent(PatternAdapt)[count].config == SessionConfig(speed=1.8)


def test_within_a_set_the_path_only_becomes_narrower_and_a_first_width_waits() -> None:
    live = Live(facts=facts_of(config=SessionConfig(speed=1.0)))
    live.tell(SetMark(action="start", set_no=1))
    for wish in (SessionConfig(amplitude_deg=6.0, size_deg=2.0, shape="ring"), SessionConfig(size_deg=3.0)):
        live.took(live.core.command(ConfigSet(session_id="s1", config=wish), "dr", live.now))
    # How wide it is now only the client knows.
    sizes = [message.config for message in live.sent(PatternAdapt)]
    assert sizes == [SessionConfig(size_deg=2.0, shape="ring"), SessionConfig(size_deg=3.0)]
    live.tell(SetMark(action="end", set_no=1))
    assert live.sent(PatternAdapt)[-1].config == SessionConfig(amplitude_deg=6.0)
    live.tell(SetMark(action="start", set_no=2))
    for width in (9.0, 4.0):
        wish = SessionConfig(amplitude_deg=width)
        live.took(live.core.command(ConfigSet(session_id="s1", config=wish), "dr", live.now))
    assert live.sent(PatternAdapt)[-1].config == SessionConfig(amplitude_deg=4.0)
    live.tell(SetMark(action="end", set_no=2))
    assert live.core.care.state.config.amplitude_deg == 4.0


def test_what_nobody_has_set_of_the_path_is_left_to_the_client() -> None:
    live = Live()
    assert live.core.care.state.config.amplitude_deg is None
    live.tell(SetMark(action="start", set_no=1))
    live.tell(SetMark(action="end", set_no=1))
    assert all(message.config.amplitude_deg is None for message in live.sent(PatternAdapt))


def test_the_newest_word_on_a_field_counts() -> None:
    live = Live()
    live.tell(SetMark(action="start", set_no=1))
    for speed in (1.8, 0.6):
        wish = ConfigSet(session_id="s1", config=SessionConfig(speed=speed))
        live.took(live.core.command(wish, "dr", live.now))
    live.tell(SetMark(action="end", set_no=1))
    assert [message.config.speed for message in live.sent(PatternAdapt)] == [0.6]


def hard_set(live: Live, set_no: int) -> None:
    live.tell(SetMark(action="start", set_no=set_no))
    live.watch_for(25.0, RISKY)
    live.tell(SetMark(action="end", set_no=set_no))


def calm_sets(live: Live, numbers: range) -> None:
    """The advice of the hard set before fades; then sets without any risk."""
    for set_no in numbers:
        live.watch_for(15.0, CALM)
        live.tell(SetMark(action="start", set_no=set_no))
        live.watch_for(5.0, CALM)
        live.tell(SetMark(action="end", set_no=set_no))


@pytest.mark.parametrize("wish", [SessionConfig(colors={"target": "#ffffff"}), SessionConfig(speed=0.9)])
def test_a_therapist_who_sets_one_thing_does_not_make_the_rest_of_an_adapted_stimulus_their_own(
    wish: SessionConfig,
) -> None:
    # What a hard set had made gentler became the setting that adaptation goes back to, with each `config.set`.
    live = Live(facts=facts_of(config=SessionConfig(speed=1.0, intensity=0.8, duration=24.0)))
    live.settle()
    hard_set(live, 1)
    before = live.core.care.state.config
    assert (before.speed, before.intensity, before.duration) == (0.3, 0.2, 20.0)
    live.took(live.core.command(ConfigSet(session_id="s1", config=wish), "dr", live.now))
    assert live.sent(PatternAdapt)[-1].config == wish
    assert live.core.care.state.config == merged(before, wish), "nothing comes back by itself"
    calm_sets(live, range(2, 12))
    now = live.core.care.state.config
    assert (now.speed, now.intensity, now.duration) == (wish.speed or 1.0, 0.8, 24.0)


def test_within_a_set_a_wish_for_one_thing_changes_that_alone_and_later_sets_go_back_to_the_rest() -> None:
    live = Live(facts=facts_of(config=SessionConfig(speed=1.0, intensity=0.8, duration=24.0)))
    live.settle()
    live.tell(SetMark(action="start", set_no=1))
    live.watch_for(5.0, RISKY)
    gentler = live.core.care.state.config
    wish = SessionConfig(intensity=0.3)
    live.took(live.core.command(ConfigSet(session_id="s1", config=wish), "dr", live.now))
    assert live.core.care.state.config == merged(gentler, wish) and gentler.speed == 0.8
    live.tell(SetMark(action="end", set_no=1))
    calm_sets(live, range(2, 8))
    now = live.core.care.state.config
    assert (now.speed, now.intensity, now.duration) == (1.0, 0.3, 24.0)


def test_nothing_is_adapted_while_paused_and_the_wish_is_granted_after_it() -> None:
    live = Live()
    live.therapist_pauses()
    wish = ConfigSet(session_id="s1", config=SessionConfig(speed=1.4))
    live.took(live.core.command(wish, "dr", live.now))
    live.watch_for(20.0, RISKY)
    assert not live.sent(PatternAdapt)
    live.therapist_resumes()
    assert live.sent(PatternAdapt)[0].config.speed == 1.4


def test_a_set_after_a_crisis_begins_gentler() -> None:
    live = Live()
    cause_crisis(live)
    live.therapist_resumes()
    (adapt,) = live.sent(PatternAdapt)
    assert adapt.effective == "next_set" and adapt.config.speed == 0.9


def test_a_crisis_during_a_therapists_pause_makes_the_next_set_gentler_too() -> None:
    live = Live()
    live.settle()
    live.therapist_pauses()
    live.watch_for(3.0, CRISIS)
    live.therapist_resumes()
    assert len(live.sent(PatternAdapt)) == 1


def test_a_repeated_start_mark_changes_nothing_and_a_forgotten_end_is_made_up_for() -> None:
    live = Live()
    live.tell(SetMark(action="start", set_no=1))
    live.now = 5_000
    live.tell(SetMark(action="start", set_no=1))
    assert live.core.care.state.set_started_ms == 0
    live.tell(SetMark(action="start", set_no=2))
    assert live.core.care.state.tally.sets == 2 and live.core.care.state.set_started_ms == 5_000


def test_only_a_therapist_relaxes_a_threshold_and_no_set_of_them_may_contradict_itself() -> None:
    live = Live()
    relaxed = ThresholdChange(crisis_pause=0.9, crisis_immediate=0.95)
    live.took(live.core.command(ConfigSet(session_id="s1", thresholds=relaxed), "dr", 0))
    assert live.core.care.monitor.thresholds.crisis_pause == 0.9
    live.settle()
    live.watch_for(10.0, CRISIS)
    assert live.status == "running"
    with pytest.raises(ProtocolError, match="crisis_immediate"):
        live.core.command(ConfigSet(session_id="s1", thresholds=ThresholdChange(crisis_immediate=0.5)), "dr", live.now)


def test_a_therapist_sets_the_stimulus_whatever_thresholds_stand() -> None:
    # A session from before the check on `hello` may have these; what the command does not name is not its fault.
    live = Live(facts=facts_of(thresholds=Thresholds(crisis_immediate=0.3)))
    wish = ConfigSet(session_id="s1", config=SessionConfig(speed=0.5))
    live.took(live.core.command(wish, "dr", live.now))
    assert live.core.care.state.config.speed == 0.5
    mended = ConfigSet(session_id="s1", thresholds=ThresholdChange(crisis_pause=0.3))
    live.took(live.core.command(mended, "dr", live.now))
    assert live.core.care.monitor.thresholds == Thresholds(crisis_pause=0.3, crisis_immediate=0.3)


def kept_thresholds(live: Live) -> list[tuple[int, float, float]]:
    kept = [effect.fields for effect in live.effects if isinstance(effect, Keep) and effect.kind == "control"]
    return [(f["at_ms"], f["risk"], f["crisis_pause"]) for f in kept if f["action"] == "thresholds"]


def test_the_records_hold_the_thresholds_from_the_opening_on_and_each_change_of_them() -> None:
    # A report drew the defaults, whatever stood.
    live = Live(facts=facts_of(thresholds=Thresholds(risk=0.3)))
    assert kept_thresholds(live) == [(0, 0.3, 0.7)]
    live.settle()
    live.took(live.core.command(ConfigSet(session_id="s1", config=SessionConfig(speed=0.5)), "dr", live.now))
    lower = SessionConfig(safety_thresholds=ThresholdChange(crisis_pause=0.5))
    live.took(live.core.command(ConfigSet(session_id="s1", config=lower), "dr", live.now))
    assert kept_thresholds(live)[1:] == [(live.now, 0.3, 0.5)]
    refused = ConfigSet(session_id="s1", thresholds=ThresholdChange(crisis_immediate=0.2))
    with pytest.raises(ProtocolError):
        live.core.command(refused, "dr", live.now)
    live.disconnect()
    live.reconnect(epoch=2)
    assert kept_thresholds(live)[2:] == [(live.now, 0.3, 0.5)]


def hello_with(**wish: float) -> Hello:
    return Hello(source=Source.EMOTION, config=SessionConfig(safety_thresholds=ThresholdChange(**wish)))


@pytest.mark.parametrize(
    ("wish", "allowed", "refused"),
    [
        ({"crisis_immediate": 0.3}, Thresholds(crisis_pause=0.3, crisis_immediate=0.3), False),
        ({"crisis_immediate": 0.75}, Thresholds(crisis_immediate=0.75), False),
        ({"crisis_pause": 0.5, "crisis_immediate": 0.4}, Thresholds(crisis_pause=0.4, crisis_immediate=0.4), False),
        ({"crisis_pause": 0.9, "crisis_immediate": 0.6}, Thresholds(crisis_pause=0.6, crisis_immediate=0.6), True),
        ({"crisis_immediate": 0.9}, Thresholds(), True),
    ],
)
def test_who_tightens_the_higher_threshold_below_the_lower_one_tightens_both(
    wish: dict[str, float], allowed: Thresholds, refused: bool
) -> None:
    # The lower one stood, above the higher: the therapist could set nothing any more, and it fired at 0.5 only.
    given = open_facts(hello_with(**wish), session_id="s1", user="u1", started_ts=0, thresholds=Thresholds(), models=())
    assert (given[0].thresholds, given[1]) == (allowed, refused)
    live = Live(facts=given[0])
    assert live.sent(Welcome)[0].thresholds == allowed
    live.settle()
    live.took(live.core.command(ConfigSet(session_id="s1", thresholds=ThresholdChange(risk=0.5)), "dr", live.now))
    scores = msgspec.structs.replace(CALM, crisis=allowed.crisis_immediate + 0.02)
    live.watch_for(1.2, scores)
    assert live.status == "paused"


def test_reprocessing_waits_for_what_must_be_ready_where_the_setting_asks_for_it() -> None:
    strict = SessionSettings(control=ControlSettings(require_readiness=True))
    live = Live(strict)
    live.tell(PhaseMark(id=1, phase=Phase.DESENSITIZATION))
    live.tell(PhaseMark(id=2, phase=Phase.PREPARATION))
    assert live.errors() == ["not_ready"] and live.core.care.state.phase == "preparation"
    ready = Readiness(**dict.fromkeys(Readiness.__struct_fields__, True))
    live = Live(strict, facts=facts_of(readiness=ready))
    live.tell(PhaseMark(id=1, phase=Phase.DESENSITIZATION))
    assert live.errors() == []
