"""A recording of a session that somebody listens to from its midst: it and its truth count from then."""

from dataclasses import replace

import numpy as np
import pytest

from emdr_stream.recording.trials import Case
from emdr_stream.settings import BaselineSettings, SessionSettings
from emdr_stream.simulation import Family, SimulatedSession, simulate_session, truth_of
from emdr_stream.wire.stream import Hello, PhaseMark, Sample, SetMark
from training.__main__ import main
from training.evaluation.cases import Cohort, Draw, SessionCase, recording_of
from training.evaluation.late import heard_from
from training.listening import Listening

BASELINE_S = 12.5


@pytest.fixture(scope="module")
def session() -> SimulatedSession:
    return simulate_session(np.random.default_rng(3), Family.PANIC, duration_s=300)


@pytest.fixture(scope="module")
def whole(session: SimulatedSession) -> Case:
    return recording_of(session), truth_of(session, "whole.jsonl")


def listening(from_ms: int, *, tell_sets: bool = True) -> Listening:
    return Listening(from_ms, tell_sets, SessionSettings(baseline=BaselineSettings(duration_s=BASELINE_S)))


def test_it_counts_from_when_somebody_listens(session: SimulatedSession, whole: Case) -> None:
    from_ms = (session.sets[0][1] + 2_000) // 1_000 * 1_000
    recording, truth = heard_from(whole, listening(from_ms))
    assert recording.header.settings == {"baseline": {"duration_s": BASELINE_S}}
    assert [type(entry.told) for entry in recording.entries[:3]] == [Hello, PhaseMark, Sample]
    times = [entry.at_ms for entry in recording.entries]
    assert times == sorted(times) and times[0] == 0
    assert recording.ends_ms == whole[0].ends_ms - from_ms == truth.to_ms
    samples = [entry.told for entry in recording.entries if isinstance(entry.told, Sample)]
    first = int(np.searchsorted(session.ts_ms, from_ms))
    assert samples[0].ts == session.ts_ms[first] - from_ms
    assert all(0 <= sample.ts <= truth.to_ms for sample in samples)


def test_its_truth_is_that_of_the_whole_session_moved(whole: Case) -> None:
    from_ms = whole[1].events[0].onset_ms // 1_000 * 1_000 - 20_000
    _, truth = heard_from(whole, listening(from_ms))
    assert truth.from_ms == round(BASELINE_S * 1_000)
    assert [event.onset_ms + from_ms for event in truth.events] == [event.onset_ms for event in whole[1].events]
    assert whole[1].seconds is not None and truth.seconds is not None
    assert truth.seconds.state == whole[1].seconds.state[from_ms // 1_000 :] and truth.seconds.start_ms == 0
    assert [rating.at_ms + from_ms for rating in truth.sud] == [
        rating.at_ms for rating in whole[1].sud if rating.at_ms >= from_ms
    ]


def test_what_is_on_begins_with_it_and_what_is_over_is_left_out(whole: Case) -> None:
    event = whole[1].events[0]
    _, within = heard_from(whole, listening(event.onset_ms + 3_000))
    assert within.events[0].onset_ms == 0 and within.events[0].end_ms == event.end_ms - event.onset_ms - 3_000
    _, after = heard_from(whole, listening(event.end_ms + 1_000))
    assert len(after.events) == len(whole[1].events) - 1


def test_a_set_that_runs_is_told_at_once_or_never(session: SimulatedSession, whole: Case) -> None:
    from_ms = session.sets[1][0] + 4_000
    told, _ = heard_from(whole, listening(from_ms))
    marks = [(entry.at_ms, entry.told.action) for entry in told.entries if isinstance(entry.told, SetMark)]
    assert marks[0] == (0, "start") and marks[1] == (session.sets[1][1] - from_ms, "end")
    untold, _ = heard_from(whole, listening(from_ms, tell_sets=False))
    assert not any(isinstance(entry.told, SetMark) for entry in untold.entries)


def test_a_sample_that_was_taken_before_and_comes_after_is_not_heard(session: SimulatedSession) -> None:
    late = replace(session, ts_ms=np.where(np.arange(len(session.ts_ms)) == 1_200, 50_000, session.ts_ms))
    recording, _ = heard_from((recording_of(late), truth_of(late, "late.jsonl")), listening(60_000))
    assert all(entry.told.ts >= 0 for entry in recording.entries if isinstance(entry.told, Sample))


def test_the_test_set_is_of_other_persons_and_each_case_is_made_the_same_again() -> None:
    late, iid = (SessionCase(Draw(cohort, 7), 1)() for cohort in (Cohort.LATE, Cohort.IID))
    assert late[1].person != iid[1].person
    assert SessionCase(Draw(Cohort.LATE, 7), 1)()[0].entries == late[0].entries
    assert late[0].header.settings and not iid[0].header.settings


@pytest.mark.timeout(120)
def test_single_test_sets_are_printed_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--sets", "late", "--sessions", "2", "--seed", "3", "--processes", "1"]) == 0
    printed = capsys.readouterr().out
    assert "late" in printed and "iid" not in printed
    with pytest.raises(SystemExit):
        main(["evaluate", "--sets", "nonsense"])
    assert "shifted" in capsys.readouterr().err
