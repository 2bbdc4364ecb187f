"""Headers and lines: what is kept of a session, in which form, and what never is."""

import json

import pytest
from msgspec import structs

from emdr_stream.domain import (
    AlertKind,
    AlertState,
    PauseMode,
    ResumeRequires,
    Severity,
    SignalStatus,
    Source,
    StateLabel,
    Status,
    Thresholds,
)
from emdr_stream.pipeline.baseline import BaselinePrior
from emdr_stream.recording.format import (
    Header,
    RecordingError,
    alert_line,
    encode,
    facts_from_header,
    header_of,
    sent_line,
    settings_from_header,
)
from emdr_stream.recording.reading import read_recording
from emdr_stream.session.facts import DEFAULT_CONFIG
from emdr_stream.settings import SafetySettings, SessionSettings, SignalSettings
from emdr_stream.wire.stream import ControlPause, Heartbeat, Hello, Pong, Result, Welcome
from emdr_stream.wire.values import (
    AlertBody,
    ClientSnapshot,
    Dimensions,
    Emotions,
    ModelRef,
    Readiness,
    SafetyAnalysis,
    SessionConfig,
    SignalReport,
    StateEstimate,
    ThresholdChange,
    Timing,
)
from tests.unit.recording.live_session import STARTED_TS, facts

RESULT = Result(
    re="a",
    ts=1.0,
    emotions=Emotions(joy=float("nan")),
    dimensions=Dimensions(valence=0.1),
    state=StateEstimate(label=StateLabel.UNKNOWN, confidence=0.0),
    predicted_changes=None,
    recommendations=(),
    safety=SafetyAnalysis(
        risk_level=None,
        crisis_probability=None,
        should_pause_session=False,
        warning_signs=(),
        protective_factors=(),
        next_check_in=60.0,
    ),
    signal=SignalReport(status=SignalStatus.OK, quality=None, age_ms=0),
    timing=Timing(total_ms=1.25),
)


def written(value: bytes | None) -> dict:
    assert value is not None
    read: dict = json.loads(value)
    return read


def test_the_header_gives_back_the_facts_and_the_settings() -> None:
    settings = SessionSettings(
        signal=SignalSettings(lost_after_ms=4_000), safety=SafetySettings(thresholds=Thresholds(risk=0.5))
    )
    told = facts(
        source=Source.MORPHCAST,
        config=SessionConfig(pattern_type="vertical", speed=0.7, intensity=0.3, duration=30.0),
        thresholds=Thresholds(risk=0.4, crisis_pause=0.6, crisis_immediate=0.7),
        result_rate_hz=5.0,
        readiness=Readiness(consent=True),
        models=(ModelRef(name="m", version="1", sha256="ab"),),
        prior=BaselinePrior(mean=(0.25,) * 14),
    )
    header = read_recording([encode(header_of(told, "1.2.3", settings, seed=7))]).header
    assert facts_from_header(header) == told
    assert settings_from_header(header) == settings
    assert (header.version, header.seed, header.recorded_scores) == ("1.2.3", 7, True)


def test_the_header_names_only_the_settings_that_differ() -> None:
    settings = SessionSettings(signal=SignalSettings(lost_after_ms=4_000))
    header = written(encode(header_of(facts(), "1", settings)))
    assert header["settings"] == {"signal": {"lost_after_ms": 4_000}}
    assert header["emdr_recording"] == 1
    assert {"started_ts", "source", "config", "thresholds", "models", "user"} <= header.keys()


def test_a_scenario_takes_what_its_header_leaves_out_from_its_hello() -> None:
    hello = Hello(
        source=Source.MORPHCAST,
        session_id="s-9",
        config=SessionConfig(speed=0.5, safety_thresholds=ThresholdChange(risk=0.4)),
        result_rate_hz=2.0,
    )
    told = facts_from_header(Header(emdr_recording=1, started_ts=STARTED_TS), hello)
    assert (told.session_id, told.source, told.result_rate_hz) == ("s-9", Source.MORPHCAST, 2.0)
    assert told.config == structs.replace(DEFAULT_CONFIG, speed=0.5)
    assert told.thresholds == Thresholds(risk=0.4)


def test_a_header_cannot_relax_a_threshold_by_its_configuration() -> None:
    config = SessionConfig(safety_thresholds=ThresholdChange(risk=0.9))
    header = Header(emdr_recording=1, config=config, thresholds=Thresholds(risk=0.5))
    assert facts_from_header(header).thresholds.risk == 0.5


def test_a_setting_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(RecordingError, match="lost_after_ms"):
        settings_from_header(Header(emdr_recording=1, settings={"signal": {"lost_after_ms": "soon"}}))


def test_heartbeats_and_pongs_are_not_recorded() -> None:
    assert sent_line(1, Heartbeat(server_ts=5)) is None
    assert sent_line(1, Pong(t0=1.0, t1=2.0, t2=3.0)) is None


