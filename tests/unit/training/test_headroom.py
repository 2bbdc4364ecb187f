"""What could be found at all: sessions as training has them, detectors that see no future, and what they come to."""

import sys
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from emdr_stream.evaluation.course import Course
from emdr_stream.simulation import Family
from emdr_stream.simulation.scenario import DISSOCIATION
from tests.unit.evaluation.courses import course, event
from training.__main__ import main
from training.config import TrainingConfig, load_config
from training.dataset import TRAINING, SessionTask, run_tasks
from training.headroom.command import seen
from training.headroom.followed import CENTRED_S, EDGES_AT, Followed, asked, asked_randomised, to_learn_from
from training.headroom.found import SHOWN, gain, outcome, shown
from training.network import compressed, uncompressed
from training.targets import targets_of

_SEED = 5


@pytest.fixture(scope="module")
def config() -> TrainingConfig:
    whole = load_config()
    cohort = replace(
        whole.cohort, training_sessions=6, wandering_share=0.0, duration_s=(200.0, 220.0), weights={Family.PANIC: 1.0}
    )
    return replace(whole, cohort=cohort, network=replace(whole.network, hidden=(8,), epochs=1))


@pytest.fixture(scope="module")
def sessions(config: TrainingConfig) -> list[Followed]:
    return run_tasks(to_learn_from(config.cohort, _SEED, 0.0), 1, lambda done: None)


def test_each_second_has_its_own_targets_and_the_features_the_service_gives(
    config: TrainingConfig, sessions: list[Followed]
) -> None:
    cohort = replace(config.cohort, row_every_ms=1_000, late_share=0.0)
    session, rows = SessionTask(cohort, _SEED, TRAINING, 2, 0.0).rows()
    one, targets = sessions[2], targets_of(session)
    second = one.times_ms // 1_000
    assert np.array_equal(one.times_ms, rows.times_ms) and len(second) > 100
    assert np.array_equal(one.crisis, targets.crisis[second].astype(np.float16))
    assert np.array_equal(one.state, targets.state[second])
    assert uncompressed(one.inputs.astype(np.float32)) == pytest.approx(np.clip(rows.features, -60, 60), rel=4e-3)
    assert one.person[EDGES_AT : EDGES_AT + 2] == pytest.approx([session.person.window_edge, session.person.low_edge])


def test_compressed_features_are_read_back() -> None:
    given = np.array([-60.0, -3.0, 0.0, 0.01, 1.0, 55.0], dtype=np.float32)
    assert uncompressed(compressed(given)) == pytest.approx(given, rel=1e-5)


def test_the_true_course_is_known_late_and_by_the_nearest_edge(sessions: list[Followed]) -> None:
    latents = np.zeros((20, 5), dtype=np.float16)
    latents[10:, DISSOCIATION] = 1.1
    near = replace(sessions[0], latents=latents).closeness(0.65, 0.42)
    assert near[: 10 + CENTRED_S] == pytest.approx(0.0) and near[10 + CENTRED_S :] == pytest.approx(2.0, rel=1e-3)


def test_who_is_asked_for_was_never_learned_from(config: TrainingConfig) -> None:
    """Other persons; in the second set every one is moved out of the distribution."""
    cohort = replace(config.cohort, duration_s=(200.0, 220.0))
    plain, moved = asked(cohort, 2)[0].session.rows()[0], asked_randomised(cohort, 2)[0].session.rows()[0]
    learned = to_learn_from(cohort, load_config().seed, 0.0)[0].session.rows()[0]
    assert len({each.person.person_id for each in (plain, moved, learned)}) == 3
    assert not plain.person.shifted and moved.person.shifted


def test_a_hidden_family_is_hidden_with_all_that_may_hold_it(sessions: list[Followed]) -> None:
    def of(family: str) -> Followed:
        return replace(sessions[0], truth=msgspec.structs.replace(sessions[0].truth, family=family))

    given = [of(family) for family in ("panic", "shutdown", "face_lost", "noisy_sensor", "wandering")]
    assert [one.truth.family for one in seen(given, "panic")] == ["shutdown", "wandering"]
    assert [one.truth.family for one in seen(given, "shutdown")] == ["panic", "face_lost", "wandering"]
    unheard = replace(given[0], times_ms=given[0].times_ms[:0])
    assert len(seen([*given, unheard], None)) == len(given)


def _said(of: Course, *spells: tuple[int, int, float]) -> Course:
    crisis = np.zeros(len(of.watched.crisis))
    for start, end, level in spells:
        crisis[start:end] = level
    return replace(of, watched=replace(of.watched, crisis=crisis))


def _persons(*spells: tuple[int, int, float], only: int = 40) -> list[Course]:
    """Forty persons with one event each, of whom the first `only` are said to be in it."""
    of = [
        course([event(200, 240)], person=str(n), groups={"expressivity": "high" if n % 2 else "low"}) for n in range(40)
    ]
    return [_said(one, *(spells if n < only else ())) for n, one in enumerate(of)]


