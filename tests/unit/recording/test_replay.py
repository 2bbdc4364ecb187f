"""Replay gives the `out` lines of the live session, byte for byte, and plays scenarios that nobody recorded."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from emdr_stream.domain import Phase, Source, Thresholds
from emdr_stream.inference.batch import Model
from emdr_stream.inference.manifest import CURRENT, default_models_dir
from emdr_stream.inference.models import load_current
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.recording.format import encode
from emdr_stream.recording.reading import read_recording
from emdr_stream.recording.recorder import Recorder
from emdr_stream.recording.replay import replay
from emdr_stream.session.facts import SessionFacts
from emdr_stream.settings import BaselineSettings, SessionSettings, SignalSettings
from emdr_stream.simulation import Family, recording_lines, simulate_session
from emdr_stream.wire.codec import MSGPACK, STREAM_CODECS
from emdr_stream.wire.face import Expression, FaceProblem, FaceView, Gaze, HeadPose
from emdr_stream.wire.stream import (
    Applied,
    Bye,
    Frame,
    Observed,
    PhaseMark,
    Rating,
    ResumeRequest,
    SetMark,
    Stop,
)
from emdr_stream.wire.values import ModelRef, SessionConfig, ThresholdChange
from emdr_stream.wire.watch import ConfigSet, EndCommand, PauseCommand, ResumeCommand
from tests.unit.pipeline.morphcast_events import SAD, TRACKED, arousal_valence, attention, detector, emotion, message
from tests.unit.recording.live_session import (
    STARTED_TS,
    BrokenModel,
    FixedModel,
    LiveSession,
    Step,
    SumModel,
    acknowledge,
    command,
    connect,
    disconnect,
    facts,
    put_in_use,
    sample,
    samples,
    say,
    store,
)

SHORT_BASELINE = SessionSettings(baseline=BaselineSettings(duration_s=5.0))
CALM_RISE = FixedModel(risk=0.95, crisis=0.9)
Steps = list[tuple[int, Step]]


def record(
    folder: Path,
    steps: Iterable[tuple[int, Step]],
    *,
    session_facts: SessionFacts | None = None,
    settings: SessionSettings = SHORT_BASELINE,
    model: Model | None = None,
    tick_ms: int = 50,
    score_ms: Callable[[int], int] = lambda ticket: 20,
) -> list[bytes]:
    """The lines of the file that a live session leaves."""
    told = session_facts or facts()
    recorder = Recorder(folder, settings)
    live = LiveSession(recorder.open(told), told, model=model, settings=settings, tick_ms=tick_ms, score_ms=score_ms)
    live.play(steps)
    recorder.close()
    return (folder / f"{told.session_id}.jsonl").read_bytes().splitlines()


def out_lines(lines: list[bytes]) -> list[bytes]:
    return [line for _, line in read_recording(lines).out]


def look(number: int) -> FaceView:
    """What a camera shows in the course of time: a face that blinks, and now and then nobody, two, or the dark."""
    problem = {30: FaceProblem.NO_FACE, 31: FaceProblem.MANY_FACES, 32: FaceProblem.TOO_DARK}.get(number % 40)
    if problem is not None:
        return FaceView(faces=2 if problem is FaceProblem.MANY_FACES else 0, quality=0.0, problem=problem)
    joy = 0.1 + number % 7 / 100
    return FaceView(
        faces=1,
        quality=0.8,
        expression=Expression(emotions=(joy, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5 - joy), valence=joy, arousal=-joy),
        eye_closure=0.9 if number % 35 == 0 else 0.1,
        gaze=Gaze(right=number % 10 / 20, up=0.0),
        pose=HeadPose(yaw=number % 5, pitch=0.0, roll=0.0),
    )


def without_scores(lines: list[bytes]) -> list[bytes]:
    """The same recording as if written by a tool that knows no models."""
    header = json.loads(lines[0])
    del header["recorded_scores"]
    return [encode(header), *(line for line in lines[1:] if b'"event":"scores"' not in line)]


def messages(lines: Iterable[bytes], *kinds: str) -> list[dict]:
    parsed = [json.loads(line) for line in lines]
    return [line for line in parsed if not kinds or line["msg"]["type"] in kinds]


def scenario(*lines: dict, **header: object) -> list[bytes]:
    first = {"emdr_recording": 1, "started_ts": STARTED_TS, "source": "emotion", "user": "u-1"}
    return [json.dumps(line).encode() for line in ({**first, **header}, *lines)]


def sample_lines(start_ms: int, end_ms: int) -> list[dict]:
    return [
        {"at_ms": at_ms, "dir": "in", "msg": json.loads(encode(sample(at_ms)))}
        for at_ms in range(start_ms, end_ms, 100)
    ]


EVENTFUL: Steps = [
    (0, connect()),
    *samples(100, 9_000),
    (3_005, say(PhaseMark(id="p", phase=Phase.DESENSITIZATION))),
    (2_505, command(ConfigSet(session_id="s-1", config=SessionConfig(intensity=0.5)))),
    (8_005, say(SetMark(id=1, action="start", set_no=1))),
    (9_020, say(sample(8_300))),
    (9_030, say(sample(8_300, ts=float(STARTED_TS)))),
    *samples(9_100, 12_000, arousal=0.6),
    (12_010, say(Stop(reason="stop_button"))),
    (12_060, say(Applied(control_epoch=1))),
    (12_900, say(Applied(control_epoch=1, stopped_ts=1.0))),
    (13_000, say(SetMark(id=2, action="start", set_no=2))),
    *samples(13_100, 16_000),
    (14_005, command(ResumeCommand(session_id="s-1", reason="calm"))),
    (14_020, acknowledge("s-1.a1")),
    (14_030, acknowledge("s-1.a99")),
    (14_040, command(ResumeCommand(session_id="s-1", reason="again"))),
    (15_005, say(Rating(id="r", scale="sud", value=5))),
    (15_010, say(Rating(id="r", scale="sud", value=50))),
    (16_000, store("redis", up=False)),
    (17_000, store("redis", up=True)),
    # Silence: stale at 17.9 s, lost at 23.9 s, resent and unconfirmed behind it.
    *samples(27_000, 30_000),
    (28_005, say(ResumeRequest())),
    (30_000, disconnect),
    (37_003, connect(epoch=2, last_seq=3)),
    *samples(37_100, 40_000),
    (
        38_000,
        command(ConfigSet(session_id="s-1", config=SessionConfig(speed=0.6), thresholds=ThresholdChange(risk=0.5))),
    ),
    (39_005, command(PauseCommand(session_id="s-1", reason="breathe"))),
    (39_505, command(EndCommand(session_id="s-1", reason="enough"))),
    (39_605, command(EndCommand(session_id="s-1", reason="twice"))),
]


@pytest.mark.parametrize("tick_ms", [7, 50, 1_000])
@pytest.mark.parametrize("score_ms", [0, 20, 350])
def test_replay_gives_the_recorded_lines_byte_for_byte(tmp_path: Path, tick_ms: int, score_ms: int) -> None:
    lines = record(tmp_path, EVENTFUL, tick_ms=tick_ms, score_ms=lambda ticket: score_ms)
    replayed = list(replay(lines, model=None))
    assert replayed == out_lines(lines)
    kinds = {line["msg"]["type"] for line in messages(replayed)}
    assert kinds == {"welcome", "result", "signal", "done", "error", "control.pause", "control.resume"} | {
        "intervention",
        "pattern.adapt",
        "ended",
        "alert",
    }


def test_how_often_time_is_told_makes_no_difference(tmp_path: Path) -> None:
    recorded = [
        out_lines(record(tmp_path / str(tick_ms), EVENTFUL, tick_ms=tick_ms)) for tick_ms in (3, 10, 333, 60_000)
    ]
    assert all(lines == recorded[0] for lines in recorded)


def test_computed_scores_are_those_that_were_recorded(tmp_path: Path) -> None:
    lines = record(tmp_path, EVENTFUL, score_ms=lambda ticket: 0)
    assert list(replay(without_scores(lines), model=SumModel())) == out_lines(lines)


def test_scores_can_be_computed_anew_and_are_told_when_the_recorded_ones_were(tmp_path: Path) -> None:
    lines = record(tmp_path, EVENTFUL, score_ms=lambda ticket: 1_500 if ticket == 9 else 20)
    assert list(replay(lines, model=SumModel(), use_recorded_scores=False)) == out_lines(lines)
    other = list(replay(lines, model=FixedModel(), use_recorded_scores=False))
    assert other != out_lines(lines)
    assert messages(other, "result")[60]["at_ms"] == messages(out_lines(lines), "result")[60]["at_ms"]


def test_the_shipped_models_score_in_replay_as_they_do_live(tmp_path: Path) -> None:
    if not (default_models_dir() / CURRENT).is_file():
        pytest.skip("no models here: train them with `make train`")
    model = load_current(default_models_dir(), feature_names=FEATURE_NAMES).graph
    lines = record(tmp_path, EVENTFUL, model=model)
    assert list(replay(lines, model=model, use_recorded_scores=False)) == out_lines(lines)
    assert messages(out_lines(lines), "result")[-1]["msg"]["safety"]["risk_level"] is not None


def test_a_missed_deadline_is_replayed_as_one(tmp_path: Path) -> None:
    steps = [(0, connect()), *samples(100, 12_000), (12_000, say(Bye()))]
    lines = record(tmp_path, steps, score_ms=lambda ticket: 1_500 if ticket == 9 else 20)
    assert list(replay(lines, model=None)) == out_lines(lines)
    (pause,) = {line["msg"]["reason"] for line in messages(out_lines(lines), "control.pause")}
    assert pause == "degraded"


def test_a_failing_model_is_replayed_as_one(tmp_path: Path) -> None:
    steps = [(0, connect()), *samples(100, 8_000), (8_000, say(Bye()))]
    lines = record(tmp_path, steps, model=BrokenModel())
    assert any(b'"event":"model_failed"' in line for line in lines)
    assert list(replay(lines, model=None)) == out_lines(lines)
    assert messages(out_lines(lines), "control.pause")[0]["msg"]["reason"] == "degraded"


def test_numbers_that_are_none_are_null_and_replayed_alike(tmp_path: Path) -> None:
    nan, decode = float("nan"), STREAM_CODECS[MSGPACK].decode
    odd = [
        {"type": "sample", "id": 1, "ts": STARTED_TS + 1_000, "dimensions": {"valence": nan, "arousal": 0.1}},
        {"type": "sample", "id": 2, "ts": nan, "dimensions": {"valence": 0.1}},
        {"type": "sample", "id": 3, "ts": STARTED_TS + 1_200, "emotions": {"joy": float("inf")}},
        {"type": "rating", "id": 4, "scale": "sud", "value": nan},
        {"type": "stop", "id": 5},
        {"type": "applied", "id": 6, "control_epoch": 1, "stopped_ts": nan},
        {"type": "applied", "id": 7, "control_epoch": 1, "stopped_ts": float("inf")},
    ]
    said = [say(decode(msgspec.msgpack.encode(told))) for told in odd]
    steps = [(0, connect()), *((1_000 + 100 * number, step) for number, step in enumerate(said)), (6_000, say(Bye()))]
    lines = record(tmp_path, steps)
    assert not any(b"NaN" in line or b"Infinity" in line for line in lines)
    assert sum(b'"valence":null' in line and b'"dir":"in"' in line for line in lines) == 1
    assert list(replay(lines, model=None)) == out_lines(lines)
    assert {line["msg"].get("re") for line in messages(out_lines(lines), "error")} >= {2}


def test_a_model_that_gives_no_number_is_replayed_alike(tmp_path: Path) -> None:
    steps = [(0, connect()), *samples(100, 8_000), (8_000, say(Bye()))]
    lines = record(tmp_path, steps, model=FixedModel(risk=float("nan")))
    assert any(b'"risk":null' in line and b'"event":"scores"' in line for line in lines)
    assert list(replay(lines, model=None)) == out_lines(lines)


def test_a_morphcast_session_is_replayed_without_what_was_left_out(tmp_path: Path) -> None:
    picture = {"faces": [[0, 255] * 50]}
    steps: Steps = [(0, connect())]
    for at_ms in range(100, 9_000, 100):
        told = message(
            float(at_ms),
            detector(TRACKED | picture),
            emotion(SAD),
            arousal_valence(at_ms / 1e5, -0.2),
            attention(0.8),
            ("CY_FACE_AGE_RESULT", {"output": {"numericAge": 33}}),
        )
        steps.append((at_ms, say(told)))
    lines = record(tmp_path, steps, session_facts=facts(source=Source.MORPHCAST))
    assert not any(b"0,255" in line or b"numericAge" in line for line in lines[1:])
    assert list(replay(lines, model=None)) == out_lines(lines)
    assert len(messages(out_lines(lines), "result")) > 80


def test_a_frame_that_nobody_looks_at_is_answered_in_replay_as_it_was(tmp_path: Path) -> None:
    frame = Frame(id=7, ts=float(STARTED_TS), image=b"\xff\xd8 a face")
    lines = record(tmp_path, [(0, connect()), (100, say(frame))], session_facts=facts(source=Source.EMOTION))
    assert not any(b"a face" in line for line in lines)
    assert list(replay(lines, model=None)) == out_lines(lines)
    assert messages(out_lines(lines), "error")[0]["msg"]["re"] == 7


@pytest.mark.parametrize("source", [Source.FRAME, Source.LANDMARKS])
def test_looks_at_a_face_are_replayed_without_any_picture(tmp_path: Path, source: Source) -> None:
    steps: Steps = [(0, connect())]
    for number, at_ms in enumerate(range(100, 40_000, 100)):
        if number == 200:
            steps += [(at_ms - 60, disconnect), (at_ms - 50, connect(last_seq=0))]
        steps.append((at_ms, say(Observed(id=number, ts=float(STARTED_TS + at_ms), face=look(number)))))
    lines = record(tmp_path, steps, session_facts=facts(source=source), model=FixedModel())
    out = out_lines(lines)
    assert list(replay(lines, model=None)) == out
    assert any(line["msg"]["signal"].get("reason") == "too_dark" for line in messages(out, "result"))
    if source is Source.FRAME:
        assert sorted(line["msg"]["re"] for line in messages(out, "result", "skipped")) == list(range(399))
        assert {line["msg"]["reason"] for line in messages(out, "skipped")} == {"no_face", "many_faces"}


def test_tokens_and_clocks_are_nowhere_in_a_recording(tmp_path: Path) -> None:
    lines = record(tmp_path, EVENTFUL)
    for word in (b"secret", b"token", b"server_ts", b"timing", b'heartbeat"', b"cursor"):
        assert not any(word in line for line in lines), word


def test_settings_and_thresholds_of_the_header_count(tmp_path: Path) -> None:
    settings = SessionSettings(
        signal=SignalSettings(stale_after_ms=500, lost_after_ms=900), baseline=BaselineSettings(duration_s=3.0)
    )
    steps = [(0, connect()), *samples(100, 6_000), (8_000, say(Bye()))]
    told = facts(thresholds=Thresholds(risk=0.3, crisis_pause=0.4, crisis_immediate=0.5), result_rate_hz=3.0)
    lines = record(tmp_path, steps, settings=settings, session_facts=told)
    assert list(replay(lines, model=None)) == out_lines(lines)
    lost = [line for line in messages(out_lines(lines), "signal") if line["msg"]["status"] == "lost"]
    assert [line["at_ms"] for line in lost] == [6_800]


# scenarios that nobody recorded


def test_a_scenario_of_samples_alone_is_welcome() -> None:
    lines = scenario(*sample_lines(100, 3_000))
    out = list(replay(lines, model=SumModel()))
    kinds = [line["msg"]["type"] for line in messages(out)]
    assert kinds[0] == "welcome"
    assert kinds[1:] == ["result"] * 29


def test_deadlines_are_followed_up_to_the_last_line_and_no_further() -> None:
    silence = {"at_ms": 5_000, "dir": "in", "msg": {"type": "rating", "scale": "sud", "value": 3}}
    out = messages(replay(scenario(*sample_lines(100, 1_000), silence), model=SumModel()), "signal")
    assert [(line["at_ms"], line["msg"]["status"]) for line in out] == [(2_900, "stale")]


def test_a_simulated_session_is_replayed_whole() -> None:
    session = simulate_session(np.random.default_rng(1), Family.CALM, duration_s=180.0)
    out = messages(replay(map(encode, recording_lines(session, STARTED_TS)), model=FixedModel()))
    assert out[0]["msg"]["type"] == "welcome"
    assert out[-1]["msg"]["type"] == "ended"
    assert out[-1]["msg"]["totals"]["samples"] == len(session.ts_ms)


def test_a_session_that_resumes_by_its_hello_is_paused() -> None:
    resume = {"type": "hello", "source": "emotion", "resume": {"resume_token": "x", "epoch": 1, "last_seq": 0}}
    lines = scenario(
        *sample_lines(100, 1_000),
        {"at_ms": 1_000, "dir": "in", "event": "disconnected"},
        {"at_ms": 3_000, "dir": "in", "msg": resume},
    )
    out = messages(replay(lines, model=SumModel()), "welcome", "control.pause")
    assert [(line["at_ms"], line["msg"]["type"]) for line in out] == [
        (0, "welcome"),
        (3_000, "welcome"),
        (3_000, "control.pause"),
    ]


SHORT = {"settings": {"baseline": {"duration_s": 5.0}}}


def told_scores(at_ms: int, risk: float, crisis: float) -> dict:
    return {"at_ms": at_ms, "dir": "in", "event": "scores", "states": [1, 0, 0, 0, 0], "risk": risk, "crisis": crisis}


def test_scores_in_a_scenario_count_and_the_others_are_computed() -> None:
    crisis = [told_scores(at_ms, 0.9, 0.95) for at_ms in range(7_000, 9_000, 100)]
    lines = sorted([*sample_lines(100, 12_000), *crisis], key=lambda line: line["at_ms"])
    out = list(replay(scenario(*lines, **SHORT), model=FixedModel()))
    pauses = messages(out, "control.pause")
    assert {line["msg"]["reason"] for line in pauses} == {"crisis"}
    results = messages(out, "result")
    assert [r["msg"]["safety"]["crisis_probability"] for r in results if 7_000 <= r["at_ms"] < 9_000] == [0.95] * 20
    last = results[-1]["msg"]["safety"]["crisis_probability"]
    assert last == pytest.approx(0.05)


@pytest.mark.parametrize("event", ["model_failed", "deadline_missed"])
def test_a_scenario_can_tell_that_the_models_are_away(event: str) -> None:
    lines = sorted(
        [*sample_lines(100, 9_000), {"at_ms": 8_000, "dir": "in", "event": event}], key=lambda line: line["at_ms"]
    )
    out = messages(replay(scenario(*lines, **SHORT), model=FixedModel()), "control.pause")
    assert (out[0]["at_ms"], out[0]["msg"]["reason"]) == (8_000, "degraded")


def test_without_a_model_the_session_is_degraded_as_it_is_live() -> None:
    out = messages(replay(scenario(*sample_lines(100, 7_000), **SHORT), model=None), "control.pause")
    assert out[0]["msg"]["reason"] == "degraded"


def test_a_watchers_command_is_played(tmp_path: Path) -> None:
    pause = {"type": "control.pause", "session_id": "x", "reason": "breathe"}
    told = {"at_ms": 1_500, "dir": "in", "from": "watch", "msg": pause}
    lines = scenario(*sample_lines(100, 1_500), told)
    (out,) = messages(replay(lines, model=SumModel()), "control.pause")
    assert (out["at_ms"], out["msg"]["reason"]) == (1_500, "therapist")


def test_a_patient_therapist_acknowledges_and_resumes() -> None:
    lines = scenario(*sample_lines(100, 30_000), **SHORT)
    out = list(replay(lines, model=CALM_RISE, resume_after_s=5.0))
    first_pause, resume = messages(out, "control.pause")[0], messages(out, "control.resume")[0]
    assert resume["at_ms"] >= first_pause["at_ms"] + 5_000
    newest = [line for line in messages(out, "control.pause") if line["at_ms"] <= resume["at_ms"]]
    by_epoch = {line["msg"]["control_epoch"]: line["at_ms"] for line in reversed(newest)}
    assert resume["at_ms"] == by_epoch[max(by_epoch)] + 5_000
    acknowledged = [line for line in messages(out, "alert") if line["msg"]["state"] == "acknowledged"]
    assert acknowledged[0]["at_ms"] == resume["at_ms"]
    assert resume["msg"]["by"] == acknowledged[0]["msg"]["by"]


def test_without_a_therapist_nobody_resumes() -> None:
    out = list(replay(scenario(*sample_lines(100, 30_000), **SHORT), model=CALM_RISE))
    assert messages(out, "control.pause")
    assert not messages(out, "control.resume")


def test_the_therapist_sees_a_pause_that_silence_causes_in_time() -> None:
    bye = {"at_ms": 40_000, "dir": "in", "msg": {"type": "bye"}}
    out = list(replay(scenario(*sample_lines(100, 1_000), bye), model=SumModel(), resume_after_s=2.0))
    lost = messages(out, "control.pause")[0]
    assert (lost["at_ms"], lost["msg"]["reason"]) == (8_900, "signal_lost")
    assert messages(out, "control.resume")[0]["at_ms"] == 10_900


def test_a_scenario_is_replayed_twice_alike() -> None:
    lines = scenario(*sample_lines(100, 20_000), **SHORT)
    first, second = (list(replay(lines, model=SumModel(), resume_after_s=1.0)) for _ in range(2))
    assert first == second


def test_a_signal_told_just_before_another_socket_takes_over_is_replayed(tmp_path: Path) -> None:
    steps: Steps = [(0, connect()), *samples(100, 2_000), (5_000, connect(epoch=2, last_seq=0)), *samples(5_100, 6_000)]
    lines = record(tmp_path, steps, tick_ms=10)
    out = out_lines(lines)
    assert "stale" in {line["msg"]["status"] for line in messages(out, "signal")}
    assert list(replay(lines, model=None)) == out


def test_a_session_whose_model_was_replaced_replays_as_it_was_and_anew_under_one_name(tmp_path: Path) -> None:
    first, second = (ModelRef(name="emotion_safety", version=version, sha256=version * 64) for version in "12")
    steps: Steps = [
        (0, connect()),
        *samples(100, 9_000),
        (7_010, put_in_use(second)),
        *samples(9_000, 14_000, arousal=0.6),
    ]
    lines = record(tmp_path, steps, session_facts=facts(models=(first,)), model=CALM_RISE)
    assert list(replay(lines, model=None)) == out_lines(lines)
    told = messages(out_lines(lines), "models")
    assert [model["version"] for line in told for model in line["msg"]["models"]] == ["2"]
    third = ModelRef(name="emotion_safety", version="3", sha256="3" * 64)
    anew = list(replay(lines, model=CALM_RISE, models=(third,), use_recorded_scores=False))
    assert messages(anew, "models") == []
    alerts = messages(anew, "alert")
    assert {line["msg"]["model"]["version"] for line in alerts if line["msg"].get("model")} == {"3"}