def test_a_result_is_recorded_without_its_timing_and_with_null_for_what_is_missing() -> None:
    line = written(sent_line(70, RESULT))
    assert (line["at_ms"], line["dir"], line["msg"]["type"]) == (70, "out", "result")
    assert "timing" not in line["msg"]
    assert line["msg"].keys() == {*(set(Result.__struct_fields__) - {"timing"}), "type"}
    assert line["msg"]["emotions"]["joy"] is None


def test_a_welcome_is_recorded_without_token_and_server_time() -> None:
    snapshot = ClientSnapshot(status=Status.RUNNING, control_epoch=0, config=DEFAULT_CONFIG, phase=None, set_no=None)
    welcome = Welcome(
        session_id="s",
        resume_token="secret",
        epoch=1,
        seq=0,
        resumed=False,
        snapshot=snapshot,
        heartbeat_ms=500,
        timeout_ms=2_000,
        grace_s=60.0,
        limits=SessionSettings().limits,
        thresholds=Thresholds(),
        models=(),
        server_ts=3,
    )
    message = written(sent_line(0, welcome))["msg"]
    assert message.keys() == {*(set(Welcome.__struct_fields__) - {"resume_token", "server_ts"}), "type"}


def test_an_alert_is_recorded_as_watchers_get_it_but_for_the_cursor() -> None:
    body = AlertBody(
        alert_id="s.a1",
        session_id="s",
        alert_seq=1,
        kind=AlertKind.CRISIS,
        severity=Severity.CRITICAL,
        state=AlertState.RAISED,
        ts=5,
        raised_ts=5,
        evidence=(),
        probability=0.9,
    )
    line = written(alert_line(9, body))
    assert (line["to"], line["msg"]["type"], line["msg"]["probability"]) == ("watch", "alert", 0.9)
    assert not {"cursor", "threshold", "by", "ack_deadline_ts"} & line["msg"].keys()


def test_what_is_unset_stays_out_and_keys_are_sorted() -> None:
    pause = ControlPause(
        seq=1,
        epoch=1,
        control_epoch=1,
        mode=PauseMode.HARD,
        reason="client_stop",
        resume_requires=ResumeRequires.CLIENT,
    )
    assert sent_line(3, pause) == (
        b'{"at_ms":3,"dir":"out","msg":{"control_epoch":1,"epoch":1,"mode":"hard","reason":"client_stop",'
        b'"resume_requires":"client","seq":1,"type":"control.pause"}}'
    )


def line(text: str) -> list[bytes]:
    return [b'{"emdr_recording": 1, "started_ts": 0}', b"", text.encode()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "truncated"),
        ('{"dir": "in", "msg": {"type": "bye"}}', "at_ms"),
        ('{"at_ms": -1, "dir": "in", "msg": {"type": "bye"}}', "at_ms"),
        ('{"at_ms": 1750000000000, "dir": "in", "msg": {"type": "bye"}}', "at_ms"),
        ('{"at_ms": 1, "dir": "sideways"}', "dir"),
        ('{"at_ms": 1, "dir": "in"}', "`msg` or `event`"),
        ('{"at_ms": 1, "dir": "in", "event": "earthquake"}', "earthquake"),
        ('{"at_ms": 1, "dir": "in", "event": "scores", "states": [1], "risk": 0, "crisis": 0}', "states"),
        ('{"at_ms": 1, "dir": "in", "msg": {"type": "wish"}}', "wish"),
        ('{"at_ms": 1, "dir": "in", "msg": {"type": "sample"}}', "ts"),
        ('{"at_ms": 1, "dir": "in", "msg": {"type": "rating", "scale": null, "value": null}}', "scale"),
        ('{"at_ms": 1, "dir": "in", "from": "watch", "msg": {"type": "sample", "ts": 1}}', "sample"),
        ('{"at_ms": 1, "dir": "in", "msg": "\ud800"}'.encode("utf-8", "surrogatepass").decode("latin-1"), "line 3"),
    ],
)
def test_a_bad_line_is_told_with_file_line_and_fault(text: str, said: str) -> None:
    with pytest.raises(RecordingError, match=r"walk\.jsonl, line 3: ") as told:
        read_recording(line(text), "walk.jsonl")
    assert said in str(told.value)


@pytest.mark.parametrize("first", [b"", b"{}", b"[]", b'{"at_ms": 0}', b'{"emdr_recording": 2}', b"\xff\xfe"])
def test_a_file_without_a_header_is_no_recording(first: bytes) -> None:
    with pytest.raises(RecordingError, match=r"walk\.jsonl, line 1: "):
        read_recording([first], "walk.jsonl")


def test_lines_of_a_scenario_out_of_order_are_refused() -> None:
    lines = [
        b'{"emdr_recording": 1}',
        b'{"at_ms": 200, "dir": "in", "msg": {"type": "stop"}}',
        b'{"at_ms": 100, "dir": "in", "msg": {"type": "bye"}}',
    ]
    with pytest.raises(RecordingError, match="line 3: `at_ms` 100 is before 200"):
        read_recording(lines)
