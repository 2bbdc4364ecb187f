"""The evaluation of a model: what it draws, what knows nothing, what is varied, real controls, and all of it once."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from emdr_stream.domain import N_SIGNALS, SIGNALS
from emdr_stream.evaluation.gates import GATES, figure
from emdr_stream.evaluation.measuring import figures_of
from emdr_stream.pipeline.features import ROW_LENGTH
from emdr_stream.recording.format import encode
from emdr_stream.recording.reading import read_recording
from emdr_stream.simulation import Family, Parameters, recording_lines, simulate_session
from emdr_stream.wire.stream import Sample, SetMark
from tests.unit.evaluation.courses import course, event
from training.__main__ import main
from training.config import load_config
from training.dataset import TRAINING, VALIDATION, training_cohort
from training.evaluation import baselines, controls
from training.evaluation.cases import SILENCED, TEST_SETS, Cohort, Draw, SessionCase, cases_of, recording_of
from training.evaluation.constants import KIN, LEFT_OUT, unsourced, variations, varied
from training.evaluation.pages import card
from training.evaluation.plan import QUICK, Plan
from training.evaluation.protocol import Evaluated, Protocol, chance
from training.evaluation.report import metrics, results_of
from training.evaluation.shape import Evaluation, Outcome, Varied, worst
from training.package import NAME

# what is drawn --------------------------------------------------------------------------------------------------------


def test_test_sets_share_no_person_with_training_or_with_one_another() -> None:
    config = load_config(quick=True)
    cohorts = [islice(training_cohort(config.cohort, config.seed, c), 6) for c in (TRAINING, VALIDATION)]
    cohorts += [islice(Draw(cohort, 1).sessions(), 6) for cohort in TEST_SETS]
    rests = [{session.person.rest.tobytes() for session in cohort} for cohort in cohorts]
    assert sum(map(len, rests)) == len(set.union(*rests))


def test_held_out_families_are_not_among_those_of_training_and_shifted_sensors_are_marked() -> None:
    trained = {family.value for family in Family}
    held = {session.family for session in islice(Draw(Cohort.HELD_OUT, 1).sessions(), 30)}
    assert held - trained
    assert {session.family for session in islice(Draw(Cohort.SHIFTED, 1).sessions(), 10)} <= trained
    everything = list(islice(Draw(Cohort.HELD_OUT_SHIFTED, 1).sessions(), 10))
    assert all(session.person.shifted and session.sensor_profile.shifted for session in everything)


def test_sessions_are_the_same_in_whatever_order_they_are_asked_for() -> None:
    draw = Draw(Cohort.IID, 1)
    third, first = SessionCase(draw, 2)(), SessionCase(draw, 0)()
    assert SessionCase(draw, 2)()[1] == third[1] and SessionCase(draw, 2)()[0].entries == third[0].entries
    assert first[1] != third[1]


def test_what_is_made_in_memory_is_what_would_be_read_from_a_file() -> None:
    session = simulate_session(np.random.default_rng(2), Family.PANIC, duration_s=180)
    read = read_recording(map(encode, recording_lines(session, 0, user=session.person_id)))
    made = recording_of(session)
    assert made.header == read.header
    assert [(entry.at_ms, entry.told) for entry in made.entries] == [(e.at_ms, e.told) for e in read.entries]


@pytest.mark.parametrize("name", SILENCED)
def test_an_ablation_leaves_out_its_signals_and_nothing_else(name: str) -> None:
    rng = np.random.default_rng(4)
    session = simulate_session(rng, Family.PANIC, duration_s=180)
    session = replace(session, values=np.where(np.isnan(session.values), 0.1, session.values))
    full, less = recording_of(session), recording_of(session, SILENCED[name])

    def sent(told: Sample) -> set[str]:
        parts = (told.dimensions, told.emotions, told.signals)
        return {
            field
            for part in parts
            if part is not None
            for field, v in msgspec.to_builtins(part).items()
            if v is not None
        }

    before, after = ([entry.told for entry in r.entries if isinstance(entry.told, Sample)] for r in (full, less))
    assert len(before) == len(after)
    lost = sent(before[-1]) - sent(after[-1])
    expected = set(SILENCED[name]) & set(SIGNALS) | ({*SIGNALS[3:10]} if name == "emotions" else set())
    assert lost == expected
    assert any(isinstance(e.told, SetMark) for e in less.entries) is (name != "sets")


# what knows nothing ---------------------------------------------------------------------------------------------------


def detected(persons: int) -> list:
    """Each person has a crisis somewhere, and each is found at once."""
    rng = np.random.default_rng(1)
    onsets = rng.uniform(60, 520, persons)
    return [course([event(at, at + 30)], [at + 2], person=f"p{n}") for n, at in enumerate(onsets.tolist())]


def test_silence_finds_nothing_and_is_right_nearly_always() -> None:
    told = chance(detected(40))
    assert told.silent_sensitivity == 0.0
    assert told.silent_accuracy is not None and told.silent_accuracy > 0.9


def test_shuffled_truths_are_near_chance_for_a_detector_that_finds_everything() -> None:
    courses = detected(60)
    assert figures_of(courses, "true").sensitivity.value == 1.0
    by_chance = baselines.shuffled_sensitivity(courses)
    assert by_chance is not None and by_chance == pytest.approx(90 / 460, abs=0.08)


def test_one_person_alone_cannot_be_shuffled() -> None:
    assert baselines.shuffled_sensitivity([course([event(200, 220)])] * 3) is None


def test_the_absolute_rule_reads_arousal_as_it_stands_when_valence_is_negative() -> None:
    rule = baselines.absolute_rule()
    rows = np.zeros((1, ROW_LENGTH))
    [unseen] = rule.score(rows)
    assert (unseen.crisis, unseen.risk, sum(unseen.states)) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(("valence", "arousal", "crisis"), [(-0.5, 0.75, 0.75), (0.5, 0.75, 0.0), (-0.5, -0.2, 0.0)])
def test_the_absolute_rule_on_means(
    monkeypatch: pytest.MonkeyPatch, valence: float, arousal: float, crisis: float
) -> None:
    monkeypatch.setattr(baselines, "levels", lambda rows: np.array([[valence, arousal, 0.5]]))
    assert baselines.absolute_rule().score(np.zeros((1, ROW_LENGTH)))[0].crisis == crisis


# what is varied -------------------------------------------------------------------------------------------------------


def test_every_constant_without_a_source_is_varied_or_left_out_for_a_reason() -> None:
    named = [name for names in KIN.values() for name in names]
    assert len(named) == len(set(named)) and not {*named} & {*LEFT_OUT}
    assert not {*named, *LEFT_OUT} - {field.name for field in fields(Parameters)}
    assert unsourced() <= {*named, *LEFT_OUT}


def test_each_variation_is_another_generator_and_still_makes_sessions() -> None:
    standard = Parameters()
    assert len(variations()) == 2 * len(KIN)
    for number, (name, factor, parameters) in enumerate(variations()):
        assert parameters != standard, name
        session = simulate_session(
            np.random.default_rng(number), Family.PANIC, duration_s=200, stop_presses=False, parameters=parameters
        )
        assert np.isfinite(session.labels.latents).all(), (name, factor)


def test_shares_stay_shares() -> None:
    assert 0.0 < varied(("inverted_share",), 1.5).inverted_share <= 1.0
    assert varied(("clear_share",), 10.0).clear_share == 1.0


def test_the_worst_variation_is_the_one_that_finds_least() -> None:
    def of(name: str, factor: float, found: float) -> Varied:
        figures = figures_of([course([event(200, 220)], [205] if found else [])], name)
        sensitivity, rate = figures.sensitivity, figures.false_alarms_per_hour
        return Varied(
            name=name,
            factor=factor,
            outcome=Outcome(name=name, events=1, sensitivity=sensitivity, false_alarms_per_hour=rate),
        )

    lowest = worst([of("as they are", 1.0, 0), of("a", 0.5, 1), of("b", 1.5, 0)])
    assert lowest is not None and lowest.name == "b"
    assert worst([]) is None


# real controls --------------------------------------------------------------------------------------------------------


def test_a_clip_is_looped_without_a_jump() -> None:
    clip = np.arange(4.0)[:, None] * np.ones((4, N_SIGNALS))
    steps = np.abs(np.diff(controls.looped(clip, 50)[:, 0]))
    assert steps.max() == 1.0


def test_a_panic_laid_over_keeps_emotions_a_distribution() -> None:
    n = 370_000 // controls.FRAME_MS
    values = np.full((n, N_SIGNALS), 0.1)
    values[:, 3:10] = 1 / 7
    panic = controls.with_panic(values)
    assert np.allclose(panic[:, 3:10].sum(axis=1), 1.0)
    assert panic[:, SIGNALS.index("arousal")].max() == pytest.approx(0.7)
    assert np.array_equal(panic[: n // 3], values[: n // 3])


def test_pauses_of_real_hearts_are_counted_by_rest_and_stress() -> None:
    stress = np.zeros(600)
    stress[300:] = 1.0
    hearts = [course(pauses_s=[100, 400, 500], person="heart-1")]
    told = controls.controls_of([], [], hearts, {"heart-1": stress})
    assert told.rest_pauses_per_hour.value == pytest.approx(12.0)
    assert told.stress_pauses_per_hour.value == pytest.approx(24.0)
    assert told.speaker_pauses == 0 and told.injected_median_s is None


def test_real_recordings_become_cases(test_data: Path) -> None:
    plain, panics = controls.speaker_cases(test_data)
    assert len(plain) == len(panics) == 21
    recording, truth = panics[-1]()
    assert len(truth.events) == 1 and recording.duration_ms == 370_000
    recording, _ = controls.heart_cases(test_data, 1)[0]()
    sent = [e.told.signals.heart_rate for e in recording.entries if isinstance(e.told, Sample) and e.told.signals]
    assert sum(rate is not None for rate in sent) > 0.9 * len(sent)


# all of it ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped(repository: Path) -> Path:
    version = json.loads((repository / "models" / "current.json").read_text(encoding="utf-8"))[NAME]
    folder: Path = repository / "models" / NAME / version
    return folder


@pytest.fixture(scope="module")
def evaluated(shipped: Path) -> Evaluated:
    plan = Plan(sessions=1, long_sessions=1, ablation_sessions=1, constant_sessions=0, processes=1)
    return Protocol(shipped, plan).run()


@pytest.mark.timeout(300)
def test_an_evaluation_has_every_part_and_survives_being_kept(evaluated: Evaluated) -> None:
    evaluation = evaluated.evaluation
    assert set(evaluation.cohorts) == {cohort.value for cohort in TEST_SETS}
    hours = {name: figures.hours_monitored for name, figures in evaluation.cohorts.items()}
    assert hours.pop("late") > 0.01 and min(hours.values()) > 0.1, hours
    assert len(evaluation.ablations) == 1 + len(SILENCED) and len(evaluation.rule) == 3
    assert msgspec.json.decode(msgspec.json.encode(evaluation), type=Evaluation) == evaluation


@pytest.mark.timeout(300)
def test_the_gates_read_what_an_evaluation_measures(evaluated: Evaluated) -> None:
    measured = metrics(evaluated.evaluation)
    assert len(results_of(evaluated.evaluation)) == len(GATES)
    for gate in GATES:
        place, name = gate.name.split(".")
        if place != "controls":
            assert name in measured[place], gate.name
    told = {"controls": msgspec.to_builtins(controls.controls_of([], [], [], {}))}
    for gate in GATES:
        if gate.name.startswith("controls."):
            assert gate.name.split(".")[1] in told["controls"]
    assert figure(told, "controls.speaker_pauses") == (0.0, None)


@pytest.mark.timeout(300)
def test_a_card_says_what_is_not_known(evaluated: Evaluated, shipped: Path) -> None:
    manifest = json.loads((shipped / "manifest.json").read_text(encoding="utf-8"))
    text = card(manifest, evaluated.evaluation, "python -m training evaluate")
    assert "Sensitivity with real clients is unknown" in text and "nan" not in text
    assert "Not measured in this run" in text


def run_training(*arguments: str) -> int:
    return main(arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nowhere"], "speakers/frames.csv"),
        (["--sessions", "1"], "--sessions"),
        (["--models", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_argument_is_told(arguments: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the report needs the extra `training`")
    assert run_training("evaluate", *arguments) == 2
    assert said in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize(
    ("plan", "sessions", "long"),
    [(Plan(), 200, 40), (Plan(), 300, 40), (Plan(), 50, 10), (QUICK, 24, 2), (QUICK, 2, 1)],
)
def test_a_smaller_test_has_fewer_long_sessions_too(plan: Plan, sessions: int, long: int) -> None:
    assert (plan.of(sessions).sessions, plan.of(sessions).long_sessions) == (sessions, long)


@pytest.mark.timeout(300)
def test_the_command_writes_card_metrics_and_report(shipped: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the report needs the extra `training`")
    folder = tmp_path / "models" / NAME / shipped.name
    folder.mkdir(parents=True)
    for file in shipped.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (tmp_path / "models" / "current.json").write_text(json.dumps({NAME: shipped.name}), encoding="utf-8")
    given = ["--models", str(tmp_path / "models"), "--report", str(tmp_path / "report"), "--sessions", "2", "--quick"]
    assert run_training("evaluate", *given, "--processes", "1") == 0
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["metrics"]["test"]["sessions"] == 2
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    pictures = [line[line.index("(") + 1 : -1] for line in text.splitlines() if line.startswith("![")]
    assert pictures and all((tmp_path / "report" / name).is_file() for name in pictures)
    assert str(tmp_path) not in text + (folder / "CARD.md").read_text(encoding="utf-8")
    assert len(cases_of(Draw(Cohort.IID, 1), 3)) == 3