def test_of_thresholds_that_find_as_many_the_soonest_is_taken() -> None:
    found = outcome("rises", _persons((200, 220, 0.3), (220, 240, 0.9)))
    assert found.found.value == 1.0 and found.events == 40
    assert (found.median_s, found.p95_s) == (3.0, 3.0)  # at 0.9 it would be 23 s
    assert found.by_group == {
        "expressivity low": (20, 20),
        "expressivity high": (20, 20),
        "family all": (40, 40),
        "shows 2-2.5": (40, 40),
    }


def test_what_shows_is_read_from_what_the_simulator_notes(sessions: list[Followed]) -> None:
    """Of any real note, so that the two cannot drift apart."""
    assert [shown(event(1, 20, note=f"frozen form; shows {size} momentary SD")) for size in (2.1, 2.5, 6.9, 31.0)] == [
        *SHOWN
    ]
    notes = [each.note for one in sessions for each in one.truth.events]
    sizes = [float(note.partition("shows ")[2].split()[0]) for note in notes]
    assert max(sizes) >= 2.5
    assert shown(event(1, 20, note=notes[int(np.argmax(sizes))])) != SHOWN[0]


def test_a_threshold_below_which_alarms_are_false_is_not_crossed() -> None:
    """Two false alarms in each ten minutes wait below 0.9."""
    found = outcome("noisy", _persons((20, 40, 0.3), (200, 220, 0.3), (220, 240, 0.9), (400, 420, 0.3)))
    assert found.found.value == 1.0 and found.median_s == 23.0


def test_the_gain_is_of_the_same_events_and_as_sure_as_the_persons_are_many() -> None:
    less, more = (outcome("", _persons((200, 240, 0.9), only=only)) for only in (20, 30))
    better = gain(less, more)
    assert better.value == pytest.approx(0.25)
    assert better.low is not None and better.high is not None and 0.1 < better.low < 0.25 < better.high < 0.45
    same = gain(more, more)
    assert (same.low, same.value, same.high) == (0.0, 0.0, 0.0)


def test_without_an_event_there_is_nothing_to_find() -> None:
    with pytest.raises(ValueError, match="no event"):
        outcome("", [course()])


def test_a_number_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["headroom", "--asked", "0"]) == 2
    assert "at least 1" in capsys.readouterr().out


def test_without_torch_it_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "training.headroom.learned", raising=False)
    assert main(["headroom", "--sessions", "1"]) == 2
    assert "pip install torch" in capsys.readouterr().out


@pytest.mark.timeout(120)
@pytest.mark.parametrize("memory", [False, True])
def test_a_detector_sees_no_future_and_only_a_memory_the_past(
    config: TrainingConfig, sessions: list[Followed], memory: bool
) -> None:
    pytest.importorskip("torch", reason="torch is in no lock file: pip install torch")
    from training.headroom.learned import Kind, learn

    def learned(person: bool) -> np.ndarray:
        return learn(sessions, Kind(memory, person), config.network, 3, lambda done: None).crisis(sessions[0])

    detector = learn(sessions, Kind(memory, person=False), config.network, 3, lambda done: None)
    one = sessions[0]
    changed = one.inputs.copy()
    changed[60:64] = 5.0
    before, after = detector.crisis(one), detector.crisis(replace(one, inputs=changed))
    assert before == pytest.approx(learned(person=False)) and before != pytest.approx(learned(person=True))
    assert np.array_equal(before[:60], after[:60]) and not np.allclose(before[60:64], after[60:64])
    assert np.allclose(before[64:], after[64:], atol=1e-7) is not memory


@pytest.mark.timeout(120)
def test_what_is_told_of_a_person_is_learned_from(config: TrainingConfig, sessions: list[Followed]) -> None:
    """Persons alike but for one number that tells who has a crisis: only who is told can know."""
    pytest.importorskip("torch", reason="torch is in no lock file: pip install torch")
    from training.headroom.learned import Kind, learn

    def alike(ill: bool) -> Followed:
        one, n = sessions[0], len(sessions[0].times_ms)
        person = np.where(np.arange(len(one.person)) == EDGES_AT, float(ill), one.person).astype(np.float32)
        weight = np.ones(n, dtype=np.float16)
        return replace(
            one,
            person=person,
            crisis=weight * np.float16(ill),
            safety_weight=weight,
            soft_risk=weight.astype(np.float32) * ill,
        )

    some = [alike(bool(n % 2)) for n in range(32)]
    network = replace(config.network, epochs=40, hidden=(16,), learning_rate=0.02, weight_decay=0.0)
    told, untold = (learn(some, Kind(False, person), network, 3, lambda done: None) for person in (True, False))
    apart = [float(each.crisis(some[1]).mean() - each.crisis(some[0]).mean()) for each in (told, untold)]
    assert apart[0] > 0.1 and apart[1] == pytest.approx(0.0)
